"""The checks of chapter 07 accept right answers and refuse typical wrong ones with a line that helps."""

import math

import pytest
import torch

from course_utils.chapters.tomography import checks

# Exercise 1: the trace of a point.


def test_point_trace_accepts():
    assert checks.point_trace(lambda px, py, a: px * torch.cos(a) + py * torch.sin(a))
    assert checks.point_trace(lambda px, py, a: math.hypot(px, py) * torch.cos(a - math.atan2(py, px)))


@pytest.mark.parametrize(
    ("trace", "hint"),
    [
        (lambda px, py, a: px * a.sin() + py * a.cos(), "changed places"),
        (lambda px, py, a: py * a.cos() - px * a.sin(), "along the ray"),
        (lambda px, py, a: px * a.cos() - py * a.sin(), "sign of py"),
        (lambda px, py, a: px * torch.deg2rad(a).cos() + py * torch.deg2rad(a).sin(), "radians already"),
        (lambda px, py, a: px * torch.rad2deg(a).cos() + py * torch.rad2deg(a).sin(), "into degrees"),
        (lambda px, py, a: px * a.cos(), "only px"),
        (lambda px, py, a: px, "shape"),
        (lambda px, py, a: None, "placeholder"),
        (lambda px, py: px, "raised TypeError"),
    ],
)
def test_point_trace_refuses(trace, hint):
    verdict = checks.point_trace(trace)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 2: the ramp.


def by(q, response, n, d):
    return torch.fft.irfft(torch.fft.rfft(q, n) * response(torch.fft.rfftfreq(n, d).double()), n)[..., : q.shape[-1]]


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, d: by(q, lambda f: f, q.shape[-1], d),
        lambda q, d: by(q, lambda f: f, 2 * q.shape[-1], d),
        lambda q, d: torch.fft.ifft(torch.fft.fft(q) * torch.fft.fftfreq(q.shape[-1], d).abs()).real,
    ],
)
def test_ramp_accepts(answer):
    assert checks.ramp(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda q, d: q, "nothing has been filtered"),
        (lambda q, d: by(q, lambda f: f, q.shape[-1], 1.0), "tell fftfreq the width"),
        (lambda q, d: by(q, lambda f: f**2, q.shape[-1], d), "squared"),
        (lambda q, d: torch.fft.ifft(torch.fft.fft(q) * torch.fft.fftfreq(q.shape[-1], d).double()).real, "|f|"),
        (lambda q, d: by(q, lambda f: 2 * math.pi * f, q.shape[-1], d), "not radians"),
        (lambda q, d: by(q, lambda f: 1 / f.clamp_min(f[1]), q.shape[-1], d), "divided"),
        (
            lambda q, d: (
                torch.fft.ifft(torch.fft.fft(q, dim=0) * torch.fft.fftfreq(3, d).double().abs()[:, None], dim=0).real
            ),
            "not along the angles",
        ),
        (lambda q, d: q[:, :5], "shape"),
        (lambda q, d: q / 0, "NaN or infinite"),
        (lambda q, d: q.nothing, "raised AttributeError"),
    ],
)
def test_ramp_refuses(answer, hint):
    verdict = checks.ramp(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: one Levenberg-Marquardt step.


def step(J, r, z, lam, nu, in_matrix=True, in_right=True, damped=True, sign=1, factor=1, whole=True):
    matrix = J.T @ J + ((lam if in_matrix else 0) + (nu if damped else 0)) * torch.eye(len(z), dtype=z.dtype)
    right = -(J.T @ r + (lam * z if in_right else 0))
    move = sign * torch.linalg.solve(matrix, factor * right)
    return z + move if whole else move


def test_lm_step_accepts():
    assert checks.lm_step(step)

    def stacked(J, r, z, lam, nu):
        """The same as a linear least squares problem."""
        eye = torch.eye(len(z), dtype=z.dtype)
        rows = torch.cat([J, lam**0.5 * eye, nu**0.5 * eye])
        right = torch.cat([J @ z - r, torch.zeros_like(z), nu**0.5 * z])
        return torch.linalg.lstsq(rows, right[:, None]).solution[:, 0]

    assert checks.lm_step(stacked)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda *a: step(*a, whole=False), "z + step"),
        (lambda *a: step(*a, in_matrix=False), "curvature"),
        (lambda *a: step(*a, in_right=False), "right-hand side"),
        (lambda *a: step(*a, damped=False), "Gauss-Newton"),
        (lambda *a: step(*a, sign=-1), "uphill"),
        (lambda *a: step(*a, factor=2), "cancels"),
        (lambda J, r, z, lam, nu: z - (J.T @ r + lam * z) / nu, "no curvature"),
        (lambda J, r, z, lam, nu: z - J.T @ r / nu, "lam z is missing too"),
        (lambda J, r, z, lam, nu: z[:2], "shape"),
        (lambda J, r, z, lam, nu: ..., "placeholder"),
        (lambda J, r, z, lam, nu: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_lm_step_refuses(answer, hint):
    verdict = checks.lm_step(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message
