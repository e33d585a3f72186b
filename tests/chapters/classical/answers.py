"""What students hand in for the exercises of chapter 02: right ways, and ways that can be bent into mistakes."""

import math

import numpy as np
import torch
from scipy.optimize import brentq

from course_utils import reconstruct
from course_utils.reconstructors import Landweber

# A prox under a constraint


def soft(u, tau):
    return u.sign() * (u.abs() - tau).clamp_min(0)


def by_brute_force(u, tau):
    """The best of many v >= 0 for every pixel."""
    v = torch.linspace(0, 4, 40001, dtype=torch.float64)
    cost = v + (v - u.flatten()[:, None]) ** 2 / (2 * tau)
    return v[cost.argmin(1)].reshape(u.shape)


# Where to stop


def landweber(
    A,
    y,
    sigma,
    level=lambda A, s: A.m * s**2,
    step=lambda A: A.norm**-2,
    size=lambda r: float((r**2).sum()),
    start=lambda A, y: 0 * A.T(y),
    test_start=True,
    answer=lambda x, k, A, y, step: (x, k),
):
    """As students write it, with what they may change."""
    x, k = start(A, y), 0
    while size(A(x) - y) > level(A, sigma) or not (test_start or k):
        x, k = x - step(A) * A.T(A(x) - y), k + 1
    return answer(x, k, A, y, step(A))


def changed(**settings):
    return lambda A, y, sigma: landweber(A, y, sigma, **settings)


def one_more(x, k, A, y, step):
    return x - step * A.T(A(x) - y), k


def one_less(A, y, sigma):
    return Landweber(max(landweber(A, y, sigma)[1] - 1, 0))(y, A), landweber(A, y, sigma)[1]


def by_the_library(A, y, sigma):
    result = reconstruct(A, y, Landweber(1000, level=A.m * sigma**2))
    return result.x, result.iterations


def with_break(A, y, sigma):
    x = torch.zeros(1, *A.shape_in, dtype=y.dtype)
    for k in range(10_000):
        residual = A(x) - y
        if residual.norm() <= sigma * math.sqrt(A.m):
            return [x.numpy(), k]
        x = x - A.T(residual) / A.norm**2


def fixed_number(n):
    return lambda A, y, sigma: (Landweber(n)(y, A), n)


def fixed_step(A, y, sigma, n=40):
    """What the starter does."""
    x = torch.zeros(1, *A.shape_in, dtype=y.dtype)
    for _ in range(n):
        x = x + A.T(y - A(x))
    return x, n


# Which weight


def bisect(residual, level, low=1e-6, high=1e3, middle=lambda a, b: math.sqrt(a * b), calls=13, up=True, ends=False):
    if ends:
        residual(low), residual(high)
    for _ in range(calls):
        lam = middle(low, high)
        low, high = (lam, high) if (residual(lam) < level) == up else (low, lam)
    return middle(low, high)


def bisecting(target=lambda level: level, answer=lambda lam, residual: lam, **settings):
    return lambda residual, level: answer(bisect(residual, target(level), **settings), residual)


def halves(a, b):
    return (a + b) / 2


def safeguarded_secant(residual, level):
    """Illinois' rule in log lam and log residual."""
    a, b = math.log(1e-6), math.log(1e3)
    fa, fb = (math.log(residual(math.exp(t)) / level) for t in (a, b))
    for _ in range(13):
        t = b - fb * (b - a) / (fb - fa)
        f = math.log(residual(math.exp(t)) / level)
        if abs(f) < 0.005:
            break
        if f * fb < 0:
            a, fa = b, fb
        else:
            fa /= 2
        b, fb = t, f
    return math.exp(t)


def by_brent(residual, level):
    """A root of the difference of the logarithms, by SciPy."""
    ends = math.log(1e-6), math.log(1e3)
    return math.exp(brentq(lambda t: math.log(residual(math.exp(t)) / level), *ends, xtol=1e-3))


def until_close(residual, level):
    low, high = -6.0, 3.0
    while True:
        lam = 10 ** ((low + high) / 2)
        now = residual(lam)
        if abs(now / level - 1) < 0.01:
            return torch.tensor(lam)
        low, high = (math.log10(lam), high) if now < level else (low, math.log10(lam))


def grid(residual, level):
    return min((10 ** (k / 400) for k in range(-2400, 1201, 3)), key=lambda lam: abs(residual(lam) - level))


def no_safeguard(residual, level):
    """A secant in lam itself, which leaves the bracket."""
    a, b = 1e-6, 1e3
    for _ in range(12):
        fa, fb = residual(a) - level, residual(b) - level
        a, b = b, b - 3 * fb * (b - a) / (fb - fa)
    return b


def endless(residual, level):
    while residual(1.0) != level:
        pass


# One step of expectation maximisation


def seen(A, y):
    return A.T(torch.ones_like(y))


def emission(x, A, y, b):
    return x / seen(A, y) * A.T(y / (A(x) + b))


def by_gradient(x, A, y, b):
    """As a scaled gradient step on the Kullback-Leibler divergence."""
    x = x.clone().requires_grad_()
    model = A(x) + b
    slope = torch.autograd.grad((model - y * model.log()).sum(), x)[0]
    return (x - x / seen(A, y) * slope).detach()


def by_matrix(x, A, y, b):
    M = A.matrix().numpy()
    x, y, b = (v.numpy().ravel() for v in (x, y, b))
    return (x / M.sum(0) * (M.T @ (y / (M @ x + b)))).reshape(1, *A.shape_in)


# The mean of a posterior


def quadrature(
    y, lam, sigma, prior=lambda x, lam, s: lam * x.abs() / (2 * s**2), width=12, n=4001, data=None, fix=None
):
    """On a grid around each datum, or on the fixed one (low, high, n)."""
    data = data or (lambda d, s: d**2 / (2 * s**2))
    if fix is None:
        x = y[:, None] + (width * sigma + lam / 2) * torch.linspace(-1, 1, n, dtype=y.dtype)
    else:
        x = torch.linspace(*fix, dtype=y.dtype).expand(len(y), -1)
    exponent = -data(x - y[:, None], sigma) - prior(x, lam, sigma)
    return (x * exponent.softmax(1)).sum(1)


def quadratures(**settings):
    return lambda y, lam, sigma: quadrature(y, lam, sigma, **settings)


def closed_form(y, lam, sigma):
    a, normal = lam / 2, torch.distributions.Normal(0.0, 1.0)
    above = torch.exp(-a * y / sigma**2) * normal.cdf((y - a) / sigma)
    below = torch.exp(a * y / sigma**2) * normal.cdf(-(y + a) / sigma)
    return ((y - a) * above + (y + a) * below) / (above + below)


def one_by_one(y, lam, sigma):
    """A loop, in NumPy, that returns a list."""
    means = []
    for datum in y.tolist():
        x = np.linspace(datum - 12 * sigma - lam, datum + 12 * sigma + lam, 5000)
        exponent = -((x - datum) ** 2 + lam * np.abs(x)) / (2 * sigma**2)
        w = np.exp(exponent - exponent.max())
        means.append(float((x * w).sum() / w.sum()))
    return means


def not_normalised(y, lam, sigma, factor=lambda lam, s: 1.0):
    x = y[:, None] + (10 * sigma + lam) * torch.linspace(-1, 1, 4001, dtype=y.dtype)
    density = torch.exp(-((x - y[:, None]) ** 2 + lam * x.abs()) / (2 * sigma**2))
    return (x * density).sum(1) * (x[:, 1] - x[:, 0]) * factor(lam, sigma)


# A table of weights


def beaten(lam, D, R):
    return torch.tensor([bool((D + w * R < d + w * r).any()) for w, d, r in zip(lam, D, R, strict=True)])


def in_words(lam, D, R):
    """By the inequality of every pair, in NumPy, as numbers."""
    lam, D, R = (v.numpy() for v in (lam, D, R))
    return ((D[None] - D[:, None] + lam[:, None] * (R[None] - R[:, None])) < 0).any(1).astype(int)


def theorem(which):
    def mark(lam, D, R):
        K, found = len(lam), torch.zeros(len(lam), dtype=torch.bool)
        for i in range(K):
            for j in range(K):
                if lam[i] < lam[j] and (D[i] > D[j] or R[i] < R[j]):
                    found[[k for k, name in ((i, "smaller"), (j, "larger")) if name in which]] = True
        return found

    return mark


def by_fall(lam, D, R):
    """What the starter does."""
    order, found = lam.argsort().tolist(), torch.zeros(len(lam), dtype=torch.bool)
    for before, k in zip(order, order[1:], strict=False):
        found[k] = D[k] < D[before]
    return found
