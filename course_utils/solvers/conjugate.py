"""Conjugate gradients for a batch of independent linear systems."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from .descent import spread
from .objectives import sum_of_squares
from .pool import Pool

__all__ = ["conjugate_gradients"]


@torch.no_grad()
def conjugate_gradients(
    system, b: Tensor, x0: Tensor, tol: float = 1e-5, max_iter: int = 500, trace: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Solve M x = b for B symmetric positive definite M, each to its own accuracy.

    Every step lowers <x, M x> / 2 - <b, x>, so that a start is improved however early it ends.

    Parameters
    ----------
    system
        ``system(x)`` is M x for B problems, (B, ...) -> (B, ...); ``system.select(index)`` are some of them.
    b, x0 : (B, ...) tensors
        Right hand sides, and where to start.
    tol : float
        A problem is finished when ||b - M x|| <= tol ||b||.
    max_iter : int
    trace : bool
        Also return ||b - M x||^2 of every iteration, as "residual".

    Returns
    -------
    results : dict of (B, ...) tensors
        "x" and "iterations".
    traces : dict

    Source
    ------
    Hestenes and Stiefel, J. Res. Natl. Bur. Stand. 49 (1952).

    Example
    -------
    >>> class Diagonal:
    ...     def __init__(self, d): self.d = d
    ...     def __call__(self, x): return self.d * x
    ...     def select(self, index): return Diagonal(self.d[index])
    >>> found, _ = conjugate_gradients(Diagonal(torch.tensor([[1.0, 2.0]])), torch.ones(1, 2), torch.zeros(1, 2))
    >>> found["x"]
    tensor([[1.0000, 0.5000]])
    """
    check_nonnegative("tol", tol)
    check_count("max_iter", max_iter, minimum=0)
    r = b - system(x0)
    squared = sum_of_squares(r)
    pool = Pool(system, x=x0, r=r, p=r, squared=squared, target=tol**2 * sum_of_squares(b))
    for k in range(max_iter + 1):
        if trace:
            pool.trace(residual=pool.squared)
        pool.drop(pool.squared <= pool.target)
        if not len(pool) or k == max_iter:
            break
        q = pool.objective(pool.p)
        step = pool.squared / (pool.p * q).flatten(1).sum(1)
        pool.x = pool.x + spread(step, q) * pool.p
        pool.r = pool.r - spread(step, q) * q
        squared = sum_of_squares(pool.r)
        pool.p = pool.r + spread(squared / pool.squared, q) * pool.p
        pool.squared = squared
        pool.iterations += 1
    return pool.close(), pool.traces()
