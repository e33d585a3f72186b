"""Checks of the exercises of chapter 07: a point's trace, noise after the ramp, ghosts, one step, a hidden spot."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, as_numbers, call, examine, not_yet, right

__all__ = ["after_hiding", "ghost", "lm_step", "noise_left", "point_trace"]


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


def noise_left(share: Callable[[float], float]) -> Verdict:
    """Is ``share(c)`` what is left of the noise's standard deviation if the ramp is cut off at a fraction c?

    Parameters
    ----------
    share : callable
        c in (0, 1], a fraction of the highest frequency -> standard deviation over that with the whole ramp.
    """
    return examine(
        share,
        [(0.5,), (0.2,), (1.0,)],
        lambda c: c**1.5,
        "the share of the noise",
        rtol=1e-3,
        mistakes={
            "that is the share of the frequencies; how does the ramp weigh them?": lambda c: c,
            "that is the share for white noise without a ramp": lambda c: c**0.5,
            "that is the area under the ramp; energies add up, and they are squares": lambda c: c**2,
            "that is the share of the variance; the standard deviation is its root": lambda c: c**3,
            "this is what the cutoff takes away; what is left?": lambda c: 1 - c**1.5,
            "this is the variance that the cutoff takes away": lambda c: 1 - c**3,
            "that is the height of |f|^2 at the cutoff, or a power too many: integrate over all frequencies": (
                lambda c: c**2.5
            ),
            "this is the factor by which the noise falls; give what is left, which is less than 1": lambda c: c**-1.5,
        },
    )


def ghost(make: Callable[[Tensor, list[tuple[int, int]]], Tensor]) -> Verdict:
    """Are the sums of ``make(x, steps)`` along all lines with these steps zero, and the image itself not?

    Parameters
    ----------
    make : callable
        x : (n, n), zero but for its middle; steps : list of (rows, columns) between neighbours on a line, without a
        common divisor -> an image, of any size.
    """
    random, cases = torch.Generator().manual_seed(5), []
    for steps in ([(0, 1), (1, 0)], [(1, 1), (0, 1), (1, -1)], [(1, 2), (1, 0), (2, -1), (1, 1)]):
        x = torch.zeros(26, 26, dtype=torch.float64)
        x[9:16, 9:16] = torch.rand(7, 7, generator=random, dtype=torch.float64)
        cases.append((x, steps))
    found, problem = call(make, cases, ["x", "steps"])
    if problem is not None:
        return problem
    for (_, steps), value in zip(cases, found, strict=True):
        if value is None or value is Ellipsis:
            return not_yet("your ghost is still empty: replace the placeholder")
        image = as_numbers(value)
        if image is None or image.is_complex() or image.ndim != 2:
            return not_yet("your ghost must be an image, a tensor with rows and columns")
        if not torch.isfinite(image).all():
            return not_yet("your ghost has entries that are NaN or infinite")
        image = image.double()
        if float(image.abs().max()) < 1e-9:
            return not_yet("your ghost is zero everywhere; nobody needs a scan to miss that")
        sums = {step: _largest_sum(image, step) for step in steps}
        if seen := [step for step, value in sums.items() if value > 1e-5]:
            few = "every" if len(seen) == len(steps) else "one"
            hints = {
                "every": "what has to be subtracted so that a sum along a line cancels?",
                "one": "one step for each direction is needed, each applied to the result of the one before",
            }
            return not_yet(
                f"with the steps {steps}, the view along {seen[0]} still sees your ghost (a sum of "
                f"{sums[seen[0]]:.2g} of its size): {hints[few]}"
            )
    return right("no view sees these ghosts, and they are not zero")


def _largest_sum(image: Tensor, step: tuple[int, int]) -> float:
    """The largest sum along a line, over the largest sum of absolute values."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    line = (rows * step[1] - columns * step[0]).flatten()
    line = line - line.min()
    sums, sizes = (
        torch.zeros(int(line.max()) + 1, dtype=image.dtype).index_add(0, line, part.flatten())
        for part in (image, image.abs())
    )
    return float(sums.abs().max() / sizes.max())


def after_hiding(quality: Callable[[float, int, float, int], float]) -> Verdict:
    """Is ``quality(p, k, c, n)`` the PSNR after a spot of k pixels and contrast c has been erased?

    Parameters
    ----------
    quality : callable
        p : PSNR in dB before, n : pixels of the image -> PSNR in dB after.
    """

    def exact(p: float, k: int, c: float, n: int) -> float:
        return -10 * math.log10(10 ** (-p / 10) + k * c**2 / n)

    return examine(
        quality,
        [(26.0, 13, 0.5, 3136), (20.0, 30, 0.25, 1000), (33.0, 5, 0.8, 784)],
        exact,
        "the PSNR without the spot",
        rtol=1e-4,
        mistakes={
            "this is the PSNR of the erased spot alone: add its error to the one that was there": (
                lambda p, k, c, n: -10 * math.log10(k * c**2 / n)
            ),
            "the contrast counts as a square": lambda p, k, c, n: -10 * math.log10(10 ** (-p / 10) + k * c / n),
            "an error in k of n pixels is a mean over n": lambda p, k, c, n: (
                -10 * math.log10(10 ** (-p / 10) + k * c**2)
            ),
            "every pixel of the spot is wrong, not only one": lambda p, k, c, n: (
                -10 * math.log10(10 ** (-p / 10) + c**2 / n)
            ),
            "decibels do not add up: add the mean squared errors": lambda p, k, c, n: p + 10 * math.log10(k * c**2 / n),
            "PSNR is 10 times the logarithm of a square, so 10^(-p/10) is the mean squared error, not 10^(-p/20)": (
                lambda p, k, c, n: -10 * math.log10(10 ** (-p / 20) + k * c**2 / n)
            ),
            "this is by how much it falls; give the PSNR itself": lambda p, k, c, n: p - exact(p, k, c, n),
            "this is the mean squared error; turn it into decibels": lambda p, k, c, n: 10 ** (-p / 10) + k * c**2 / n,
            "erasing a spot makes an error larger: the squares add up": lambda p, k, c, n: (
                -10 * math.log10(abs(10 ** (-p / 10) - k * c**2 / n))
            ),
        },
    )


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
