"""Total variation by the primal-dual hybrid gradient method, for a batch of independent problems."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..operators import LinearOperator
from ..regularisers import TV, divergence, gradient
from .objectives import Objective, sum_of_squares
from .pool import CONVERGED, Pool

__all__ = ["TVObjective", "pdhg"]

CHECK_EVERY = 10


class TVObjective(Objective):
    """||A x - y||^2 + lam TV(x) in x."""

    batched = ("y", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, lam: Tensor) -> None:
        self.A, self.y, self.lam, self.R = A, y, lam, TV(0.0)

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.lam * self.R(x)


@torch.no_grad()
def pdhg(
    objective: TVObjective,
    x0: Tensor,
    ratio: float = 3.0,
    max_iter: int = 2_000,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Primal-dual hybrid gradient for ||A x - y||^2 + lam TV(x).

    The saddle point problem has the dual variables p (for A x) and q (for the gradient of x, |q| <= lam), and
    the operator (A, gradient) has norm at most 3, since ||A|| = 1 and ||gradient||^2 <= 8.

    Parameters
    ----------
    objective : TVObjective
    x0 : (B, 1, H, W) tensor
    ratio : float > 0
        Primal over dual step size; their product is fixed by the norm.
    max_iter : int
    tol : float
        A problem is finished when, over ten iterations, neither its objective nor its image has changed by
        more than this, relatively.
    trace : bool
        Also return the objective, every ten iterations.

    Returns
    -------
    results, traces
        "x", "f", "status", "iterations", ...; and "f".

    Source
    ------
    Chambolle and Pock, J. Math. Imaging Vis. 40 (2011), the paper's reference [86].
    """
    check_nonnegative("ratio", ratio)
    if ratio == 0:
        raise ValueError("'ratio' must be > 0, got 0")
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    tau, sigma = ratio**0.5 / 3, 1 / (3 * ratio**0.5)
    A = objective.A
    pool = Pool(
        objective, x=x0, bar=x0, p=torch.zeros_like(objective.y), q=torch.zeros_like(gradient(x0)),
        f=objective.value(x0), x_checked=x0,
    )  # fmt: skip
    for k in range(1, max_iter + 1):
        if not len(pool):
            break
        problem = pool.objective
        # prox of sigma times the conjugate of ||. - y||^2
        pool.p = (pool.p + sigma * (A(pool.bar) - problem.y)) / (1 + sigma / 2)
        q = pool.q + sigma * gradient(pool.bar)
        length = q.pow(2).sum(1, keepdim=True).sqrt()
        lam = problem.lam[:, None, None, None]
        pool.q = q * torch.where(length > lam, lam / length, torch.ones_like(length))
        x = pool.x - tau * (A.T(pool.p) - divergence(pool.q))
        pool.bar, pool.x = 2 * x - pool.x, x
        pool.iterations += 1
        if k % CHECK_EVERY == 0 or k == max_iter:
            f = problem.value(x)
            change = sum_of_squares(x - pool.x_checked).sqrt() / sum_of_squares(x).sqrt().clamp_min(1e-30)
            done = ((pool.f - f).abs() <= tol * f) & (change <= tol**0.5)
            pool.f, pool.x_checked = f, x
            if trace:
                pool.trace(f=f)
            pool.status = torch.where(done, CONVERGED, pool.status)
            pool.drop(done)
    return pool.close(), pool.traces()
