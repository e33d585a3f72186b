"""The alternating direction method of multipliers for F(A x, y) + lam Phi(K (x, w)), a batch of problems at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative, check_positive
from ..regularisers.composite import CompositeObjective
from ..regularisers.objective import Objective, QuadraticObjective, spread, sum_of_squares
from ..regularisers.registry import solves
from .conjugate import conjugate_gradients
from .pool import FAILED, Pool

__all__ = ["admm"]

CHECK_EVERY, BALANCE_UNTIL = 10, 200


class _LeastSquares(QuadraticObjective):
    """||A v - p||^2 + ||K v - q||^2 + ||v - s||^2 in v, for A of norm 1; the last term only where there are bounds."""

    batched = ("right_side",)

    def __init__(self, objective: CompositeObjective, norm: float, right_side: Tensor) -> None:
        self.of, self.norm, self.right_side = objective, norm, right_side

    def _value(self, v: Tensor) -> Tensor:
        return (v * (self.normal(v) - 2 * self.right_side)).flatten(1).sum(1)

    def normal(self, x: Tensor) -> Tensor:
        A, R = self.of.A, self.of.R
        total = self.of.lift(A.T(A(self.of.image(x)))) / self.norm**2 + R.KT(R.K(x))
        return total if R.bounds is None else total + x

    def right(self) -> Tensor:
        return self.right_side


def _fidelity_step(objective: Objective, z: Tensor, rho: Tensor, norm: float) -> Tensor:
    """argmin_p F(norm p, y) + rho / 2 ||p - z||^2, by Moreau's identity from the step in the dual variable."""
    s = spread(rho, z) / norm**2
    dual = objective.fidelity.dual_step(torch.zeros_like(z), norm * z, objective.y, s)
    return z - dual * norm / spread(rho, z)


@solves(CompositeObjective, "admm", rank=4, general="F", fast=lambda objective: False)
@torch.no_grad()
def admm(
    objective: CompositeObjective,
    x0: Tensor,
    rho: float | None = None,
    inner_iter: int = 20,
    max_iter: int = 1_000,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Split p = A v, q = K v, and s = v where there are bounds, and minimise in v and in (p, q, s) in turn.

    .. math:: F(p, y) + \lambda\Phi(q) + \tfrac\rho2\big(\|\hat A v - p + a\|^2 + \|K v - q + b\|^2\big)

    with the scaled multipliers a, b; :math:`\hat A` has norm 1.  The linear system in v is solved by conjugate
    gradients from the last v; p, q and s follow by one proximal step each.

    Parameters
    ----------
    objective : CompositeObjective
    x0 : (B, channels, H, W) tensor
    rho : float > 0, optional
        Default: ten times lam of each problem, then balanced: for two hundred iterations it grows where the residual
        of the splitting is the larger, and falls where that of the optimality condition is.
    inner_iter : int
        Conjugate gradient steps at most, in each iteration; they are as exact as a tenth of the residuals.
    max_iter : int
    tol : float
        A problem is finished when, over ten iterations, its objective and its image have changed as little as ``pdhg``
        asks, and both residuals are at most the root of ``tol``, relatively.
    trace : bool
        Also return the objective, every ten iterations.

    Returns
    -------
    results, traces
        As ``pdhg``.

    Source
    ------
    Boyd, Parikh, Chu, Peleato, Eckstein, Found. Trends Mach. Learn. 3 (2011).

    Example
    -------
    >>> from course_utils import GaussianBlur, TV, reconstruct
    >>> A = GaussianBlur(8)
    >>> y = A(torch.ones(1, 1, 8, 8))
    >>> y[..., :4] += 1
    >>> two = [reconstruct(A, y, TV(0.1), solver).objective for solver in ("admm", "pdhg")]
    >>> bool((two[0] / two[1] - 1).abs() < 1e-3)
    True
    """
    if rho is not None:
        check_positive("rho", rho)
    inner_iter, max_iter = check_count("inner_iter", inner_iter), check_count("max_iter", max_iter, minimum=0)
    tol = check_nonnegative("tol", tol)
    R, A, norm = objective.R, objective.A, objective.A.norm or 1.0
    bounded = R.bounds is not None
    f0 = objective.value(x0)
    p, q = A(objective.image(x0)) / norm, R.K(x0)
    rho0 = 10 * objective.lam.clamp_min(1e-6) if rho is None else torch.full_like(objective.lam, rho)
    pool = Pool(
        objective, v=x0, p=p, q=q, s=x0, a=torch.zeros_like(p), b=torch.zeros_like(q), c=torch.zeros_like(x0),
        rho=rho0, x=x0, f=f0,
    )  # fmt: skip
    exact = 1e-2
    for k in range(1, max_iter + 1):
        if not len(pool):
            break
        problem = pool.objective
        right = problem.lift(A.T(pool.p - pool.a)) / norm + R.KT(pool.q - pool.b)
        right = right + (pool.s - pool.c) if bounded else right
        v = conjugate_gradients(_LeastSquares(problem, norm, right), pool.v, max_iter=inner_iter, tol=exact)[0]["v"]
        Av, Kv = A(problem.image(v)) / norm, R.K(v)
        p = _fidelity_step(problem, Av + pool.a, pool.rho, norm)
        r = spread(pool.rho, Kv)
        q = Kv + pool.b
        q = q - R.dual_step(q * r, spread(problem.lam, q), r) / r
        s = problem.nearest(v + pool.c) if bounded else v
        apart = sum_of_squares(Av - p) + sum_of_squares(Kv - q) + sum_of_squares(v - s)
        moved = sum_of_squares(p - pool.p) + sum_of_squares(q - pool.q) + sum_of_squares(s - pool.s) * bounded
        size = (sum_of_squares(Av) + sum_of_squares(Kv)).clamp_min(1e-30)
        exact = min(exact, 0.1 * float((torch.maximum(apart, moved) / size).amin().sqrt()))
        pool.a, pool.b, pool.c = pool.a + Av - p, pool.b + Kv - q, pool.c + (v - s)
        pool.v, pool.p, pool.q, pool.s = v, p, q, s
        pool.iterations += 1
        if k % CHECK_EVERY == 0 or k == max_iter:
            x = s if bounded else v
            f = problem.value(x)
            change = sum_of_squares(x - pool.x) / sum_of_squares(x).clamp_min(1e-30)
            done = ((pool.f - f).abs() <= tol * f.abs()) & (change <= tol) & (torch.maximum(apart, moved) <= tol * size)
            if rho is None and k <= BALANCE_UNTIL:
                factor = (apart / moved.clamp_min(1e-30)).sqrt().sqrt().clamp(0.2, 5)
                pool.rho = pool.rho * factor
                for name in ("a", "b", "c"):
                    scaled = getattr(pool, name)
                    setattr(pool, name, scaled / spread(factor, scaled))
            pool.f, pool.x = f, x
            if trace:
                pool.trace(f=f)
            pool.drop(pool.stop(done, broken=torch.isnan(f)))
    found = pool.close()
    status = torch.where(found["f"] <= f0 + tol * f0.abs(), found["status"], FAILED)
    return found | {"status": status}, pool.traces()
