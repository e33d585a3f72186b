"""What every learned reconstruction map can do: N(y, A) -> x; losses and settings as every trained network has."""

from __future__ import annotations

from torch import Tensor

from ..families import Trainable
from ..operators import LinearOperator

__all__ = ["Reconstructor"]


class Reconstructor(Trainable):
    """A map from data, and the operator that they come from, to images; learned from pairs.

    A subclass sets ``image_shape`` and implements ``forward``, ``losses`` and ``settings``.
    """

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """Images from data: ``(B, *A.shape_out)`` -> ``(B, *image_shape)``."""
        raise NotImplementedError
