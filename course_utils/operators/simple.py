"""Operators of a line or two: identity, blur, Gaussian compressed sensing, missing pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_generator, check_positive, default
from .base import LinearOperator

__all__ = ["GaussianBlur", "GaussianMatrix", "Identity", "Inpainting"]


class Identity(LinearOperator):
    """Denoising: A = I on (1, size, size) images.

    Example
    -------
    >>> Identity(28)
    Identity((1, 28, 28) -> (1, 28, 28), norm 1, scale 1)
    """

    def __init__(self, size: int) -> None:
        size = check_count("size", size)
        super().__init__((1, size, size), (1, size, size), scale=1.0, norm=1.0)
        self.register_buffer("one", torch.ones(()))

    def _forward(self, x: Tensor) -> Tensor:
        return x

    _adjoint = _forward


class GaussianBlur(LinearOperator):
    """Convolution with a Gaussian kernel of ``width`` x ``width`` pixels, zero outside the image.

    The kernel is a product, so A x = K x K^T with a banded (size, size) matrix K.

    Parameters
    ----------
    size : int
        Side of the image in pixels.
    width : int, odd
        Side of the kernel; the paper uses 5.
    std : float
        Standard deviation of the Gaussian in pixels; the paper's code uses 1.

    Source
    ------
    Paper, Sect. 5 and 5.1.

    Example
    -------
    >>> A = GaussianBlur(28)
    >>> A(torch.ones(1, 1, 28, 28)).shape
    torch.Size([1, 1, 28, 28])
    """

    def __init__(self, size: int, width: int = 5, std: float = 1.0) -> None:
        size = check_count("size", size)
        width = check_count("width", width)
        if width % 2 == 0 or width > size:
            raise ValueError(f"'width' must be odd and at most the size {size}, got {width}")
        std = check_positive("std", std)
        offset = torch.arange(width, dtype=torch.float64) - width // 2
        kernel = torch.exp(-0.5 * (offset / std) ** 2)
        kernel = kernel / kernel.sum()
        K = torch.zeros(size, size, dtype=torch.float64)
        for value, shift in zip(kernel, range(-(width // 2), width // 2 + 1), strict=True):
            K += value * torch.diag(torch.ones(size - abs(shift), dtype=torch.float64), shift)
        norm = torch.linalg.matrix_norm(K, 2)
        super().__init__((1, size, size), (1, size, size), scale=float(norm**-2), norm=1.0)
        self.register_buffer("K", default(K / norm))  # symmetric, norm 1

    def _forward(self, x: Tensor) -> Tensor:
        return self.K @ x @ self.K

    _adjoint = _forward  # K is symmetric


class GaussianMatrix(LinearOperator):
    """Compressed sensing: ``m`` random projections, entries drawn from N(0, 1/m^2), then scaled to norm 1.

    Parameters
    ----------
    m : int
        Number of measurements.
    size : int
        Side of the image in pixels.
    generator : torch.Generator
        Draws the matrix.

    Source
    ------
    Paper, Sect. 5.2 (m = 150); the entry's standard deviation 1/m is that of the authors' code and does not
    matter after the scaling.

    Example
    -------
    >>> A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0))
    >>> A(torch.ones(2, 1, 28, 28)).shape
    torch.Size([2, 150])
    """

    def __init__(self, m: int, size: int, generator: torch.Generator) -> None:
        m = check_count("m", m)
        size = check_count("size", size)
        check_generator(generator)
        entries = torch.randn(m, size * size, generator=generator, device=generator.device, dtype=torch.float32)
        matrix = entries.cpu().double() / m
        norm = float(torch.linalg.matrix_norm(matrix, 2))
        super().__init__((1, size, size), (m,), scale=1 / norm, norm=1.0)
        self.register_buffer("M", default(matrix / norm))

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.M.T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.M).reshape(-1, *self.shape_in)


class Inpainting(LinearOperator):
    """Missing pixels: A x is the list of the k pixels that ``mask`` keeps, in reading order; norm 1.

    Parameters
    ----------
    mask : (size, size) bool tensor
        True where the pixel is seen.

    Raises
    ------
    TypeError, ValueError
        Not a square bool tensor, or nothing is seen.

    Source
    ------
    Yeh et al., CVPR 2017, the paper's reference [56].

    Example
    -------
    >>> mask = torch.ones(28, 28, dtype=torch.bool)
    >>> mask[8:20, 8:20] = False
    >>> A = Inpainting(mask)
    >>> A.T(A(torch.ones(1, 1, 28, 28))).sum()  # unseen pixels become 0
    tensor(640.)
    """

    def __init__(self, mask: Tensor) -> None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"'mask' must be a bool tensor, got {getattr(mask, 'dtype', type(mask).__name__)}")
        if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
            raise ValueError(f"'mask' must have shape (size, size), got {tuple(mask.shape)}")
        if not mask.any():
            raise ValueError("'mask' keeps nothing: at least one entry must be True")
        super().__init__((1, *mask.shape), (int(mask.sum()),), scale=1.0, norm=1.0)
        self.register_buffer("index", mask.flatten().nonzero().squeeze(1))
        self.register_buffer("one", torch.ones(()))

    @property
    def like(self) -> Tensor:
        return self.one

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, self.index]

    def _adjoint(self, y: Tensor) -> Tensor:
        empty = torch.zeros(len(y), self.n, dtype=y.dtype, device=y.device)
        return empty.index_copy(1, self.index, y).reshape(-1, *self.shape_in)
