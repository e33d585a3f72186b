"""Singular values, and what carries images and data to the singular vectors and back."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

__all__ = ["SVD", "MatrixSpectrum", "Spectrum"]


class SVD(NamedTuple):
    """Thin singular value decomposition A = U diag(S) V^T on flattened images and data.

    U : (m, k), S : (k,) falling, V : (n, k) with k = min(m, n).
    """

    U: Tensor
    S: Tensor
    V: Tensor


class Spectrum(Protocol):
    """A = U diag(S) V^T without saying how U and V are stored; terms with S = 0 may be left out."""

    S: Tensor

    def of_data(self, y: Tensor) -> Tensor:
        """U^T y: ``(B, *shape_out)`` -> ``(B, k)``."""
        ...

    def of_image(self, x: Tensor) -> Tensor:
        """V^T x: ``(B, *shape_in)`` -> ``(B, k)``."""
        ...

    def image(self, c: Tensor) -> Tensor:
        """V c: ``(B, k)`` -> ``(B, *shape_in)``."""
        ...


class MatrixSpectrum:
    """The spectrum of any small operator: U and V are matrices."""

    def __init__(self, svd: SVD, shape_in: tuple[int, ...]) -> None:
        self.U, self.S, self.V = svd
        self.shape_in = shape_in

    def of_data(self, y: Tensor) -> Tensor:
        return y.flatten(1) @ self.U

    def of_image(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.V

    def image(self, c: Tensor) -> Tensor:
        return (c @ self.V.T).reshape(-1, *self.shape_in)
