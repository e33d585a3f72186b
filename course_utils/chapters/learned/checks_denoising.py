"""Checks of the exercises on denoisers: a plug-and-play step, the gradient of RED's formula, an implicit gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine

__all__ = ["fixed_point_gradient", "pnp_step", "red_gradient"]


def _draw(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def pnp_step(step: Callable[[Tensor, Tensor, Tensor, Callable, float], Tensor]) -> Verdict:
    """Is ``step(x, y, A, D, tau)`` one step of plug-and-play for ||Ax - y||^2, a gradient step and then the denoiser?

    Parameters
    ----------
    step : callable
        (n,) image, (m,) data, (m, n) matrix, a map from (n,) to (n,), tau > 0 -> (n,) image.

    Example
    -------
    >>> bool(pnp_step(lambda x, y, A, D, tau: D(x - 2 * tau * A.T @ (A @ x - y))))
    ✓ Right: the next image agrees...
    True
    """
    cases = []
    for m, n, tau in ((4, 7, 0.13), (3, 5, 0.31)):
        g = torch.Generator().manual_seed(n)
        A, W = _draw(g, m, n), _draw(g, n, n)
        cases.append((_draw(g, n), _draw(g, m), A, lambda v, W=W: torch.tanh(W @ v) + 0.2, tau))

    def slope(x: Tensor, y: Tensor, A: Tensor) -> Tensor:
        return 2 * A.T @ (A @ x - y)

    return examine(
        step,
        cases,
        lambda x, y, A, D, tau: D(x - tau * slope(x, y, A)),
        "the next image",
        rtol=1e-6,
        mistakes={
            "the data term has no factor 1/2, so its gradient has a factor 2": lambda x, y, A, D, tau: D(
                x - tau * slope(x, y, A) / 2
            ),
            "that step goes uphill: the gradient is subtracted": lambda x, y, A, D, tau: D(x + tau * slope(x, y, A)),
            "the denoiser comes last, after the step to the data": lambda x, y, A, D, tau: D(x) - tau * slope(x, y, A),
            "that is the other order: first the denoiser, then the step from what it gives": lambda x, y, A, D, tau: (
                D(x) - tau * slope(D(x), y, A)
            ),
            "the denoiser plays no part in this": lambda x, y, A, D, tau: x - tau * slope(x, y, A),
            "the denoiser sees the image alone: the data are not used": lambda x, y, A, D, tau: D(x),
            "the gradient is taken at x, not at zero": lambda x, y, A, D, tau: D(x - tau * slope(0 * x, y, A)),
        },
    )  # fmt: skip


def red_gradient(gradient: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``gradient(x, W)`` the gradient of x^T (x - W x) / 2, where the matrix W, any matrix, is the denoiser?

    Parameters
    ----------
    gradient : callable
        (n,) image, (n, n) matrix -> (n,) tensor.
    """
    cases = []
    for n in (4, 6):
        g = torch.Generator().manual_seed(n)
        cases.append((_draw(g, n), _draw(g, n, n)))
    return examine(
        gradient,
        cases,
        lambda x, W: x - (W + W.T) @ x / 2,
        "the gradient",
        rtol=1e-6,
        mistakes={
            "x - D(x) is what RED uses; that is the gradient for a symmetric W only": lambda x, W: x - W @ x,
            "only the derivative of the second factor: x stands there twice": lambda x, W: (x - W.T @ x) / 2,
            "only the derivative of the first factor: x stands there twice": lambda x, W: (x - W @ x) / 2,
            "x^T W x has the gradient W x + W^T x, not 2 W^T x": lambda x, W: x - W.T @ x,
            "the factor 1/2 is missing": lambda x, W: 2 * x - (W + W.T) @ x,
            "the factor 1/2 belongs to both terms": lambda x, W: x - (W + W.T) @ x,
            "that is the value of the function, not its gradient": lambda x, W: x @ (x - W @ x) / 2,
        },
    )  # fmt: skip


def fixed_point_gradient(gradient: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``gradient(J, K, g)`` the gradient by y of a loss at the fixed point x = f(x, y)?

    Parameters
    ----------
    gradient : callable
        (n, n) Jacobian df/dx and (n, m) Jacobian df/dy at the fixed point, (n,) gradient of the loss by x -> (m,).
    """
    cases = []
    for n, m in ((4, 3), (5, 7)):
        g = torch.Generator().manual_seed(n)
        J = _draw(g, n, n)
        cases.append((0.6 * J / torch.linalg.matrix_norm(J, 2), _draw(g, n, m), _draw(g, n)))

    def solve(M: Tensor, g: Tensor) -> Tensor:
        return torch.linalg.solve(torch.eye(len(g), dtype=g.dtype) - M, g)

    return examine(
        gradient,
        cases,
        lambda J, K, g: K.T @ solve(J.T, g),
        "the gradient",
        rtol=1e-6,
        mistakes={
            "that leads back through a single step: x on the right-hand side depends on y too": lambda J, K, g: K.T @ g,
            "the transpose of J is missing: gradients go backwards": lambda J, K, g: K.T @ solve(J, g),
            "I - J^T has to be inverted: its inverse is the sum of all powers": lambda J, K, g: K.T @ (g - J.T @ g),
            "two steps back are not all of them": lambda J, K, g: K.T @ (g + J.T @ g),
            "the sign of J: x - f(x, y) = 0 is differentiated": lambda J, K, g: K.T @ solve(-J.T, g),
            "that is w, the gradient before it goes through df/dy": lambda J, K, g: solve(J.T, g),
        },
    )
