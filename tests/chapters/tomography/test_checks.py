"""The checks of chapter 07 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import math

import numpy as np
import pytest
import torch
from chapter_tools import ROUGH, accepts, refuses, rows

from course_utils.chapters.tomography import checks

ASK = {name: getattr(checks, name) for name in checks.__all__}

# The trace of a point


def trace(px, py, a):
    return px * torch.cos(a) + py * torch.sin(a)


# The ramp


def by(q, response, d, pad=1, dim=-1):
    """Views times a response to the frequency, by the full transform."""
    n = pad * q.shape[dim]
    f = response(torch.fft.fftfreq(n, d, dtype=torch.float64))
    spectrum = torch.fft.fft(q, n, dim=dim) * (f if dim == -1 else f[:, None])
    return torch.fft.ifft(spectrum, dim=dim)[..., : q.shape[-1]]


def ramped(q, d):
    return by(q, torch.abs, d).real


def halves(q, d, pad=1):
    """The same by the transform of real numbers."""
    n = pad * q.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(q, n) * torch.fft.rfftfreq(n, d), n)[..., : q.shape[-1]]


def in_numpy(q, d):
    return np.fft.ifft(np.fft.fft(q.numpy()) * np.abs(np.fft.fftfreq(q.shape[-1], d))).real


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
    "ramp": [
        ramped,
        halves,
        lambda q, d: halves(q, d, 2),
        lambda q, d: by(q, torch.abs, d),  # complex, with an imaginary part of round-off
        in_numpy,
        lambda q, d: torch.stack([ramped(view, d) for view in q]),
        lambda q, d: ramped(q, d).float(),
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
    "ramp": [
        (lambda q, d: q, "nothing has been filtered"),
        (lambda q, d: ramped(q, 1.0), "tell fftfreq the width"),
        (lambda q, d: by(q, torch.square, d).real, "squared"),
        (lambda q, d: by(q, lambda f: f.abs().sqrt(), d).real, "root of |f|"),
        (lambda q, d: by(q, lambda f: f, d).real, "raised too"),
        (lambda q, d: by(q, lambda f: f.clamp_min(0), d).real, "must not be dropped"),
        (lambda q, d: by(q, lambda f: 2 * math.pi * f.abs(), d).real, "not radians"),
        (lambda q, d: by(q, lambda f: 1 / f.abs().clamp_min(f[1]), d).real, "divided"),
        (lambda q, d: by(q, torch.abs, d, dim=0).real, "not along the angles"),
        (lambda q, d: by(q, lambda f: torch.fft.fftshift(f.abs()), d).real, "needs fftshift"),
        (lambda q, d: by(q, lambda f: f.abs().max() - f.abs(), d).real, "needs fftshift"),
        (lambda q, d: torch.fft.fft(q) * torch.fft.fftfreq(q.shape[-1], d).double().abs(), "transform back"),
        (lambda q, d: -ramped(q, d), "only the sign"),
        (lambda q, d: 3 * ramped(q, d), "3 times"),
        (lambda q, d: q[:, :5], "shape"),
        (lambda q, d: q / 0, "NaN or infinite"),
        (lambda q, d: q.nothing, "raised AttributeError"),
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


@pytest.mark.parametrize(("name", "answer"), rows(RIGHT))
def test_right_answers_are_accepted(name, answer):
    accepts(ASK[name], answer)


@pytest.mark.parametrize(("name", "answer", "hint"), rows(WRONG))
def test_wrong_answers_are_explained(name, answer, hint):
    refuses(ASK[name], answer, hint)


@pytest.mark.parametrize("rough", ROUGH)
@pytest.mark.parametrize("name", ASK)
def test_no_function_hangs_or_raises(name, rough):
    refuses(ASK[name], ROUGH[rough])
