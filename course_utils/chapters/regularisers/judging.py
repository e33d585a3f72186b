"""Checks of chapter 05 that judge results: the best of several starts, a residual beside the noise, tuning."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine

__all__ = ["best_of_starts", "excess", "left_out", "residual_excess"]


def _chosen(f: Tensor, quality: Tensor, chances: list[float]) -> Tensor:
    """Mean quality if, of each row, the start with the k-th least f is taken with the k-th chance."""
    by_objective = quality.gather(1, f.argsort(1))
    return (by_objective * torch.tensor(chances, dtype=quality.dtype)).sum(1).mean()


def best_of_starts(expected: Callable[[Tensor, Tensor, int], float]) -> Verdict:
    """Does ``expected(f, quality, s)`` give the mean quality of the best of s starts by objective, over all choices?

    Parameters
    ----------
    expected : callable
        Objectives (N, S), qualities (N, S), number s of starts, 1 <= s <= S -> number.  Mean over the images and over
        all sets of s of the S starts.

    Example
    -------
    >>> bool(best_of_starts(lambda f, quality, s: quality.mean()))
    ✗ Not yet: the mean quality is ...; that is one random start, whatever s is
    False
    """
    generator, cases = torch.Generator().manual_seed(21), []
    for n, S, s in ((3, 6, 2), (4, 5, 3), (3, 7, 1)):
        f = torch.rand(n, S, generator=generator, dtype=torch.float64)
        quality = 20 - 4 * f + torch.randn(n, S, generator=generator, dtype=torch.float64)
        cases.append((f, quality, s))

    def chances(S: int, s: int) -> list[float]:
        """The start of rank k is chosen if it is in the set and the rest of the set ranks behind it."""
        return [math.comb(S - 1 - k, s - 1) / math.comb(S, s) for k in range(S)]

    def solution(f: Tensor, quality: Tensor, s: int) -> Tensor:
        return _chosen(f, quality, chances(f.shape[1], s))

    def first(f: Tensor, quality: Tensor, s: int, values: Tensor | None = None) -> Tensor:
        values = f if values is None else values
        return quality.gather(1, values[:, :s].argmin(1, keepdim=True)).mean()

    def replaced(S: int, s: int) -> list[float]:
        return [((S - k) ** s - (S - k - 1) ** s) / S**s for k in range(S)]

    return examine(
        expected,
        cases,
        solution,
        "the mean quality",
        rtol=1e-6,
        mistakes={
            "that is one random start, whatever s is": lambda f, quality, s: quality.mean(),
            "those are the first s starts, one set of many": first,
            "those are the first s starts, and chosen by quality, which nobody knows": lambda f, quality, s: first(
                f, quality, s, -quality
            ),
            "the choice is by objective: with real data nobody knows the quality": lambda f, quality, s: _chosen(
                -quality, quality, chances(f.shape[1], s)
            ),
            "that is the best of all S starts: s of them are tried": lambda f, quality, s: first(
                f, quality, f.shape[1]
            ),
            "the least objective is the best one, not the greatest": lambda f, quality, s: _chosen(
                -f, quality, chances(f.shape[1], s)
            ),
            "this draws the same start twice now and then: a set of s has s different ones": lambda f, quality, s: (
                _chosen(f, quality, replaced(f.shape[1], s))
            ),
            "that is the mean of the s best starts: of a set of s only one is kept": lambda f, quality, s: (
                quality.gather(1, f.argsort(1))[:, :s].mean()
            ),
            "that is the mean objective; the mean quality is asked for": lambda f, quality, s: _chosen(
                f, f, chances(f.shape[1], s)
            ),
        },
    )


def excess(squared, m: int, d: int, sigma: float):
    """How far a squared residual lies above that of the noise, in standard deviations, after d numbers were fitted.

    Example
    -------
    >>> excess(392 * 0.25, 400, 8, 0.5), excess(420 * 0.25, 400, 8, 0.5)
    (0.0, 1.0)
    """
    return (squared / sigma**2 - (m - d)) / math.sqrt(2 * (m - d))


def residual_excess(above: Callable[[float, int, int, float], float]) -> Verdict:
    """Does ``above(squared, m, d, sigma)`` count how far a squared residual is from its mean, in standard deviations?

    Parameters
    ----------
    above : callable
        ||A G(z) - y||^2 of the best z, number m of data, number d < m of fitted numbers, noise level -> number.

    Example
    -------
    >>> bool(residual_excess(lambda squared, m, d, sigma: (squared / sigma**2 - m) / (2 * m) ** 0.5))
    ✗ Not yet: the excess is ...; d numbers were fitted, and they fit a part of the noise
    False
    """
    cases = [(7.0, 30, 8, 0.4), (0.9, 20, 12, 0.3), (40.0, 60, 20, 1.0)]

    def solution(squared: float, m: int, d: int, sigma: float) -> float:
        return excess(squared, m, d, sigma)

    def off(squared: float, m: int, d: int, sigma: float) -> float:
        return squared / sigma**2 - (m - d)

    return examine(
        above,
        cases,
        solution,
        "the excess",
        rtol=1e-6,
        mistakes={
            "d numbers were fitted, and they fit a part of the noise": lambda squared, m, d, sigma: excess(
                squared, m, 0, sigma
            ),
            "the mean is right; of how many independent terms is it, and so what is the spread?": (
                lambda squared, m, d, sigma: off(squared, m, d, sigma) / math.sqrt(2 * m)
            ),
            "the spread is right; the fitted numbers take their share of the mean, too": (
                lambda squared, m, d, sigma: (squared / sigma**2 - m) / math.sqrt(2 * (m - d))
            ),
            "fitting takes noise out of the residual, it does not put any in: m - d": lambda squared, m, d, sigma: (
                excess(squared, m, -d, sigma)
            ),
            "each squared normal number has the variance 2, not 1": lambda squared, m, d, sigma: (
                off(squared, m, d, sigma) / math.sqrt(m - d)
            ),
            "divide by the standard deviation, the root of the variance": lambda squared, m, d, sigma: (
                off(squared, m, d, sigma) / (2 * (m - d))
            ),
            "in units of sigma^2 it must not depend on the unit of the data": lambda squared, m, d, sigma: (
                (squared - (m - d) * sigma**2) / math.sqrt(2 * (m - d))
            ),
            "the spread is in units of sigma^2: its variance has sigma^4": lambda squared, m, d, sigma: (
                (squared - (m - d) * sigma**2) / (math.sqrt(2 * (m - d)) * sigma)
            ),
            "you were handed the squared residual": lambda squared, m, d, sigma: excess(squared**2, m, d, sigma),
            "the norm of the residual was compared with a squared noise": lambda squared, m, d, sigma: excess(
                math.sqrt(squared), m, d, sigma
            ),
            "that is the excess, not yet in standard deviations": off,
            "that is the ratio to the mean": lambda squared, m, d, sigma: squared / ((m - d) * sigma**2),
            "a residual that is too large has a positive excess": lambda squared, m, d, sigma: (
                -excess(squared, m, d, sigma)
            ),
        },
    )


def left_out(honest: Callable[[Tensor], float]) -> Verdict:
    """Does ``honest(db)`` judge each image with the weight that the other images choose?

    Parameters
    ----------
    honest : callable
        PSNR (K, N) of N images with K weights -> number, the mean over the images.

    Example
    -------
    >>> bool(left_out(lambda db: db.mean(1).max()))
    ✗ Not yet: the mean PSNR is ...; the images that chose the weight also judge it
    False
    """
    generator, cases = torch.Generator().manual_seed(15), []
    for weights, images in ((5, 4), (4, 6)):
        cases.append((20 + torch.randn(weights, images, generator=generator, dtype=torch.float64),))

    def by_others(db: Tensor) -> Tensor:
        """The weight that the other images like best, for each image."""
        return (db.sum(1, keepdim=True) - db).argmax(0, keepdim=True)

    def halves(db: Tensor) -> Tensor:
        half = db.shape[1] // 2
        return db[db[:, :half].mean(1).argmax(), half:].mean()

    return examine(
        honest,
        cases,
        lambda db: db.gather(0, by_others(db)).mean(),
        "the mean PSNR",
        rtol=1e-6,
        mistakes={
            "the images that chose the weight also judge it": lambda db: db.mean(1).max(),
            "each image chose its own weight, which takes its truth": lambda db: db.amax(0).mean(),
            "half of the images choose and the other half judges: use all but one, for each": halves,
            "the weight is the one that the others like best; judge it on the image that was left out": lambda db: (
                ((db.sum(1, keepdim=True) - db) / (db.shape[1] - 1)).amax(0).mean()
            ),
            "each image is judged with the weight that the others like least": lambda db: db.gather(
                0, (db.sum(1, keepdim=True) - db).argmin(0, keepdim=True)
            ).mean(),
            "the best weight of the neighbour alone was taken: all others choose together": lambda db: db.gather(
                0, db.argmax(0).roll(1)[None]
            ).mean(),
            "no weight was chosen: this is the mean over all of them": lambda db: db.mean(),
            "one value for each image is left: take the mean": lambda db: db.gather(0, by_others(db))[0],
            "the first weight was taken, whatever the images say": lambda db: db[0].mean(),
        },
    )
