"""Regularisers written by hand: Tikhonov, total variation, and the 1-norm.

Each is called like the formula, ``R(x)``, and gives ``R.prox(x, tau)`` = argmin_v R(v) + ||v - x||^2 / (2 tau);
``lam`` only enters the problem that ``reconstruct`` solves, ||A x - y||^2 + lam R(x).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_entries, check_nonnegative, check_numbers, check_tensor, trusting
from ..operators import LinearOperator
from .base import Regulariser, check_batch, check_linear, check_prox
from .fidelity import Fidelity
from .objective import SQUARED, ImageObjective, Objective, QuadraticObjective, spread

__all__ = ["L1", "TV", "TVObjective", "Tikhonov", "TikhonovObjective", "divergence", "gradient", "tv_prox"]


def gradient(x: Tensor) -> Tensor:
    """Forward differences, 0 across the lower and right border: (B, 1, H, W) -> (B, 2, H, W)."""
    check_tensor("x", x, (None, 1, None, None))
    check_entries("x", x)
    d = torch.zeros(len(x), 2, *x.shape[2:], dtype=x.dtype, device=x.device)
    d[:, 0, :-1] = x[:, 0, 1:] - x[:, 0, :-1]
    d[:, 1, :, :-1] = x[:, 0, :, 1:] - x[:, 0, :, :-1]
    return d


def divergence(q: Tensor) -> Tensor:
    """Minus the adjoint of ``gradient``: (B, 2, H, W) -> (B, 1, H, W)."""
    check_tensor("q", q, (None, 2, None, None))
    check_entries("q", q)
    v = torch.zeros(len(q), 1, *q.shape[2:], dtype=q.dtype, device=q.device)
    v[:, 0, :-1] += q[:, 0, :-1]
    v[:, 0, 1:] -= q[:, 0, :-1]
    v[:, 0, :, :-1] += q[:, 1, :, :-1]
    v[:, 0, :, 1:] -= q[:, 1, :, :-1]
    return v


class TikhonovObjective(ImageObjective, QuadraticObjective):
    """||A x - y||^2 + lam ||x||^2 in x."""

    def normal(self, x: Tensor) -> Tensor:
        return self.A.T(self.A(x)) + spread(self.lam, x) * x

    def right(self) -> Tensor:
        return self.A.T(self.y)


class Tikhonov(Regulariser):
    r"""Tikhonov regularisation, :math:`R(x) = \|x\|_2^2`.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 1 and 5 (its reference [88]).

    Example
    -------
    >>> R = Tikhonov(0.1)
    >>> R(torch.ones(1, 1, 2, 2)), R.prox(torch.ones(1, 1, 1, 1), tau=0.5)
    (tensor([4.]), tensor([[[[0.5000]]]]))
    """

    smooth = True

    def __call__(self, x: Tensor) -> Tensor:
        check_batch(x)
        return x.flatten(1).pow(2).sum(1)

    def grad(self, x: Tensor) -> Tensor:
        check_batch(x)
        return 2 * x

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        return x / (1 + 2 * check_prox(x, tau))

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        return TikhonovObjective(A, y, self, fidelity) if fidelity.squared else ImageObjective(A, y, self, fidelity)


class L1(Regulariser):
    r"""The 1-norm, :math:`R(x) = \|x\|_1`; its prox is soft thresholding.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden: R is infinite there.

    Source
    ------
    Tibshirani, J. R. Stat. Soc. B 58 (1996): with a data term, the Lasso.

    Example
    -------
    >>> x = torch.tensor([[3.0, -0.5, -2.0]])
    >>> L1(1.0).prox(x, tau=1.0), L1(1.0, bounds=(0, 1)).prox(x, tau=1.0)
    (tensor([[ 2., 0., -1.]]), tensor([[1., 0., 0.]]))
    """

    def __init__(self, lam: float | Tensor, bounds: tuple[float, float] | None = None) -> None:
        super().__init__(lam)
        if bounds is not None:
            bounds = tuple(check_numbers("bounds", bounds, least=2))
            if len(bounds) != 2 or not bounds[0] <= bounds[1]:
                raise ValueError(f"'bounds' must be (low, high) with low <= high, got {bounds}")
        self.bounds = bounds

    def __call__(self, x: Tensor) -> Tensor:
        check_batch(x)
        norm = x.flatten(1).abs().sum(1)
        if self.bounds is None:
            return norm
        inside = ((x >= self.bounds[0]) & (x <= self.bounds[1])).flatten(1).all(1)
        return torch.where(inside, norm, torch.inf)

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        """Soft thresholding, then (of one variable each, and convex) the nearest point within the bounds."""
        tau = check_prox(x, tau)
        shrunk = x - x.clamp(-tau, tau) if not isinstance(tau, Tensor) else x - torch.clamp(x, -tau, tau)
        return shrunk if self.bounds is None else shrunk.clamp(*self.bounds)


class TVObjective(ImageObjective):
    """||A x - y||^2 + lam TV(x) in x, or another data term."""


class TV(Regulariser):
    r"""Isotropic total variation, :math:`R(x) = \sum_i \sqrt{(\partial_1 x)_i^2 + (\partial_2 x)_i^2}`.

    Forward differences, no difference across the border.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0

    Source
    ------
    Rudin, Osher, Fatemi, Physica D 60 (1992), the paper's reference [4]; lectures, part I.1, option 2.

    Example
    -------
    A 3x3 square of height 1 in a corner has an edge of 6 pixels, seen as two straight sides and one corner pixel:

    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., :3, :3] = 1
    >>> TV(0.1)(x)
    tensor([5.4142])
    """

    def __call__(self, x: Tensor) -> Tensor:
        return gradient(x).pow(2).sum(1).sqrt().flatten(1).sum(1)

    def prox(self, x: Tensor, tau: float | Tensor, tol: float = 1e-6, max_iter: int = 5_000) -> Tensor:
        """Denoising: argmin_v TV(v) + ||v - x||^2 / (2 tau), one ``tau`` for all images or one each; ``tv_prox``."""
        tau = check_prox(x, tau)
        tau = (
            tau.flatten()
            if isinstance(tau, Tensor)
            else torch.full((len(x),), float(tau), dtype=x.dtype, device=x.device)
        )
        return tv_prox(x, tau, tol=tol, max_iter=max_iter)[0]

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        return TVObjective(A, y, self, fidelity)


CHECK_EVERY = 10


@torch.no_grad()
def tv_prox(
    x: Tensor, tau: Tensor, dual: Tensor | None = None, tol: float = 1e-6, max_iter: int = 5_000
) -> tuple[Tensor, Tensor]:
    r"""argmin_v TV(v) + ||v - x||^2 / (2 tau) of each image, by the fast gradient projection method.

    The dual problem has one vector q of length at most 1 in each pixel, and :math:`v = x + \tau\,\mathrm{div}\,q`.
    An image is finished when its duality gap, which bounds how far v is from the minimum, is at most ``tol`` times
    its primal value; it is looked at before the first iteration and then every ten.

    Parameters
    ----------
    x : (B, 1, H, W) tensor
    tau : (B,) tensor, >= 0
    dual : (B, 2, H, W) tensor, optional
        Where to start: the dual solution of a similar problem.  Default: 0.
    tol : float
    max_iter : int

    Returns
    -------
    v : (B, 1, H, W) tensor
    dual : (B, 2, H, W) tensor

    Source
    ------
    Beck and Teboulle, IEEE Trans. Image Process. 18 (2009).

    Example
    -------
    Two pixels at distance 2 move towards each other by tau, until they meet:

    >>> x = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)
    >>> tv_prox(x, torch.tensor([0.5]))[0].flatten()
    tensor([0.5000, 1.5000])
    """
    check_tensor("x", x, (None, 1, None, None))
    check_tensor("tau", tau, (len(x),), like=x)
    if dual is not None:
        check_tensor("dual", dual, (len(x), 2, *x.shape[2:]), like=x)
    tol, max_iter = check_nonnegative("tol", tol), check_count("max_iter", max_iter, minimum=0)
    for name, value in (("x", x), ("tau", tau), ("dual", dual)):
        if value is not None:
            check_entries(name, value)
    with trusting():
        return _fast_gradient_projection(x, tau, dual, tol, max_iter)


def _fast_gradient_projection(
    x: Tensor, tau: Tensor, dual: Tensor | None, tol: float, max_iter: int
) -> tuple[Tensor, Tensor]:
    """The loop of ``tv_prox``."""
    v_out, q_out = x.clone(), torch.zeros_like(gradient(x)) if dual is None else dual.clone()
    index = (tau > 0).nonzero().squeeze(1)
    x, tau = x[index], tau[index, None, None, None]
    q = r = q_out[index]
    t, tv = 1.0, TV(0.0)
    for k in range(max_iter + 1):
        if k % CHECK_EVERY == 0 or k == max_iter:
            v = x + tau * divergence(q)
            edges = tv(v)
            misfit = (v - x).pow(2).flatten(1).sum(1) / (2 * tau.flatten())
            # TV(v) - <v, -div q>: exactly 0 at the solution
            gap = edges + (v * divergence(q)).flatten(1).sum(1)
            done = gap <= tol * (edges + misfit)
            if k == max_iter:
                done = torch.ones_like(done)
            v_out[index[done]], q_out[index[done]] = v[done], q[done]
            rest = ~done
            index, x, tau, q, r = index[rest], x[rest], tau[rest], q[rest], r[rest]
            if not len(index):
                break
        step = r + gradient(x + tau * divergence(r)) / (8 * tau)
        new = step / step.pow(2).sum(1, keepdim=True).sqrt().clamp_min(1)
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        q, r, t = new, new + (t - 1) / t_new * (new - q), t_new
    return v_out, q_out
