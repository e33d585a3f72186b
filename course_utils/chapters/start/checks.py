"""Checks of chapter 00: the PSNR, a weight chosen on validation images, and a change of convention."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet, right
from ...metrics import psnr as reference_psnr
from ...operators import LinearOperator
from ...regularisers import TV
from ...solvers import reconstruct

__all__ = ["convert", "psnr", "weight"]


def psnr(candidate: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Compare a hand-written PSNR (range 1, one value per image) with the library's.

    Example
    -------
    >>> ok = psnr(reference_psnr)
    ✓ Right: the PSNR agrees exactly
    """
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 1, 8, 8, generator=generator)
    x = truth + torch.tensor([0.05, 0.1, 0.3]).reshape(3, 1, 1, 1) * torch.randn(3, 1, 8, 8, generator=generator)
    found, problem = attempt(candidate, x, truth)
    if problem is not None:
        return problem
    expected = reference_psnr(x, truth)
    mse = (x - truth).pow(2).flatten(1).mean(1)
    mistakes = {
        "these are mean squared errors: now take -10 log10 of them": mse,
        "6.02 dB too much: that is data range 2, ours is 1": expected + 20 * math.log10(2),
        "the sign is wrong: a smaller error must give a larger PSNR": -expected,
        "torch.log is the natural logarithm: take torch.log10": -10 * mse.log(),
        "this is the sum over the pixels: take the mean": expected - 10 * math.log10(64),
        "twice too large: the error is squared already": 2 * expected,
    }
    if isinstance(found, Tensor) and found.shape == () and torch.allclose(found, -10 * mse.mean().log10()):
        return not_yet("this is one number for the whole batch: average over the pixels of each image only")
    return compare(found, expected, "the PSNR", rtol=1e-5, mistakes=mistakes)


def weight(
    candidate: float, candidates: Sequence[float], A: LinearOperator, x_val: Tensor, y_val: Tensor, sigma: float
) -> Verdict:
    """Is ``candidate`` the one of ``candidates`` with the highest mean PSNR of TV on validation images?

    Parameters
    ----------
    candidate : float
    candidates : sequence of float
    A : LinearOperator
    x_val, y_val : (B, 1, H, W) and (B, *A.shape_out) tensors
    sigma : float
        Noise level, for the explanation.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> ok = weight(0.1, [0.1], Identity(8), x, x + 0.01, 0.01)
    ✓ Right: lambda = 0.1, mean PSNR 40.0 dB on the validation images
    """
    if candidate is None or candidate is Ellipsis:
        return not_yet("lambda is still empty: replace the placeholder")
    try:
        value = float(candidate)
    except (TypeError, ValueError, RuntimeError):
        return not_yet(f"lambda must be one number, got {type(candidate).__name__}")
    nearest = min(candidates, key=lambda lam: abs(lam - value))
    if abs(nearest - value) > 1e-6 * nearest:
        return not_yet(f"{value:g} is not among the candidates {', '.join(f'{lam:g}' for lam in candidates)}")
    results = [reconstruct(A, y_val, TV(lam)).x for lam in candidates]
    quality = [float(reference_psnr(x, x_val).mean()) for x in results]
    misfit = [float((A(x) - y_val).flatten(1).norm(dim=1).mean()) for x in results]
    best, k = max(range(len(candidates)), key=quality.__getitem__), list(candidates).index(nearest)
    if k == best:
        return right(f"lambda = {value:g}, mean PSNR {quality[k]:.1f} dB on the validation images")
    message = f"lambda = {value:g} gives {quality[k]:.1f} dB, {quality[best] - quality[k]:.1f} dB less than another one"
    noise = sigma * A.m**0.5
    if misfit[k] < noise and k == min(range(len(candidates)), key=misfit.__getitem__):
        return not_yet(f"{message}; it has the smallest misfit, {misfit[k]:.2f}, but the noise alone is {noise:.2f}")
    if misfit[k] > noise:
        return not_yet(f"{message}; its misfit {misfit[k]:.2f} is larger than the noise, {noise:.2f}: too smooth")
    return not_yet(f"{message}; compare the mean PSNR of all candidates on x_val")


def convert(candidate: Callable[[float, float], float]) -> Verdict:
    """Turn lambda' of (1 / (2 sigma^2)) ||Ax - y||^2 + lambda' R(x) into lambda of ||Ax - y||^2 + lambda R(x).

    Example
    -------
    >>> ok = convert(lambda lam, sigma: 2 * sigma * sigma * lam)
    ✓ Right: lambda agrees exactly
    """
    pairs = [(0.5, 0.05), (30.0, 0.1), (2.0, 0.2)]

    def all_pairs(function):
        return torch.tensor([float(function(lam, sigma)) for lam, sigma in pairs], dtype=torch.float64)

    found, problem = attempt(all_pairs, candidate)
    if problem is not None:
        return problem
    mistakes = {
        "lambda' itself: multiply the whole objective so that the misfit loses its factor": lambda lam, s: lam,
        "the factor is upside down": lambda lam, s: lam / (2 * s**2),
        "the 2 is missing": lambda lam, s: s**2 * lam,
        "sigma enters squared": lambda lam, s: 2 * s * lam,
    }
    wrong = {text: all_pairs(function) for text, function in mistakes.items()}
    expected = all_pairs(lambda lam, s: 2 * s * s * lam)
    return compare(found, expected, "lambda", rtol=1e-9, atol=1e-15, mistakes=wrong)
