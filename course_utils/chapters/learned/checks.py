"""Checks of the exercises of chapter 09: agreement with the data, what the squared error asks for, and others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from .checks_denoising import fixed_point_gradient, pnp_step, red_gradient
from .checks_robust import forced, worst

__all__ = ["best_answer", "consistent", "fixed_point_gradient", "forced", "pnp_step", "red_gradient", "worst"]


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draw(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def consistent(phi: Callable[[Tensor, Tensor, Callable], Tensor]) -> Verdict:
    """Is ``phi(A, y, N)`` the pseudo-inverse plus what the network N draws in the null space of A?

    Parameters
    ----------
    phi : callable
        (m, n) matrix with m < n, (m,) data, a map from (n,) to (n,) -> (n,) image.

    Example
    -------
    >>> def phi(A, y, N):
    ...     first = torch.linalg.pinv(A) @ y
    ...     return first + N(first) - torch.linalg.pinv(A) @ (A @ N(first))
    >>> bool(consistent(phi))
    ✓ Right: the image agrees...
    True
    """
    cases = []
    for m, n in ((4, 7), (3, 9)):
        g = _random(n)
        A, W = _draw(g, m, n), _draw(g, n, n)
        cases.append((A, A @ _draw(g, n), lambda x, W=W: torch.tanh(W @ x) + 0.3))

    def first(A: Tensor, y: Tensor) -> Tensor:
        return torch.linalg.pinv(A) @ y

    def into(A: Tensor, v: Tensor) -> Tensor:
        """The part of v in the null space."""
        return v - torch.linalg.pinv(A) @ (A @ v)

    return examine(
        phi,
        cases,
        lambda A, y, N: first(A, y) + into(A, N(first(A, y))),
        "the image",
        rtol=1e-6,
        mistakes={
            "that is N's answer alone: it does not agree with the data": lambda A, y, N: N(first(A, y)),
            "N's answer is added whole: its part that A sees spoils the agreement": lambda A, y, N: (
                first(A, y) + N(first(A, y))
            ),
            "nothing of N is left: what the data do not determine should come from it": lambda A, y, N: first(A, y),
            "the part of N's answer that A sees was kept, and the other thrown away": lambda A, y, N: (
                first(A, y) + N(first(A, y)) - into(A, N(first(A, y)))
            ),
            "only the part in the null space: the pseudo-inverse itself is missing": lambda A, y, N: into(
                A, N(first(A, y))
            ),
            "A^T is not the pseudo-inverse: A^T A is no projection": lambda A, y, N: (
                first(A, y) + N(first(A, y)) - A.T @ (A @ N(first(A, y)))
            ),
            "N is asked about the adjoint; ask it about the pseudo-inverse of the data": lambda A, y, N: (
                first(A, y) + into(A, N(A.T @ y))
            ),
            "N should see the pseudo-inverse, not zero": lambda A, y, N: first(A, y) + into(A, N(0 * first(A, y))),
        },
    )


def best_answer(phi: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> Verdict:
    """Is ``phi(y, A, a, b, sigma)`` the answer of least expected squared error, if the image is a or b, half each?

    Parameters
    ----------
    phi : callable
        (m,) data, (m, n) matrix, two (n,) images, sigma > 0 -> (n,) image.
    """
    cases = []
    for n, sigma in ((5, 0.9), (6, 1.7)):
        g = _random(n)
        A, a, b = _draw(g, 3, n) / n**0.5, _draw(g, n), _draw(g, n)
        cases.append((A @ a + sigma * _draw(g, 3), A, a, b, sigma))

    def weighted(y: Tensor, A: Tensor, a: Tensor, b: Tensor, sigma: float, power: float = 2, half: float = 2) -> Tensor:
        gap = ((A @ b - y).norm() ** 2 - (A @ a - y).norm() ** 2) / (half * sigma**power)
        p = torch.sigmoid(gap)
        return p * a + (1 - p) * b

    def nearer(y: Tensor, A: Tensor, a: Tensor, b: Tensor, sigma: float) -> Tensor:
        return a if (A @ a - y).norm() < (A @ b - y).norm() else b

    def swapped(y: Tensor, A: Tensor, a: Tensor, b: Tensor, sigma: float) -> Tensor:
        return a + b - weighted(y, A, a, b, sigma)

    return examine(
        phi,
        cases,
        lambda y, A, a, b, sigma: weighted(y, A, a, b, sigma),
        "the answer",
        rtol=1e-6,
        mistakes={
            "that is the more probable image: the squared error asks for a mean": nearer,
            "the two have equal probability before the data come, not after": lambda y, A, a, b, s: (a + b) / 2,
            "the exponent of a Gaussian has the factor 1/2": lambda *v: weighted(*v, half=1),
            "the exponent is half the squared misfit, not a quarter": lambda *v: weighted(*v, half=4),
            "the exponent is divided by the variance, not by the standard deviation": lambda *v: weighted(*v, power=1),
            "a and b have changed places: the one that fits better gets the greater weight": swapped,
            "weights in proportion to the misfit itself are not probabilities": lambda y, A, a, b, s: (
                ((A @ b - y).norm() * a + (A @ a - y).norm() * b) / ((A @ a - y).norm() + (A @ b - y).norm())
            ),
            "that is the probability of one image, not the mean image": lambda y, A, a, b, s: torch.sigmoid(
                ((A @ b - y).norm() ** 2 - (A @ a - y).norm() ** 2) / (2 * s**2)
            ),
        },
    )
