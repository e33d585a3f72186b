"""Regularisers written by hand: Tikhonov, total variation, and the 1-norm.

Each is called like the formula, ``R(x)``, and gives ``R.prox(x, tau)`` = argmin_v R(v) + ||v - x||^2 / (2 tau);
``lam`` only enters the problem that ``reconstruct`` solves, ||A x - y||^2 + lam R(x).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_nonnegative, check_tensor

__all__ = ["L1", "TV", "Tikhonov", "divergence", "gradient"]


def gradient(x: Tensor) -> Tensor:
    """Forward differences, 0 across the lower and right border: (B, 1, H, W) -> (B, 2, H, W)."""
    d = torch.zeros(len(x), 2, *x.shape[2:], dtype=x.dtype, device=x.device)
    d[:, 0, :-1] = x[:, 0, 1:] - x[:, 0, :-1]
    d[:, 1, :, :-1] = x[:, 0, :, 1:] - x[:, 0, :, :-1]
    return d


def divergence(q: Tensor) -> Tensor:
    """Minus the adjoint of ``gradient``: (B, 2, H, W) -> (B, 1, H, W)."""
    v = torch.zeros(len(q), 1, *q.shape[2:], dtype=q.dtype, device=q.device)
    v[:, 0, :-1] += q[:, 0, :-1]
    v[:, 0, 1:] -= q[:, 0, :-1]
    v[:, 0, :, :-1] += q[:, 1, :, :-1]
    v[:, 0, :, 1:] -= q[:, 1, :, :-1]
    return v


class _Weighted:
    """A regulariser with its weight ``lam`` >= 0: a number, or a (B,) tensor with one weight per problem."""

    def __init__(self, lam: float | Tensor) -> None:
        check_nonnegative("lam", lam)
        self.lam = lam

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lam={self.lam})"


def _check_prox(x: Tensor, tau: float) -> None:
    check_tensor("x", x)
    check_nonnegative("tau", tau)


class Tikhonov(_Weighted):
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

    def __call__(self, x: Tensor) -> Tensor:
        return x.flatten(1).pow(2).sum(1)

    def grad(self, x: Tensor) -> Tensor:
        return 2 * x

    def prox(self, x: Tensor, tau: float) -> Tensor:
        _check_prox(x, tau)
        return x / (1 + 2 * tau)


class L1(_Weighted):
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
        if bounds is not None and not bounds[0] <= bounds[1]:
            raise ValueError(f"'bounds' must be (low, high) with low <= high, got {bounds}")
        self.bounds = bounds

    def __call__(self, x: Tensor) -> Tensor:
        norm = x.flatten(1).abs().sum(1)
        if self.bounds is None:
            return norm
        inside = ((x >= self.bounds[0]) & (x <= self.bounds[1])).flatten(1).all(1)
        return torch.where(inside, norm, torch.inf)

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        """Soft thresholding, then (of one variable each, and convex) the nearest point within the bounds."""
        check_tensor("x", x)
        check_nonnegative("tau", tau)
        shrunk = x - x.clamp(-tau, tau) if not isinstance(tau, Tensor) else x - torch.clamp(x, -tau, tau)
        return shrunk if self.bounds is None else shrunk.clamp(*self.bounds)


class TV(_Weighted):
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

    def prox(self, x: Tensor, tau: float, tol: float = 1e-6, max_iter: int = 5_000) -> Tensor:
        """Denoising: argmin_v TV(v) + ||v - x||^2 / (2 tau), by the fast gradient projection method.

        Stops when the duality gap of every image is at most ``tol`` times its primal value.

        Source
        ------
        Beck and Teboulle, IEEE Trans. Image Process. 18 (2009).
        """
        _check_prox(x, tau)
        if tau == 0:
            return x.clone()
        q = r = torch.zeros_like(gradient(x))
        t = 1.0
        for k in range(max_iter):
            step = r + gradient(x + tau * divergence(r)) / (8 * tau)
            new = step / step.pow(2).sum(1, keepdim=True).sqrt().clamp_min(1)
            t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
            q, r, t = new, new + (t - 1) / t_new * (new - q), t_new
            if k % 10 == 9:
                v = x + tau * divergence(q)
                misfit = (v - x).pow(2).flatten(1).sum(1) / (2 * tau)
                # gap = TV(v) - <v, -div q>; both are exact at the solution
                gap = self(v) + (v * divergence(q)).flatten(1).sum(1)
                if bool((gap <= tol * (self(v) + misfit).clamp_min(1e-30)).all()):
                    break
        return x + tau * divergence(q)
