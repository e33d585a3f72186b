"""Checks of chapter 06: the shell on which a normal vector lies, and how long a step of eq. (8) may be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from ...operators import GaussianMatrix

__all__ = ["longest_step", "project_to_shell"]


def _moved(z: Tensor, squares: Tensor) -> Tensor:
    """Each row of z, stretched or shortened to the squared length that is given for it, (B, 1)."""
    return z * (squares / z.square().sum(1, keepdim=True)).sqrt()


def _into_shell(z: Tensor, mean: float, width: float) -> Tensor:
    """The nearest point with a squared length between mean - width (0 at least) and mean + width."""
    return _moved(z, z.square().sum(1, keepdim=True).clamp(max(mean - width, 0.0), mean + width))


def project_to_shell(project: Callable[[Tensor], Tensor]) -> Verdict:
    """Does ``project(z)`` give the nearest point of the shell in which N(0, I) lies, for each row of z?

    The shell holds all z whose squared length is within two standard deviations of its mean under N(0, I).

    Parameters
    ----------
    project : callable
        (B, d) tensor, no row zero -> (B, d) tensor.

    Example
    -------
    >>> bool(project_to_shell(lambda z: z.shape[1] ** 0.5 * z / z.norm(dim=1, keepdim=True)))
    ✗ Not yet: the projection differs by up to ...; this is a sphere, with no thickness...
    False
    """
    generator, cases = torch.Generator().manual_seed(21), []
    for d, lengths in ((40, (0.2, 0.6, 0.9, 1.0, 1.3, 3.0)), (8, (0.1, 0.7, 1.2, 1.6, 4.0))):
        z = torch.randn(len(lengths), d, generator=generator, dtype=torch.float64)
        cases.append((_moved(z, d * torch.tensor(lengths, dtype=torch.float64)[:, None].square()),))

    def d(z: Tensor) -> int:
        return z.shape[1]

    def solution(z: Tensor) -> Tensor:
        return _into_shell(z, d(z), 2 * (2 * d(z)) ** 0.5)

    def by_length(z: Tensor) -> Tensor:
        """Two standard deviations of the length about its mean, to first order: sqrt(d) +- sqrt(2)."""
        size = z.norm(dim=1, keepdim=True)
        return z / size * size.clamp(max(d(z) ** 0.5 - 2**0.5, 0.0), d(z) ** 0.5 + 2**0.5)

    return examine(
        project,
        cases,
        solution,
        "the projection",
        rtol=1e-6,
        mistakes={
            "this is z itself": lambda z: z,
            "this is the unit sphere: a standard normal vector is longer": lambda z: _moved(
                z, torch.ones_like(z[:, :1])
            ),
            "this is a sphere, with no thickness: what is inside the shell stays where it is": lambda z: _moved(
                z, torch.full_like(z[:, :1], d(z))
            ),
            "this is the sphere of radius d that the paper prints; the mean of ||z||^2 is d": lambda z: _moved(
                z, torch.full_like(z[:, :1], d(z) ** 2)
            ),
            "the variance of ||z||^2 is 2 d, because that of each squared coordinate is 2": lambda z: _into_shell(
                z, d(z), 2 * d(z) ** 0.5
            ),
            "two standard deviations, not one": lambda z: _into_shell(z, d(z), (2 * d(z)) ** 0.5),
            "the standard deviation is the root of the variance 2 d": lambda z: _into_shell(z, d(z), 4 * d(z)),
            "the variance of a squared normal number is 3 - 1: E z^4 = 3, less the square of the mean": (
                lambda z: _into_shell(z, d(z), 2 * (3 * d(z)) ** 0.5)
            ),
            "the shell is stated for the squared length: d +- 2 sqrt(2 d), then the root": by_length,
            "the bounds are for the squared length: take their roots": lambda z: (
                z
                / z.norm(dim=1, keepdim=True)
                * z.norm(dim=1, keepdim=True).clamp(
                    max(d(z) - 2 * (2 * d(z)) ** 0.5, 0.0), d(z) + 2 * (2 * d(z)) ** 0.5
                )
            ),
            "rows that are too long are right; those that are too short must move, too": lambda z: _moved(
                z, z.square().sum(1, keepdim=True).clamp_max(d(z) + 2 * (2 * d(z)) ** 0.5)
            ),
            "rows that are too short are right; those that are too long must move, too": lambda z: _moved(
                z, z.square().sum(1, keepdim=True).clamp_min(max(d(z) - 2 * (2 * d(z)) ** 0.5, 0.0))
            ),
        },
    )


def longest_step(longest: Callable) -> Verdict:
    """Does ``longest(A, x, x_new)`` give the largest eta for which the quadratic of eq. (8) is above at x_new?

    Parameters
    ----------
    longest : callable
        Operator, two batches of images (B, 1, H, W) -> (B,) tensor.

    Example
    -------
    >>> ok = longest_step(lambda A, x, x_new: (x_new - x).flatten(1).norm(dim=1) / A(x_new - x).norm(dim=1))
    ✗ Not yet: the longest step differs by up to ...; both norms are squared
    """
    random, cases = torch.Generator().manual_seed(22), []
    for n, m, size in ((3, 12, 6), (2, 10, 5)):
        A = GaussianMatrix(m, size, random).double()
        x, x_new = (torch.randn(n, 1, size, size, generator=random, dtype=torch.float64) for _ in range(2))
        cases.append((A, x, x_new))

    def squares(A, x: Tensor, x_new: Tensor) -> tuple[Tensor, Tensor]:
        return (x_new - x).flatten(1).square().sum(1), A(x_new - x).square().sum(1)

    def ratio(power: float = 1.0, factor: float = 1.0) -> Callable:
        def of(A, x: Tensor, x_new: Tensor) -> Tensor:
            whole, seen = squares(A, x, x_new)
            return factor * (whole / seen) ** power

        return of

    return examine(
        longest,
        cases,
        lambda A, x, x_new: ratio()(A, x, x_new),
        "the longest step",
        rtol=1e-6,
        mistakes={
            "that is 1 / ||A||^2, which is safe for all pairs; this pair allows more": lambda A, x, x_new: torch.ones(
                len(x), dtype=x.dtype
            ),
            "both norms are squared": ratio(0.5),
            "turned over: the less A sees of the difference, the longer the step may be": ratio(-1.0),
            "the quadratic has 1 / eta, not 1 / (2 eta), because the data term has no factor 1/2": ratio(factor=0.5),
            "the quadratic has 1 / eta, and its slope at x_t is that of the data term already": ratio(factor=2.0),
            "it depends on the difference of the two images, not on the images": lambda A, x, x_new: (
                x_new.flatten(1).square().sum(1) / A(x_new).square().sum(1)
            ),
            "one step for the whole batch: each pair has its own": lambda A, x, x_new: ratio()(A, x, x_new).amin(),
            "that is how far the quadratic is above for eta = 1, not the eta at which both are equal": (
                lambda A, x, x_new: squares(A, x, x_new)[0] - squares(A, x, x_new)[1]
            ),
        },
    )
