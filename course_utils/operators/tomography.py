"""Parallel-beam tomography: exact line lengths in a stored sparse matrix, and its transpose."""

from __future__ import annotations

import math
import warnings

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from .._check import check_count
from .base import LinearOperator

__all__ = ["ParallelBeam", "line_lengths"]


def line_lengths(size: int, angles: np.ndarray, offsets: np.ndarray) -> scipy.sparse.csr_array:
    """Length of each line within each pixel of a (size, size) grid of unit pixels centred at the origin.

    Line (a, s) is {s (cos a, sin a) + t (-sin a, cos a) : t real}; row a * len(offsets) + s of the result.
    Pixel (i, j) has its centre at x = j - (size - 1) / 2, y = (size - 1) / 2 - i.

    Source
    ------
    Siddon, Medical Physics 12 (1985).

    Example
    -------
    A vertical line through the middle of the second of two columns, two pixels high:

    >>> line_lengths(2, np.array([0.0]), np.array([0.5])).toarray()
    array([[0., 1., 0., 1.]])
    """
    planes = np.arange(size + 1) - size / 2
    rows, columns, lengths = [], [], []
    for k, angle in enumerate(angles):
        normal, direction = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        start = offsets[:, None] * np.array(normal)  # (S, 2): the foot point of each line
        crossings = [
            (planes - start[:, axis : axis + 1]) / direction[axis] for axis in (0, 1) if abs(direction[axis]) > 1e-12
        ]
        t = np.sort(np.concatenate(crossings, axis=1), axis=1)  # (S, crossings)
        length, middle = np.diff(t, axis=1), (t[:, 1:] + t[:, :-1]) / 2
        column = np.floor(start[:, :1] + middle * direction[0] + size / 2).astype(int)
        row = np.floor(size / 2 - start[:, 1:] - middle * direction[1]).astype(int)
        hit = (length > 1e-12) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
        rows.append(k * len(offsets) + np.nonzero(hit)[0])
        columns.append((row * size + column)[hit])
        lengths.append(length[hit])
    entries = (np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.coo_array(entries, shape=(len(angles) * len(offsets), size * size)).tocsr()


class _SparseProduct(torch.autograd.Function):
    """x -> M x for rows of a batch, with the stored transpose as derivative (torch has none for CSR)."""

    @staticmethod
    def forward(ctx, x: Tensor, matrix: Tensor, transpose: Tensor) -> Tensor:
        ctx.matrices = (matrix, transpose)
        return (matrix @ x.T.contiguous()).T

    @staticmethod
    def backward(ctx, grad: Tensor):
        matrix, transpose = ctx.matrices
        return _SparseProduct.apply(grad, transpose, matrix), None, None


def _csr(matrix: scipy.sparse.csr_array) -> Tensor:
    with warnings.catch_warnings():  # torch announces once that its CSR support is in beta
        warnings.filterwarnings("ignore", message="Sparse CSR")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=False,
        )


class ParallelBeam(LinearOperator):
    """X-ray transform of a (size, size) image along parallel lines, data (B, n_angles, n_detectors).

    Parameters
    ----------
    size : int
        Side of the image in pixels (pixel side 1).
    n_angles : int
        Views, equally spaced on [0, angular_range).
    n_detectors : int
        Detector bins, equally spaced over ``detector_width``.
    angular_range : float
        In radians; pi is a full scan, less is a limited-angle problem.
    detector_width : float, optional
        In pixels; default: the diagonal of the image, so that no view is truncated.

    Raises
    ------
    TypeError, ValueError
        Counts below 1, an angular range outside (0, pi], a detector narrower than the image's diagonal.

    Source
    ------
    Paper, Sect. 5.3; lectures, part I.1.  For 56 x 56 images the authors' geometry has 125 angles and 81 bins.

    Example
    -------
    >>> ParallelBeam(28, n_angles=20, n_detectors=41).shape_out
    (20, 41)
    """

    def __init__(
        self,
        size: int,
        n_angles: int,
        n_detectors: int,
        angular_range: float = math.pi,
        detector_width: float | None = None,
    ) -> None:
        for name, value in (("size", size), ("n_angles", n_angles), ("n_detectors", n_detectors)):
            check_count(name, value)
        if not 0 < angular_range <= math.pi + 1e-12:
            raise ValueError(f"'angular_range' must lie in (0, pi], got {angular_range:g}")
        diagonal = math.sqrt(2) * size
        width = diagonal if detector_width is None else detector_width
        if not width >= diagonal - 1e-9:
            raise ValueError(f"'detector_width' must be at least the image's diagonal {diagonal:.2f}, got {width:g}")
        view_angles = np.arange(n_angles) * angular_range / n_angles
        offsets = (np.arange(n_detectors) + 0.5) * width / n_detectors - width / 2
        matrix = line_lengths(size, view_angles, offsets)
        norm = float(scipy.sparse.linalg.svds(matrix, k=1, return_singular_vectors=False, random_state=0)[0])
        super().__init__((1, size, size), (n_angles, n_detectors), scale=1 / norm)
        matrix = scipy.sparse.csr_array(matrix / norm)
        self.register_buffer("angles", torch.from_numpy(view_angles).float())
        self.register_buffer("matrix_csr", _csr(matrix))
        self.register_buffer("transpose_csr", _csr(scipy.sparse.csr_array(matrix.T)))

    @property
    def like(self) -> Tensor:
        return self.angles

    def _forward(self, x: Tensor) -> Tensor:
        y = _SparseProduct.apply(x.flatten(1), self.matrix_csr, self.transpose_csr)
        return y.reshape(-1, *self.shape_out)

    def _adjoint(self, y: Tensor) -> Tensor:
        x = _SparseProduct.apply(y.flatten(1), self.transpose_csr, self.matrix_csr)
        return x.reshape(-1, *self.shape_in)
