"""What every reconstruction map can do, learned or not: N(y, A) -> x, and what it says about itself."""

from __future__ import annotations

from torch import Tensor

from .._check import check_flag
from ..families import Trainable
from ..operators import LinearOperator
from ..operators.base import check_operator

__all__ = ["LearnedReconstructor", "Reconstructor"]


class Reconstructor:
    """A map from data, and the operator that they come from, to images.

    A subclass implements ``run``.
    """

    def __call__(self, y: Tensor, A: LinearOperator) -> Tensor:
        """Images from data: ``(B, *A.shape_out)`` -> ``(B, *A.shape_in)``."""
        return self.run(y, A)["x"]

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        """The images "x", and what there is to say: "iterations" (B,), "converged" (B,) bool, "trace", a dict."""
        raise NotImplementedError


class LearnedReconstructor(Trainable, Reconstructor):
    """A reconstruction map that is learned from pairs; losses and settings as every trained network has.

    A subclass sets ``image_shape`` and implements ``forward``, ``losses`` and ``settings``.
    """

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """Images from data: ``(B, *A.shape_out)`` -> ``(B, *image_shape)``."""
        raise NotImplementedError

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        """The images "x", and nothing else: a network has no iterations to tell of."""
        check_operator(A)
        check_flag("trace", trace)
        return {"x": self(y, A)}
