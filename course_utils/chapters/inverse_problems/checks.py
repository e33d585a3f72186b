"""Checks of chapter 01: an adjoint, a norm by power iteration, an image with the data of another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, not_yet, right
from ...operators import LinearOperator

__all__ = ["adjoint", "norm", "twin"]

TOLERANCE = 1e-10  # float64


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
    found, problem = attempt(candidate, y)
    if problem is not None:
        return problem
    if found is None or found is Ellipsis:
        return not_yet("the adjoint returns nothing: end it with return ...")
    if not isinstance(found, Tensor):
        return not_yet(f"the adjoint must return a tensor, got {type(found).__name__}")
    if found.shape != x.shape:
        return not_yet(f"the adjoint maps data to images: expected shape {tuple(x.shape)}, got {tuple(found.shape)}")
    left, right_hand = (ax * y).flatten(1).sum(1), (x * found).flatten(1).sum(1)
    error = float(((left - right_hand).abs() / (ax.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1))).max())
    if error < TOLERANCE:
        return right(f"the dot test holds to {error:.1e} (allowed {TOLERANCE:.1e})")
    message = f"the dot test is off by {error:.1e} (allowed {TOLERANCE:.1e})"
    _, truth = torch.autograd.functional.vjp(forward, x, y)
    factor = float((found * truth).sum() / truth.pow(2).sum())
    if found.shape == ax.shape and torch.allclose(found, forward(y)):
        return not_yet(f"{message}; this is A itself, which equals its adjoint only if A is symmetric")
    if torch.allclose(found, factor * truth):
        return not_yet(f"{message}; the direction is right, but it is {factor:.4g} times the adjoint")
    if found.shape == x.shape and torch.allclose(forward(found), y, atol=1e-6):
        return not_yet(f"{message}; this undoes A: an inverse is not an adjoint")
    return not_yet(f"{message}; where does the value of pixel j go in A x? Bring y back the same way")


class _Dense(LinearOperator):
    """A random matrix with given singular values, on 6 x 6 images."""

    def __init__(self, values: Tensor, seed: int) -> None:
        k, generator = len(values), torch.Generator().manual_seed(seed)

        def rotation(n):
            return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]

        super().__init__((1, 6, 6), (40,), scale=1.0)
        self.norm = float(values.max())
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
    found = []
    for largest, seed in ((40.0, 1), (0.7, 2)):
        A = _Dense(largest * 0.8 ** torch.arange(12, dtype=torch.float64), seed)
        value, problem = attempt(candidate, A)
        if problem is not None:
            return problem
        if value is None or value is Ellipsis:
            return not_yet("the norm is still empty: return a number")
        try:
            value = float(value)
        except (TypeError, ValueError, RuntimeError):
            return not_yet(f"the norm must be one number, got {type(value).__name__}")
        message = f"found {value:.5g} where the norm is {largest:.5g}"
        if not torch.isfinite(torch.tensor(value)):
            return not_yet(f"found {value}: the iterate overflows; divide it by its length in each step")
        if abs(value - largest) > 1e-3 * largest:
            if abs(value - largest**2) < 1e-2 * largest**2:
                return not_yet(f"{message}: that is its square, the largest eigenvalue of A* A")
            if value < largest:
                shortfall = 100 * (1 - value / largest)
                return not_yet(
                    f"{message}, {shortfall:.0f} per cent too small: ||A x|| of a unit x is a lower bound; "
                    "feed A* A x back as the next x, and repeat"
                )
            return not_yet(f"{message}, {value / largest:.3g} times too large: is x of length 1 when you measure?")
        found.append(f"{value:.3f}")
    return right(f"{' and '.join(found)}, as they should be")


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
    if not isinstance(candidate, Tensor):
        return not_yet(f"the twin must be a tensor, got {type(candidate).__name__}")
    if candidate.shape != x.shape:
        return not_yet(f"the twin must be an image of shape {tuple(x.shape)}, got {tuple(candidate.shape)}")
    candidate = candidate.detach().to(x)
    U, S, V = A.svd()
    seen = V[:, S > 1e-10 * S[0]]
    difference = (other - x).flatten(1)
    expected = x + (difference - difference @ seen @ seen.T).reshape(x.shape)
    visible = float((A(candidate) - A(x)).norm() / A(x).norm())
    distance, least = float((candidate - other).norm()), float((expected - other).norm())
    if visible > 1e-6:
        message = f"the data of the twin differ from those of x by {100 * visible:.2g} per cent; they must be equal"
        backprojected = x + (other - x) - A.T(A(other - x))
        if torch.allclose(candidate, backprojected):
            return not_yet(f"{message}. A* A is a projection only if every singular value is 0 or 1")
        if torch.allclose(candidate, x + (difference @ seen @ seen.T).reshape(x.shape)):
            return not_yet(f"{message}. You added the visible part of the difference; the other part is wanted")
        if torch.allclose(candidate, other):
            return not_yet(f"{message}. This is the other image itself: take away what A sees of the difference")
        return not_yet(f"{message}. Add to x something from the null space of A only")
    if distance > least + 1e-6 * (1 + least):
        hint = " (this is x itself)" if torch.allclose(candidate, x) else ""
        return not_yet(
            f"the data agree{hint}, but the distance to the other image is {distance:.2f} where {least:.2f} is "
            "possible: add all of the difference that A cannot see"
        )
    return right(f"the data agree to {visible:.1e} and the distance {distance:.2f} is the least possible")
