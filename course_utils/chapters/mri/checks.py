"""Checks of the exercises of chapter 08: zero filling, the density of a local stencil, the step in x."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare
from ...generators import LocalPrecision
from ...operators import MaskedFourier, radial_mask

__all__ = ["negative_log_likelihood", "x_step", "zero_fill"]


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def zero_fill(fill: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``fill(samples, mask)`` the inverse unitary Fourier transform of the samples, 0 where nothing was measured?

    Parameters
    ----------
    fill : callable
        (k,) complex samples in reading order, (n, n) bool mask -> (n, n) complex image.

    Example
    -------
    >>> def fill(samples, mask):
    ...     kspace = torch.zeros(mask.shape, dtype=samples.dtype)
    ...     kspace[mask] = samples
    ...     return torch.fft.ifft2(kspace, norm="ortho")
    >>> bool(zero_fill(fill))
    ✓ Right: the zero-filled image agrees exactly
    True
    """
    n = 16
    mask = torch.rand(n, n, generator=_random(2)) < 0.4  # not symmetric: the image is not real
    x = torch.rand(n, n, generator=_random(1), dtype=torch.float64)
    kspace = torch.fft.fft2(x, norm="ortho") * mask
    found, problem = attempt(fill, kspace[mask], mask.clone())
    if problem is not None:
        return problem
    expected = torch.fft.ifft2(kspace, norm="ortho")
    wrong_order = torch.zeros_like(kspace).T.contiguous()
    wrong_order[mask.T] = kspace[mask]
    mistakes = {
        "this is k-space: transform back": kspace,
        "the forward transform once more: the image is turned by 180 degrees": torch.fft.fft2(kspace, norm="ortho"),
        "the norm: with norm=\"ortho\" on the way there, the same on the way back": torch.fft.ifft2(kspace),
        "a shift too many: the zero frequency is entry [0, 0]": torch.fft.ifft2(
            torch.fft.ifftshift(kspace), norm="ortho"
        ),
        "the image is shifted by half its size: nothing needs to be shifted": torch.fft.fftshift(expected),
        "reading order goes row by row": torch.fft.ifft2(wrong_order.T, norm="ortho"),
    }  # fmt: skip
    if isinstance(found, Tensor) and found.shape == expected.shape and not found.is_complex():
        # real and imaginary parts are compared; a real answer may be the real part, or the magnitude
        mistakes["keep the imaginary part: the mask may not be symmetric"] = expected.real + 0j
        mistakes["keep the phase: this is the magnitude"] = expected.abs() + 0j
        found = found + 0j
    return compare(
        torch.view_as_real(found) if isinstance(found, Tensor) and found.is_complex() else found,
        torch.view_as_real(expected),
        "the zero-filled image",
        rtol=1e-6,
        mistakes={words: torch.view_as_real(wrong) for words, wrong in mistakes.items()},
    )


def _stencil(size: int) -> tuple[Tensor, Tensor, Tensor, LocalPrecision]:
    """v and l (size, size), a (2, size, size) for the neighbours to the right and below, and the same as a field."""
    random = _random(3)
    v, ell = (torch.randn(size, size, generator=random, dtype=torch.float64) for _ in range(2))
    ell = 0.5 + 0.3 * ell
    a = -0.4 + 0.2 * torch.randn(2, size, size, generator=random, dtype=torch.float64)
    full = torch.zeros(1, 4, size, size, dtype=torch.float64)  # right, below left, below, below right
    full[0, 0], full[0, 2] = a
    return v, ell, a, LocalPrecision(ell[None, None], full)


def negative_log_likelihood(density: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``density(v, ell, a)`` minus the logarithm of N(v; 0, Sigma), without the constant?

    Parameters
    ----------
    density : callable
        (H, W) image, (H, W) log diagonal, (2, H, W) coefficients of the right and the lower neighbour -> a number.
    """
    v, ell, a, field = _stencil(7)
    found, problem = attempt(density, v.clone(), ell.clone(), a.clone())
    if problem is not None:
        return problem
    quadratic, half_log_det = field.quadratic(v[None, None])[0], -ell.sum()

    def energy(right: Tensor, below: Tensor, log_scale: Tensor = ell) -> Tensor:
        return (log_scale.exp() * (v + a[0] * right + a[1] * below)).square().sum()

    zeros = torch.zeros_like(v)
    later_right, later_below = zeros.clone(), zeros.clone()
    later_right[:, :-1], later_below[:-1] = v[:, 1:], v[1:]
    earlier_right, earlier_below = zeros.clone(), zeros.clone()
    earlier_right[:, 1:], earlier_below[1:] = v[:, :-1], v[:-1]
    mistakes = {
        "no neighbours, and no log-determinant": 0.5 * energy(zeros, zeros),
        "no neighbours yet": 0.5 * energy(zeros, zeros) + half_log_det,
        "the log-determinant is missing": 0.5 * quadratic,
        "the sign of the log-determinant: log det Sigma = -2 sum(ell)": 0.5 * quadratic - half_log_det,
        "half of log det Sigma = -2 sum(ell): you have all of it": 0.5 * quadratic + 2 * half_log_det,
        "half of the log-determinant is sum(ell); you have half of that": 0.5 * quadratic + 0.5 * half_log_det,
        "the factor 1/2 of the quadratic form is missing": quadratic + half_log_det,
        "both factors 1/2 are missing": quadratic + 2 * half_log_det,
        "the neighbours wrap around: outside the image they are 0": 0.5 * energy(v.roll(-1, 1), v.roll(-1, 0))
        + half_log_det,
        "these are the neighbours to the left and above": 0.5 * energy(earlier_right, earlier_below) + half_log_det,
        "right and below have changed places": 0.5 * energy(later_below, later_right) + half_log_det,
        "the diagonal is exp(ell), not ell": 0.5 * energy(later_right, later_below, ell.abs().log()) + half_log_det,
        "the diagonal multiplies: exp(ell), not exp(-ell)": 0.5 * energy(later_right, later_below, -ell) + half_log_det,
    }
    return compare(found, 0.5 * quadratic + half_log_det, "-log N", rtol=1e-6, mistakes=mistakes)


def x_step(step: Callable) -> Verdict:
    """Does ``step(A, y, g, precision, lam)`` solve (A* A + lam/2 Sigma^-1) x = A* y + lam/2 Sigma^-1 g?

    Parameters
    ----------
    step : callable
        Operator, (1, ...) data, (1, 1, n, n) image G(z), function v -> Sigma^-1 v, number -> (1, 1, n, n) image.
    """
    n, lam = 10, 0.05
    A = MaskedFourier(radial_mask(n, 3)).double()
    _, _, _, field = _stencil(n)
    g = torch.rand(1, 1, n, n, generator=_random(5), dtype=torch.float64)
    y = A(g) + 0.3 * torch.randn(1, *A.shape_out, generator=_random(6), dtype=torch.float64)
    found, problem = attempt(step, A, y.clone(), g.clone(), field.precision, lam)
    if problem is not None:
        return problem
    M = A.matrix()
    pixels = torch.eye(n * n, dtype=torch.float64).reshape(-1, 1, n, n)
    P = field.precision(pixels).reshape(n * n, n * n)
    back, prior, mean = M.T @ y.flatten(), P @ g.flatten(), g.flatten()

    def solve(weight: float, matrix: Tensor, right: Tensor) -> Tensor:
        return torch.linalg.solve(M.T @ M + weight * matrix, right).reshape(g.shape)

    half, eye = lam / 2, torch.eye(n * n, dtype=torch.float64)
    # what is not yet converged looks like no known mistake: the first steps of the method are recognised too
    x, r = mean.clone(), back - M.T @ (M @ mean)
    p, early = r, {}
    for k in range(1, 4):
        Hp = M.T @ (M @ p) + half * (P @ p)
        alpha = r @ r / (p @ Hp)
        x, new = x + alpha * p, r - alpha * Hp
        p, r = new + (new @ new) / (r @ r) * p, new
        early[f"only {k} step{'s' if k > 1 else ''} of conjugate gradients: repeat until the residual is small"] = (
            x.reshape(g.shape).clone()
        )
    return compare(
        found,
        solve(half, P, back + half * prior),
        "the image",
        rtol=1e-5,
        mistakes={
            "this is still G(z): no data have come in": g,
            "the factor: the system has lam / 2, you have lam": solve(lam, P, back + lam * prior),
            "the right-hand side needs lam / 2 Sigma^-1 G(z)": solve(half, P, back),
            "on the right stands Sigma^-1 G(z), not G(z)": solve(half, P, back + half * mean),
            "Sigma^-1 is missing: this is the step of identity": solve(half, eye, back + half * mean),
            "lam is missing": solve(1.0, P, back + prior),
            "this is x - G(z); return x": solve(half, P, back + half * prior) - g,
            **early,
        },
    )
