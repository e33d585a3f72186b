"""Operators made from operators: ``A @ B``, ``stack([A, B])``, ``2 * A``, with exact adjoints and measured norms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._check import check_kind, check_number
from .base import LinearOperator

__all__ = ["Composed", "Scaled", "Stacked", "stack"]


class _Made(LinearOperator):
    """Holds the operators it is made of; they go along to another device or dtype."""

    def __init__(self, parts: Sequence[LinearOperator], shape_in, shape_out) -> None:
        super().__init__(shape_in, shape_out, scale=1.0)
        self.parts = nn.ModuleList(parts)

    @property
    def like(self) -> Tensor:
        return self.parts[0].like


def _check_alike(first: LinearOperator, second: LinearOperator, names: tuple[str, str] = ("operators",) * 2) -> None:
    for name, operator in zip(names, (first, second), strict=True):
        check_kind(name, operator, LinearOperator, "made of LinearOperators")
    a, b = first.like, second.like
    if (a.dtype, a.device) != (b.dtype, b.device):
        raise TypeError(
            f"'{names[1]}' must agree in dtype and device, got {a.dtype} on {a.device} and {b.dtype} on {b.device}"
        )


class Composed(_Made):
    """``A @ B``: first B, then A.  Its adjoint is B^* A^*; its norm, at most ||A|| ||B||, is measured.

    Parameters
    ----------
    A, B : LinearOperator
        B gives what A takes.

    Example
    -------
    >>> from course_utils.operators import GaussianBlur, Inpainting, dot_test
    >>> A = Inpainting(torch.rand(28, 28, generator=torch.Generator().manual_seed(0)) < 0.5) @ GaussianBlur(28)
    >>> A.shape_out, dot_test(A.double()) < 1e-14
    ((394,), True)
    """

    def __init__(self, A: LinearOperator, B: LinearOperator) -> None:
        _check_alike(A, B, ("A", "B"))
        if A.shape_in != B.shape_out:
            raise ValueError(f"'A @ B': A takes {A.shape_in}, B gives {B.shape_out}")
        super().__init__((A, B), B.shape_in, A.shape_out)

    def _forward(self, x: Tensor) -> Tensor:
        A, B = self.parts
        return A._forward(B._forward(x))

    def _adjoint(self, y: Tensor) -> Tensor:
        A, B = self.parts
        return B._adjoint(A._adjoint(y))


class Scaled(_Made):
    """``factor * A``, with the norm |factor| ||A||."""

    def __init__(self, factor: float, A: LinearOperator) -> None:
        factor = check_number("factor", factor)
        _check_alike(A, A, ("A", "A"))
        super().__init__((A,), A.shape_in, A.shape_out)
        self.factor = float(factor)
        self.scale = A.scale * self.factor

    @property
    def norm(self) -> float:
        return abs(self.factor) * self.parts[0].norm

    def views(self, index: Sequence[int]) -> Scaled:
        """The same of some views only, for an operator that has views."""
        return Scaled(self.factor, self.parts[0].views(index))

    def _forward(self, x: Tensor) -> Tensor:
        return self.factor * self.parts[0]._forward(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.factor * self.parts[0]._adjoint(y)


class Stacked(_Made):
    """See ``stack``."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        if not check_kind("operators", operators, (list, tuple), "a list of LinearOperators"):
            raise ValueError("'operators' must hold at least one, got none")
        for operator in operators:
            _check_alike(operators[0], operator)
            if operator.shape_in != operators[0].shape_in:
                raise ValueError(
                    f"'operators' must take one image, got {operators[0].shape_in} and {operator.shape_in}"
                )
        super().__init__(operators, operators[0].shape_in, (sum(operator.m for operator in operators),))
        self.sizes = [operator.m for operator in operators]

    def _forward(self, x: Tensor) -> Tensor:
        return torch.cat([part._forward(x).flatten(1) for part in self.parts], dim=1)

    def _adjoint(self, y: Tensor) -> Tensor:
        pieces = zip(self.parts, y.split(self.sizes, dim=1), strict=True)
        return sum(part._adjoint(piece.reshape(-1, *part.shape_out)) for part, piece in pieces)


def stack(operators: Sequence[LinearOperator]) -> Stacked:
    """One operator whose data are those of all, flat and side by side: (B, 1, H, W) -> (B, m_1 + m_2 + ...).

    The adjoint is the sum of the adjoints; the norm is measured.

    Parameters
    ----------
    operators : sequence of LinearOperator
        Of the same images.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    Twice the identity has norm sqrt(2):

    >>> from course_utils.operators import Identity
    >>> A = stack([Identity(8), Identity(8)])
    >>> A.shape_out, round(A.norm, 6)
    ((128,), 1.414214)
    """
    return Stacked(operators)


def _composed(A: LinearOperator, B: LinearOperator) -> Composed:
    return Composed(A, B)


def _scaled(A: LinearOperator, factor: float) -> Scaled:
    return Scaled(factor, A)


# Here and not in ``base``, which would have to import this module, which imports it.
LinearOperator.__matmul__ = _composed
LinearOperator.__rmul__ = _scaled
