"""Checks of the exercises of chapter 04: NRMSE over starts, the local Lipschitz constant, the energy distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine

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
    cases = []
    for n, levels, size in ((4, (0.3, 0.2, 0.4), (5, 6)), (3, (0.4, 0.3, 0.35, 0.32), (7, 4))):
        x = torch.rand(n, 1, *size, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, len(levels), 1, *size, generator=generator, dtype=torch.float64)
        level = torch.tensor(levels, dtype=torch.float64)[:, None, None, None]
        cases.append((x[:, None] + noise * level, x))

    def errors(candidates: Tensor, x: Tensor) -> Tensor:
        return (candidates - x[:, None]).flatten(2).norm(dim=2)

    def least(candidates: Tensor, x: Tensor) -> Tensor:
        return errors(candidates, x).amin(1)

    def size_of(x: Tensor) -> Tensor:
        return x.flatten(1).norm(dim=1)

    def of_fit(candidates: Tensor, x: Tensor) -> Tensor:
        sizes = candidates.flatten(2).norm(dim=2)
        return least(candidates, x) / sizes.gather(1, errors(candidates, x).argmin(1, keepdim=True))[:, 0]

    return examine(
        choose,
        cases,
        lambda candidates, x: least(candidates, x) / size_of(x),
        "the NRMSE of the best start",
        mistakes={
            "divide by the norm of x": least,
            "that is the mean over the starts; the question is whether ANY z fits": lambda c, x: (
                errors(c, x).mean(1) / size_of(x)
            ),
            "that is the worst start": lambda c, x: errors(c, x).amax(1) / size_of(x),
            "the first start was taken, not the best": lambda c, x: errors(c, x)[:, 0] / size_of(x),
            "the start that is best on average was taken; each image has its own best": lambda c, x: (
                errors(c, x)[:, errors(c, x).mean(0).argmin()] / size_of(x)
            ),
            "take the root: a norm, not its square": lambda c, x: (least(c, x) / size_of(x)) ** 2,
            "normalise by the true image, not by the fit": of_fit,
            "divide by the norm of x, not by its square": lambda c, x: least(c, x) / size_of(x) ** 2,
            "that is the root mean squared error: divide by the norm of x, not by the root of the number of pixels": (
                lambda c, x: least(c, x) / x[0].numel() ** 0.5
            ),
            "this is the index of the best start; its error is asked for": lambda c, x: errors(c, x).argmin(1),
            "all starts are still there: take the best of each image": lambda c, x: errors(c, x) / size_of(x)[:, None],
            "this is the mean over the images: one value for each is asked for": lambda c, x: (
                least(c, x) / size_of(x)
            ).mean(),
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
    generator = torch.Generator().manual_seed(2)
    cases = []
    for n, scales, pixels in ((5, (1.0, 2.0, 0.5), 20), (4, (0.3, 1.0, 0.6, 0.8), 15)):
        J = torch.randn(n, len(scales), pixels, generator=generator, dtype=torch.float64)
        cases.append((J * torch.tensor(scales, dtype=torch.float64)[:, None],))
    values = torch.linalg.svdvals
    return examine(
        slope,
        cases,
        lambda J: values(J)[:, 0],
        "the local Lipschitz constant",
        rtol=1e-4,
        mistakes={
            "that is the Frobenius norm, of all directions together": lambda J: J.flatten(1).norm(dim=1),
            "that is the longest row: the worst coordinate is not the worst direction": lambda J: J.norm(dim=2).amax(1),
            "that is the longest column, the pixel that changes most": lambda J: J.norm(dim=1).amax(1),
            "take the root of the eigenvalue of J J^T": lambda J: values(J)[:, 0] ** 2,
            "that is the smallest singular value (eigvalsh sorts upwards)": lambda J: values(J)[:, -1],
            "that is the largest entry": lambda J: J.abs().amax((1, 2)),
            "that is the sum of the singular values; the largest is the gain of one direction": lambda J: values(J).sum(
                1
            ),
            "that is the mean singular value; the largest is asked for": lambda J: values(J).mean(1),
            "these are the singular values: take the largest of each": values,
            "this is the largest of the whole batch: each J has its own": lambda J: values(J).max(),
            "that is the direction (1, ..., 1), not the worst one": lambda J: J.sum(1).norm(dim=1) / J.shape[1] ** 0.5,
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
    cases = []
    for n, m, k in ((7, 11, 3), (9, 5, 2)):
        a = torch.randn(n, k, generator=generator, dtype=torch.float64)
        b = 1.5 * torch.randn(m, k, generator=generator, dtype=torch.float64) + 0.5
        cases.append((a, b))

    def cross(a: Tensor, b: Tensor, power: int = 1) -> Tensor:
        return torch.cdist(a, b).pow(power).mean()

    def within(a: Tensor, power: int = 1) -> Tensor:
        """The mean over the pairs of different points."""
        return torch.cdist(a, a).pow(power).sum() / (len(a) * (len(a) - 1))

    return examine(
        statistic,
        cases,
        lambda a, b: 2 * cross(a, b) - within(a) - within(b),
        "the energy distance",
        mistakes={
            "a point is no distance from itself: divide by n (n - 1), not by n^2": lambda a, b: (
                2 * cross(a, b) - cross(a, a) - cross(b, b)
            ),
            "the cross term counts twice": lambda a, b: cross(a, b) - within(a) - within(b),
            "the terms within a set are twice too large: the sum over a matrix has each pair twice": lambda a, b: (
                2 * cross(a, b) - 2 * within(a) - 2 * within(b)
            ),
            "the terms within a set are missing": lambda a, b: 2 * cross(a, b),
            "the term within b is missing": lambda a, b: 2 * cross(a, b) - within(a),
            "the term within a is missing": lambda a, b: 2 * cross(a, b) - within(b),
            "the terms within the sets are to be subtracted": lambda a, b: 2 * cross(a, b) + within(a) + within(b),
            "distances, not their squares: with squares only the means are compared": lambda a, b: (
                2 * cross(a, b, 2) - within(a, 2) - within(b, 2)
            ),
            "the sign is turned round": lambda a, b: within(a) + within(b) - 2 * cross(a, b),
            "sums, not means: divide by the number of pairs": lambda a, b: (
                2 * torch.cdist(a, b).sum() - torch.cdist(a, a).sum() - torch.cdist(b, b).sum()
            ),
            "this is the distance between the means; all pairs are wanted": lambda a, b: (a.mean(0) - b.mean(0)).norm(),
            "the root is taken in some definitions, not in this one": lambda a, b: (
                (2 * cross(a, b) - within(a) - within(b)).clamp_min(0).sqrt()
            ),
        },
    )
