"""Checks of chapter 04: the best start, the steepest direction, energy distance, rho, a useless winner, a guarantee."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from .useless import useless_winner

__all__ = [
    "best_of_starts",
    "energy_distance",
    "largest_rho",
    "not_fitted",
    "steepest_direction",
    "useless_winner",
]


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


def largest_rho(bound: Callable) -> Verdict:
    """Does ``bound(e1, r1, e2, r2)`` give the rho below which (6) prefers the far encoding to the near one?

    Parameters
    ----------
    bound : callable
        Squared errors e1 > e2 of two encodings of an image at distances r1 < r2 from 0, equally wide -> number.

    Example
    -------
    >>> bool(largest_rho(lambda e1, r1, e2, r2: (e1 - e2) / (r2**2 - r1**2)))
    ✗ Not yet: the bound is ..., which is ... too ...; that is rho^2
    False
    """

    def solution(e1: float, r1: float, e2: float, r2: float) -> float:
        return math.sqrt((e1 - e2) / (r2**2 - r1**2))

    return examine(
        bound,
        [(9.0, 1.0, 4.0, 2.5), (12.0, 0.5, 11.0, 4.0), (3.0, 2.0, 1.0, 3.0)],
        solution,
        "the bound",
        rtol=1e-6,
        mistakes={
            "that is rho^2": lambda e1, r1, e2, r2: solution(e1, r1, e2, r2) ** 2,
            "the KL divergence has the square of the distance": lambda e1, r1, e2, r2: math.sqrt((e1 - e2) / (r2 - r1)),
            "the squared distance between the encodings does not count, only how far each is from 0": (
                lambda e1, r1, e2, r2: math.sqrt((e1 - e2) / (r2 - r1) ** 2)
            ),
            "the KL divergence has half of the squared distance": lambda e1, r1, e2, r2: (
                solution(e1, r1, e2, r2) / math.sqrt(2)
            ),
            "the misfit in (6) is divided by 2 rho^2, not by rho^2": lambda e1, r1, e2, r2: (
                solution(e1, r1, e2, r2) * math.sqrt(2)
            ),
            "turned over: what is gained in the misfit is divided by 2 rho^2": lambda e1, r1, e2, r2: (
                1 / solution(e1, r1, e2, r2)
            ),
            "the errors are squared already": lambda e1, r1, e2, r2: math.sqrt((e1**2 - e2**2) / (r2**2 - r1**2)),
            "the errors are squared already, and so is rho": lambda e1, r1, e2, r2: (e1 - e2) / (r2**2 - r1**2) ** 0.5,
            "the near encoding has its price as well: compare two losses": lambda e1, r1, e2, r2: math.sqrt(
                (e1 - e2) / r2**2
            ),
            "that compares ratios; a loss is a sum": lambda e1, r1, e2, r2: math.sqrt(e1 / e2 / (r2**2 / r1**2)),
        },
    )


def not_fitted(bound: Callable) -> Verdict:
    """Does ``bound(n, alpha)`` give the largest share of images not fitted that n fitted images do not refute?

    Parameters
    ----------
    bound : callable
        Number n of independent images, all of them fitted; level 0 < alpha < 1 -> the largest delta for which that
        has the probability alpha or more.

    Example
    -------
    >>> bool(not_fitted(lambda n, alpha: 3 / n))
    ✗ Not yet: the share is ...; that is the rule of thumb for alpha = 0.05 and many images
    False
    """

    def solution(n: int, alpha: float) -> float:
        return 1 - alpha ** (1 / n)

    return examine(
        bound,
        [(10, 0.05), (40, 0.2), (3, 0.5)],
        solution,
        "the share",
        rtol=1e-6,
        mistakes={
            "that is the rule of thumb for alpha = 0.05 and many images": lambda n, alpha: 3 / n,
            "that is a good approximation for many images; solve (1 - delta)^n = alpha": lambda n, alpha: (
                -math.log(alpha) / n
            ),
            "that is the share that is fitted": lambda n, alpha: 1 - solution(n, alpha),
            "alpha is the probability that all are fitted, not that one is not": lambda n, alpha: (
                1 - (1 - alpha) ** (1 / n)
            ),
            "all n are fitted with the probability (1 - delta)^n; take the n-th root": lambda n, alpha: 1 - alpha**n,
            "the probability of n independent events is a power, not a product with n": lambda n, alpha: (
                (1 - alpha) / n
            ),
            "that makes it likely that SOME image is not fitted; all n were": lambda n, alpha: alpha ** (1 / n),
            "the mean number of failures would be alpha then; all n must be fitted": lambda n, alpha: alpha / n,
            "the share does not depend on alpha then": lambda n, alpha: 1 / n,
        },
    )
