r"""Invariant functionals and their proximal operators: the theorem in numbers, and a TV that is invariant on the grid.

If J(g x) = J(x) for all x, and g keeps norms, then :math:`\mathrm{prox}_J(g\cdot x) = g\cdot\mathrm{prox}_J(x)`.  The
total variation of a function is invariant, its discretisation by forward differences is not: it looks to the right and
down, and only exchanging rows and columns leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._check import check_kind
from ..regularisers import Composite, Regulariser, divergence, gradient
from .measures import equivariance_error

__all__ = ["SymmetricTV", "prox_error"]


def prox_error(
    R: Regulariser, x: Tensor, tau: float, act: Callable, within: Tensor | None = None, **settings
) -> Tensor:
    r""":math:`\|\mathrm{prox}(g\cdot x) - g\cdot\mathrm{prox}(x)\| / \|\mathrm{prox}(x)\|` of each image.

    Parameters
    ----------
    R : Regulariser
        With a proximal operator.
    x : (B, 1, H, W) tensor
    tau : float
        As in ``R.prox``.
    act : callable
        The action, of images.
    within : (H, W) bool tensor, optional
        Only these pixels count.
    **settings
        Of ``R.prox``: ``tol`` and ``max_iter`` where it is an iteration.

    Returns
    -------
    (B,) tensor

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Celledoni et al., Inverse Problems 37 (2021); lectures, part II.1: "Invariant functional implies equivariant prox".

    Example
    -------
    >>> from course_utils import TV, L1
    >>> x = torch.rand(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> quarter = lambda x: torch.rot90(x, 1, (2, 3))
    >>> [bool(prox_error(R, x, 0.1, quarter) < 1e-12) for R in (L1(1.0), TV(1.0, isotropic=False), TV(1.0))]
    [True, True, False]
    """
    check_kind("R", R, Regulariser)
    if not R.proximable:
        raise TypeError(f"'R' must have a proximal operator, got {type(R).__name__}")
    return equivariance_error(lambda v: R.prox(v, tau, **settings), x, act, within=within)


class SymmetricTV(Composite):
    r"""Total variation from the four corners of each pixel: exactly invariant under quarter turns and mirrorings.

    .. math:: R(x) = \frac14\sum_i\sum_{\pm,\pm}\sqrt{(\partial_1^\pm x)_i^2 + (\partial_2^\pm x)_i^2},

    with :math:`\partial^+` forward and :math:`\partial^-` backward differences, 0 across the border: the mean of TV
    over the four mirrored images.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Source
    ------
    An average over a group makes any functional invariant; lectures, part II.1.

    Example
    -------
    >>> from course_utils import TV
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., 3, 3] = x[..., 4, 4] = 1
    >>> turned = torch.rot90(x, 1, (2, 3))
    >>> torch.cat([R(v) for R in (TV(1.0), SymmetricTV(1.0)) for v in (x, turned)])
    tensor([6.8284, 6.2426, 6.5355, 6.5355])
    """

    norm_squared = 8.0

    def K(self, v: Tensor) -> Tensor:
        return torch.cat([gradient(v.flip(axes)) for axes in CORNERS], 1) / 2  # (B, 8, H, W), in four pairs

    def KT(self, q: Tensor) -> Tensor:
        return sum(-divergence(p).flip(axes) for p, axes in zip(q.split(2, 1), CORNERS, strict=True)) / 2

    def size(self, k: Tensor) -> Tensor:
        return k.unflatten(1, (4, 2)).pow(2).sum(2).sqrt().flatten(1).sum(1) / 2

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        pairs = q.unflatten(1, (4, 2))
        length, radius = pairs.pow(2).sum(2, keepdim=True).sqrt(), lam[:, None] / 2
        return (pairs * torch.where(length > radius, radius / length, torch.ones_like(length))).flatten(1, 2)


#: Axes along which the image is mirrored: the four corners from which differences can be taken.
CORNERS = ((), (-2,), (-1,), (-2, -1))
