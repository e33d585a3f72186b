"""Checks of chapter 02: a prox under a constraint, where to stop, which weight, MLEM, mean and MAP, minimisers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from ...operators import LinearOperator
from ...regularisers import L1
from .minimisers import mean_and_map, monotone
from .searching import stopping, weight

__all__ = ["emission", "mean_and_map", "monotone", "stopping", "threshold", "weight"]


def threshold(prox: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Is ``prox(u, tau)`` the minimiser of ||v||_1 + ||v - u||^2 / (2 tau) over all v >= 0?

    Parameters
    ----------
    prox : callable
        (B, 1, H, W) tensor and number tau > 0 -> (B, 1, H, W) tensor.

    Example
    -------
    >>> from course_utils.regularisers import L1
    >>> ok = threshold(L1(1.0, bounds=(0, float("inf"))).prox)
    ✓ Right: the prox agrees exactly
    >>> ok = threshold(L1(1.0).prox)
    ✗ Not yet: the prox differs by up to ...; this is soft thresholding: it has negative entries, and they are forbidden
    """
    generator = torch.Generator().manual_seed(6)
    cases = [
        (torch.randn(n, 1, *size, generator=generator, dtype=torch.float64), tau)
        for n, size, tau in ((2, (6, 6), 0.4), (3, (5, 4), 0.7))
    ]
    soft, bounded = L1(1.0).prox, L1(1.0, bounds=(0.0, math.inf)).prox
    return examine(
        prox,
        cases,
        lambda u, tau: bounded(u, tau),
        "the prox",
        rtol=1e-6,
        mistakes={
            "this is soft thresholding: it has negative entries, and they are forbidden": soft,
            "a negative entry of u is far from every large v: turning its sign round does not bring it nearer": (
                lambda u, tau: soft(u, tau).abs()
            ),
            "that is |u| - tau: what should a negative entry become, and what one below tau?": lambda u, tau: (
                u.abs() - tau
            ),
            "that is the nearest v >= 0; ||v||_1 has been forgotten": lambda u, tau: u.clamp_min(0),
            "shrinking came after the constraint, and leads out of it again": lambda u, tau: u.clamp_min(0) - tau,
            "this moves everything down, so that negative entries move on": lambda u, tau: u - tau,
            "what survives the threshold must still be shortened": lambda u, tau: u * (u > tau),
            "negative entries survive, and what survives must still be shortened": lambda u, tau: u * (u.abs() > tau),
            "large entries are right; small positive ones stay as they were": lambda u, tau: torch.where(
                u > tau, u - tau, u.clamp_min(0)
            ),
            "the square is divided by 2 tau: set the derivative to 0 again, the threshold is not tau / 2": (
                lambda u, tau: bounded(u, tau / 2)
            ),
            "the square is divided by 2 tau: set the derivative to 0 again, the threshold is not 2 tau": (
                lambda u, tau: bounded(u, 2 * tau)
            ),
            "the threshold is 1 whatever tau is": lambda u, tau: bounded(u, 1.0),
            "the square is divided by tau, so a larger tau shrinks more, not less": lambda u, tau: bounded(u, 1 / tau),
            "entries must not grow: the sign of tau": lambda u, tau: (u + tau).clamp_min(0),
            "entries must not grow: v >= 0 is the constraint, not v >= tau": lambda u, tau: u.clamp_min(tau),
            "this divides, as the squared 2-norm does, and never gives 0 for a positive u": lambda u, tau: (
                u.clamp_min(0) / (1 + tau)
            ),
            "this divides, as the squared 2-norm does; the 1-norm has another derivative": lambda u, tau: (
                u.clamp_min(0) / (1 + 2 * tau)
            ),
            "this is the other half: the negative entries, shrunk": lambda u, tau: soft(u, tau).clamp_max(0),
        },
    )


class _NonNegative(LinearOperator):
    """A random matrix without negative entries, from images to data of their shape; its columns have unlike sums."""

    def __init__(self, size: tuple[int, int], generator: torch.Generator) -> None:
        super().__init__((1, *size), (1, *size), scale=1.0)
        n = size[0] * size[1]
        M = torch.rand(n, n, generator=generator, dtype=torch.float64) ** 4
        self.register_buffer("M", M * torch.linspace(0.2, 3.0, n, dtype=torch.float64))

    def _forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.M.T).reshape(-1, *self.shape_out)

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self.M).reshape(-1, *self.shape_in)


def emission(step: Callable[[Tensor, LinearOperator, Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``step(x, A, y, b)`` one step of expectation maximisation for counts y with mean A x + b?

    Tried on two operators without negative entries, for which A* 1 is not constant.

    Parameters
    ----------
    step : callable
        The image x > 0, operator, counts and background, the last two shaped alike -> the next image.

    Example
    -------
    >>> ok = emission(lambda x, A, y, b: x * A.T(y / A(x)))
    ✗ Not yet: ...; this is the step for b = 0 and A* 1 = 1, and neither holds here
    """
    generator, cases = torch.Generator().manual_seed(8), []
    for size, level in (((4, 4), 0.8), ((5, 3), 3.0)):
        A = _NonNegative(size, generator)
        x, truth, b = (torch.rand(1, *A.shape_in, generator=generator, dtype=torch.float64) + 0.2 for _ in range(3))
        counts = torch.poisson(20 * A(truth) + level * b, generator=generator) + 1  # + 1: no zero to divide by
        cases.append((20 * x, A, counts, level * b))

    def seen(A: LinearOperator, y: Tensor) -> Tensor:
        return A.T(torch.ones_like(y))

    def solution(x: Tensor, A: LinearOperator, y: Tensor, b: Tensor) -> Tensor:
        return x / seen(A, y) * A.T(y / (A(x) + b))

    def scaled(x: Tensor, y: Tensor, A: LinearOperator) -> Tensor:
        return x * (y.sum() / A(x).sum())

    return examine(
        step,
        cases,
        solution,
        "the next image",
        rtol=1e-8,
        mistakes={
            "this is x itself": lambda x, A, y, b: x,
            "this is the step for b = 0 and A* 1 = 1, and neither holds here": lambda x, A, y, b: x * A.T(y / A(x)),
            "b is in the model; the pixels are not seen equally well, though: what is A* 1 for?": lambda x, A, y, b: (
                x * A.T(y / (A(x) + b))
            ),
            "A* 1 is right; what does the model expect beside A x?": lambda x, A, y, b: x / seen(A, y) * A.T(y / A(x)),
            "b was subtracted from the counts, which are then no longer Poisson, and may be negative": (
                lambda x, A, y, b: x / seen(A, y) * A.T((y - b) / A(x))
            ),
            "b was subtracted from the counts, which are then no longer Poisson; cutting at 0 adds a bias": (
                lambda x, A, y, b: x / seen(A, y) * A.T((y - b).clamp_min(0) / A(x))
            ),
            "b was subtracted from the counts, and A* 1 is missing, too": lambda x, A, y, b: x * A.T((y - b) / A(x)),
            "y / A(x) + b is (y / A(x)) + b: brackets": lambda x, A, y, b: x / seen(A, y) * A.T(y / A(x) + b),
            "b has the wrong sign in the model": lambda x, A, y, b: x / seen(A, y) * A.T(y / (A(x) - b)),
            "the factor must be 1 where the model explains the counts; you multiply by A* 1": lambda x, A, y, b: (
                x * seen(A, y) * A.T(y / (A(x) + b))
            ),
            "the sum over the data is A* 1, one number for each pixel; A 1 sums over the pixels": lambda x, A, y, b: (
                x / A(torch.ones_like(x)) * A.T(y / (A(x) + b))
            ),
            "A 1 has a number for each datum, and the missing factor belongs to the pixels": lambda x, A, y, b: (
                x * A.T(y / (A(x) + b) / A(torch.ones_like(x)))
            ),
            "A* 1 is one number for each pixel; its mean treats them alike": lambda x, A, y, b: (
                x / seen(A, y).mean() * A.T(y / (A(x) + b))
            ),
            "A* 1 is one number for each pixel; its sum treats them alike": lambda x, A, y, b: (
                x / seen(A, y).sum() * A.T(y / (A(x) + b))
            ),
            "scaling the image until the counts agree is no remedy: the pixels are weighted as before": (
                lambda x, A, y, b: scaled(x * A.T(y / (A(x) + b)), y, A)
            ),
            "the ratio lives in the data, and A was applied to it where A* brings it back": lambda x, A, y, b: (
                x / seen(A, y) * A(y / (A(x) + b))
            ),
            "the ratio lives in the data, and A was applied to it where A* brings it back; A* 1 is missing, too": (
                lambda x, A, y, b: x * A(y / (A(x) + b))
            ),
            "the ratio is upside down: where more is counted than expected, x must grow": lambda x, A, y, b: (
                x / seen(A, y) * A.T((A(x) + b) / y)
            ),
            "that is the factor; multiply x by it": lambda x, A, y, b: A.T(y / (A(x) + b)) / seen(A, y),
            "that is the correction by differences of a least-squares method": lambda x, A, y, b: x + A.T(y - A(x) - b),
            "the condition for a maximum is that a factor is 1; you made a sum of x and the gradient of it": (
                lambda x, A, y, b: x + A.T(y / (A(x) + b) - 1)
            ),
            "x is added once more: where the model explains the counts, your step doubles the image": (
                lambda x, A, y, b: x + solution(x, A, y, b)
            ),
        },
    )
