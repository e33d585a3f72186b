"""Phase retrieval: a forward operator that is not linear."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .._check import check_entries, check_kind, check_tensor
from .base import LinearOperator

__all__ = ["Magnitude"]


class Magnitude(nn.Module):
    r"""Signs are lost: :math:`y = |Ax|`, entry by entry, for a linear operator A with real data.

    There is no adjoint, and :math:`\|\,|Ax|-y\,\|_2^2` is not convex in x: x and -x give the same data, so there
    are at least two minimisers with a ridge between them.  The derivative is :math:`A^*\operatorname{diag}(
    \operatorname{sign} Ax)`, taken as 0 where :math:`Ax=0`; gradients come from autograd.

    Parameters
    ----------
    A : LinearOperator

    Source
    ------
    Hand, Leong, Voroninski, NeurIPS 2018, the paper's reference [38]; paper, Sect. 3.1.1.

    Example
    -------
    >>> import torch
    >>> from course_utils.operators import Identity
    >>> x = torch.tensor([[[[-1.0, 2.0], [0.0, 3.0]]]])
    >>> A = Magnitude(Identity(2))
    >>> A(x).flatten(), bool((A(x) == A(-x)).all())
    (tensor([1., 2., 0., 3.]), True)
    """

    def __init__(self, A: LinearOperator) -> None:
        super().__init__()
        self.A = check_kind("A", A, LinearOperator)
        self.shape_in, self.shape_out = A.shape_in, A.shape_out

    def forward(self, x: Tensor) -> Tensor:
        """:math:`|Ax|`: ``(B, *shape_in)`` -> ``(B, *shape_out)``, differentiable."""
        check_tensor("x", x, (None, *self.shape_in), like=self.like)
        check_entries("x", x)
        return self.A(x).abs()

    @property
    def like(self) -> Tensor:
        """A tensor of the operator, which tells its dtype and device."""
        return self.A.like

    @property
    def n(self) -> int:
        """Number of pixels of one image."""
        return math.prod(self.shape_in)

    @property
    def m(self) -> int:
        """Number of data of one measurement."""
        return math.prod(self.shape_out)

    def __repr__(self) -> str:
        return f"Magnitude({self.A!r})"
