"""Checks of the exercises of chapter 04: NRMSE over starts, the local Lipschitz constant, the energy distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare

__all__ = ["best_of_starts", "energy_distance", "steepest_direction"]


def best_of_starts(choose: Callable) -> Verdict:
    """Does ``choose(candidates, x)`` give the NRMSE of the best candidate of each image?

    Parameters
    ----------
    choose : callable
        Candidates (B, S, 1, H, W), S fits of each image; x (B, 1, H, W) -> (B,) errors ||fit - x|| / ||x||.

    Example
    -------
    >>> def choose(candidates, x):
    ...     errors = (candidates - x[:, None]).flatten(2).norm(dim=2)
    ...     return errors.min(1).values / x.flatten(1).norm(dim=1)
    >>> bool(best_of_starts(choose))
    ✓ Right: the NRMSE of the best start agrees...
    True
    """
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(4, 1, 5, 6, generator=generator, dtype=torch.float64)
    noise = torch.randn(4, 3, 1, 5, 6, generator=generator, dtype=torch.float64)
    candidates = x[:, None] + noise * torch.tensor([0.3, 0.2, 0.4], dtype=torch.float64)[:, None, None, None]
    found, problem = attempt(choose, candidates.clone(), x.clone())
    if problem is not None:
        return problem
    errors = (candidates - x[:, None]).flatten(2).norm(dim=2)
    size = x.flatten(1).norm(dim=1)
    expected = errors.min(1).values / size
    return compare(
        found,
        expected,
        "the NRMSE of the best start",
        mistakes={
            "divide by the norm of x": errors.min(1).values,
            "that is the mean over the starts; the question is whether ANY z fits": errors.mean(1) / size,
            "that is the worst start": errors.max(1).values / size,
            "the first start was taken, not the best": errors[:, 0] / size,
            "take the root: a norm, not its square": errors.min(1).values ** 2 / size**2,
            "normalise by the true image, not by the fit": errors.min(1).values
            / candidates.flatten(2).norm(dim=2).gather(1, errors.argmin(1, keepdim=True))[:, 0],
        },
    )


def steepest_direction(slope: Callable) -> Verdict:
    """Does ``slope(J)`` give the local Lipschitz constant from a Jacobian?

    Parameters
    ----------
    slope : callable
        J (B, d, n), row j the derivative by z_j -> (B,) greatest ||J^T v|| over unit vectors v of R^d.

    Example
    -------
    >>> bool(steepest_direction(lambda J: torch.linalg.matrix_norm(J, ord=2)))
    ✓ Right: the local Lipschitz constant agrees...
    True
    """
    J = torch.randn(5, 3, 20, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    J = J * torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[:, None]
    found, problem = attempt(slope, J.clone())
    if problem is not None:
        return problem
    values = torch.linalg.svdvals(J)
    return compare(
        found,
        values[:, 0],
        "the local Lipschitz constant",
        rtol=1e-4,
        mistakes={
            "that is the Frobenius norm, of all directions together": J.flatten(1).norm(dim=1),
            "that is the longest row: the worst coordinate is not the worst direction": J.norm(dim=2).amax(1),
            "take the root of the eigenvalue of J J^T": values[:, 0] ** 2,
            "that is the smallest singular value": values[:, -1],
            "that is the largest entry": J.abs().amax((1, 2)),
        },
    )


def energy_distance(statistic: Callable) -> Verdict:
    """Does ``statistic(a, b)`` give 2 E||a - b|| - E||a - a'|| - E||b - b'||, with a and a' two different points?

    Parameters
    ----------
    statistic : callable
        (N, k), (M, k) -> number.

    Example
    -------
    >>> def statistic(a, b):
    ...     n, m = len(a), len(b)
    ...     within = torch.cdist(a, a).sum() / (n * (n - 1)) + torch.cdist(b, b).sum() / (m * (m - 1))
    ...     return 2 * torch.cdist(a, b).mean() - within
    >>> bool(energy_distance(statistic))
    ✓ Right: the energy distance agrees...
    True
    """
    generator = torch.Generator().manual_seed(3)
    a = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    b = 1.5 * torch.randn(11, 3, generator=generator, dtype=torch.float64) + 0.5
    found, problem = attempt(statistic, a.clone(), b.clone())
    if problem is not None:
        return problem

    def terms(distance) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        ab, aa, bb = distance(a, b).mean(), distance(a, a), distance(b, b)
        return ab, aa.sum() / (7 * 6), bb.sum() / (11 * 10), aa.mean(), bb.mean()

    ab, aa, bb, aa_all, bb_all = terms(torch.cdist)
    square = terms(lambda p, q: torch.cdist(p, q).pow(2))
    return compare(
        found,
        2 * ab - aa - bb,
        "the energy distance",
        mistakes={
            "a point is no distance from itself: divide by n (n - 1), not by n^2": 2 * ab - aa_all - bb_all,
            "the cross term counts twice": ab - aa - bb,
            "the terms within a set are missing": 2 * ab,
            "distances, not their squares: with squares only the means are compared": 2 * square[0]
            - square[1]
            - square[2],
            "the sign is turned round": aa + bb - 2 * ab,
        },
    )
