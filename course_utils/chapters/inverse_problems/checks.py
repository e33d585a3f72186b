"""Checks of chapter 01.

An adjoint, a norm by power iteration, an image with the data of another, the noise that makes the pseudo-inverse
useless, and the best filter.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..._check import trusting
from ...checks import Verdict, as_numbers, call, examine, not_yet, number, right, tolerance
from ...operators import LinearOperator
from .wiener import wiener_filter

__all__ = ["adjoint", "best_filter", "break_even", "norm", "twin"]

TOLERANCE, SINGLE = 1e-10, 1e-5  # of the dot test, in float64 and of an answer in float32


def adjoint(
    forward: Callable[[Tensor], Tensor], candidate: Callable[[Tensor], Tensor], shape: tuple[int, ...] = (1, 28, 28)
) -> Verdict:
    """Dot test of a hand-written adjoint in float64: <A x, y> = <x, A* y> for random x and y.

    Parameters
    ----------
    forward, candidate : callable
        A and the student's adjoint, on batches.
    shape : tuple of int
        Of one image.

    Returns
    -------
    Verdict
        Says the relative error, and recognises A itself, a wrong factor, and the inverse.

    Example
    -------
    >>> ok = adjoint(lambda x: 2 * x.flip(-1), lambda y: 2 * y.flip(-1))
    ✓ Right: the dot test holds to ... (allowed 1.0e-10)
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    ax = forward(x)
    y = torch.randn(ax.shape, generator=generator, dtype=torch.float64)
    answers, problem = call(candidate, [(y,)], ["y"])
    if problem is not None:
        return problem
    if answers[0] is None or answers[0] is Ellipsis:
        return not_yet("the adjoint returns nothing: end it with return ...")
    found = as_numbers(answers[0])
    if found is None:
        return not_yet(f"the adjoint must return a tensor, got {type(answers[0]).__name__}")
    if found.shape != x.shape:
        return not_yet(f"the adjoint maps data to images: expected shape {tuple(x.shape)}, got {tuple(found.shape)}")
    if not torch.isfinite(found).all():
        return not_yet(f"the adjoint holds {int((~torch.isfinite(found)).sum())} NaN or infinite entries")
    allowed = TOLERANCE if tolerance(answers[0], 0) == 0 else SINGLE
    left, right_hand = (ax * y).flatten(1).sum(1), (x * found).flatten(1).sum(1)
    error = float(((left - right_hand).abs() / (ax.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1))).max())
    if error < allowed:
        return right(f"the dot test holds to {error:.1e} (allowed {allowed:.1e})")
    message = f"the dot test is off by {error:.1e} (allowed {allowed:.1e})"
    _, truth = torch.autograd.functional.vjp(forward, x, y)
    factor = float((found * truth).sum() / truth.pow(2).sum())

    def same(other: Tensor, where: slice = slice(None)) -> bool:
        return found.shape == other.shape and torch.allclose(found[..., where], other[..., where], atol=1e-6)

    if found.shape == ax.shape and same(forward(y)):
        return not_yet(f"{message}; this is A itself, which equals its adjoint only if A is symmetric")
    if not found.any():
        return not_yet(f"{message}; everything is 0")
    if same(factor * truth):
        return not_yet(f"{message}; the direction is right, but it is {factor:.4g} times the adjoint")
    if same(truth[:1].expand_as(truth)) or same(truth.mean(0, keepdim=True).expand_as(truth)):
        return not_yet(f"{message}; all images of the batch are treated as one: leave the first axis alone")
    if same(y):
        return not_yet(f"{message}; this is y itself")
    if same(truth.flip(-1)) or (ax.shape == x.shape and same(forward(y).flip(-1))):
        return not_yet(f"{message}; this is a mirror image: the kernel is mirrored, the image stays as it is")
    if ax.shape == x.shape and same(forward(forward(y))):
        return not_yet(f"{message}; this is A applied twice")
    if same(truth, slice(x.shape[-1] // 4, -(x.shape[-1] // 4))):
        return not_yet(
            f"{message}; it is right inside and wrong at the border: what left the image is lost, and does not come "
            "back from the other side"
        )
    if ax.shape == x.shape and torch.allclose(forward(found), y, atol=1e-6):
        return not_yet(f"{message}; this undoes A: an inverse is not an adjoint")
    return not_yet(f"{message}; where does the value of pixel j go in A x? Bring y back the same way")


class _Dense(LinearOperator):
    """A random matrix with given singular values, on 6 x 6 images."""

    def __init__(self, values: Tensor, seed: int) -> None:
        k, generator = len(values), torch.Generator().manual_seed(seed)

        def rotation(n):
            return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]

        super().__init__((1, 6, 6), (40,), scale=1.0, norm=1.0)  # not the norm: it would be the answer
        self.register_buffer("M", rotation(40)[:, :k] * values @ rotation(36)[:, :k].T)

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.M.T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.M).reshape(-1, 1, 6, 6)


def norm(candidate: Callable[[LinearOperator], float]) -> Verdict:
    """Compare a power iteration with the known norms of two operators, one large and one small.

    Parameters
    ----------
    candidate : callable
        ``candidate(A)`` -> the norm of A, to 0.1 per cent.

    Example
    -------
    >>> from course_utils.operators import operator_norm
    >>> ok = norm(operator_norm)
    ✓ Right: 40.000 and 0.700, as they should be
    """
    cases = [(40.0, 1), (0.7, 2)]
    operators = [_Dense(largest * 0.8 ** torch.arange(12, dtype=torch.float64), seed) for largest, seed in cases]
    with trusting():  # an iterate that overflows is for the hint below, not for an error
        answers, problem = call(candidate, [(A,) for A in operators], ["A"])
    if problem is not None:
        return problem
    found = []
    for answer, A, (largest, _) in zip(answers, operators, cases, strict=True):
        shown = as_numbers(answer)
        if shown is not None and shown.numel() == 1 and not torch.isfinite(shown).all():
            return not_yet(f"found {float(shown)}: the iterate overflows; divide it by its length in each step")
        value, problem = number(answer, "the norm")
        if problem is not None:
            return problem
        if abs(value - largest) > 1e-3 * largest:
            return not_yet(f"found {value:.5g} where the norm is {largest:.5g}{_about_norm(value, largest, A)}")
        found.append(f"{value:.3f}")
    return right(f"{' and '.join(found)}, as they should be")


def _about_norm(value: float, largest: float, A: LinearOperator) -> str:
    """How a wrong norm came about."""

    def is_(other: float) -> bool:
        return abs(value - other) <= 1e-2 * abs(other)

    M = A.matrix()
    if value <= 0:
        return ": a norm is positive; where does the number get lost?"
    if is_(A.norm) and is_(A.scale):
        return ": is that A.norm, or A.scale? They say what whoever made A has noted down; measure it"
    if is_(largest**2):
        return ": that is its square, the largest eigenvalue of A* A"
    if is_(float(M.norm())):
        return ": that is the Frobenius norm, which adds up all directions; the largest gain belongs to one"
    if is_(largest**0.5):
        return ": that is its root; ||A x|| is the norm already, not its square"
    if is_(float(M.abs().max())):
        return ": that is the largest entry of the matrix"
    if is_(largest**3):
        return ": the x that you measure is A* A of a unit vector; divide it by its length first"
    share = value / largest
    if share < 0.7:
        return (
            f", {100 * (1 - share):.0f} per cent too small: ||A x|| of a unit x is a lower bound; "
            "feed A* A x back as the next x, and repeat"
        )
    if share < 1:
        return f", {100 * (1 - share):.2g} per cent too small: ||A x|| is still rising; repeat more often"
    return f", {share:.3g} times too large: is x of length 1 when you measure?"


def twin(A: LinearOperator, x: Tensor, other: Tensor, candidate: Tensor) -> Verdict:
    """Is ``candidate`` the image closest to ``other`` among all images with the same data as ``x``?

    Parameters
    ----------
    A : LinearOperator, in float64
    x, other : (1, 1, H, W) tensors
    candidate : (1, 1, H, W) tensor
        Right: x plus the part of (other - x) in the null space of A.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> x = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    >>> ok = twin(Identity(4).double(), x, x + 1, x)  # nothing is invisible to the identity
    ✓ Right: the data agree to 0.0e+00 and the distance 4.00 is the least possible
    """
    if candidate is None or candidate is Ellipsis:
        return not_yet("the twin is still empty: replace the placeholder")
    answer = as_numbers(candidate)
    if answer is None or answer.is_complex():
        return not_yet(f"the twin must be a tensor, got {type(candidate).__name__}")
    if answer.shape != x.shape:
        hint = "; reshape it" if answer.numel() == x.numel() else ""
        return not_yet(f"the twin must be an image of shape {tuple(x.shape)}, got {tuple(answer.shape)}{hint}")
    if not torch.isfinite(answer).all():
        return not_yet(f"the twin holds {int((~torch.isfinite(answer)).sum())} NaN or infinite entries")
    allowed = tolerance(candidate, 1e-6)
    candidate = answer.to(x)
    U, S, V = A.svd()
    seen = V[:, S > 1e-10 * S[0]]
    difference = (other - x).flatten(1)
    expected = x + (difference - difference @ seen @ seen.T).reshape(x.shape)
    visible = float((A(candidate) - A(x)).norm() / A(x).norm())
    distance, least = float((candidate - other).norm()), float((expected - other).norm())
    if visible > allowed:
        message = f"the data of the twin differ from those of x by {100 * visible:.2g} per cent; they must be equal"
        backprojected = x + (other - x) - A.T(A(other - x))
        if torch.allclose(candidate, backprojected):
            return not_yet(f"{message}. A* A is a projection only if every singular value is 0 or 1")
        if torch.allclose(candidate, x + (difference @ seen @ seen.T).reshape(x.shape)):
            return not_yet(f"{message}. You added the visible part of the difference; the other part is wanted")
        if torch.allclose(candidate, other):
            return not_yet(f"{message}. This is the other image itself: take away what A sees of the difference")
        if torch.allclose(candidate, expected - x, atol=1e-6):
            return not_yet(f"{message}. This is the invisible difference alone; add it to x")
        if torch.allclose(candidate, (x + other) / 2):
            return not_yet(f"{message}. The mean of the two has the mean of their data")
        return not_yet(f"{message}. Add to x something from the null space of A only")
    if distance > least + allowed * (1 + least):
        hint = ""
        if torch.allclose(candidate, x):
            hint = " (this is x itself)"
        elif torch.allclose(candidate, 2 * x - expected):
            hint = " (you went the other way: the sign of the difference)"
        elif torch.allclose(candidate, expected + x - (x.flatten(1) @ seen @ seen.T).reshape(x.shape), atol=1e-6):
            hint = " (you added the invisible part of the other image; x has one already)"
        return not_yet(
            f"the data agree{hint}, but the distance to the other image is {distance:.2f} where {least:.2f} is "
            "possible: add all of the difference that A cannot see"
        )
    return right(f"the data agree to {visible:.1e} and the distance {distance:.2f} is the least possible")


def _spectra() -> list[tuple[Tensor, float, float]]:
    """Singular values, energy of the image and of its invisible part: with and without a null space."""
    cases = []
    for rank, zeros, total, invisible in ((12, 0, 80.0, 0.0), (9, 4, 50.0, 30.0), (20, 7, 100.0, 45.0)):
        S = 0.7 ** torch.arange(rank, dtype=torch.float64)
        cases.append((torch.cat([S, torch.zeros(zeros, dtype=torch.float64)]), total, invisible))
    return cases


def break_even(candidate: Callable[[Tensor, float, float], float]) -> Verdict:
    """Is ``candidate(S, total, invisible)`` the noise level at which the pseudo-inverse is no better than black?

    Parameters
    ----------
    candidate : callable
        Singular values (K,), zeros among them; the energy of the image and of its invisible part -> sigma.

    Example
    -------
    >>> ok = break_even(lambda S, total, invisible: ((total - invisible) / S[S > 0].pow(-2).sum()).sqrt())
    ✓ Right: sigma agrees exactly
    """

    def sigma(S: Tensor, energy: float, gain: Callable[[Tensor], Tensor] = lambda s: s.pow(-2).sum()) -> Tensor:
        return (energy / gain(S[S > 0])).sqrt()

    mistakes = {
        "that compares the noise with the whole image: the black image misses the invisible part too, so it cancels": (
            lambda S, total, invisible: sigma(S, total)
        ),
        "singular values that are 0 do not enter the pseudo-inverse: leave them out of the sum": (
            lambda S, total, invisible: ((total - invisible) / S.pow(-2).sum()).sqrt()
        ),
        "this is sigma^2: take the root": lambda S, total, invisible: sigma(S, total - invisible) ** 2,
        "this is the noise against the invisible energy; the visible one is at stake": (
            lambda S, total, invisible: sigma(S, invisible)
        ),
        "the invisible energy is subtracted, not added: what both miss cancels": (
            lambda S, total, invisible: sigma(S, total + invisible)
        ),
        "that is the noise in the weakest direction alone: all directions add noise": (
            lambda S, total, invisible: sigma(S, total - invisible, lambda s: s.min() ** -2)
        ),
        "the variance of the noise is divided by s_k^2, not by s_k": (
            lambda S, total, invisible: sigma(S, total - invisible, lambda s: s.pow(-1).sum())
        ),
        "the expected error is the sum over the directions, not the mean": (
            lambda S, total, invisible: sigma(S, total - invisible, lambda s: s.pow(-2).mean())
        ),
        "the noise is divided by s_k, not multiplied": (
            lambda S, total, invisible: sigma(S, total - invisible, lambda s: s.pow(2).sum())
        ),
        "it is upside down: a larger sum of 1 / s_k^2 bears less noise": (
            lambda S, total, invisible: 1 / sigma(S, total - invisible)
        ),
    }
    return examine(
        candidate,
        _spectra(),
        lambda S, total, invisible: sigma(S, total - invisible),
        "sigma",
        rtol=1e-6,
        atol=1e-12,
        mistakes=mistakes,
    )


def best_filter(candidate: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """Does ``candidate(s, b, sigma)`` give the filter with the least expected squared error?

    Example
    -------
    >>> ok = best_filter(lambda s, b, sigma: 1 / (1 + sigma**2 / (s * s * b)))
    ✓ Right: the filter agrees...
    """
    generator = torch.Generator().manual_seed(5)
    cases = []
    for r, sigma in ((12, 0.1), (7, 0.3)):
        b = 0.2 + 3 * torch.rand(r, generator=generator, dtype=torch.float64)
        cases.append((0.75 ** torch.arange(r, dtype=torch.float64), b, sigma))
    mistakes = {
        "this keeps or drops each term; a number between 0 and 1 costs less near the limit": lambda s, b, sigma: (
            s**2 * b > sigma**2
        ).double(),
        "this is Tikhonov with lambda = sigma^2, the best filter only if every b_k is 1": lambda s, b, sigma: (
            s**2 / (s**2 + sigma**2)
        ),
        "the noise of coefficient k has the variance sigma^2 / s_k^2: s is missing": lambda s, b, sigma: (
            b / (b + sigma**2)
        ),
        "the signal in the data has the energy s_k^2 b_k: s enters squared": lambda s, b, sigma: (
            s * b / (s * b + sigma**2)
        ),
        "amplitudes in place of energies: the parabola has b_k and sigma^2 / s_k^2": lambda s, b, sigma: (
            s * b.sqrt() / (s * b.sqrt() + sigma)
        ),
        "the variance of the noise is sigma^2, not sigma": lambda s, b, sigma: s**2 * b / (s**2 * b + sigma),
        "this is the share to take away: the filter is 1 minus it": lambda s, b, sigma: 1 - wiener_filter(s, b, sigma),
        "the division by s_k stands in the sum already: the filter is the factor before it": lambda s, b, sigma: (
            wiener_filter(s, b, sigma) / s
        ),
        "s is on the wrong side: the noise is divided by s_k": lambda s, b, sigma: b / (b + s**2 * sigma**2),
        "that is its root: the parabola's minimum is the quotient itself": lambda s, b, sigma: wiener_filter(
            s, b, sigma
        ).sqrt(),
        "this is signal over noise: put signal plus noise below": lambda s, b, sigma: s**2 * b / sigma**2,
        "both terms of the derivative have the factor 2, so it drops out": lambda s, b, sigma: (
            s**2 * b / (s**2 * b + 2 * sigma**2)
        ),
    }
    return examine(
        candidate,
        cases,
        wiener_filter,
        "the filter",
        rtol=1e-6,
        mistakes=mistakes,
    )
