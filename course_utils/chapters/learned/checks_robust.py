"""Checks of the exercises on stability: the worst perturbation of a linear method, and the price of being right."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, as_numbers, examine

__all__ = ["forced", "worst"]


def _draw(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def _with_values(g: torch.Generator, m: int, n: int) -> Tensor:
    """A random (m, n) matrix with the singular values 2, 1.2, 0.9, ...: the power iteration is fast."""
    U, _, Vh = torch.linalg.svd(_draw(g, m, n), full_matrices=False)
    values = torch.cat([torch.tensor([2.0]), 1.2 * 0.75 ** torch.arange(min(m, n) - 1)]).to(U)
    return U @ torch.diag(values) @ Vh


def worst(phi: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Is ``phi(B, budget)`` a perturbation of norm ``budget`` that B enlarges most?

    Either sign is right.

    Parameters
    ----------
    phi : callable
        (n, m) matrix, budget > 0 -> (m,) perturbation.

    Example
    -------
    >>> bool(worst(lambda B, budget: budget * torch.linalg.svd(B)[2][0]))
    ✓ Right: the perturbation agrees exactly
    True
    """
    cases = []
    for n, m, budget in ((7, 5, 0.5), (4, 6, 3.0)):
        cases.append((_with_values(torch.Generator().manual_seed(n), n, m), budget))

    def singular(B: Tensor, k: int, side: int = 2) -> Tensor:
        found = torch.linalg.svd(B, full_matrices=False)[side]
        return found[k] if side == 2 else found[:, k]

    def solution(B: Tensor, budget: float) -> Tensor:
        return _upright(budget * singular(B, 0))

    return examine(
        (lambda B, budget: _upright(phi(B, budget))) if callable(phi) else phi,
        cases,
        solution,
        "the perturbation",
        rtol=1e-4,
        mistakes={
            "the direction is right; its norm must be the budget, not 1": lambda B, b: solution(B, 1.0),
            "the direction is right; its norm must be the budget, not its square": lambda B, b: solution(B, b**2),
            "the direction is right; the norm of the perturbation is given, not that of its image": lambda B, b: (
                solution(B, b) / 2
            ),
            "that direction is the least dangerous of those that B sees": lambda B, b: _upright(b * singular(B, -1)),
            "that is the image of the perturbation, from the other side of the matrix": lambda B, b: _upright(
                b * singular(B, 0, side=0)
            ),
            "that is the worst one if the largest entry is bounded; here the Euclidean norm is": lambda B, b: (
                solution(B, b).sign() * b / B.shape[1] ** 0.5
            ),
        },
    )


def _upright(answer):
    """With the sign that makes the largest entry positive, if it is a vector of real numbers; else as it is."""
    numbers = as_numbers(answer)
    if numbers is None or numbers.is_complex() or numbers.ndim != 1 or not len(numbers):
        return answer
    return -torch.as_tensor(answer) if numbers[numbers.abs().argmax()] < 0 else answer


def _pairs(x: Tensor) -> list[Tensor]:
    """The differences of all pairs."""
    return [x[i] - x[j] for i in range(len(x)) for j in range(i)]


def forced(phi: Callable[[Tensor, Tensor, float], float]) -> Verdict:
    r"""Is ``phi(A, x, eps)`` the largest of :math:`(\|x_i-x_j\|-2\varepsilon)/\|A(x_i-x_j)\|`, and 0 at least?

    Parameters
    ----------
    phi : callable
        (m, n) matrix, (N, n) images, eps >= 0 -> number.
    """
    cases = []
    for m, n, N, eps in ((3, 6, 4, 0.4), (2, 5, 5, 0.7), (4, 5, 3, 9.0)):
        g = torch.Generator().manual_seed(n + N)
        cases.append((_draw(g, m, n), _draw(g, N, n), eps))

    def bounds(A: Tensor, differences: list[Tensor], eps: float, power: float = 1.0) -> Tensor:
        return torch.stack([(d.norm() ** power - 2 * eps) / (A @ d).norm() ** power for d in differences])

    def solution(A: Tensor, x: Tensor, eps: float) -> Tensor:
        return bounds(A, _pairs(x), eps).max().clamp_min(0)

    return examine(
        phi,
        cases,
        solution,
        "the bound",
        rtol=1e-6,
        mistakes={
            "each of the two images may be missed by eps: take it off twice": lambda A, x, eps: solution(A, x, eps / 2),
            "eps is missing: the two answers may be closer than the images": lambda A, x, eps: solution(A, x, 0.0),
            "0 is a bound too, and a better one than a negative number": lambda A, x, eps: bounds(
                A, _pairs(x), eps
            ).max(),
            "every pair gives a bound, and the largest of them counts": lambda A, x, eps: (
                bounds(A, _pairs(x), eps).min().clamp_min(0)
            ),
            "every pair gives a bound; a mean of them is weaker than the largest": lambda A, x, eps: (
                bounds(A, _pairs(x), eps).mean().clamp_min(0)
            ),
            "not only neighbours in the list: look at all pairs": lambda A, x, eps: (
                bounds(A, list(x.diff(dim=0)), eps).max().clamp_min(0)
            ),
            "take differences of images, not the images": lambda A, x, eps: bounds(A, list(x), eps).max().clamp_min(0),
            "norms, not squared norms": lambda A, x, eps: bounds(A, _pairs(x), eps, 2.0).max().clamp_min(0),
        },
    )
