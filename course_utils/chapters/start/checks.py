"""Checks of chapter 00: the PSNR, a weight chosen on validation images, and a change of convention."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...checks import Verdict, examine, not_yet, number, right
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
    cases = []
    for noise, size in (((0.05, 0.1, 0.3), (8, 8)), ((0.2, 0.02), (6, 9))):
        truth = torch.rand(len(noise), 1, *size, generator=generator)
        error = torch.randn(truth.shape, generator=generator)
        cases.append((truth + torch.tensor(noise).reshape(-1, 1, 1, 1) * error, truth))

    def mse(x: Tensor, truth: Tensor) -> Tensor:
        return (x - truth).pow(2).flatten(1).mean(1)

    def solution(x: Tensor, truth: Tensor) -> Tensor:
        return reference_psnr(x, truth)

    def plus(decibels: float) -> Callable:
        return lambda x, truth: solution(x, truth) + decibels

    mistakes = {
        "these are mean squared errors: now take -10 log10 of them": mse,
        "these are root mean squared errors: take -20 log10 of them": lambda x, t: mse(x, t).sqrt(),
        "6.02 dB too much: that is data range 2, ours is 1": plus(20 * math.log10(2)),
        "48.13 dB too much: that is data range 255, ours is 1": plus(20 * math.log10(255)),
        "the sign is wrong: a smaller error must give a larger PSNR": lambda x, t: -solution(x, t),
        "torch.log is the natural logarithm: take torch.log10": lambda x, t: -10 * mse(x, t).log(),
        "the factor 10 is missing: decibels are tenths": lambda x, t: solution(x, t) / 10,
        "this is the sum over the pixels: take the mean": lambda x, t: solution(x, t) - 10 * math.log10(x[0].numel()),
        "twice too large: the error is squared already": lambda x, t: 2 * solution(x, t),
        "half of it: 10 belongs to the squared error, 20 to its root": lambda x, t: solution(x, t) / 2,
        "that is the mean absolute error: square the differences": lambda x, t: (
            -10 * (x - t).abs().flatten(1).mean(1).log10()
        ),
        "this is one number for the whole batch: average over the pixels of each image only": lambda x, t: (
            -10 * (x - t).pow(2).mean().log10()
        ),
        "this is the mean over the batch: one value for each image is asked for": lambda x, t: solution(x, t).mean(),
    }
    return examine(candidate, cases, solution, "the PSNR", rtol=1e-5, mistakes=mistakes)


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
    value, problem = number(candidate, "lambda")
    if problem is not None:
        return problem
    nearest = min(candidates, key=lambda lam: abs(lam - value))
    if abs(nearest - value) > 1e-6 * nearest:
        detail = ""
        if value in range(len(candidates)):
            detail = "; is it the index of one? Hand in the candidate itself"
        elif value > max(candidates):
            detail = "; is it a PSNR? Hand in the lambda that reaches it"
        return not_yet(f"{value:g} is not among the candidates {', '.join(f'{lam:g}' for lam in candidates)}{detail}")
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
    mistakes = {
        "lambda' itself: multiply the whole objective so that the misfit loses its factor": lambda lam, s: lam,
        "the factor is upside down": lambda lam, s: lam / (2 * s**2),
        "the 2 is missing": lambda lam, s: s**2 * lam,
        "sigma enters squared": lambda lam, s: 2 * s * lam,
        "the 2 stands in the denominator, beside sigma^2: it comes along": lambda lam, s: s**2 * lam / 2,
        "that is the factor alone: multiply lambda' by it": lambda lam, s: 2 * s**2,
        "2 sigma is squared as a whole; only sigma is": lambda lam, s: (2 * s) ** 2 * lam,
        "sigma is missing": lambda lam, s: 2 * lam,
    }
    return examine(
        candidate,
        [(0.5, 0.05), (30.0, 0.1), (2.0, 0.2)],
        lambda lambda_prime, sigma: 2 * sigma * sigma * lambda_prime,
        "lambda",
        rtol=1e-9,
        atol=1e-15,
        mistakes=mistakes,
    )
