"""A smooth term plus a simple one: proximal gradient steps with backtracking, forward-backward splitting, and FISTA.

With the indicator of a set as the simple term, the proximal operator is the projection: projected gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.hard import ConstrainedObjective
from ..regularisers.objective import ImageObjective, Objective, sum_of_squares
from ..regularisers.registry import solves
from .alternating import proximal_backtrack
from .descent import check_step_settings, has_converged
from .pool import FAILED, Pool, check_first, machine_noise

__all__ = ["fista", "forward_backward", "proximal_gradient"]


@solves(ConstrainedObjective, "constrained", rank=0, general="AF")
@torch.no_grad()
def proximal_gradient(
    objective: Objective,
    v0: Tensor,
    L0: float = 1.0,
    eta0: float = 0.5,
    eta1: float = 10.0,
    max_iter: int = 500,
    tol: float = 1e-6,
    stop: str = "objective",
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""One block of Algorithm 3: :math:`v \leftarrow \operatorname{prox}_{g/L}(v - \nabla f(v)/L)`, L by backtracking.

    Parameters
    ----------
    objective : Objective
        f, with ``prox(v, tau)`` of the other term g, which must be 0 at every point that a prox gives (a
        constraint).
    v0 : (B, d) tensor
        In the set.
    others
        As ``gradient_descent``.

    Returns
    -------
    results, traces
        As ``gradient_descent``.

    Source
    ------
    Paper, Appendix A, Algorithm 3, with one block; Beck and Teboulle, SIAM J. Imaging Sci. 2 (2009).
    """
    check_step_settings(L0, eta0, eta1, max_iter, tol, stop)
    f0 = objective.value(v0)
    pool = Pool(objective, v=v0, f=f0, L=torch.full_like(f0, L0), sized=torch.zeros_like(f0))
    if trace:
        pool.trace(v=pool.v, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        problem = pool.objective
        v, f, L, evaluations, _, sized = proximal_backtrack(
            problem, lambda i, w, tau, p=problem: p.select(i).prox(w, tau), pool.v, pool.L, eta1
        )
        # A step within round-off of the model may rise by round-off: keep the better point.
        rose = f > pool.f
        v, f = torch.where(rose[:, None], pool.v, v), torch.where(rose, pool.f, f)
        pool.sized += sized
        done = has_converged(stop, tol, pool.v, v, pool.f, f) & (pool.sized > 0)
        finished = pool.stop(done, broken=~torch.isfinite(f))
        pool.v, pool.f, pool.L = v, f, L * eta0
        pool.iterations += 1
        pool.values += evaluations
        pool.gradients += 1
        if trace:
            pool.trace(v=pool.v, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()


def _image_alone(objective: ImageObjective) -> bool:
    return objective.R.proximable and objective.R.channels == 1


@solves(ImageObjective, "forward-backward", rank=3, needs=_image_alone)
def forward_backward(
    objective: ImageObjective, x0: Tensor, max_iter: int = 10_000, tol: float = 1e-12, trace: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Fit the data, denoise: :math:`x \leftarrow \operatorname{prox}_{\tau\lambda R}(x - 2\tau A^*(Ax - y))`.

    With the step :math:`\tau = 1/(2\|A\|^2)` the objective falls in every iteration.  ``fista`` is this with momentum.
    Parameters and results as ``fista``.

    Source
    ------
    Lectures, part I.1, option 2; Combettes and Wajs, Multiscale Model. Simul. 4 (2005).

    Example
    -------
    >>> from course_utils import GaussianBlur, L1, reconstruct
    >>> A = GaussianBlur(8)
    >>> y = A(torch.ones(1, 1, 8, 8))
    >>> slow, fast = (reconstruct(A, y, L1(0.1), solver) for solver in ("forward-backward", "fista"))
    >>> bool((slow.objective / fast.objective - 1).abs() < 1e-4), bool(fast.iterations < slow.iterations)
    (True, True)
    """
    return _proximal_steps(objective, x0, max_iter, tol, trace, momentum=False)


@solves(ImageObjective, "fista", rank=2, needs=_image_alone)
def fista(
    objective: ImageObjective, x0: Tensor, max_iter: int = 3_000, tol: float = 1e-10, trace: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Accelerated proximal gradient steps of length 1 / (2 ||A||^2); restarts where it overshoots.

    Parameters
    ----------
    objective : ImageObjective
        With a regulariser that has a proximal operator.
    x0 : (B, 1, H, W) tensor
    max_iter : int
    tol : float
        Stops when ||x - x_old||^2 <= tol ||x||^2.
    trace : bool

    Returns
    -------
    results, traces
        As ``gradient_descent``; "f" is the whole objective.

    Source
    ------
    Beck and Teboulle, SIAM J. Imaging Sci. 2 (2009); restarts: O'Donoghue and Candes, Found. Comput. Math. 15
    (2015).
    """
    return _proximal_steps(objective, x0, max_iter, tol, trace, momentum=True)


@torch.no_grad()
def _proximal_steps(
    objective: ImageObjective, x0: Tensor, max_iter: int, tol: float, trace: bool, momentum: bool
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Steps of length 1 / (2 ||A||^2), from an extrapolated point if ``momentum``."""
    check_step_settings(1.0, 0.5, 2.0, max_iter, tol, "iterate")
    squared = (objective.A.norm or 1.0) ** 2
    x0 = objective.prox(x0, 0.0)
    f0 = objective.value(x0)
    check_first(objective, f0)
    # with more data than pixels the gradient is cheaper as A^T A w - A^T y
    normal = objective.A.m > objective.A.n
    back = {"back": objective.A.T(objective.y)} if normal else {}
    pool = Pool(objective, v=x0, w=x0, t=torch.ones_like(x0[:, 0, 0, 0]), **back)
    if trace:
        pool.trace(v=pool.v, f=pool.objective.value(pool.v))
    for _ in range(max_iter):
        if not len(pool):
            break
        problem = pool.objective
        A = problem.A
        descent = A.normal(pool.w) - pool.back if normal else A.T(A(pool.w) - problem.y)
        x = problem.prox(pool.w - descent / squared, 0.5 / squared)
        step = x - pool.v
        backwards = ((pool.w - x) * step).flatten(1).sum(1) > 0  # the momentum points uphill
        t = torch.where(backwards, 1.0, (1 + (1 + 4 * pool.t**2).sqrt()) / 2)
        further = torch.where(backwards, 0.0, (pool.t - 1) / t) if momentum else torch.zeros_like(t)
        size = sum_of_squares(x)
        finished = pool.stop(sum_of_squares(step) <= tol * size, broken=~torch.isfinite(size))
        pool.v, pool.w, pool.t = x, x + further[:, None, None, None] * step, t
        pool.iterations += 1
        pool.gradients += 1
        if trace:
            pool.trace(v=pool.v, f=problem.value(pool.v))
        pool.drop(finished)
    results = pool.close()
    f = objective.value(results["v"])
    # steps too long for A: its norm is not what it says
    status = torch.where(f <= f0 + machine_noise(objective, f0), results["status"], FAILED)
    return results | {"f": f, "status": status}, pool.traces()
