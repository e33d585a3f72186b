"""What all generative regularisers share: a generator G, weights, and R(x) by a search over z, eq. (7).

    R_G(x) = min_z F(G(z) - x) + R_Z(z),     R_Z(z) = mu ||z||^2 (hard: ||z||^2)

Hard takes F = 0 at 0 and infinity elsewhere, relaxed F = ||.||_2^2, sparse F = ||.||_1,
sparse-TV F = TV.
``lam`` and ``mu`` are numbers or (B,) tensors: with tensors, every problem of a batch has its own weights,
so that a parameter sweep is one batch.
"""

from __future__ import annotations

from torch import Tensor

from .._check import check_nonnegative
from ..generators import Generator
from .base import Regulariser, check_linear
from .fidelity import Fidelity

__all__ = ["Generative", "TwoWeights"]


class Generative(Regulariser):
    """A regulariser that is made from a generator."""

    def __init__(self, G: Generator, lam: float | Tensor) -> None:
        if not isinstance(G, Generator):
            raise TypeError(f"'G' must be a Generator, got {type(G).__name__}")
        super().__init__(lam)
        self.G = G

    def check(self, A, fidelity: Fidelity, general: bool = False) -> None:
        """Raise unless G fits A, A is linear and errors are squared; the last two may be otherwise if ``general``."""
        if not general:
            check_linear(A)
            if not fidelity.squared:
                raise TypeError(f"'fidelity' must be SquaredError for {type(self).__name__}, got {fidelity!r}")
        if self.G.image_shape != A.shape_in:
            raise ValueError(f"'R' has a generator of images {self.G.image_shape}, the operator takes {A.shape_in}")

    def __repr__(self) -> str:
        weights = ", ".join(f"{k}={v}" for k, v in vars(self).items() if k != "G")
        return f"{type(self).__name__}({self.G.config.family}, {weights})"


class TwoWeights(Generative):
    """With a second weight, mu, of ||z||^2."""

    def __init__(self, G: Generator, lam: float | Tensor, mu: float | Tensor) -> None:
        super().__init__(G, lam)
        check_nonnegative("mu", mu)
        self.mu = mu
