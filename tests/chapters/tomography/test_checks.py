"""The checks of chapter 07 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import math

import numpy as np
import torch
from chapter_tools import answer_tests

from course_utils.chapters.tomography import checks

ASK = {name: getattr(checks, name) for name in checks.__all__}

# The trace of a point


def trace(px, py, a):
    return px * torch.cos(a) + py * torch.sin(a)


# The noise that a cut ramp lets through


def summed(c):
    """By the sum over many frequencies."""
    f = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    return float((f[f <= c].pow(2).sum() / f.pow(2).sum()).sqrt())


# Ghosts


def differences(x, steps):
    for step in steps:
        x = x - torch.roll(x, step, (0, 1))
    return x


def forward(x, steps):
    for step in steps:
        x = torch.roll(x, tuple(-s for s in step), (0, 1)) - x
    return x


def padded(x, steps):
    big = torch.zeros(80, 80)
    big[20 : 20 + len(x), 20 : 20 + len(x)] = x
    return differences(big, steps)


def central(x, steps):
    for step in steps:
        x = torch.roll(x, step, (0, 1)) - torch.roll(x, tuple(-s for s in step), (0, 1))
    return x


def added(x, steps):
    return sum(x - torch.roll(x, step, (0, 1)) for step in steps)


# A spot that is erased


def hidden(p, k, c, n):
    return -10 * math.log10(10 ** (-p / 10) + k * c**2 / n)


def by_parts(p, k, c, n):
    """The error as a sum over pixels: k of them lose c, and what was wrong before stays wrong."""
    total = n * 10 ** (-p / 10) + sum(c * c for _ in range(k))
    return 10 * math.log10(n / total)


# One Levenberg-Marquardt step


def step(J, r, z, lam, nu, in_matrix=True, in_right=True, damped=True, sign=1, factor=1, whole=True, eye=True):
    diagonal = (lam if in_matrix else 0) + (nu if damped else 0)
    matrix = J.T @ J + diagonal * (torch.eye(len(z), dtype=z.dtype) if eye else 1)
    right = -(J.T @ r + (lam * z if in_right else 0))
    move = sign * torch.linalg.solve(matrix, factor * right)
    return z + move if whole else move


def stacked(J, r, z, lam, nu):
    """The same as a linear least squares problem."""
    eye = torch.eye(len(z), dtype=z.dtype)
    matrix = torch.cat([J, lam**0.5 * eye, nu**0.5 * eye])
    right = torch.cat([J @ z - r, torch.zeros_like(z), nu**0.5 * z])
    return torch.linalg.lstsq(matrix, right[:, None]).solution[:, 0]


def descended(J, r, z, lam, nu):
    w = z.clone()
    for _ in range(3000):
        w = w - 0.02 * (J.T @ (r + J @ (w - z)) + lam * w + nu * (w - z))
    return w


def lm(**settings):
    return lambda *arguments: step(*arguments, **settings)


RIGHT = {
    "point_trace": [
        trace,
        lambda px, py, a: math.hypot(px, py) * torch.cos(a - math.atan2(py, px)),
        lambda px, py, a: px * np.cos(a.numpy()) + py * np.sin(a.numpy()),
        lambda px, py, a: [px * math.cos(v) + py * math.sin(v) for v in a.tolist()],
        lambda px, py, a: trace(px, py, a.float()),
        lambda px, py, a: torch.stack([a.cos(), a.sin()], 1) @ torch.tensor([px, py], dtype=a.dtype),
    ],
    "noise_left": [
        lambda c: c**1.5,
        lambda c: math.sqrt(c**3),
        summed,
        lambda c: torch.tensor(c) ** 1.5,
        lambda c: np.float32(c**1.5),
    ],
    "ghost": [
        differences,
        forward,
        padded,
        central,
        lambda x, steps: differences(x, steps).numpy(),
        lambda x, steps: differences(x.float(), steps),
        lambda x, steps: differences((x == x.max()).double(), steps),  # any image will do
    ],
    "after_hiding": [
        hidden,
        by_parts,
        lambda p, k, c, n: p - 10 * math.log10(1 + k * c**2 / n * 10 ** (p / 10)),
        lambda *a: torch.tensor(hidden(*a)),
        lambda *a: np.float64(hidden(*a)),
    ],
    "lm_step": [
        step,
        stacked,
        descended,
        lambda *a: step(*a).tolist(),
        lambda J, r, z, lam, nu: step(*(part.float() for part in (J, r, z)), lam, nu),
    ],
}
WRONG = {
    "point_trace": [
        (lambda px, py, a: px * a.sin() + py * a.cos(), "changed places"),
        (lambda px, py, a: py * a.cos() - px * a.sin(), "along the ray"),
        (lambda px, py, a: px * a.cos() - py * a.sin(), "sign of py"),
        (lambda px, py, a: py * a.sin() - px * a.cos(), "sign of px"),
        (lambda px, py, a: trace(px, py, torch.deg2rad(a)), "radians already"),
        (lambda px, py, a: trace(px, py, torch.rad2deg(a)), "into degrees"),
        (lambda px, py, a: trace(px, py, 2 * a), "not 2 a"),
        (lambda px, py, a: px * a.cos(), "only px"),
        (lambda px, py, a: py * a.sin(), "only py"),
        (lambda px, py, a: px * torch.ones_like(a), "the detector turns"),
        (lambda px, py, a: math.hypot(px, py) * torch.ones_like(a), "distance from the origin"),
        (lambda px, py, a: math.hypot(px, py) * a.cos(), "direction of the point"),
        (lambda px, py, a: -trace(px, py, a), "only the sign"),
        (lambda px, py, a: px, "shape"),
        (lambda px, py, a: None, "placeholder"),
        (lambda px, py: px, "raised TypeError"),
    ],
    "noise_left": [
        (lambda c: c, "share of the frequencies"),
        (lambda c: c**0.5, "without a ramp"),
        (lambda c: c**2, "area under the ramp"),
        (lambda c: c**3, "root"),
        (lambda c: 1 - c**1.5, "takes away"),
        (lambda c: c**-1.5, "less than 1"),
        (lambda c: None, "placeholder"),
        (lambda c: "0.35", "number"),
        (lambda: 1.0, "raised TypeError"),
    ],
    "ghost": [
        (lambda x, steps: x, "what has to be subtracted"),
        (lambda x, steps: 0 * x, "zero everywhere"),
        (lambda x, steps: differences(x, steps[:1]), "one step for each direction"),
        (lambda x, steps: differences(x, steps[1:]), "one step for each direction"),
        (added, "still sees your ghost"),
        (lambda x, steps: x + torch.roll(x, steps[0], (0, 1)), "what has to be subtracted"),
        (lambda x, steps: x / 0, "NaN or infinite"),
        (lambda x, steps: x.sum(), "rows and columns"),
        (lambda x, steps: None, "placeholder"),
        (lambda x, steps: x.nothing, "raised AttributeError"),
    ],
    "after_hiding": [
        (lambda p, k, c, n: -10 * math.log10(k * c**2 / n), "alone"),
        (lambda p, k, c, n: -10 * math.log10(10 ** (-p / 10) + k * c / n), "as a square"),
        (lambda p, k, c, n: -10 * math.log10(10 ** (-p / 10) + k * c**2), "mean over n"),
        (lambda p, k, c, n: -10 * math.log10(10 ** (-p / 10) + c**2 / n), "not only one"),
        (lambda p, k, c, n: p + 10 * math.log10(k * c**2 / n), "decibels do not add up"),
        (lambda p, k, c, n: -10 * math.log10(10 ** (-p / 20) + k * c**2 / n), "not 10^(-p/20)"),
        (lambda p, k, c, n: p - hidden(p, k, c, n), "the PSNR itself"),
        (lambda p, k, c, n: 10 ** (-p / 10) + k * c**2 / n, "into decibels"),
        (lambda p, k, c, n: ..., "placeholder"),
    ],
    "lm_step": [
        (lm(whole=False), "z + step"),
        (lm(in_matrix=False), "curvature"),
        (lm(in_right=False), "right-hand side"),
        (lm(in_right=False, in_matrix=False), "missing altogether"),
        (lm(damped=False), "Gauss-Newton"),
        (lm(sign=-1), "uphill"),
        (lm(factor=2), "cancels"),
        (lm(factor=0.5), "too short"),
        (lm(eye=False), "every entry"),
        (lambda J, r, z, lam, nu: z - (J.T @ r + lam * z) / nu, "no curvature"),
        (lambda J, r, z, lam, nu: z - J.T @ r / nu, "lam z is missing too"),
        (
            lambda J, r, z, lam, nu: z - J.T @ (J @ (J.T @ r + lam * z)) - (lam + nu) * (J.T @ r + lam * z),
            "not inverted",
        ),
        (lambda J, r, z, lam, nu: step(J, r, z, lam, nu) + 0.1, "differs by up to"),
        (lambda J, r, z, lam, nu: z[:2], "shape"),
        (lambda J, r, z, lam, nu: torch.linalg.solve(J.T @ J + torch.eye(len(z)).float(), z.float()), "dtype=x.dtype"),
        (lambda J, r, z, lam, nu: ..., "placeholder"),
        (lambda J, r, z, lam, nu: 1 / 0, "ZeroDivisionError"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)
