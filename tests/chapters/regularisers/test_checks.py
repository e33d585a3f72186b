"""The checks of chapter 05 accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch

from course_utils import GaussianBlur, Tikhonov, load, measure, reconstruct
from course_utils.chapters.regularisers import checks

# Exercise 1: soft thresholding.


@pytest.mark.parametrize(
    "prox",
    [
        lambda u, tau: u.sign() * (u.abs() - tau).clamp_min(0),
        lambda u, tau: u - u.clamp(-tau, tau),
        lambda u, tau: torch.where(u.abs() > tau, u - tau * u.sign(), torch.zeros_like(u)),
    ],
)
def test_soft_threshold_accepts(prox):
    assert checks.soft_threshold(prox)


def change_in_place(u, tau):
    u -= u.clamp(-tau, tau)
    return u


@pytest.mark.parametrize(
    ("prox", "hint"),
    [
        (lambda u, tau: u, "nothing has been shrunk"),
        (lambda u, tau: u * (u.abs() > tau), "still be shortened"),
        (lambda u, tau: (u.abs() - tau).clamp_min(0), "sign of u got lost"),
        (lambda u, tau: (u - tau).clamp_min(0), "put the sign back"),
        (lambda u, tau: u - u.clamp(-tau / 2, tau / 2), "not tau / 2"),
        (lambda u, tau: u - u.clamp(-2 * tau, 2 * tau), "not 2 tau"),
        (lambda u, tau: u / (1 + 2 * tau), "zeroes nothing"),
        (lambda u, tau: u - tau * u.sign(), "not change sign"),
        (lambda u, tau: u.flatten(1), "shape"),
        (lambda u, tau: None, "placeholder"),
        (lambda u: u, "raised TypeError"),
        (change_in_place, "in place"),
        ("no function", "expected a function"),
    ],
)
def test_soft_threshold_refuses(prox, hint):
    verdict = checks.soft_threshold(prox)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 2: one step of Algorithm 1.


def step(f, gradient, z, L, eta0, eta1, factor=0.5, backtrack=True, relax=True, shrink=False, sign=1):
    g, value = gradient(z), f(z)
    trial = z - sign * g / L
    for _ in range(60 if backtrack else 0):
        if f(trial) < value - factor / L * g.pow(2).sum():
            break
        L = L / eta1 if shrink else L * eta1
        trial = z - sign * g / L
    return trial, L * eta0 if relax else L


def changed(**settings):
    return lambda *arguments: step(*arguments, **settings)


def moves_z_in_place(f, gradient, z, L, eta0, eta1):
    answer = step(f, gradient, z.clone(), L, eta0, eta1)
    z.copy_(answer[0])
    return answer


def test_backtracking_step_accepts():
    assert checks.backtracking_step(step)
    # The L of the answer may be a tensor, and the gradient may be asked for again.
    assert checks.backtracking_step(lambda *a: (step(*a)[0], torch.tensor(step(*a)[1], dtype=torch.float64)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (changed(backtrack=False), "multiply L by eta1"),
        (changed(relax=False), "line 7 multiplies L by eta0"),
        (changed(factor=1.0), "twice as much"),
        (changed(factor=0.0), "not just for any decrease"),
        (changed(shrink=True), "so L grows"),
        (changed(sign=-1), "along minus the gradient"),
        (changed(sign=-1, backtrack=False), "check the sign"),
        (lambda f, gradient, z, L, eta0, eta1: (z, L), "has not moved"),
        (lambda *a: step(*a)[0], "two things"),
        (lambda *a: (step(*a)[0], "L"), "must be a number"),
        (lambda *a: (step(*a)[0][:2], 1.0), "shape"),
        (lambda *a: (step(*a)[0], 1.0), "compare with line 7"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
        (moves_z_in_place, "in place"),
    ],
)
def test_backtracking_step_refuses(answer, hint):
    verdict = checks.backtracking_step(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: the exact image step of the relaxed method.


def by_data(A, y, g, lam, weight=1.0, sign=1.0, shift=True):
    M = A.matrix()
    base = g.flatten(1) if shift else torch.zeros_like(g).flatten(1)
    K = M @ M.T + weight * lam * torch.eye(A.m, dtype=M.dtype)
    return (base + sign * torch.linalg.solve(K, (y - base @ M.T).T).T @ M).reshape(g.shape)


def by_pixels(A, y, g, lam):
    M = A.matrix()
    H = M.T @ M + lam * torch.eye(A.n, dtype=M.dtype)
    return torch.linalg.solve(H, (y @ M + lam * g.flatten(1)).T).T.reshape(g.shape)


@pytest.mark.parametrize("answer", [by_data, by_pixels])
def test_x_step_accepts(answer):
    assert checks.x_step(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda A, y, g, lam: g, "have not been used"),
        (lambda *a: by_data(*a, shift=False), "this is Tikhonov"),
        (lambda *a: by_data(*a, sign=-1.0), "sign of the correction"),
        (lambda *a: by_data(*a, weight=0.5), "not halved"),
        (lambda *a: by_data(*a, weight=2.0), "not doubled"),
        (lambda *a: by_data(*a, weight=0.0), "lam is missing"),
        (lambda A, y, g, lam: g + A.T(y - A(g)), "one gradient step"),
        (lambda A, y, g, lam: by_data(A, y, g, lam).flatten(1), "shape (2, 1, 6, 6), got shape (2, 36)"),
        (lambda A, y, g, lam: None, "got NoneType"),
        (lambda A, y, g, lam: g / 0, "NaN or infinite"),
        (lambda A, y, g, lam: g + 0.1, "set the gradient"),
        (lambda A, y, g, lam: A @ y, "raised TypeError"),
    ],
)
def test_x_step_refuses(answer, hint):
    verdict = checks.x_step(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 4: the discrepancy principle.

SIGMA = 0.1


@pytest.fixture(scope="module")
def problem():
    A = GaussianBlur(28)
    return A, measure(A, load("mnist").test[:1], SIGMA, torch.Generator().manual_seed(0))


def weight_for(A, y, target, power=1):
    """lam at which the residual norm (to a power) reaches the target, by bisection in log lam."""
    low, high = -8.0, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        residual = float((A(reconstruct(A, y, Tikhonov(10**middle)).x) - y).norm()) ** power
        low, high = (middle, high) if residual < target else (low, middle)
    return 10**middle


def test_discrepancy_weight_accepts(problem):
    lam = weight_for(*problem, SIGMA * 28)
    assert checks.discrepancy_weight(lam, *problem, SIGMA)
    assert checks.discrepancy_weight(torch.tensor(lam), *problem, SIGMA)


def test_discrepancy_weight_refuses(problem):
    lam = weight_for(*problem, SIGMA * 28)
    wrong = {
        "not sigma": weight_for(*problem, SIGMA),
        "square both or neither": weight_for(*problem, SIGMA * 28, power=2),
        "lam is too large": 10 * lam,
        "lam is too small": lam / 10,
        "is it the logarithm": -1.0,
        "placeholder": None,
        "must be a number": "large",
        "positive and finite": 0.0,
    }
    for hint, answer in wrong.items():
        verdict = checks.discrepancy_weight(answer, *problem, SIGMA)
        assert not verdict
        assert hint in verdict.message, verdict.message


# Exercise 4: one minimiser on the parabola.


def test_one_minimiser_accepts():
    assert checks.one_minimiser(lambda a, lam: max(0.0, (2 * a - 1) / (1 + lam)))


@pytest.mark.parametrize(
    ("bound", "hint"),
    [
        (lambda a, lam: 7 / (1 + lam), "a = 4 only"),
        (lambda a, lam: 2 * a - 1, "bound for hard"),
        (lambda a, lam: (2 * a - 1) / lam, "lam / (1 + lam)"),
        (lambda a, lam: (a - 1) / (1 + lam), "4 z (z^2 - a)"),
        (lambda a, lam: 2 * a / (1 + lam), "first coordinate"),
        (lambda a, lam: (2 * a - 1) / (1 + lam), "mu is not negative"),
        (lambda a, lam: None, "placeholder"),
        (lambda a: a, "raised TypeError"),
    ],
)
def test_one_minimiser_refuses(bound, hint):
    verdict = checks.one_minimiser(bound)
    assert not verdict
    assert hint in verdict.message, verdict.message
