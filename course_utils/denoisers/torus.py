"""The norm of a convolution with periodic border: one small matrix for each frequency, exactly or by a fast bound."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_entries, check_tensor

__all__ = ["torus_bound", "torus_norm"]


def _symbols(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """The matrix of each frequency: (out, in, k, k) -> (frequencies, out, in), complex; conjugate ones once."""
    check_tensor("kernel", kernel, (None, None, None, None))
    check_entries("kernel", kernel)
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"'size' must be (height, width), got {size!r}")
    size = tuple(check_count("size", side, minimum=max(kernel.shape[2:])) for side in size)
    return torch.fft.rfft2(kernel, s=size).flatten(2).permute(2, 0, 1)


def torus_norm(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """The spectral norm of a convolution with periodic border, exactly: the largest singular value of all frequencies.

    Parameters
    ----------
    kernel : (out, in, k, k) tensor
    size : (height, width)
        Of the images, at least k.

    Returns
    -------
    0-dim tensor

    Source
    ------
    Sedghi, Gupta, Long, The Singular Values of Convolutional Layers, ICLR 2019.

    Example
    -------
    A mean over nine pixels leaves constant images as they are:

    >>> torus_norm(torch.full((1, 1, 3, 3), 1 / 9), (8, 8)).round(decimals=4)
    tensor(1.)
    """
    return torch.linalg.matrix_norm(_symbols(kernel, size), 2).max()


def torus_bound(kernel: Tensor, size: tuple[int, int], steps: int = 5) -> Tensor:
    r"""An upper bound on ``torus_norm`` that is differentiable and needs products of matrices only.

    For each frequency :math:`\|K\| \le \|G_t\|_F^{1/2^t}` with :math:`G_0 = K` and :math:`G_{t+1} = G_t^* G_t`; for
    matrices of rank r it is too large by a factor of at most :math:`r^{1/2^{t+1}}`.

    Parameters
    ----------
    kernel, size
        As ``torus_norm``.
    steps : int
        t.

    Returns
    -------
    0-dim tensor

    Source
    ------
    Delattre, Barthélemy, Araujo, Allauzen, ICML 2023.

    Example
    -------
    >>> kernel = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    >>> 1 <= float(torus_bound(kernel, (8, 8)) / torus_norm(kernel, (8, 8))) < 1.02
    True
    """
    steps = check_count("steps", steps)
    G = _symbols(kernel, size)
    log = torch.zeros(len(G), dtype=kernel.dtype, device=kernel.device)  # what G has been divided by
    tiny = torch.finfo(kernel.dtype).tiny
    for _ in range(steps):
        length = torch.linalg.matrix_norm(G).clamp_min(tiny)
        G = G / length[:, None, None]
        G = G.mH @ G if G.shape[1] >= G.shape[2] else G @ G.mH
        log = 2 * (log + length.log())
    return ((torch.linalg.matrix_norm(G).clamp_min(tiny).log() + log) / 2**steps).max().exp()
