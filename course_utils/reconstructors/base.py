"""What every reconstruction map can do, learned or not: N(y, A) -> x, and what it says about itself."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_flag
from ..families import Trainable
from ..operators import LinearOperator
from ..operators.base import check_operator

__all__ = ["LearnedReconstructor", "Reconstructor"]

#: Images that differ by less than this, relative to their size, are equal but for rounding.
SAME = 1e-4


class Reconstructor:
    """A map from data, and the operator that they come from, to images.

    A subclass implements ``run``.
    """

    def __call__(self, y: Tensor, A: LinearOperator) -> Tensor:
        """Images from data: ``(B, *A.shape_out)`` -> ``(B, *A.shape_in)``."""
        return self.run(y, A)["x"]

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        """The images "x", and what there is to say.

        That may be "iterations" (B,), "converged" (B,) bool, "trace", a dict, and "warning", a sentence or None.
        """
        raise NotImplementedError


class LearnedReconstructor(Trainable, Reconstructor):
    """A reconstruction map that is learned from pairs; losses and settings as every trained network has.

    A subclass sets ``image_shape`` and implements ``forward``, ``losses`` and ``settings``.

    Attributes
    ----------
    trained_with : LinearOperator or None
        The operator of the training data, where there is one; ``run`` then warns of any other.
    """

    trained_with: LinearOperator | None = None

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """Images from data: ``(B, *A.shape_out)`` -> ``(B, *image_shape)``."""
        raise NotImplementedError

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        """The images "x", and "warning" if A is not the operator of the training; a network has no iterations."""
        check_operator(A)
        check_flag("trace", trace)
        return {"x": self(y, A), "warning": self._warning(A)}

    def _warning(self, A: LinearOperator) -> str | None:
        """What is to be said if ``A`` is not the operator with which the network was trained; None if it is."""
        if self.trained_with is None or _same(A, self.trained_with):
            return None
        return f"{type(self).__name__} was trained with another operator than 'A': nothing is known about its answer"


def _same(A: LinearOperator, B: LinearOperator) -> bool:
    """Whether two linear operators are equal: with probability 1 they are if they agree on one random image."""
    if A is B or (tuple(A.shape_in), tuple(A.shape_out)) != (B.shape_in, B.shape_out):
        return A is B
    probe = torch.randn(1, *B.shape_in, generator=torch.Generator().manual_seed(0)).to(B.like)
    with torch.no_grad():
        seen = B(probe)
        return bool((A(probe) - seen).norm() <= SAME * seen.norm())
