"""Checks of chapter 03 that ask for one number: noise and the EMD, the largest image, what the bound gives away."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...checks import Verdict, examine

__all__ = ["bound_gap", "largest_image", "noisy_emd"]


def noisy_emd(candidate: Callable[[float, float, int], float]) -> Verdict:
    """Does ``candidate(emd, tau, n)`` say what the EMD becomes if the n pixels of one set get noise of std tau?

    Example
    -------
    >>> ok = noisy_emd(lambda emd, tau, n: emd + n * tau * tau)
    ✓ Right: the new EMD agrees exactly
    """
    mistakes = {
        "the squared error is a sum over n pixels, and each of them gets noise": lambda emd, tau, n: emd + tau**2,
        "the cost is squared: the variance tau^2 counts, not tau": lambda emd, tau, n: emd + n * tau,
        "only one of the two sets is noisy": lambda emd, tau, n: emd + 2 * n * tau**2,
        "lengths do not add up: the noise is independent of the difference, so the mixed term is zero on average": (
            lambda emd, tau, n: (math.sqrt(emd) + math.sqrt(n) * tau) ** 2
        ),
        "the EMD does not stay as it was: no other partner makes up for the noise": lambda emd, tau, n: emd,
        "this is the part that is added; the old EMD stays": lambda emd, tau, n: n * tau**2,
        "the EMD here is a squared distance already: no root": lambda emd, tau, n: math.sqrt(emd + n * tau**2),
        "noise makes it larger, not smaller": lambda emd, tau, n: emd - n * tau**2,
        "the noise is added, it does not multiply": lambda emd, tau, n: emd * (1 + n * tau**2),
        "one root too many: the squared length of the noise is n tau^2": lambda emd, tau, n: emd + math.sqrt(n) * tau,
    }
    cases = [(37.0, 0.1, 784), (20.0, 0.03, 3136), (60.0, 0.4, 100)]
    return examine(candidate, cases, lambda emd, tau, n: emd + n * tau**2, "the new EMD", rtol=1e-6, mistakes=mistakes)


def _largest(fits: Callable[[int], bool]) -> int:
    n = 1
    while fits(n + 1):
        n += 1
    return n


def largest_image(candidate: Callable[[float, int], int]) -> Verdict:
    """Is ``candidate(memory, maps)`` the side of the largest image that a dense last layer can be trained for?

    Parameters
    ----------
    candidate : callable
        Bytes of memory, and maps: the layer goes from maps n^2 to n^2 numbers -> n.

    Example
    -------
    >>> def side(memory, maps):
    ...     n = int((memory / (16 * maps)) ** 0.25)
    ...     return n if 16 * (maps * n**4 + n**2) <= memory else n - 1
    >>> ok = largest_image(side)
    ✓ Right: the side n agrees exactly
    """

    def solution(memory: float, maps: int) -> int:
        return _largest(lambda n: 16 * (maps * n**4 + n**2) <= memory)

    mistakes = {
        "4 bytes store a weight; training needs 16, with the gradient and two moments": lambda memory, maps: _largest(
            lambda n: 4 * (maps * n**4 + n**2) <= memory
        ),
        "these are 12 bytes a weight: weight, gradient and two moments are four numbers": lambda memory, maps: _largest(
            lambda n: 12 * (maps * n**4 + n**2) <= memory
        ),
        "these are 8 bytes a weight: the two moments of Adam are missing": lambda memory, maps: _largest(
            lambda n: 8 * (maps * n**4 + n**2) <= memory
        ),
        "the layer has n^2 outputs, and each has weights of its own: the count grows like n^4": lambda memory, maps: (
            _largest(lambda n: 16 * (maps * n**2 + n**2) <= memory)
        ),
        "bytes, not weights: each weight takes 16 of them": lambda memory, maps: _largest(
            lambda n: maps * n**4 + n**2 <= memory
        ),
        "one pixel more than fits: round down": lambda memory, maps: solution(memory, maps) + 1,
        "this is the number of pixels; the side is its root": lambda memory, maps: solution(memory, maps) ** 2,
        "a side is a whole number: round down": lambda memory, maps: (memory / (16 * maps)) ** 0.25,
    }
    cases = [(6e9, 64), (6e9, 16), (80e9, 64)]
    return examine(candidate, cases, solution, "the side n", rtol=1e-9, mistakes=mistakes)


def _posterior(x: float, w: float, rho: float) -> tuple[float, float]:
    """Mean and standard deviation of p(z | x) for x = w z + rho e."""
    return w * x / (w**2 + rho**2), rho / math.sqrt(w**2 + rho**2)


def _kl(mean: float, std: float, m: float, s: float) -> float:
    """KL(N(mean, std^2) || N(m, s^2))."""
    return math.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s**2) - 0.5


def bound_gap(candidate: Callable[[float, float, float, float, float], float]) -> Verdict:
    """Does ``candidate(mean, std, x, w, rho)`` say by how much the ELBO of q = N(mean, std^2) misses log p_G(x)?

    The generator is linear, G(z) = w z, with one latent number and one pixel.

    Example
    -------
    >>> def gap(mean, std, x, w, rho):
    ...     m, s = w * x / (w * w + rho * rho), rho / math.hypot(w, rho)
    ...     return math.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s * s) - 0.5
    >>> ok = bound_gap(gap)
    ✓ Right: the gap agrees exactly
    """

    def solution(mean: float, std: float, x: float, w: float, rho: float) -> float:
        return _kl(mean, std, *_posterior(x, w, rho))

    def elbo(mean: float, std: float, x: float, w: float, rho: float) -> float:
        fit = -((x - w * mean) ** 2 + w**2 * std**2) / (2 * rho**2) - 0.5 * math.log(2 * math.pi * rho**2)
        return fit - _kl(mean, std, 0, 1)

    def without(words: str, term: Callable) -> dict:
        return {words: lambda *case: solution(*case) - term(*case)}

    def log_term(mean, std, x, w, rho):
        return math.log(_posterior(x, w, rho)[1] / std)

    mistakes = {
        "this is the divergence from the prior, which is a part of the ELBO; the gap is that from the posterior": (
            lambda mean, std, x, w, rho: _kl(mean, std, 0, 1)
        ),
        "the two have changed places: the average is over q": lambda mean, std, x, w, rho: _kl(
            *_posterior(x, w, rho), mean, std
        ),
        "rho^2 / (w^2 + rho^2) is the variance of the posterior, not its standard deviation": (
            lambda mean, std, x, w, rho: _kl(mean, std, w * x / (w**2 + rho**2), rho**2 / (w**2 + rho**2))
        ),
        "that posterior forgets the prior: z ~ N(0, 1) pulls its mean towards 0 and makes it narrower": (
            lambda mean, std, x, w, rho: _kl(mean, std, x / w, rho / w)
        ),
        "the mean of the posterior is not x / w: the prior pulls it towards 0": lambda mean, std, x, w, rho: _kl(
            mean, std, x / w, _posterior(x, w, rho)[1]
        ),
        "this is the ELBO itself; its distance to log p_G(x) is asked for": elbo,
        **without("the logarithm of the two standard deviations is missing", log_term),
        **without("the -1/2 is missing: without it the gap of the exact posterior is not 0", lambda *case: -0.5),
    }
    cases = [(0.3, 0.5, 1.2, 0.8, 0.4), (-0.5, 0.2, 0.4, 2.0, 0.3), (0.0, 1.0, -2.0, 0.5, 1.5)]
    return examine(candidate, cases, solution, "the gap", rtol=1e-6, mistakes=mistakes)
