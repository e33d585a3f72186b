"""Smooth problems min_v f(v): Algorithm 1 of the paper, and L-BFGS, for a batch of independent problems."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_between, check_choice, check_count, check_nonnegative, check_number, check_positive
from ..regularisers.generative import InnerProblem
from ..regularisers.hard import HardObjective, PenalisedObjective
from ..regularisers.objective import ImageObjective, Objective, spread, sum_of_squares
from ..regularisers.registry import solves
from ..regularisers.relaxed import RelaxedObjective
from .pool import Pool, machine_noise

__all__ = ["backtrack", "check_step_settings", "gradient_descent", "has_converged", "lbfgs"]


def decomposes(objective: Objective) -> bool:
    """Whether the singular values of A are within reach."""
    return objective.A.decomposes


def smooth(objective: Objective) -> bool:
    """Whether R has a gradient."""
    return objective.R.smooth


def check_step_settings(L0: float, eta0: float, eta1: float, max_iter: int, tol: float, stop: str) -> None:
    """Raise unless 0 < L0, 0 < eta0 < 1 < eta1 and the stopping rule make sense."""
    check_positive("L0", L0)
    check_between("eta0", eta0, 0, 1)
    if not check_number("eta1", eta1) > 1:
        raise ValueError(f"'eta1' must be > 1, got {eta1:g}")
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    check_choice("stop", stop, ("iterate", "objective"))


def has_converged(stop: str, tol: float, v_old: Tensor, v: Tensor, f_old: Tensor, f: Tensor) -> Tensor:
    """The stopping rule, one bool per problem.

    "iterate": ||v - v_old||^2 <= tol ||v||^2, the authors' relative squared change of the iterate.
    "objective": f_old - f <= tol |f|.
    """
    if stop == "iterate":
        return sum_of_squares(v - v_old) <= tol * sum_of_squares(v)
    return f_old - f <= tol * f.abs()


def backtrack(objective: Objective, v: Tensor, f: Tensor, grad: Tensor, L: Tensor, eta1: float) -> tuple[Tensor, ...]:
    """Lines 3 to 6 of Algorithm 1: raise L until v - grad / L decreases f by ||grad||^2 / (2 L).

    Every problem has its own L and leaves the loop by itself.  A problem whose promised decrease drowns in
    round-off is stuck: no float can pass the test any more, so it keeps its v instead of trying for ever.

    Returns
    -------
    v, f, L, evaluations, stuck
        New variable, its value, L as it was accepted, number of values computed, and who is stuck.
    """
    squared, noise, L = sum_of_squares(grad), machine_noise(objective, f), L.clone()
    trial = v - grad / spread(L, grad)
    f_trial = objective.value(trial)
    evaluations = torch.ones_like(L, dtype=torch.int64)
    stuck = torch.zeros_like(L, dtype=torch.bool)
    pending = (~(f_trial < f - squared / (2 * L))).nonzero().squeeze(1)
    while len(pending):
        hopeless = ~(squared[pending] / (2 * L[pending]) > noise[pending])  # NaN is hopeless, too
        stuck[pending[hopeless]] = True
        pending = pending[~hopeless]
        if not len(pending):
            break
        L[pending] *= eta1
        new = v[pending] - grad[pending] / spread(L[pending], grad)
        f_new = objective.select(pending).value(new)
        trial[pending], f_trial[pending] = new, f_new
        evaluations[pending] += 1
        pending = pending[~(f_new < f[pending] - squared[pending] / (2 * L[pending]))]
    return torch.where(spread(stuck, v), v, trial), torch.where(stuck, f, f_trial), L, evaluations, stuck


@solves(HardObjective, "paper", rank=1, general="AF")
@solves(PenalisedObjective, "paper", rank=1, general="AF")
@solves(RelaxedObjective, "reduced", rank=1, view=RelaxedObjective.reduced, fast=decomposes)
@solves(ImageObjective, "paper", rank=3, needs=smooth, general="F")
@torch.no_grad()
def gradient_descent(
    objective: Objective,
    v0: Tensor,
    L0: float = 1.0,
    eta0: float = 0.5,
    eta1: float = 10.0,
    max_iter: int = 2_000,
    tol: float = 1e-8,
    stop: str = "iterate",
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Algorithm 1: gradient descent with backtracking, for every problem of the batch by itself.

    Parameters
    ----------
    objective : Objective
        B functions f.
    v0 : (B, ...) tensor
        Where to start.
    L0, eta0, eta1 : float
        First inverse step size; factor after each accepted step (0 < eta0 < 1); factor after each refused one
        (eta1 > 1).  The defaults are those of the authors' code.
    max_iter : int
    tol, stop
        See ``has_converged``.
    trace : bool
        Also return v and f of every iteration.

    Returns
    -------
    results : dict of (B, ...) tensors
        "v", "f", "status" (0 budget, 1 converged, 2 round-off), "iterations", "values" and "gradients"
        (evaluations of f, and of f with its gradient).
    traces : dict
        "v" and "f", (iterations + 1, B, ...), NaN after a problem has finished; empty without ``trace``.

    Source
    ------
    Paper, Appendix A, Algorithm 1.
    """
    check_step_settings(L0, eta0, eta1, max_iter, tol, stop)
    f0, grad0 = objective.value_and_grad(v0)
    pool = Pool(objective, v=v0, f=f0, grad=grad0, L=torch.full_like(f0, L0), refused=torch.zeros_like(f0))
    pool.gradients += 1
    if trace:
        pool.trace(v=pool.v, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        v, f, L, evaluations, stuck = backtrack(pool.objective, pool.v, pool.f, pool.grad, pool.L, eta1)
        pool.refused += evaluations > 1
        # A step that was never refused may be short because L0 was too large, not because v is at rest.
        done = has_converged(stop, tol, pool.v, v, pool.f, f) & (pool.refused > 0)
        finished = pool.stop(done, stuck, broken=~torch.isfinite(sum_of_squares(pool.grad)))
        pool.v, pool.f, pool.L = v, f, L * eta0
        pool.iterations += 1
        pool.values += evaluations
        if trace:
            pool.trace(v=pool.v, f=pool.f)
        pool.drop(finished)
        if len(pool):
            pool.f, pool.grad = pool.objective.value_and_grad(pool.v)
            pool.gradients += 1
    return pool.close(), pool.traces()


def _two_loop(
    depth: Tensor, grad: Tensor, steps: list[Tensor], changes: list[Tensor], curvature: list[Tensor]
) -> Tensor:
    """L-BFGS direction -H grad; a pair whose curvature entry is 0 does not count for that problem.

    Where no curvature is known, the step goes to where the tangent has fallen by ``depth``: units play no part.
    """
    blind = depth / sum_of_squares(grad).clamp_min(torch.finfo(grad.dtype).tiny)
    direction, alphas = -grad, []
    for s, y, rho in zip(reversed(steps), reversed(changes), reversed(curvature), strict=True):
        alpha = rho * (s * direction).sum(1)
        direction = direction - alpha[:, None] * y
        alphas.append(alpha)
    if steps:
        s, y = steps[-1], changes[-1]
        scale = (s * y).sum(1) / sum_of_squares(y).clamp_min(torch.finfo(y.dtype).tiny)
        scale = torch.where(curvature[-1] > 0, scale, blind)
    else:
        scale = blind
    direction = direction * scale[:, None]
    for s, y, rho, alpha in zip(steps, changes, curvature, reversed(alphas), strict=True):
        direction = direction + (alpha - rho * (y * direction).sum(1))[:, None] * s
    return direction


@solves(InnerProblem, "lbfgs", rank=0, general="AF")
@solves(HardObjective, "lbfgs", rank=0, general="AF")
@solves(PenalisedObjective, "lbfgs", rank=0, general="AF")
@solves(RelaxedObjective, "lbfgs", rank=0, view=RelaxedObjective.reduced, fast=decomposes)
@torch.no_grad()
def lbfgs(
    objective: Objective,
    v0: Tensor,
    memory: int = 6,
    max_iter: int = 200,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Limited-memory BFGS with an Armijo line search, for every problem of the batch by itself.

    Needs fewer evaluations than Algorithm 1 for the same objective.  Stops when :math:`f_{old} - f \le tol\,|f|`, and
    the model of f, for which a pair of gradients has to be known, does not promise fifty times as much, or that
    happens twice in a row.

    Parameters
    ----------
    objective : Objective
    v0 : (B, d) tensor
    memory : int
        Number of remembered steps.
    max_iter : int
    tol : float
    trace : bool

    Returns
    -------
    results, traces
        As ``gradient_descent``.

    Source
    ------
    Nocedal and Wright, Numerical Optimization, Sect. 7.2.
    """
    check_count("memory", memory)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    f0, grad0 = objective.value_and_grad(v0)
    pool = Pool(objective, v=v0, f=f0, grad=grad0, calm=torch.zeros_like(f0))
    pool.gradients += 1
    steps: list[Tensor] = []
    changes: list[Tensor] = []
    curvature: list[Tensor] = []
    if trace:
        pool.trace(v=pool.v, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        depth = pool.objective.depth(pool.f)
        direction = _two_loop(depth, pool.grad, steps, changes, curvature)
        slope = (direction * pool.grad).sum(1)
        uphill = ~(slope < 0)
        direction = torch.where(uphill[:, None], -pool.grad, direction)
        slope = torch.where(uphill, -sum_of_squares(pool.grad), slope)
        v, f, grad, values, stuck = _armijo(pool.objective, pool.v, pool.f, direction, slope, pool.grad, bool(steps))
        stuck |= -slope <= machine_noise(pool.objective, pool.f)
        small = has_converged("objective", tol, pool.v, v, pool.f, f)
        pool.calm = torch.where(small, pool.calm + 1, 0.0)
        known = curvature[-1] > 0 if curvature else torch.zeros_like(stuck)
        done = small & known & ((-slope <= 100 * tol * depth) | (pool.calm > 1))
        s, y = v - pool.v, grad - pool.grad
        sy = (s * y).sum(1)
        good = sy > 1e-10 * (sum_of_squares(s) * sum_of_squares(y)).sqrt()
        pair = s, y, torch.where(good, 1 / sy, torch.zeros_like(sy))
        steps, changes, curvature = (
            [*old, new][-memory:] for old, new in zip((steps, changes, curvature), pair, strict=True)
        )
        # A direction of the model may lead nowhere where the steepest one still does: forget the model and look again.
        again = stuck & (torch.stack(curvature).amax(0) > 0)
        curvature = [torch.where(again, 0.0, old) for old in curvature] if again.any() else curvature
        finished = pool.stop(done & ~stuck, stuck & ~again, broken=~torch.isfinite(sum_of_squares(grad)))
        pool.v, pool.f, pool.grad = v, f, grad
        pool.iterations += 1
        pool.values += values
        pool.gradients += 1
        keep = (~finished).nonzero().squeeze(1)
        if len(keep) < len(finished):
            steps, changes, curvature = ([part[keep] for part in parts] for parts in (steps, changes, curvature))
        if trace:
            pool.trace(v=pool.v, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()


def _armijo(
    objective: Objective, v: Tensor, f: Tensor, direction: Tensor, slope: Tensor, grad: Tensor, likely: bool
) -> tuple:
    """Shorten the step until f falls by 1e-4 of what the slope promises; quadratic interpolation between.

    Where the full step is ``likely`` to be taken, it is evaluated with its gradient at once.
    """
    noise, t = machine_noise(objective, f), torch.ones_like(f)
    trial = v + direction
    values, stuck = torch.zeros_like(f, dtype=torch.int64), torch.zeros_like(f, dtype=torch.bool)
    if likely:
        f_trial, grad_trial = objective.value_and_grad(trial)
    else:
        f_trial, grad_trial = objective.value(trial), torch.zeros_like(grad)
        values += 1
    pending = (~(f_trial <= f + 1e-4 * slope)).nonzero().squeeze(1)
    shortened = pending if likely else torch.arange(len(f), device=f.device)
    f_last = f_trial.clone()
    while len(pending):
        hopeless = ~(-t[pending] * slope[pending] > noise[pending])  # NaN is hopeless, too
        stuck[pending[hopeless]] = True
        pending = pending[~hopeless]
        if not len(pending):
            break
        tp, gap = t[pending], f_last[pending] - f[pending] - t[pending] * slope[pending]
        best = -(tp**2) * slope[pending] / (2 * gap)
        t[pending] = torch.where(torch.isfinite(best), best, 0.1 * tp).clamp(0.1 * tp, 0.5 * tp)
        new = v[pending] + t[pending, None] * direction[pending]
        f_new = objective.select(pending).value(new)
        trial[pending], f_last[pending] = new, f_new
        values[pending] += 1
        pending = pending[~(f_new <= f[pending] + 1e-4 * t[pending] * slope[pending])]
    trial[stuck] = v[stuck]
    moved = shortened[~stuck[shortened]]
    if len(moved):
        f_trial[moved], grad_trial[moved] = objective.select(moved).value_and_grad(trial[moved])
    return trial, torch.where(stuck, f, f_trial), torch.where(stuck[:, None], grad, grad_trial), values, stuck


@solves(ImageObjective, "lbfgs", rank=1, needs=smooth, general="F")
def lbfgs_of_images(objective: ImageObjective, x0: Tensor, **settings) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """L-BFGS in the pixels.  Parameters and results as ``lbfgs``; "v" are flat images."""
    found, path = lbfgs(objective, x0.flatten(1), **settings)
    return found, {"f": path["f"]} if path else path
