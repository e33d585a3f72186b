"""One Gaussian fitted to images, mean and stencil, in closed form: what the stencil knows without a generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..._check import check_positive, check_tensor
from ...generators import LocalPrecision
from ...generators.precision import later_neighbours
from ...operators import LinearOperator
from ...regularisers.covariance import XBlock
from ...solvers import conjugate_gradients

__all__ = ["fit_gaussian", "given_gaussian"]

STEPS, TOL = 1000, 1e-4  # of conjugate gradients
AT_ONCE = 64  # images: the regressions need five times their memory


def fit_gaussian(images: Tensor, floor: float = 0.01, width: int = 3) -> tuple[Tensor, LocalPrecision]:
    """The Gaussian N(m, Sigma) with a local Cholesky factor of the precision that is most likely for the images.

    Given all later pixels, pixel j has mean -sum_o a_o(j) v_{j+o} and variance 1 / d_j^2.  So the likelihood is a
    product over pixels, and the most likely a and d are those of a least-squares regression of each pixel on its later
    neighbours.  ``floor`` squared is added to the variances of the neighbours and of what is left, as if images had so
    much white noise: in the air nothing varies.

    Parameters
    ----------
    images : (N, 1, H, W) tensor
    floor : float
        A standard deviation.
    width : int
        Of the stencil, odd.

    Returns
    -------
    m, field
        (1, 1, H, W) tensor, and the one Gaussian of the deviations from it.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> white = torch.randn(4000, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> m, field = fit_gaussian(white)
    >>> bool(field.coefficients.abs().max() < 0.1), bool(field.log_diagonal.abs().max() < 0.05)
    (True, True)
    """
    check_tensor("images", images, (None, 1, None, None))
    check_positive("floor", floor)
    neighbours, p, (H, W) = later_neighbours(width), width // 2, images.shape[2:]
    m = images.mean(0, keepdim=True)
    gram = torch.zeros(H, W, len(neighbours), len(neighbours), dtype=torch.float64, device=m.device)
    cross, variance = torch.zeros_like(gram[..., 0]), torch.zeros_like(gram[..., 0, 0])
    for part in images.split(AT_ONCE):
        v = (part - m).double()[:, 0]
        padded = functional.pad(v, (p, p, 0, p))
        later = torch.stack([padded[:, r : r + H, p + c : p + c + W] for r, c in neighbours], -1)
        gram += torch.einsum("nhwi,nhwj->hwij", later, later) / len(images)
        cross += torch.einsum("nhwi,nhw->hwi", later, v) / len(images)
        variance += v.square().sum(0) / len(images)
    gram += floor**2 * torch.eye(len(neighbours)).to(gram)
    a = -torch.linalg.solve(gram, cross)
    left = variance + floor**2 + (a * cross).sum(-1)  # at the minimum; floor^2 keeps it positive
    return m, LocalPrecision((-0.5 * left.log()).to(images)[None, None], a.permute(2, 0, 1).to(images)[None])


def given_gaussian(A: LinearOperator, y: Tensor, m: Tensor, field: LocalPrecision, lam: float) -> Tensor:
    """The x of least ||A x - y||^2 + lam / 2 ||x - m||^2 in the norm of Sigma^-1, for each of the data.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    m, field
        As ``fit_gaussian`` gives them.
    lam : float
        2 sigma^2 makes x the conditional mean given y.

    Returns
    -------
    (B, *A.shape_in) tensor
    """
    check_positive("lam", lam)
    B = len(y)
    g = m.expand(B, *m.shape[1:])
    each = LocalPrecision(
        field.log_diagonal.expand(B, -1, -1, -1), field.coefficients.expand(B, *field.coefficients.shape[1:])
    )
    block = XBlock(A, y, g, each, y.new_full((B,), lam / 2), level=y.new_ones(()))
    return conjugate_gradients(block, g, max_iter=STEPS, tol=TOL)[0]["v"]
