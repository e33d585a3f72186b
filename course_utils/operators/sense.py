"""How much noise coils amplify when they stand in for lines: the g-factor of regular undersampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_finite

__all__ = ["g_factor"]

LEAST = 1e-6  # smallest over largest singular value of a pixel's system that counts as solvable


def g_factor(maps: Tensor, every: int, images: str = "complex") -> Tensor:
    r"""What R-fold undersampling costs in noise, pixel by pixel, beyond the shorter time: the g-factor.

    With every R-th column R pixels of a row, a distance W / R apart, lie over each other, and coil c sees
    :math:`\sum_j s_c(p_j)x(p_j)`.  With the (coils x R) matrix S of their sensitivities

    .. math:: g_j = \sqrt{[(S^*S)^{-1}]_{jj}\,[S^*S]_{jj}} \ge 1.

    Against a full k-space the standard deviation grows by :math:`g\sqrt R`: the root is that of the shorter time.  g is
    infinite where the pixels cannot be told apart, with fewer coils than R always.  For images that are known to be
    real, :math:`\mathrm{Re}\,S^*S` takes the place of :math:`S^*S`: twice as many equations for as many unknowns.

    Parameters
    ----------
    maps : (coils, H, W) complex tensor
        Sensitivities; pixels that no coil sees are left out.
    every : int
        R, a divisor of W.
    images : "complex" or "real"

    Returns
    -------
    (H, W) float64 tensor
        g of each pixel, infinite where it cannot be found, NaN where no coil sees anything.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Pruessmann et al., Magnetic Resonance in Medicine 42 (1999): the geometry factor.

    Example
    -------
    >>> from course_utils.operators import simulate_coil_maps
    >>> maps = simulate_coil_maps(32, 4)
    >>> g = g_factor(maps, 2)
    >>> bool((g >= 1).all()), bool(g_factor(maps[:1], 2).isinf().all())
    (True, True)
    """
    if not isinstance(maps, Tensor) or not maps.is_complex():
        raise TypeError(f"'maps' must be a complex tensor, got {getattr(maps, 'dtype', type(maps).__name__)}")
    if maps.ndim != 3 or not maps.numel():
        raise ValueError(f"'maps' must have shape (coils, H, W), got {tuple(maps.shape)}")
    check_finite("maps", torch.view_as_real(maps))
    check_choice("images", images, ("complex", "real"))
    R, (coils, H, W) = check_count("every", every), maps.shape
    if W % R:
        raise ValueError(f"'every' must be a divisor of {W}, the number of columns, got {R}")
    # (H, W/R, coils, R): pixels j W/R columns apart share a system
    S = maps.detach().to(torch.complex128).reshape(coils, H, R, W // R).permute(1, 3, 0, 2)
    if images == "real":
        S = torch.cat([S.real, S.imag], dim=2)
    seen = S.abs().square().sum(2) > (1e-6 * S.abs().max()) ** 2
    # a pixel that no coil sees gets an equation of its own, so that it does not disturb the others
    gram = S.mH @ S + torch.diag_embed((~seen).to(S.dtype))
    values, vectors = torch.linalg.eigh(gram)
    solvable = values[..., 0] > LEAST**2 * values[..., -1]
    inverse = (vectors.abs().square() / values.clamp(min=1e-300)[..., None, :]).sum(-1)
    g = (inverse * gram.diagonal(dim1=-2, dim2=-1).real).sqrt().clamp(min=1.0)
    g = torch.where(solvable[..., None], g, math.inf)
    g = torch.where(seen, g, math.nan)  # (H, W/R, R)
    return g.permute(0, 2, 1).reshape(H, W)
