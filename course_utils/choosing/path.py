"""All reconstructions for a grid of weights and a batch of data, solved as one batch: what every rule reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .._check import check_callable, check_finite, check_kind, check_numbers, check_tensor
from ..operators import LinearOperator
from ..regularisers import Fidelity, Regulariser
from ..regularisers.objective import SQUARED, sum_of_squares
from ..solvers import Result, reconstruct

__all__ = ["SolutionPath", "rows_of", "solution_path"]


@dataclass(frozen=True)
class SolutionPath:
    """Reconstructions of B problems with each of P weights.

    Attributes
    ----------
    A, y, make, settings
        What they were made from.
    lam : (P,) tensor
        The grid, rising.
    residual : (P, B) tensor
        ||A x_lam - y||^2.
    result : Result
        Of all P * B problems, weight by weight.
    """

    A: LinearOperator
    y: Tensor
    make: Callable
    settings: dict
    lam: Tensor
    residual: Tensor
    result: Result

    @property
    def x(self) -> Tensor:
        """The images, (P, B, 1, H, W)."""
        return self.result.x.unflatten(0, self.residual.shape)

    @property
    def converged(self) -> Tensor:
        """Which reconstructions converged, (P, B) bool; ``reconstruct`` says what that means."""
        return self.result.converged.unflatten(0, self.residual.shape)

    def penalty(self) -> Tensor:
        """R(x_lam) without its weight, (P, B).

        Raises
        ------
        TypeError
            R is not a function of the image alone.
        """
        return self.make(self.lam.repeat_interleave(len(self.y)))(self.result.x).unflatten(0, self.residual.shape)

    def run(self, lam: Tensor, rows: Tensor, y: Tensor | None = None) -> tuple[Result, Tensor]:
        """More reconstructions, of problem ``rows[i]`` with weight ``lam[i]`` or of other data, and their residuals."""
        return _run(self.A, self.y[rows] if y is None else y, self.make, lam, rows, self.settings)


def _run(A, y, make, lam, rows, settings) -> tuple[Result, Tensor]:
    own = {name: settings[name][rows] for name in ("x0", "start") if isinstance(settings.get(name), Tensor)}
    result = reconstruct(A, y, _made(make, lam), **(settings | own))
    with torch.no_grad():
        return result, sum_of_squares(A(result.x) - y)


def _made(make: Callable, lam: Tensor) -> Regulariser:
    return check_kind("make", make(lam), Regulariser, "a function that gives a Regulariser")


def rows_of(result: Result, index: Tensor) -> Result:
    """The results of some problems, (N,) integers."""
    names = ("x", "z", "u", "objective", "iterations", "values", "gradients", "converged")
    taken = {name: None if (value := getattr(result, name)) is None else value[index] for name in names}
    return replace(result, **taken, trace={name: value[:, index] for name, value in result.trace.items()})


def solution_path(A: LinearOperator, y: Tensor, make: Callable, lam: Sequence[float], **settings) -> SolutionPath:
    r"""Reconstruct every problem with every weight, as one batch: all that the rules read.

    The entries are :math:`x_\lambda\in\arg\min_x\|Ax-y\|^2+\lambda R(x)`.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
        Data with white Gaussian noise, on which all rules but the oracle rest.
    make : callable
        ``make(lam)`` gives the regulariser for a tensor of weights, one for each problem: a class such as
        ``Tikhonov`` or ``TV``, or ``lambda lam: Hard(G, lam)``.
    lam : sequence of at least 2 different numbers > 0
        The grid; evenly spaced logarithms are best.
    **settings
        For ``reconstruct``; ``x0`` and latent vectors as ``start`` hold one entry for each of the B problems.

    Returns
    -------
    SolutionPath

    Raises
    ------
    TypeError, ValueError
        A weight that is not positive or stands twice, a data term other than the squared norm, and what
        ``reconstruct`` refuses.

    Source
    ------
    Hansen, Discrete Inverse Problems (2010), Chapter 5.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> path = solution_path(Identity(8), torch.ones(2, 1, 8, 8), Tikhonov, [0.1, 1.0, 10.0])
    >>> path.residual[:, 0], path.x.shape
    (tensor([ 0.5289, 16.0000, 52.8926]), torch.Size([3, 2, 1, 8, 8]))
    """
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    check_callable("make", make)
    grid = sorted(check_numbers("lam", lam, least=2))
    if grid[0] <= 0 or len(set(grid)) < len(grid):
        raise ValueError(f"'lam' must hold different numbers > 0, got {grid[0]:g} or one of them twice")
    if not check_kind("fidelity", settings.get("fidelity", SQUARED), Fidelity).squared:
        raise ValueError("'fidelity' must be the squared norm: the rules are those of white Gaussian noise")
    weights = torch.tensor(grid, dtype=y.dtype, device=y.device)
    P, B = len(weights), len(y)
    rows = torch.arange(B, device=y.device).repeat(P)
    result, residual = _run(A, y[rows], make, weights.repeat_interleave(B), rows, settings)
    return SolutionPath(A, y, make, settings, weights, residual.unflatten(0, (P, B)), result)
