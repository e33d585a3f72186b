"""Total variation, isotropic and anisotropic, and the denoising problem that is its proximal operator."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_entries, check_flag, check_nonnegative, check_tensor, trusting
from ..operators import LinearOperator
from .base import check_linear, check_prox
from .composite import Composite, CompositeObjective, Scratch
from .differences import add_pulled, differences, divergence, gradient, shorten, shortened
from .fidelity import Fidelity
from .objective import SQUARED, Objective

__all__ = ["TV", "TVObjective", "tv_prox"]


class TVObjective(CompositeObjective):
    """||A x - y||^2 + lam TV(x) in x, or another data term."""


class TV(Composite):
    r"""Total variation, :math:`R(x) = \sum_i \sqrt{(\partial_1 x)_i^2 + (\partial_2 x)_i^2}`.

    Forward differences, no difference across the border.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.
    isotropic : bool
        If False, the sum of :math:`|\partial_1 x|_i + |\partial_2 x|_i`, which prefers edges along the axes.

    Source
    ------
    Rudin, Osher, Fatemi, Physica D 60 (1992), the paper's reference [4]; lectures, part I.1, option 2.

    Example
    -------
    A 3x3 square of height 1 in a corner has an edge of 6 pixels, seen as two straight sides and one corner pixel:

    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., :3, :3] = 1
    >>> TV(0.1)(x), TV(0.1, isotropic=False)(x)
    (tensor([5.4142]), tensor([6.]))
    """

    norm_squared = 8.0

    def __init__(self, lam: float | Tensor, bounds: tuple[float, float] | None = None, isotropic: bool = True) -> None:
        super().__init__(lam, bounds)
        self.isotropic = check_flag("isotropic", isotropic)

    def K(self, v: Tensor) -> Tensor:
        return gradient(v)

    def KT(self, q: Tensor) -> Tensor:
        return -divergence(q)

    def size(self, k: Tensor) -> Tensor:
        lengths = k.pow(2).sum(1).sqrt() if self.isotropic else k.abs().sum(1)
        return lengths.flatten(1).sum(1)

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        if not self.isotropic:
            return q.clamp(-lam, lam)
        return shortened(q, lam)

    def pull(self, q: Tensor, out: Tensor) -> Tensor:
        add_pulled(q, out[:, 0].zero_())
        return out

    def climb(self, q: Tensor, v: Tensor, lam: Tensor, sigma: Tensor, relaxation: float, scratch: Scratch) -> None:
        short = torch.mul(v, sigma, out=scratch("short", v))
        new = differences(short[:, 0], scratch("new", q)).add_(q)
        if self.isotropic:
            shorten(new, lam, short)
        else:
            torch.clamp(new, -lam, lam, out=new)
        q.mul_(1 - relaxation).add_(new, alpha=relaxation)

    def prox(self, x: Tensor, tau: float | Tensor, tol: float = 1e-6, max_iter: int = 5_000) -> Tensor:
        """Denoising: argmin_v TV(v) + ||v - x||^2 / (2 tau), one ``tau`` for all images or one each.

        By ``tv_prox`` for the isotropic one without bounds, else as for every regulariser of this form.
        """
        if self.bounds is not None or not self.isotropic:  # its rule bounds a change, not a gap: it has to be stricter
            return super().prox(x, tau, tol=tol**1.5, max_iter=4 * max_iter)
        tau = torch.as_tensor(check_prox(x, tau)).to(x).flatten().expand(len(x))
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
