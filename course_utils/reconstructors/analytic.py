"""Inversion formulas: filtered back-projection for tomography, the zero-filled image for MRI."""

from __future__ import annotations

from torch import Tensor

from .._check import check_between, check_choice
from ..operators import LinearOperator, ParallelBeam, fbp, root_sum_of_squares, zero_filled
from ..operators.backprojection import FILTERS
from ..operators.composed import Scaled
from .base import Reconstructor

__all__ = ["FilteredBackProjection", "ZeroFilled"]


class FilteredBackProjection(Reconstructor):
    """Filtered back-projection, ``fbp``, as a method beside others.

    Parameters
    ----------
    filter : {"ramp", "shepp-logan", "cosine", "hamming", "hann"}
        "ramp" is the Ram-Lak filter.
    cutoff : float in (0, 1]

    Source
    ------
    Lectures, part I.1, option 1; see ``fbp``.

    Example
    -------
    >>> import torch
    >>> A = ParallelBeam.full(28)
    >>> FilteredBackProjection("hann")(A(torch.ones(1, 1, 28, 28)), A).shape
    torch.Size([1, 1, 28, 28])
    """

    def __init__(self, filter: str = "ramp", cutoff: float = 1.0) -> None:
        self.filter = check_choice("filter", filter, FILTERS)
        self.cutoff = check_between("cutoff", cutoff, 0, 1, "(]")

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        factor, inner = (A.factor, A.parts[0]) if isinstance(A, Scaled) else (1.0, A)
        if not isinstance(inner, ParallelBeam):
            raise TypeError(f"'A' must be a ParallelBeam for filtered back-projection, got {type(inner).__name__}")
        return {"x": fbp(inner, y / factor, self.filter, self.cutoff)}

    def __repr__(self) -> str:
        return f"FilteredBackProjection({self.filter!r}, cutoff={self.cutoff:g})"


class ZeroFilled(Reconstructor):
    """Zero-filled k-space, inverse Fourier transform, and the root of the sum of squares over the coils.

    Source
    ------
    Lectures, part I.1, option 1; see ``zero_filled`` and ``root_sum_of_squares``.

    Example
    -------
    >>> import torch
    >>> from course_utils.operators import MaskedFourier
    >>> A = MaskedFourier(torch.ones(8, 8, dtype=torch.bool))
    >>> x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(ZeroFilled()(A(x), A), x, atol=1e-6))
    True
    """

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        return {"x": root_sum_of_squares(zero_filled(A, y))}

    def __repr__(self) -> str:
        return "ZeroFilled()"
