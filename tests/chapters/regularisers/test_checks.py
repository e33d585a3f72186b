"""The checks of chapter 05 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import functools

import numpy as np
import pytest
import torch
from chapter_tools import ROUGH, ROUGH_VALUES, accepts, refuses, rows

from course_utils import L1, GaussianBlur, Tikhonov, load, measure, reconstruct
from course_utils.chapters.regularisers import checks

SIGMA = 0.1

# Soft thresholding


def soft(u, tau):
    return u.sign() * (u.abs() - tau).clamp_min(0)


def soft_in_numpy(u, tau):
    v = u.numpy()
    return np.where(v > tau, v - tau, np.where(v < -tau, v + tau, 0.0))


def change_in_place(u, tau):
    u -= u.clamp(-tau, tau)
    return u


# One step of Algorithm 1


def step(f, gradient, z, L, eta0, eta1, ask=lambda g, L: g.pow(2).sum() / (2 * L), relax=True, sign=1, fresh=True):
    """Lines 3 to 7 as a student writes them: with ``while``, which may never end."""
    g, value = gradient(z), f(z)
    trial = z - sign * g / L
    while f(trial) >= value - ask(g, L):
        L = L * eta1
        if fresh:
            trial = z - sign * g / L
    return trial, L * eta0 if relax else L


def changed(**settings):
    return lambda *arguments: step(*arguments, **settings)


def no_backtracking(f, gradient, z, L, eta0, eta1):
    return z - gradient(z) / L, L * eta0


def longer(f, gradient, z, L, eta0, eta1):
    g = gradient(z)
    while f(z - g / L) >= f(z) - (g**2).sum() / (2 * L):
        L = L / eta1
    return z - g / L, L * eta0


def first_L(f, gradient, z, L, eta0, eta1):
    return step(f, gradient, z, L, eta0, eta1)[0], L * eta0


def counts_nothing(f, gradient, z, L, eta0, eta1):
    """A loop that calls nothing that was handed over."""
    g = gradient(z)
    trial = z - g / L
    while trial.abs().max() < 1e9:
        trial = z - g / L
    return trial, L * eta0


def moves_z_in_place(f, gradient, z, L, eta0, eta1):
    answer = step(f, gradient, z.clone(), L, eta0, eta1)
    z.copy_(answer[0])
    return answer


# The exact image step of the relaxed method


def by_data(A, y, g, lam, weight=1.0, sign=1.0, shift=True, eye=True, whole=True):
    M = A.matrix()
    base = g.flatten(1) if shift else torch.zeros_like(g).flatten(1)
    K = M @ M.T + weight * lam * (torch.eye(A.m, dtype=M.dtype) if eye else 1)
    move = sign * torch.linalg.solve(K, (y - base @ M.T).T).T @ M
    return ((base if whole else 0) + move).reshape(g.shape)


def by_pixels(A, y, g, lam, weight=None):
    M = A.matrix()
    H = M.T @ M + lam * torch.eye(A.n, dtype=M.dtype)
    return torch.linalg.solve(H, (y @ M + (weight or lam) * g.flatten(1)).T).T.reshape(g.shape)


def by_descent(A, y, g, lam):
    x = g.clone()
    for _ in range(600):
        x = x - (A.T(A(x) - y) + lam * (x - g)) / (1 + lam)
    return x


def image(**settings):
    return lambda *arguments: by_data(*arguments, **settings)


def multiplied(A, y, g, lam):
    M = A.matrix()
    K = M @ M.T + lam * torch.eye(A.m, dtype=M.dtype)
    return g + ((y - g.flatten(1) @ M.T) @ K @ M).reshape(g.shape)


def data_for_residual(A, y, g, lam):
    M = A.matrix()
    K = M @ M.T + lam * torch.eye(A.m, dtype=M.dtype)
    return g + (torch.linalg.solve(K, y.T).T @ M).reshape(g.shape)


# The discrepancy principle


@functools.cache
def problem():
    A = GaussianBlur(28)
    return A, measure(A, load("mnist").test[:1], SIGMA, torch.Generator().manual_seed(0))


@functools.cache
def weight_for(target, power=1):
    """lam at which the residual norm (to a power) reaches the target, by bisection in log lam."""
    A, y = problem()
    low, high = -8.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        residual = float((A(reconstruct(A, y, Tikhonov(10**middle)).x) - y).norm()) ** power
        low, high = (middle, high) if residual < target else (low, middle)
    return 10**middle


def lam_times(factor):
    return lambda: factor * weight_for(SIGMA * 28)


def discrepancy(answer):
    value = answer() if getattr(answer, "__name__", "") == "<lambda>" else answer
    return checks.discrepancy_weight(value, *problem(), SIGMA)


# One minimiser on the parabola


def bound(a, lam):
    return max(0.0, (2 * a - 1) / (1 + lam))


ASK = {name: getattr(checks, name) for name in checks.__all__} | {"discrepancy_weight": discrepancy}
RIGHT = {
    "soft_threshold": [
        soft,
        lambda u, tau: u - u.clamp(-tau, tau),
        lambda u, tau: torch.where(u.abs() > tau, u - tau * u.sign(), torch.zeros_like(u)),
        lambda u, tau: torch.nn.functional.softshrink(u.double(), tau),
        lambda u, tau: (u - tau).clamp_min(0) - (-u - tau).clamp_min(0),
        L1(1.0).prox,
        soft_in_numpy,
        lambda u, tau: soft(u, tau).tolist(),
    ],
    "backtracking_step": [
        step,
        lambda *a: list(step(*a)),
        lambda *a: (step(*a)[0], torch.tensor(step(*a)[1], dtype=torch.float64)),
        lambda *a: (step(*a)[0].numpy(), np.float64(step(*a)[1])),
        lambda *a: (step(*a)[0].tolist(), torch.tensor([step(*a)[1]])),
        lambda *a: (step(*a)[0].float(), step(*a)[1]),
    ],
    "x_step": [
        by_data,
        by_pixels,
        by_descent,
        lambda *a: by_data(*a).numpy(),
        lambda *a: list(by_data(*a)),
        lambda *a: by_data(*a).float(),
    ],
    "discrepancy_weight": [
        lam_times(1),
        lam_times(1.01),
        lambda: torch.tensor(weight_for(SIGMA * 28)),
        lambda: np.array([weight_for(SIGMA * 28)]),
        lambda: np.float32(weight_for(SIGMA * 28)),
    ],
    "one_minimiser": [
        bound,
        lambda a, lam: torch.tensor((2 * a - 1) / (1 + lam)).clamp_min(0),
        lambda a, lam: np.maximum(0, (2 * a - 1) / (1 + lam)),
        lambda a, lam: 0 if a < 0.5 else (2 * a - 1) / (1 + lam),
    ],
}
WRONG = {
    "soft_threshold": [
        (lambda u, tau: u, "nothing has been shrunk"),
        (lambda u, tau: u * (u.abs() > tau), "still be shortened"),
        (lambda u, tau: (u.abs() - tau).clamp_min(0), "sign of u got lost"),
        (lambda u, tau: (u - tau).clamp_min(0), "put the sign back"),
        (lambda u, tau: u - tau, "moves everything down"),
        (lambda u, tau: u - u.clamp(-tau / 2, tau / 2), "not tau / 2"),
        (lambda u, tau: u - u.clamp(-2 * tau, 2 * tau), "not 2 tau"),
        (lambda u, tau: u / (1 + 2 * tau), "zeroes nothing"),
        (lambda u, tau: u / (1 + tau), "zeroes nothing"),
        (lambda u, tau: u - tau * u.sign(), "not change sign"),
        (lambda u, tau: u + tau * u.sign(), "must not grow"),
        (lambda u, tau: u.clamp(-tau, tau), "takes away from u"),
        (lambda u, tau: torch.where(u.abs() > tau, u - tau * u.sign(), u), "small ones must become 0"),
        (lambda u, tau: 0.5 * soft(u, tau), "half of"),
        (lambda u, tau: soft(u, tau).flatten(1), "give them that shape"),
        (lambda u, tau: None, "placeholder"),
        (lambda u: u, "raised TypeError"),
        (change_in_place, "in place"),
        ("no function", "expected a function"),
    ],
    "backtracking_step": [
        (no_backtracking, "multiply L by eta1"),
        (changed(fresh=False), "the same trial point again and again"),
        (changed(sign=-1), "go along minus the gradient"),
        (changed(ask=lambda g, L: g.pow(2).sum() / 2 * L), "2 * L in brackets"),
        (longer, "so L grows"),
        (counts_nothing, "does not come to an end"),
        (changed(relax=False), "line 7 multiplies L by eta0"),
        (first_L, "the loop has raised"),
        (changed(ask=lambda g, L: g.pow(2).sum() / L), "twice as much"),
        (changed(ask=lambda g, L: g.pow(2).sum() / (4 * L)), "a quarter"),
        (changed(ask=lambda g, L: 0.0), "not just for any decrease"),
        (changed(ask=lambda g, L: g.norm() / (2 * L)), "is squared"),
        (lambda f, gradient, z, L, eta0, eta1: (z + gradient(z) / L, L * eta0), "check the sign"),
        (lambda f, gradient, z, L, eta0, eta1: (z, L), "has not moved"),
        (lambda *a: (step(*a)[0], step(*a)[1] / a[4] ** 2), "does not divide"),
        (lambda *a: step(*a)[0], "two things"),
        (lambda *a: (step(*a)[0], "L"), "must be a number"),
        (lambda *a: (step(*a)[0], None), "L is still empty"),
        (lambda *a: (step(*a)[0][:2], 1.0), "shape"),
        (lambda *a: (step(*a)[0], 1.0), "compare with line 7"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
        (moves_z_in_place, "in place"),
    ],
    "x_step": [
        (lambda A, y, g, lam: g, "have not been used"),
        (image(shift=False), "this is Tikhonov"),
        (image(sign=-1.0), "sign of the correction"),
        (image(weight=0.5), "not halved"),
        (image(weight=2.0), "not doubled"),
        (image(weight=0.0), "lam is missing"),
        (image(eye=False), "added to every entry"),
        (image(whole=False), "add G(z)"),
        (multiplied, "not inverted"),
        (data_for_residual, "where the residual belongs"),
        (lambda *a: by_pixels(*a, weight=1.0), "lam is missing there"),
        (lambda A, y, g, lam: g + A.T(y - A(g)), "one gradient step"),
        (lambda A, y, g, lam: g + A.T(y - A(g)) / lam, "divided by lam"),
        (lambda A, y, g, lam: by_data(A, y, g, lam).flatten(1), "shape (2, 1, 6, 6), got shape (2, 36)"),
        (lambda A, y, g, lam: torch.linalg.solve(torch.eye(A.m), y.T), "dtype=x.dtype"),
        (lambda A, y, g, lam: None, "got NoneType"),
        (lambda A, y, g, lam: g / 0, "NaN or infinite"),
        (lambda A, y, g, lam: g + 0.1, "set the gradient"),
        (lambda A, y, g, lam: A @ y, "raised TypeError"),
    ],
    "discrepancy_weight": [
        (lambda: weight_for(SIGMA), "not sigma"),
        (lambda: weight_for(SIGMA * 28, power=2), "square both or neither"),
        (lam_times(10), "lam is too large"),
        (lam_times(0.1), "lam is too small"),
        (1.0, "lam is too large"),
        (-1.0, "is it the logarithm"),
        (0.0, "must be positive"),
        (None, "placeholder"),
        ("large", "must be a number"),
        ([0.1, 0.2], "one number"),
    ],
    "one_minimiser": [
        (lambda a, lam: 7 / (1 + lam), "a = 4 only"),
        (lambda a, lam: 2 * a - 1, "bound for hard"),
        (lambda a, lam: max(0, 2 * a - 1), "bound for hard"),
        (lambda a, lam: (2 * a - 1) / lam, "lam / (1 + lam)"),
        (lambda a, lam: max(0, (2 * a - 1) * lam / (1 + lam)), "lam of which cancels"),
        (lambda a, lam: (a - 1) / (1 + lam), "4 z (z^2 - a)"),
        (lambda a, lam: 2 * a / (1 + lam), "first coordinate"),
        (lambda a, lam: (2 * a + 1) / (1 + lam), "1 is subtracted"),
        (lambda a, lam: (2 * a - 1) / (1 + lam), "mu is not negative"),
        (lambda a, lam: (2 * a - 1) / 2, "where z^2 lies"),
        (lambda a, lam: bound(a, lam) * (1 + lam) ** 2, "divided by it"),
        (lambda a, lam: bound(a, lam) / 2, "half of"),
        (lambda a, lam: None, "placeholder"),
        (lambda a: a, "raised TypeError"),
    ],
}


@pytest.mark.parametrize(("name", "answer"), rows(RIGHT))
def test_right_answers_are_accepted(name, answer):
    accepts(ASK[name], answer)


@pytest.mark.parametrize(("name", "answer", "hint"), rows(WRONG))
def test_wrong_answers_are_explained(name, answer, hint):
    refuses(ASK[name], answer, hint)


@pytest.mark.parametrize("rough", ROUGH)
@pytest.mark.parametrize("name", ["soft_threshold", "backtracking_step", "x_step", "one_minimiser"])
def test_no_function_hangs_or_raises(name, rough):
    refuses(ASK[name], ROUGH[rough])


@pytest.mark.parametrize("rough", ROUGH_VALUES)
def test_no_value_raises(rough):
    refuses(ASK["discrepancy_weight"], ROUGH_VALUES[rough])
