"""Projected gradient descent, eq. (8): a gradient step in the image, then back to the range of G."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..regularisers.hard import HardObjective
from ..regularisers.objective import spread
from ..regularisers.registry import solves
from ..regularisers.relaxed import ZBlock
from .descent import lbfgs
from .pool import Pool, machine_noise

__all__ = ["projected_gradient_descent"]


@solves(HardObjective, "projected", rank=2)
@torch.no_grad()
def projected_gradient_descent(
    objective: HardObjective,
    z0: Tensor,
    eta: float = 4.0,
    inner_iter: int = 10,
    max_iter: int = 300,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Eq. (8), for the hard problem with its term :math:`\lambda\|z\|_2^2`.

    .. math::
        w_{t+1} = x_t - \eta A^*(Ax_t-y), \quad
        z_{t+1} \approx \arg\min_z \|w_{t+1}-G(z)\|_2^2 + \eta\lambda\|z\|_2^2, \quad x_{t+1} = G(z_{t+1}).

    The inner problem starts at :math:`z_t`.  For :math:`\eta\|A\|^2\le1` its objective, divided by :math:`\eta`,
    lies above the hard objective but for a constant and touches it at :math:`z_t`, so that the hard objective falls
    by as much as the inner one over :math:`\eta`.  A larger :math:`\eta` is tried first; a step that does not keep this
    promise is refused, and :math:`\eta` halved, down to 1.

    Parameters
    ----------
    objective : HardObjective
        With a linear operator.
    z0 : (B, d) tensor
    eta : float >= 1
        First step length, times the squared norm of A.
    inner_iter : int
        Iterations of L-BFGS for the projection onto the range.
    max_iter : int
    tol : float
        Stops when the objective falls by at most ``tol`` of itself.
    trace : bool

    Returns
    -------
    results, traces
        As ``gradient_descent``; evaluations of G in the inner problems are counted.

    Source
    ------
    Paper, eq. (8); Shah and Hegde, ICASSP 2018.
    """
    check_nonnegative("eta", eta)
    if eta < 1:
        raise ValueError(f"'eta' must be at least 1, which is safe, got {eta:g}")
    for name, value in (("inner_iter", inner_iter), ("max_iter", max_iter)):
        check_count(name, value, minimum=1 if name == "inner_iter" else 0)
    check_nonnegative("tol", tol)
    f0 = objective.value(z0)
    pool = Pool(objective, v=z0, f=f0, eta=torch.full_like(f0, eta))
    if trace:
        pool.trace(v=pool.v, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        problem = pool.objective
        x = problem.G(pool.v)
        step = pool.eta / problem.A.norm**2
        w = x - spread(step, x) * problem.A.T(problem.A(x) - problem.y)
        inner = ZBlock(problem.G, w, torch.ones_like(pool.f), step * problem.lam)
        found, _ = lbfgs(inner, pool.v, max_iter=inner_iter, tol=1e-7)
        f = problem.value(found["v"])
        noise = machine_noise(problem, pool.f)
        promised = (inner.value(pool.v) - found["f"]) / step
        kept = (f < pool.f) & ((pool.f - f >= promised - noise) | (pool.eta <= 1))
        gain = torch.where(kept, pool.f - f, 0.0)
        enough = gain > tol * pool.f.abs() + noise
        finished = pool.stop(~enough & (pool.eta <= 1))
        pool.v, pool.f = torch.where(kept[:, None], found["v"], pool.v), torch.where(kept, f, pool.f)
        pool.eta = torch.where(enough, pool.eta, (pool.eta / 2).clamp_min(1.0))
        pool.iterations += 1
        pool.values += found["values"] + 3  # G(v) above, and the values of both objectives
        pool.gradients += found["gradients"]
        if trace:
            pool.trace(v=pool.v, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()
