"""The checks of chapter 11 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import math

import numpy as np
import torch
from chapter_tools import answer_tests

from course_utils.chapters.bilevel import checks

ASK = {name: getattr(checks, name) for name in checks.__all__}

LN10 = math.log(10)

# A certificate


def in_loops(gradient, mu):
    return [math.sqrt(sum(v * v for v in row)) / mu for row in gradient.tolist()]


# A hypergradient


def derivative(y, truth, D, theta, sign=-1.0, log=LN10, factor=2.0, solve=True):
    second = 10**theta * D.T @ D
    A = torch.eye(len(y), dtype=y.dtype) + second
    x = torch.linalg.solve(A, y)
    g = factor * (x - truth)
    return sign * log * (second @ x) @ (torch.linalg.solve(A, g) if solve else g)


def by_differences(y, truth, D, theta, h=1e-5):
    def f(t):
        A = torch.eye(len(y), dtype=y.dtype) + 10**t * D.T @ D
        return (torch.linalg.solve(A, y) - truth).square().sum()

    return (f(theta + h) - f(theta - h)) / (2 * h)


def by_singular_values(y, truth, D, theta):
    _, S, V = np.linalg.svd(D.numpy(), full_matrices=True)
    a = 10**theta * np.append(S**2, np.zeros(len(y) - len(S)))
    c, t = V @ y.numpy(), V @ truth.numpy()
    return float((-2 * math.log(10) * (c / (1 + a) - t) * a * c / (1 + a) ** 2).sum())


def by_autograd(y, truth, D, theta):
    t = torch.tensor(theta, dtype=y.dtype, requires_grad=True)
    A = torch.eye(len(y), dtype=y.dtype) + 10**t * D.T @ D
    (torch.linalg.solve(A, y) - truth).square().sum().backward()
    return t.grad


# An accuracy


def largest(r, t):
    S, n = r.sum(), len(r)
    return ((S**2 + n * t) ** 0.5 - S) / n


def without_cancellation(r, t):
    S = sum(r.tolist())
    return t / (S + math.sqrt(S**2 + len(r) * t))


def by_bisection(r, t):
    low, high = 0.0, 10.0
    for _ in range(80):
        delta = (low + high) / 2
        low, high = (delta, high) if float(((r + delta) ** 2 - r**2).sum()) < t else (low, delta)
    return low


# Two steps


def two_steps(c, tau):
    return (2 - c / tau) / tau - 1


def through_the_steps(c, tau):
    """x_2 is affine in a: two trials determine it."""

    def end(a):
        x = tau
        return x - tau * ((1 + a) * x - 1)

    at0, at1 = end(0.0), end(1.0)
    return (c - at0) / (at1 - at0)


RIGHT = {
    "certificate": [
        lambda gradient, mu: gradient.norm(dim=1) / mu,
        in_loops,
        lambda gradient, mu: np.linalg.norm(gradient.numpy(), axis=1) / mu,
        lambda gradient, mu: gradient.float().square().sum(1).sqrt() / mu,
    ],
    "hypergradient": [derivative, by_differences, by_singular_values, by_autograd],
    "accuracy": [largest, without_cancellation, by_bisection, lambda r, t: np.float64(largest(r, t))],
    "descent": [
        lambda size, bound: bound - size,
        lambda size, bound: torch.tensor(bound - size),
        lambda size, bound: -np.float64(size) + bound,
    ],
    "unrolled_weight": [
        two_steps,
        through_the_steps,
        lambda c, tau: (2 * tau - c) / tau**2 - 1,
        lambda c, tau: torch.tensor(two_steps(c, tau)),
    ],
}
WRONG = {
    "certificate": [
        (lambda gradient, mu: gradient.square().sum(1), "differs"),
        (lambda gradient, mu: gradient.square().sum(1) / mu**2, "square of the distance"),
        (lambda gradient, mu: gradient.square().sum(1) / mu, "units"),
        (lambda gradient, mu: gradient.norm(dim=1) * mu, "mu must divide"),
        (lambda gradient, mu: gradient.norm(dim=1) / mu**2, "divide once"),
        (lambda gradient, mu: gradient.norm(dim=1), "mu is missing"),
        (lambda gradient, mu: gradient.norm() / mu, "shape"),
        (lambda gradient, mu: gradient.abs().amax(1) / mu, "largest entry is not"),
        (lambda gradient, mu: gradient.abs().sum(1) / mu, "Euclidean"),
        (lambda gradient, mu: 2 * gradient.norm(dim=1) / mu, "without a 2"),
    ],
    "hypergradient": [
        (lambda *a: derivative(*a, sign=1.0), "the sign"),
        (lambda *a: derivative(*a, log=1.0), "ln(10) alpha"),
        (lambda *a: derivative(*a) / 10 ** a[3], "twice or not at all"),
        (lambda *a: derivative(*a, factor=1.0), "has a factor 2"),
        (lambda *a: derivative(*a, solve=False), "linear system is missing"),
        (lambda y, truth, D, theta: by_value(y, truth, D, theta), "not its derivative"),
        (lambda y, truth, D, theta: derivative(y, y, D, theta), "not with the data"),
        (lambda y, truth, D, theta: y, "shape"),
    ],
    "accuracy": [
        (lambda r, t: t / (2 * r.sum()), "left out, so that t is exceeded"),
        (lambda r, t: (t / len(r)) ** 0.5, "2 r delta is left out"),
        (lambda r, t: (r.sum() ** 2 + t).sqrt() - r.sum(), "n of them"),
        (lambda r, t: largest(r, t) / len(r), "once too often"),
        (lambda r, t: len(r) * t**2 + 2 * t * r.sum(), "other way round"),
        (lambda r, t: ((r**2 + t / len(r)).sqrt() - r).min(), "one delta for all"),
    ],
    "descent": [
        (lambda size, bound: -size, "if z were exact"),
        (lambda size, bound: -size - bound, "taken to help"),
        (lambda size, bound: size * (bound - size), "not along -z"),
        (lambda size, bound: size - bound, "slope downwards is negative"),
        (lambda size, bound: bound, "the error alone"),
        (lambda size, bound: bound / 2 - size, "half of the error"),
    ],
    "unrolled_weight": [
        (lambda c, tau: 1 / c - 1, "the bilevel problem gives"),
        (lambda c, tau: (2 - c / tau) / tau, "1 + a, not a"),
        (lambda c, tau: (2 - c / tau) / tau + 1, "sign of the 1"),
        (lambda c, tau: c / tau - 1, "there are two"),
        (lambda c, tau: 1 - c / tau, "divide twice"),
        (lambda c, tau: "much", "must be a number"),
    ],
}


def by_value(y, truth, D, theta):
    A = torch.eye(len(y), dtype=y.dtype) + 10**theta * D.T @ D
    return (torch.linalg.solve(A, y) - truth).square().sum()


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)
