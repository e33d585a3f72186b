"""Solvers of the lower level that stop by a certificate: what they promise of the error is a theorem, not a hope."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_nonnegative, check_positive
from .lower import LowerLevel, check_lower

__all__ = ["LowerSolution", "solve_lower"]

#: Pairs of steps and changes of the gradient that L-BFGS remembers.
MEMORY = 10
#: What a step of L-BFGS has to gain, as a share of what the slope promises.
ARMIJO = 1e-4


@dataclass(frozen=True)
class LowerSolution:
    """What a solver of the lower level found for B examples.

    Attributes
    ----------
    x : (B, ...) tensor
    accuracy : (B,) tensor
        ||gradient||^2 / mu^2, which ||x - x_hat||^2 cannot exceed.
    iterations : (B,) int64 tensor
        Gradients that were computed for each example, the one of the certificate among them: the unit of cost.
    reached : (B,) bool tensor
        Whether the accuracy is the one asked for.  It is a promise: true only if the certificate holds.
    """

    x: Tensor
    accuracy: Tensor
    iterations: Tensor
    reached: Tensor

    @property
    def error(self) -> Tensor:
        """The bound on ||x - x_hat||, (B,)."""
        return self.accuracy.sqrt()

    @property
    def cost(self) -> int:
        """Gradients of all examples together."""
        return int(self.iterations.sum())


@torch.no_grad()
def solve_lower(
    lower: LowerLevel,
    theta: Tensor,
    tol: float = 1e-8,
    method: str = "fista",
    x0: Tensor | None = None,
    max_iter: int = 100_000,
    step: float | None = None,
) -> LowerSolution:
    r"""Solve all problems of the lower level, each until :math:`\|\nabla_x\Phi\|^2/\mu^2\le` ``tol``.

    Strong convexity makes this a certificate: :math:`\mu\|x-\hat x\|\le\|\nabla_x\Phi(x,\theta)\|`.  Examples that have
    reached it leave the batch.

    Parameters
    ----------
    lower : LowerLevel
    theta : (P,) tensor
    tol : float >= 0
        0 runs ``max_iter`` iterations, whatever they are good for.
    method : {"fista", "gd", "lbfgs"}
        Accelerated gradient descent for strongly convex functions, gradient descent with step 2 / (L + mu), or L-BFGS.
    x0 : (B, ...) tensor, optional
        Default: zero.
    max_iter : int
        Gradients at most for each example.
    step : float, optional
        Of gradient descent, below 2 / L, beyond which it diverges.

    Returns
    -------
    LowerSolution

    Raises
    ------
    TypeError, ValueError
        Wrong shapes, a problem that is not strongly convex at theta, a step beyond stability, a gradient that is not
        finite.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 3.1; FISTA: Chambolle and Pock, Acta Numerica 25
    (2016), Algorithm 5.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> lower = SmoothTV(box_signals(2, torch.Generator().manual_seed(0), 32), nu=1e-2, xi=1e-3)
    >>> theta = torch.tensor([-1.0], dtype=torch.float64)
    >>> found = solve_lower(lower, theta, tol=1e-8)
    >>> exact = solve_lower(lower, theta, tol=1e-20, method="lbfgs")
    >>> bool(found.reached.all()), bool(((found.x - exact.x).norm(dim=1) <= found.error + 1e-10).all())
    (True, True)
    """
    check_lower("lower", lower)
    lower.check_theta(theta)
    tol = check_nonnegative("tol", tol)
    kind = METHODS[check_choice("method", method, METHODS)]
    max_iter = check_count("max_iter", max_iter)
    mu, L = lower.constants(theta)
    x = lower.start() if x0 is None else lower.check_x("x0", x0)
    if step is not None:
        step = check_positive("step", step)
        if kind is not _GradientDescent:
            raise ValueError(f"'step' is of method 'gd' alone, got method {method!r}")
        if step >= 2 / L:
            raise ValueError(f"'step' must be below 2 / L = {2 / L:g}, beyond which gradient descent diverges")

    rows = torch.arange(len(x), device=x.device)
    found = torch.empty_like(x)
    accuracy = torch.empty(len(x), dtype=x.dtype, device=x.device)
    iterations = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    state = kind(lower, theta.detach(), x.detach(), mu, L, step)
    for k in range(1, max_iter + 1):
        now = state.g.flatten(1).square().sum(1) / mu**2
        done = now <= tol
        if k == max_iter:
            done = torch.ones_like(done)
        if bool(done.any()):
            if not bool(torch.isfinite(now).all()):
                raise ValueError("'lower' has a gradient that is not finite, got one at 'theta': is its L too small?")
            found[rows[done]], accuracy[rows[done]], iterations[rows[done]] = (
                state.x[done],
                now[done],
                state.count[done],
            )
            rows = rows[~done]
            if not len(rows):
                break
            state.keep(~done)
        elif k % 100 == 0 and not bool(torch.isfinite(now).all()):
            raise ValueError("'lower' has a gradient that is not finite, got one at 'theta': is its L too small?")
        state.advance()
    return LowerSolution(found, accuracy, iterations, accuracy <= tol)


class _GradientDescent:
    """The iterate x, its gradient g, and how many were computed; every tensor in ``rows`` has the axis of examples."""

    rows = ("x", "g", "count")

    def __init__(self, lower: LowerLevel, theta: Tensor, x: Tensor, mu: float, L: float, step: float | None) -> None:
        self.lower, self.theta, self.mu, self.L, self.step = lower, theta, mu, L, step or 2 / (L + mu)
        self.x, self.count = x, torch.zeros(len(x), dtype=torch.int64, device=x.device)
        self.at(x)

    def at(self, x: Tensor) -> None:
        self.x, self.g = x, self.lower.grad(x, self.theta)
        self.count += 1

    def keep(self, which: Tensor) -> None:
        for name in self.rows:
            setattr(self, name, getattr(self, name)[which])
        self.lower = self.lower.subset(which)

    def advance(self) -> None:
        self.at(self.x - self.step * self.g)


class _Fista(_GradientDescent):
    """Its gradients are those of the extrapolated points, which therefore are the ones with a certificate."""

    rows = ("x", "g", "count", "last")

    def __init__(self, lower: LowerLevel, theta: Tensor, x: Tensor, mu: float, L: float, step: float | None) -> None:
        self.t, self.last = 0.0, x
        super().__init__(lower, theta, x, mu, L, step)

    def advance(self) -> None:
        q, t = self.mu / self.L, self.t
        self.t = (1 - q * t**2 + math.sqrt((1 - q * t**2) ** 2 + 4 * t**2)) / 2
        momentum = (t - 1) / self.t * (1 - self.t * q) / (1 - q) if q < 1 and t else 0.0
        x = self.x - self.g / self.L
        self.last, z = x, x + momentum * (x - self.last)
        self.at(z)


class _LBFGS(_GradientDescent):
    """Every example has its own memory and its own backtracking; each trial costs one gradient."""

    rows = ("x", "g", "count", "f", "S", "Y", "curvature")

    def __init__(self, lower: LowerLevel, theta: Tensor, x: Tensor, mu: float, L: float, step: float | None) -> None:
        super().__init__(lower, theta, x, mu, L, step)
        n = x[0].numel()
        self.f = lower.value(x, theta)
        self.S, self.Y = x.new_zeros(len(x), 0, n), x.new_zeros(len(x), 0, n)
        self.curvature = x.new_zeros(len(x), 0)  # <s, y>

    def direction(self) -> Tensor:
        """The two loops, for all examples at once."""
        q, alphas = self.g.flatten(1).clone(), []
        for k in reversed(range(self.S.shape[1])):
            alphas.append((self.S[:, k] * q).sum(1) / self.curvature[:, k])
            q -= alphas[-1][:, None] * self.Y[:, k]
        if self.S.shape[1]:
            q *= (self.curvature[:, -1] / self.Y[:, -1].square().sum(1))[:, None]
        else:
            q /= self.L
        for k in range(self.S.shape[1]):
            q += (alphas.pop() - (self.Y[:, k] * q).sum(1) / self.curvature[:, k])[:, None] * self.S[:, k]
        return -q.reshape(self.x.shape)

    def advance(self) -> None:
        p = self.direction()
        spread = [-1] + [1] * (p.ndim - 1)
        slope = (p * self.g).flatten(1).sum(1)
        t, waiting = torch.ones_like(slope), torch.ones_like(slope, dtype=torch.bool)
        x, g, f = self.x, self.g, self.f
        for _ in range(30):
            moved = self.x + t.reshape(spread) * p
            value, grad = self.lower.value(moved, self.theta), self.lower.grad(moved, self.theta)
            self.count += waiting
            # near the minimum values drown in round-off; there the slope at the new point decides instead
            even = (value - self.f).abs() <= 1e-12 * self.f.abs().clamp_min(1e-12)
            flat = (grad * p).flatten(1).sum(1) <= (2 * ARMIJO - 1) * slope
            good = waiting & ((value <= self.f + ARMIJO * t * slope) | (even & flat))
            x = torch.where(good.reshape(spread), moved, x)
            g, f = torch.where(good.reshape(spread), grad, g), torch.where(good, value, f)
            waiting = waiting & ~good
            if not bool(waiting.any()):
                break
            t = torch.where(waiting, t / 4, t)
        s, y = (x - self.x).flatten(1), (g - self.g).flatten(1)
        sy = (s * y).sum(1)
        # an example that did not move remembers a pair that changes nothing
        still = sy <= 0
        s, y = torch.where(still[:, None], torch.zeros_like(s), s), torch.where(still[:, None], self.g.flatten(1), y)
        sy = torch.where(still, y.square().sum(1) / self.L, sy)
        self.S, self.Y = (torch.cat([old[:, 1 - MEMORY :], new[:, None]], 1) for old, new in ((self.S, s), (self.Y, y)))
        self.curvature = torch.cat([self.curvature[:, 1 - MEMORY :], sy[:, None]], 1)
        self.x, self.g, self.f = x, g, f


#: What ``method`` of ``solve_lower`` may be.
METHODS = {"fista": _Fista, "gd": _GradientDescent, "lbfgs": _LBFGS}
