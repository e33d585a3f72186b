"""Quadratic problems without a singular value decomposition: conjugate gradients on the normal equations, batched."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..regularisers.composite import QuadraticComposite
from ..regularisers.objective import QuadraticObjective, spread, sum_of_squares
from ..regularisers.registry import solves
from .pool import CONVERGED, Pool

__all__ = ["conjugate_gradients"]


@solves(QuadraticComposite, "cg", rank=1)
@torch.no_grad()
def conjugate_gradients(
    objective: QuadraticObjective, x0: Tensor, max_iter: int = 500, tol: float = 1e-6, trace: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Minimise B quadratic functions, each to its own accuracy, by their optimality conditions M x = b.

    For Tikhonov they are :math:`(A^*A+\lambda I)x = A^*y`.  Every step lowers the objective, so that a start is
    improved however early it ends.

    If the objective knows an approximate diagonal of M, residuals are divided by it (Jacobi's preconditioner).

    Parameters
    ----------
    objective : QuadraticObjective
    x0 : (B, 1, H, W) tensor
    max_iter : int
    tol : float
        A problem is finished when its residual is at most ``tol`` times the norm of b.  For Tikhonov the error of x is
        then at most that residual over lam.
    trace : bool
        Also return the objective of every iterate.

    Returns
    -------
    results, traces
        As ``gradient_descent``; a product with A and one with A.T is a "gradient".

    Source
    ------
    Hestenes and Stiefel, J. Research of the National Bureau of Standards 49 (1952).
    """
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)

    right = objective.right()
    r = right - objective.normal(x0)
    p = _precondition(objective, r)
    slope = (r * p).flatten(1).sum(1)
    pool = Pool(objective, v=x0, f=slope, r=r, p=p, slope=slope, enough=tol**2 * sum_of_squares(right))
    for k in range(max_iter + 1):
        done = sum_of_squares(pool.r) <= pool.enough
        pool.status = torch.where(done, CONVERGED, pool.status)
        if trace:
            pool.trace(f=pool.objective.value(pool.v))
        pool.drop(done)
        if not len(pool) or k == max_iter:
            break
        q = pool.objective.normal(pool.p)
        alpha = pool.slope / (pool.p * q).flatten(1).sum(1)
        pool.v = pool.v + spread(alpha, q) * pool.p
        pool.r = pool.r - spread(alpha, q) * q
        s = _precondition(pool.objective, pool.r)
        slope = (pool.r * s).flatten(1).sum(1)
        pool.p = s + spread(slope / pool.slope, q) * pool.p
        pool.slope = slope
        pool.iterations += 1
        pool.gradients += 1
    found, path = pool.close(), pool.traces()
    return found | {"f": objective.value(found["v"])}, path


def _precondition(objective: QuadraticObjective, r: Tensor) -> Tensor:
    diagonal = objective.diagonal()
    return r if diagonal is None else r / diagonal
