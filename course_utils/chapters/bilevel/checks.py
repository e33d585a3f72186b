"""Checks of the exercises of chapter 11: a certificate, a hypergradient, an accuracy, a slope, an unrolled weight."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from ...reproduce.setting import seeded

__all__ = ["accuracy", "certificate", "descent", "hypergradient", "unrolled_weight"]

LN10 = math.log(10)


def certificate(bound: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Is ``bound(gradient, mu)`` the bound on ||x - x_hat|| of every example that strong convexity gives?

    Parameters
    ----------
    bound : callable
        gradient (B, N), mu > 0 -> (B,).
    """
    random = seeded(31)
    cases = [
        (torch.randn(n, size, generator=random, dtype=torch.float64), mu) for n, size, mu in ((3, 7, 0.4), (2, 5, 2.5))
    ]
    return examine(
        bound,
        cases,
        lambda gradient, mu: gradient.norm(dim=1) / mu,
        "the bound",
        mistakes={
            "this bounds the square of the distance": lambda gradient, mu: gradient.square().sum(1) / mu**2,
            "is the norm of the gradient squared, and mu not? Compare their units": lambda gradient, mu: (
                gradient.square().sum(1) / mu
            ),
            "mu must divide once": lambda gradient, mu: gradient.norm(dim=1) / mu**2,
            "the steeper, the nearer is the minimiser: mu must divide": lambda gradient, mu: gradient.norm(dim=1) * mu,
            "mu is missing": lambda gradient, mu: gradient.norm(dim=1),
            "one bound for each example is asked for, not one of all": lambda gradient, mu: gradient.norm() / mu,
            "the largest entry is not the norm that the inequality has": lambda gradient, mu: (
                gradient.abs().amax(1) / mu
            ),
            "the inequality has the Euclidean norm, not the sum of absolute values": lambda gradient, mu: (
                gradient.abs().sum(1) / mu
            ),
            "strong convexity gives ||gradient|| >= mu ||x - x_hat||, without a 2": lambda gradient, mu: (
                2 * gradient.norm(dim=1) / mu
            ),
        },
    )


def hypergradient(gradient: Callable[[Tensor, Tensor, Tensor, float], float]) -> Verdict:
    """Is ``gradient(y, truth, D, theta)`` the derivative of the upper level of a quadratic lower level?

    The lower level is ||x - y||^2 / 2 + 10^theta ||D x||^2 / 2, the upper level ||x_hat - truth||^2.

    Parameters
    ----------
    gradient : callable
        y (N,), truth (N,), D (M, N), theta -> number.
    """
    random, cases = seeded(32), []
    for n, theta in ((6, -0.3), (9, 0.4)):
        y, truth = torch.randn(2, n, generator=random, dtype=torch.float64)
        cases.append((y, truth, torch.randn(n - 1, n, generator=random, dtype=torch.float64), theta))

    def parts(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A, what alpha multiplies in it, x_hat and the gradient of the upper level."""
        second = 10**theta * D.T @ D
        A = torch.eye(len(y), dtype=y.dtype) + second
        x = torch.linalg.solve(A, y)
        return A, second, x, 2 * (x - truth)

    def solution(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> Tensor:
        A, second, x, g = parts(y, truth, D, theta)
        return -LN10 * (second @ x) @ torch.linalg.solve(A, g)

    def without(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> Tensor:
        _, second, x, g = parts(y, truth, D, theta)
        return -LN10 * (second @ x) @ g

    def multiplied(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> Tensor:
        A, second, x, g = parts(y, truth, D, theta)
        return -LN10 * (second @ x) @ (A @ g)

    def at_data(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> Tensor:
        A, second, _, _ = parts(y, truth, D, theta)
        return -LN10 * (second @ y) @ torch.linalg.solve(A, 2 * (y - truth))

    def wrong_side(y: Tensor, truth: Tensor, D: Tensor, theta: float) -> Tensor:
        A, second, x, _ = parts(y, truth, D, theta)
        return -LN10 * (second @ x) @ torch.linalg.solve(A, 2 * (x - y))

    return examine(
        gradient,
        cases,
        solution,
        "the derivative",
        rtol=1e-6,
        mistakes={
            "the sign: from A x' + B = 0 it follows that x' = -A^-1 B": lambda *a: -solution(*a),
            "the derivative is by theta, and alpha = 10^theta has the derivative ln(10) alpha": lambda *a: (
                solution(*a) / LN10
            ),
            "the derivative is by theta, and that of 10^theta is ln(10) 10^theta; 10^theta stands there twice or not "
            "at all": lambda y, truth, D, theta: solution(y, truth, D, theta) / 10**theta,
            "the upper level is a square without a factor 1/2: its gradient has a factor 2": lambda *a: (
                solution(*a) / 2
            ),
            "the linear system is missing: B^T is applied to the gradient of the upper level itself": without,
            "A was multiplied instead of solved with": multiplied,
            "the derivatives belong at x_hat, not at the data": at_data,
            "the upper level compares x_hat with the truth, not with the data": wrong_side,
            "theta is the logarithm: alpha = 10^theta": lambda y, truth, D, theta: solution(
                y, truth, D, math.log10(abs(theta))
            ),
            "this is the upper level itself, not its derivative": lambda *a: (parts(*a)[3] / 2).square().sum(),
        },
    )


def accuracy(largest: Callable[[Tensor, float], float]) -> Verdict:
    """Is ``largest(r, t)`` the greatest delta for which errors up to delta in each r_i move sum r_i^2 by at most t?

    Parameters
    ----------
    largest : callable
        r (n,), not negative, t > 0 -> number.
    """
    random = seeded(33)
    cases = [(torch.rand(n, generator=random, dtype=torch.float64), t) for n, t in ((4, 0.5), (9, 2.0))]

    def root(S: Tensor, n: int, t: float) -> Tensor:
        """The positive delta with n delta^2 + 2 S delta = t."""
        return ((S.square() + n * t).sqrt() - S) / n

    def solution(r: Tensor, t: float) -> Tensor:
        return root(r.sum(), len(r), t)

    return examine(
        largest,
        cases,
        solution,
        "delta",
        rtol=1e-6,
        mistakes={
            "the square of delta is left out, so that t is exceeded": lambda r, t: t / (2 * r.sum()),
            "the product 2 r delta is left out": lambda r, t: (t / len(r)) ** 0.5,
            "each of the residuals adds a delta^2, n of them": lambda r, t: root(r.sum(), 1, t),
            "t is shared equally among the squares, but a large residual is more sensitive: one delta for all is asked "
            "for": lambda r, t: ((r.square() + t / len(r)).sqrt() - r).amin(),
            "the residuals add up; the largest alone is not enough": lambda r, t: root(len(r) * r.max(), len(r), t),
            "this is the error of f for delta = t, not the other way round": lambda r, t: (
                len(r) * t**2 + 2 * t * r.sum()
            ),
            "the sign of the root: this delta is negative": lambda r, t: (
                -((r.sum().square() + len(r) * t).sqrt() + r.sum()) / len(r)
            ),
            "errors may also make r larger: the worst case is (r + delta)^2 - r^2": lambda r, t: (
                (r.sum() - (r.sum().square() - len(r) * t).clamp_min(0).sqrt()) / len(r)
            ),
            "delta is divided by n once too often": lambda r, t: solution(r, t) / len(r),
        },
    )


def descent(slope: Callable[[float, float], float]) -> Verdict:
    """Is ``slope(size, bound)`` what the slope of f along -z / ||z|| is at most, if ||z - grad f|| <= bound?

    Parameters
    ----------
    slope : callable
        size = ||z|| > 0, bound >= 0 -> number.
    """
    cases = [(2.0, 0.5), (0.7, 0.9), (3.0, 0.0)]
    return examine(
        slope,
        cases,
        lambda size, bound: bound - size,
        "the slope",
        mistakes={
            "this is the slope if z were exact: the error may work against you": lambda size, bound: -size,
            "the error is taken to help; it may point the other way": lambda size, bound: -size - bound,
            "the error is taken to be orthogonal to z; it may point along it": lambda size, bound: (
                -(abs(size**2 - bound**2) ** 0.5)
            ),
            "along the unit vector -z / ||z||, not along -z": lambda size, bound: size * (bound - size),
            "a slope downwards is negative": lambda size, bound: size - bound,
            "half of the error is not enough of it": lambda size, bound: bound / 2 - size,
            "this is the error alone": lambda size, bound: bound,
            "the gradient may be shorter than z, but the slope is not proportional to it": lambda size, bound: (
                -max(size - bound, 0.0)
            ),
        },
    )


def unrolled_weight(weight: Callable[[float, float], float]) -> Verdict:
    """Is ``weight(c, tau)`` the a with which two steps from 0 on (x - y)^2 / 2 + a x^2 / 2 end at c y?

    Parameters
    ----------
    weight : callable
        c and tau, positive -> number.
    """
    cases = [(0.8, 0.5), (0.5, 0.6), (0.3, 0.25)]
    return examine(
        weight,
        cases,
        lambda c, tau: (2 - c / tau) / tau - 1,
        "the weight",
        mistakes={
            "this is what the bilevel problem gives, whose lower level is solved": lambda c, tau: 1 / c - 1,
            "the quadratic of the data has a curvature too: 1 + a, not a": lambda c, tau: (2 - c / tau) / tau,
            "the sign of the 1": lambda c, tau: (2 - c / tau) / tau + 1,
            "after one step nothing depends on a; there are two": lambda c, tau: c / tau - 1,
            "this begins at y, not at 0": lambda c, tau: _from_data(c, tau),
            "tau has to divide twice": lambda c, tau: 2 - c / tau - 1,
            "c is y divided by x: exchanged": lambda c, tau: (2 - 1 / (c * tau)) / tau - 1,
            "with the factor 1/2 in Phi the gradient is (1 + a) x - y, without a 2": lambda c, tau: (
                (2 - c / (2 * tau)) / (2 * tau) - 1
            ),
        },
    )


def _from_data(c: float, tau: float) -> float:
    """The same from x = y: two steps of length tau contract the distance to y / (1 + a); by bisection."""
    low, high = 0.0, 1 / tau
    for _ in range(80):
        a = (low + high) / 2
        x = 1 - tau * a
        x = x - tau * ((1 + a) * x - 1)
        low, high = (a, high) if x > c else (low, a)
    return a
