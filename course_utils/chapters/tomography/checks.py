"""Checks of the exercises of chapter 07: the trace of a point, the ramp filter, one Levenberg-Marquardt step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, call, examine, judge, right

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
    cases = []
    for px, py, n in ((11.0, -4.0, 12), (-3.0, 7.0, 9)):
        cases.append((px, py, torch.arange(n, dtype=torch.float64) * math.pi / n))

    def at(turn: Callable[[Tensor], Tensor]) -> Callable:
        return lambda px, py, a: px * turn(a).cos() + py * turn(a).sin()

    return examine(
        trace,
        cases,
        lambda px, py, angles: px * angles.cos() + py * angles.sin(),
        "the trace",
        rtol=1e-6,
        mistakes={
            "cosine and sine have changed places: at angle 0 the detector shows px": lambda px, py, a: (
                px * a.sin() + py * a.cos()
            ),
            "that is the coordinate along the ray; the detector sees the one across it": lambda px, py, a: (
                -px * a.sin() + py * a.cos()
            ),
            "the sign of py: y points upwards, and the view at 90 degrees shows py": lambda px, py, a: (
                px * a.cos() - py * a.sin()
            ),
            "the sign of px: the view at 0 degrees shows px": lambda px, py, a: -px * a.cos() + py * a.sin(),
            "the angles are in radians already": at(torch.deg2rad),
            "the angles are in radians; you turned them into degrees": at(torch.rad2deg),
            "the angle is a, not 2 a": at(lambda a: 2 * a),
            "only px counts in your answer": lambda px, py, a: px * a.cos(),
            "only py counts in your answer": lambda px, py, a: py * a.sin(),
            "this is px for every view: the detector turns": lambda px, py, a: px + 0 * a,
            "that is the distance from the origin, the same in every view; how far along the detector is it?": (
                lambda px, py, a: math.hypot(px, py) + 0 * a
            ),
            "the direction of the point is missing: at angle 0 the detector shows px, not the whole distance": (
                lambda px, py, a: math.hypot(px, py) * a.cos()
            ),
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
    random, cases = torch.Generator().manual_seed(3), []
    for n_views, n, d in ((3, 64, 0.8), (4, 50, 1.3)):
        q = torch.randn(n_views, n, generator=random, dtype=torch.float64)
        cases.append((q * torch.hann_window(n, dtype=torch.float64), d))
    found, problem = call(filter_views, cases, ["q", "d"])
    if problem is not None:
        return problem

    def by(response: Callable[[Tensor], Tensor], pad: int = 1, width: bool = True, dim: int = -1) -> list[Tensor]:
        """The views times a response to the frequency, for both cases."""
        answers = []
        for q, d in cases:
            length = pad * q.shape[dim]
            f = response(torch.fft.fftfreq(length, d if width else 1.0, dtype=torch.float64))
            spectrum = torch.fft.fft(q, length, dim=dim) * (f if dim == -1 else f[:, None])
            answers.append(torch.fft.ifft(spectrum, dim=dim).real[..., : q.shape[-1]])
        return answers

    for pad, title in ((2, "the filtered sinogram (padded)"), (1, "the filtered sinogram")):
        ok, message = judge(found, by(torch.abs, pad), title, rtol=1e-5)
        if ok:
            return right(message)
    views = [q for q, _ in cases]
    mistakes = {
        "this is the sinogram itself: nothing has been filtered": views,
        "this is the filter alone, or a filtered impulse: multiply the transform of q": [
            torch.fft.fftfreq(q.shape[-1], d, dtype=torch.float64).abs().expand(q.shape) for q, d in cases
        ],
        "the bins have a width: frequencies are in cycles per pixel, so tell fftfreq the width d": by(
            torch.abs, width=False
        ),
        "that is |f| squared": by(torch.square),
        "that is the root of |f|": by(lambda f: f.abs().sqrt()),
        "the ramp is |f|: negative frequencies are raised too, with the same sign": by(lambda f: f),
        "the ramp is |f|: negative frequencies must not be dropped": by(lambda f: f.clamp_min(0)),
        "cycles, not radians: the factor 2 pi is too much": by(lambda f: 2 * math.pi * f.abs()),
        "transform along the detector, the last axis, not along the angles": by(torch.abs, dim=0),
        "the ramp multiplies; you divided by it": by(lambda f: 1 / f.abs().clamp_min(f[1])),
        "the zero frequency stands first, as fftfreq has it: a ramp from the middle needs fftshift": by(
            lambda f: torch.fft.fftshift(f.abs())
        ),
        "this is still the spectrum: transform back": [
            torch.fft.fft(q) * torch.fft.fftfreq(q.shape[-1], d, dtype=torch.float64).abs() for q, d in cases
        ],
    }
    return Verdict(*judge(found, by(torch.abs), "the filtered sinogram", rtol=1e-5, mistakes=mistakes))


def lm_step(step: Callable) -> Verdict:
    """Is ``step(J, r, z, lam, nu)`` the minimiser of ||r + J (w - z)||^2 + lam ||w||^2 + nu ||w - z||^2 over w?

    Parameters
    ----------
    step : callable
        J : (m, d), r : (m,), z : (d,), lam, nu > 0 -> the new (d,) latent vector.
    """
    random, cases = torch.Generator().manual_seed(7), []
    for m, d, lam, nu in ((9, 4, 0.7, 0.3), (8, 3, 0.2, 1.1)):
        J = torch.randn(m, d, generator=random, dtype=torch.float64)
        r, z = (torch.randn(k, generator=random, dtype=torch.float64) for k in (m, d))
        cases.append((J, r, z, lam, nu))

    def solve(J: Tensor, diagonal: float, right: Tensor) -> Tensor:
        return torch.linalg.solve(J.T @ J + diagonal * torch.eye(J.shape[1], dtype=J.dtype), right)

    def descent(J: Tensor, r: Tensor, z: Tensor, lam: float) -> Tensor:
        return -(J.T @ r + lam * z)

    return examine(
        step,
        cases,
        lambda J, r, z, lam, nu: z + solve(J, lam + nu, descent(J, r, z, lam)),
        "the new latent vector",
        rtol=1e-6,
        mistakes={
            "that is the step w - z; return the new latent vector z + step": lambda J, r, z, lam, nu: solve(
                J, lam + nu, descent(J, r, z, lam)
            ),
            "this is a gradient step of length 1 / nu: no curvature in it": lambda J, r, z, lam, nu: (
                z + descent(J, r, z, lam) / nu
            ),
            "this is a gradient step of length 1 / nu, and lam z is missing too": lambda J, r, z, lam, nu: (
                z - J.T @ r / nu
            ),
            "the gradient of lam ||w||^2 at z is missing on the right-hand side": lambda J, r, z, lam, nu: (
                z + solve(J, lam + nu, -J.T @ r)
            ),
            "lam belongs into the matrix as well: ||w||^2 has curvature": lambda J, r, z, lam, nu: (
                z + solve(J, nu, descent(J, r, z, lam))
            ),
            "nu is missing: that is the Gauss-Newton step, undamped": lambda J, r, z, lam, nu: (
                z + solve(J, lam, descent(J, r, z, lam))
            ),
            "lam is missing altogether": lambda J, r, z, lam, nu: z + solve(J, nu, -J.T @ r),
            "the sign: this step walks uphill": lambda J, r, z, lam, nu: z - solve(J, lam + nu, descent(J, r, z, lam)),
            "with squares without 1/2 all terms have the factor 2, and it cancels": lambda J, r, z, lam, nu: (
                z + solve(J, lam + nu, 2 * descent(J, r, z, lam))
            ),
            "with squares without 1/2 all terms have the factor 2, and it cancels; half a step is too short": (
                lambda J, r, z, lam, nu: z + solve(J, lam + nu, 0.5 * descent(J, r, z, lam))
            ),
            "lam + nu was added to every entry of the matrix: write it times torch.eye": lambda J, r, z, lam, nu: (
                z + torch.linalg.solve(J.T @ J + lam + nu, descent(J, r, z, lam))
            ),
            "nu damps the step w - z, not w: it does not stand on the right-hand side with z": (
                lambda J, r, z, lam, nu: z + solve(J, lam + nu, descent(J, r, z, lam + nu))
            ),
            "the matrix was multiplied, and not inverted: solve": lambda J, r, z, lam, nu: (
                z + (J.T @ J + (lam + nu) * torch.eye(len(z), dtype=J.dtype)) @ descent(J, r, z, lam)
            ),
        },
    )
