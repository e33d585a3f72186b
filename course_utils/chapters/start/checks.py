"""Checks of chapter 00: the safest of all guesses, a weight chosen on validation images, and a change of convention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...checks import Verdict, examine, not_yet, number, right
from ...metrics import psnr as reference_psnr
from ...operators import LinearOperator
from ...regularisers import TV
from ...solvers import reconstruct

__all__ = ["convert", "safest", "weight"]


def safest(candidate: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """Is ``candidate(a, b, p)`` the image with the least expected squared error, if a is the truth with probability p?

    Example
    -------
    >>> ok = safest(lambda a, b, p: b + p * (a - b))
    ✓ Right: the guess agrees...
    """
    generator = torch.Generator().manual_seed(0)
    cases = []
    for p, size in ((0.7, (1, 8, 8)), (0.5, (1, 6, 9)), (0.2, (1, 5, 5))):
        a, b = torch.rand(2, *size, generator=generator)
        cases.append((a, b, p))
    mistakes = {
        "this is the more probable digit; if that is wrong, its error is large: weigh both": lambda a, b, p: (
            a if p > 0.5 else b
        ),
        "this is a itself, whatever p": lambda a, b, p: a,
        "this is b itself, whatever p": lambda a, b, p: b,
        "the two are mixed in equal parts: the more probable one should count more": lambda a, b, p: (a + b) / 2,
        "a is the truth with probability p: the shares have changed places": lambda a, b, p: (1 - p) * a + p * b,
        "p goes into the error as it is, not squared": lambda a, b, p: (
            (p**2 * a + (1 - p) ** 2 * b) / (p**2 + (1 - p) ** 2)
        ),
        "b is missing: it is the truth with probability 1 - p": lambda a, b, p: p * a,
        "each pixel is the brighter one of the two: that is far from both where they differ": lambda a, b, p: (
            torch.maximum(a, b)
        ),
        "each pixel is the darker one of the two: that is far from both where they differ": lambda a, b, p: (
            torch.minimum(a, b)
        ),
        "both are added in full: the shares p and 1 - p must add up to 1": lambda a, b, p: a + b,
        "this is the geometric mean; the squared error asks for the arithmetic one": lambda a, b, p: (
            a**p * b ** (1 - p)
        ),
        "this is the expected error of an image, not the image": lambda a, b, p: p * (1 - p) * (a - b).pow(2).sum(),
    }
    return examine(candidate, cases, lambda a, b, p: p * a + (1 - p) * b, "the guess", rtol=1e-5, mistakes=mistakes)


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
