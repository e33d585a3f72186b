"""Two blocks of variables: Algorithms 2 and 3 of the paper, for a batch of independent problems."""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.hard import HardObjective
from ..regularisers.objective import Objective, spread, sum_of_squares
from ..regularisers.registry import solves
from ..regularisers.relaxed import RelaxedObjective
from ..regularisers.sparse import DeviationObjective, SparseObjective
from .descent import backtrack, check_step_settings, has_converged, lbfgs
from .pool import Pool, machine_noise

__all__ = ["alternating_gradient_descent", "palm"]


def _joined(a: Tensor, b: Tensor) -> Tensor:
    """Both blocks as one vector per problem, for the stopping rule."""
    return torch.cat([a.flatten(1), b.flatten(1)], dim=1)


@solves(RelaxedObjective, "paper", rank=2, first_image=True)
@torch.no_grad()
def alternating_gradient_descent(
    objective: RelaxedObjective,
    z0: Tensor,
    x0: Tensor | None = None,
    L0: float = 1.0,
    eta0: float = 0.5,
    eta1: float = 10.0,
    max_iter: int = 2_000,
    tol: float = 1e-8,
    stop: str = "iterate",
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Algorithm 2: a backtracking gradient step in z, then one in x, in turn; x starts at ``x0`` or G(z0).

    Other parameters and results as ``gradient_descent``, with "z" and "x" in place of "v".

    Source
    ------
    Paper, Appendix A, Algorithm 2.
    """
    check_step_settings(L0, eta0, eta1, max_iter, tol, stop)
    x0 = objective.G(z0) if x0 is None else x0
    f0 = objective.total(z0, x0)
    step = torch.full_like(f0, L0)
    pool = Pool(objective, z=z0, x=x0, f=f0, L_z=step, L_x=step, refused_z=0 * step, refused_x=0 * step)
    if trace:
        pool.trace(z=pool.z, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        block = pool.objective.z_block(pool.x)
        value, grad = block.value_and_grad(pool.z)
        z, _, L_z, n_z, stuck_z = backtrack(block, pool.z, value, grad, pool.L_z, eta1)
        block = pool.objective.x_block(pool.objective.G(z))
        value, grad = block.value_and_grad(pool.x)
        x, fx, L_x, n_x, stuck_x = backtrack(block, pool.x, value, grad, pool.L_x, eta1)
        f = fx + pool.objective.lam * sum_of_squares(z)
        pool.refused_z += (n_z > 1) | stuck_z
        pool.refused_x += (n_x > 1) | stuck_x
        sized = (pool.refused_z > 0) & (pool.refused_x > 0)  # as in Algorithm 1
        done = has_converged(stop, tol, _joined(pool.z, pool.x), _joined(z, x), pool.f, f) & sized
        finished = pool.stop(done, stuck_z & stuck_x, broken=~torch.isfinite(f))
        pool.z, pool.x, pool.f, pool.L_z, pool.L_x = z, x, f, L_z * eta0, L_x * eta0
        pool.iterations += 1
        pool.values += n_z + 1  # G is evaluated once more for the x block
        pool.gradients += 1
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()


def proximal_backtrack(block: Objective, prox, v: Tensor, L: Tensor, eta1: float) -> tuple[Tensor, ...]:
    """Lines 3 to 7 (or 8 to 11) of Algorithm 3 for one block.

    Raises L until f(w) <= f(v) + <grad, w - v> + L / 2 ||w - v||^2 at w = prox_{1/L}(v - grad / L), up to round-off.

    Returns
    -------
    w, f(w), L, evaluations, f(v), sized
        ``sized``: who has had a step refused, or does not move however long it is.
    """
    f, grad = block.value_and_grad(v)
    noise, L = machine_noise(block, f), L.clone()
    everyone = torch.arange(len(v), device=v.device)

    def attempt(index):
        w = prox(index, v[index] - grad[index] / spread(L[index], v), 1 / L[index])
        f_w = block.select(index).value(w)
        step = w - v[index]
        model = f[index] + (grad[index] * step).flatten(1).sum(1) + 0.5 * L[index] * sum_of_squares(step)
        # A step that round-off swallows is none: take it, or L would rise for ever.
        none = sum_of_squares(step) <= torch.finfo(f.dtype).eps ** 2 * sum_of_squares(v[index])
        return w, f_w, ~((f_w <= model + noise[index]) | none), none

    w, f_w, refused, still = attempt(everyone)
    evaluations = torch.ones_like(everyone)
    pending = everyone[refused]
    while len(pending):
        L[pending] *= eta1
        w[pending], f_w[pending], refused, _ = attempt(pending)
        evaluations[pending] += 1
        # without an end where a gradient is not finite: its step never is, however large L
        pending = pending[refused & torch.isfinite(L[pending])]
    return w, f_w, L, evaluations, f, (evaluations > 1) | still


@solves(SparseObjective, "paper", rank=1)
@torch.no_grad()
def palm(
    objective: DeviationObjective,
    z0: Tensor,
    u0: Tensor | None = None,
    L0: float = 1.0,
    eta0: float = 0.5,
    eta1: float = 10.0,
    max_iter: int = 2_000,
    tol: float = 1e-8,
    stop: str = "iterate",
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Algorithm 3: proximal alternating linearised minimisation (PALM) with backtracking, from ``u0`` or 0.

    Other parameters and results as ``gradient_descent``, with "z" and "u" in place of "v".  Two misprints of the
    paper's listing are mended: line 4 has z - u_i for z - z_i, and the loop of line 9 lacks L_u = L_u eta1.

    Source
    ------
    Paper, Appendix A, Algorithm 3; Bolte, Sabach, Teboulle, Math. Program. 146 (2014).
    """
    check_step_settings(L0, eta0, eta1, max_iter, tol, stop)
    u0 = z0.new_zeros(len(z0), *objective.A.shape_in) if u0 is None else u0
    f0 = objective.total(z0, u0)
    step = torch.full_like(f0, L0)
    pool = Pool(objective, z=z0, u=u0, f=f0, L_z=step, L_u=step, sized_z=0 * step, sized_u=0 * step)
    if trace:
        pool.trace(z=pool.z, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        problem = pool.objective
        z, _, L_z, n_z, _, sized_z = proximal_backtrack(
            problem.z_block(pool.u),
            lambda i, v, tau, p=problem: p.select(i).prox_z(v, tau),
            pool.z,
            pool.L_z,
            eta1,
        )
        u, misfit, L_u, _, before, sized_u = proximal_backtrack(
            problem.u_block(problem.G(z)),
            lambda i, v, tau, p=problem: p.select(i).prox_u(v, tau),
            pool.u,
            pool.L_u,
            eta1,
        )
        # A prox that is itself the limit of an iteration is exact to its tolerance only: no step may go up.
        f_u, f_old = misfit + problem.penalty(u), before + problem.penalty(pool.u)
        worse = f_u > f_old
        u, f_u = torch.where(spread(worse, u), pool.u, u), torch.where(worse, f_old, f_u)
        f = f_u + problem.lam * sum_of_squares(z)
        pool.sized_z += sized_z
        pool.sized_u += sized_u
        sized = (pool.sized_z > 0) & (pool.sized_u > 0)
        done = has_converged(stop, tol, _joined(pool.z, pool.u), _joined(z, u), pool.f, f) & sized
        finished = pool.stop(done, broken=~torch.isfinite(f))
        pool.z, pool.u, pool.f, pool.L_z, pool.L_u = z, u, f, L_z * eta0, L_u * eta0
        pool.iterations += 1
        pool.values += n_z + 1  # G is evaluated once more for the u block
        pool.gradients += 1
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()


@solves(SparseObjective, "warm", rank=0)
def warm_palm(objective: SparseObjective, z0: Tensor, stop: str = "objective", tol: float = 1e-6, **settings):
    """With u = 0 sparse is hard with the weight lam mu: solve that first, Algorithm 3 then has little left to do."""
    hard = HardObjective(objective.A, objective.y, objective.G, objective.lam)
    first, _ = lbfgs(hard, z0)
    found, path = palm(objective, first["v"], stop=stop, tol=tol, **settings)
    return found | {name: found[name] + first[name] for name in ("iterations", "values", "gradients")}, path
