"""What every learned reconstruction map can do: N(y, A) -> x, a training loss, settings that can be stored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..operators import LinearOperator

__all__ = ["Reconstructor"]


class Reconstructor(nn.Module):
    """A map from data, and the operator that they come from, to images; learned from pairs.

    A subclass sets ``image_shape`` and implements ``forward``, ``losses`` and ``settings``.

    Attributes
    ----------
    image_shape : (1, H, W)
    """

    image_shape: tuple[int, int, int]

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """(B, *A.shape_out) -> (B, *image_shape)."""
        raise NotImplementedError

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The training loss, "loss", and its parts, for true images x: 0-dim tensors."""
        raise NotImplementedError

    def settings(self) -> dict:
        """All that is needed to build it again, as plain values."""
        raise NotImplementedError

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The training loss."""
        return self.losses(x, generator)["loss"]

    def freeze(self) -> Reconstructor:
        """Evaluation mode, weights without gradient.  Returns itself."""
        return self.eval().requires_grad_(False)
