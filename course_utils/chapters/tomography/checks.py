"""Checks of the exercises of chapter 07: the trace of a point, the ramp filter, one Levenberg-Marquardt step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet

__all__ = ["lm_step", "point_trace", "ramp"]


def point_trace(trace: Callable[[float, float, Tensor], Tensor]) -> Verdict:
    """Is ``trace(px, py, angles)`` where a point (px, py) falls on the detector at each angle?

    Parameters
    ----------
    trace : callable
        Two numbers and (n,) angles in radians -> (n,) detector positions, in pixels.

    Example
    -------
    >>> bool(point_trace(lambda px, py, angles: px * angles.cos() + py * angles.sin()))
    ✓ Right: the trace agrees exactly
    True
    """
    px, py = 11.0, -4.0
    angles = torch.arange(12, dtype=torch.float64) * math.pi / 12
    c, s = angles.cos(), angles.sin()
    found, problem = attempt(trace, px, py, angles.clone())
    if problem is not None:
        return problem
    degrees = torch.rad2deg(angles)
    return compare(
        found,
        px * c + py * s,
        "the trace",
        rtol=1e-6,
        mistakes={
            "cosine and sine have changed places: at angle 0 the detector shows px": px * s + py * c,
            "that is the coordinate along the ray; the detector sees the one across it": -px * s + py * c,
            "the sign of py: y points upwards, and the view at 90 degrees shows py": px * c - py * s,
            "the angles are in radians already": px * torch.cos(torch.deg2rad(angles))
            + py * torch.sin(torch.deg2rad(angles)),
            "the angles are in radians; you turned them into degrees": px * degrees.cos() + py * degrees.sin(),
            "only px counts in your answer": px * c,
        },
    )


def ramp(filter_views: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Does ``filter_views(q, d)`` multiply the Fourier transform of every view by the frequency |f|?

    With or without zero padding to twice the length.

    Parameters
    ----------
    filter_views : callable
        (A, n) views, even n, and the width of a bin in pixels -> (A, n) filtered views.
    """
    n, d = 64, 0.8
    q = torch.randn(3, n, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    q = q * torch.hann_window(n, dtype=torch.float64)
    found, problem = attempt(filter_views, q.clone(), d)
    if problem is not None:
        return problem

    def by(response: Callable[[Tensor], Tensor], length: int = n, width: float = d) -> Tensor:
        f = torch.fft.rfftfreq(length, width, dtype=torch.float64)
        return torch.fft.irfft(torch.fft.rfft(q, length) * response(f), length)[..., :n]

    padded = by(lambda f: f, 2 * n)
    if isinstance(found, Tensor) and found.shape == q.shape and torch.allclose(found.double(), padded, rtol=1e-5):
        return compare(found, padded, "the filtered sinogram (padded)", rtol=1e-5)
    f_full = torch.fft.fftfreq(n, d, dtype=torch.float64)
    signed = torch.fft.ifft(torch.fft.fft(q) * f_full).real
    along_angles = torch.fft.ifft(
        torch.fft.fft(q, dim=0) * torch.fft.fftfreq(3, d, dtype=torch.float64).abs()[:, None], dim=0
    ).real
    return compare(
        found,
        by(lambda f: f),
        "the filtered sinogram",
        rtol=1e-5,
        mistakes={
            "this is the sinogram itself: nothing has been filtered": q,
            "the bins have a width: frequencies are in cycles per pixel, so tell fftfreq the width d": by(
                lambda f: f, width=1.0
            ),
            "that is |f| squared": by(lambda f: f**2),
            "the ramp is |f|: negative frequencies are raised too, with the same sign": signed,
            "cycles, not radians: the factor 2 pi is too much": by(lambda f: 2 * math.pi * f),
            "transform along the detector, the last axis, not along the angles": along_angles,
            "the ramp multiplies; you divided by it": by(lambda f: 1 / f.clamp_min(f[1])),
        },
    )


def lm_step(step: Callable) -> Verdict:
    """Is ``step(J, r, z, lam, nu)`` the minimiser of ||r + J (w - z)||^2 + lam ||w||^2 + nu ||w - z||^2 over w?

    Parameters
    ----------
    step : callable
        J : (m, d), r : (m,), z : (d,), lam, nu > 0 -> the new (d,) latent vector.
    """
    random = torch.Generator().manual_seed(7)
    J = torch.randn(9, 4, generator=random, dtype=torch.float64)
    r, z = (torch.randn(k, generator=random, dtype=torch.float64) for k in (9, 4))
    lam, nu = 0.7, 0.3
    found, problem = attempt(step, J, r, z.clone(), lam, nu)
    if problem is not None:
        return problem
    eye = torch.eye(4, dtype=torch.float64)

    def solve(diagonal: float, right: Tensor) -> Tensor:
        return torch.linalg.solve(J.T @ J + diagonal * eye, right)

    right_side = -(J.T @ r + lam * z)
    if (
        isinstance(found, Tensor)
        and found.shape == z.shape
        and torch.allclose(found.double(), solve(lam + nu, right_side))
    ):
        return not_yet("that is the step w - z; return the new latent vector z + step")
    return compare(
        found,
        z + solve(lam + nu, right_side),
        "the new latent vector",
        rtol=1e-6,
        mistakes={
            "this is a gradient step of length 1 / nu: no curvature in it": z + right_side / nu,
            "this is a gradient step of length 1 / nu, and lam z is missing too": z - J.T @ r / nu,
            "the gradient of lam ||w||^2 at z is missing on the right-hand side": z + solve(lam + nu, -J.T @ r),
            "lam belongs into the matrix as well: ||w||^2 has curvature": z + solve(nu, right_side),
            "nu is missing: that is the Gauss-Newton step, undamped": z + solve(lam, right_side),
            "the sign: this step walks uphill": z - solve(lam + nu, right_side),
            "with squares without 1/2 all terms have the factor 2, and it cancels": z + solve(lam + nu, 2 * right_side),
        },
    )
