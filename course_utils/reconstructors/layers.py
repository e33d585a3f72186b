"""Layers that several networks share: a short chain of convolutions, and the image from which one may start."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..operators import LinearOperator, ParallelBeam, fbp
from ..operators.composed import Scaled

#: Singular values below this, relative to the largest, are left out of the pseudo-inverse.
SMALLEST = 1e-5


def convolutions(c_in: int, width: int, c_out: int, kernel: int = 3, calm: float = 1.0) -> nn.Sequential:
    """Three convolutions with a ReLU after the first two: (B, c_in, H, W) -> (B, c_out, H, W).

    ``calm`` scales the first weights of the last, so that what is added by it is small at first.
    """
    side = {"kernel_size": kernel, "padding": kernel // 2}
    last = nn.Conv2d(width, c_out, **side)
    with torch.no_grad():
        last.weight *= calm
        last.bias *= calm
    return nn.Sequential(
        nn.Conv2d(c_in, width, **side), nn.ReLU(),
        nn.Conv2d(width, width, **side), nn.ReLU(),
        last,
    )  # fmt: skip


def inversion(y: Tensor, A: LinearOperator, filter: str = "hann") -> Tensor:
    """Filtered back-projection where A has views, else the pseudo-inverse: (B, *A.shape_out) -> (B, *A.shape_in)."""
    factor, inner = (A.factor, A.parts[0]) if isinstance(A, Scaled) else (1.0, A)
    if isinstance(inner, ParallelBeam):
        return fbp(inner, y / factor, filter)
    basis = A.spectrum()
    kept = basis.S > SMALLEST * basis.S.max()
    inverse = torch.where(kept, 1 / torch.where(kept, basis.S, 1.0), 0.0)
    return basis.image(basis.of_data(y) * inverse)
