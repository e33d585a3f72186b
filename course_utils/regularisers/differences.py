"""Differences of neighbouring pixels and their adjoint: the gradient of an image on its grid."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_entries, check_tensor

__all__ = ["add_pulled", "differences", "divergence", "gradient", "shorten", "shortened"]


def gradient(x: Tensor) -> Tensor:
    """Forward differences, 0 across the lower and right border: (B, 1, H, W) -> (B, 2, H, W)."""
    check_tensor("x", x, (None, 1, None, None))
    check_entries("x", x)
    d = torch.zeros(len(x), 2, *x.shape[2:], dtype=x.dtype, device=x.device)
    d[:, 0, :-1] = x[:, 0, 1:] - x[:, 0, :-1]
    d[:, 1, :, :-1] = x[:, 0, :, 1:] - x[:, 0, :, :-1]
    return d


def divergence(q: Tensor) -> Tensor:
    """Minus the adjoint of ``gradient``: (B, 2, H, W) -> (B, 1, H, W)."""
    check_tensor("q", q, (None, 2, None, None))
    check_entries("q", q)
    v = torch.zeros(len(q), 1, *q.shape[2:], dtype=q.dtype, device=q.device)
    v[:, 0, :-1] += q[:, 0, :-1]
    v[:, 0, 1:] -= q[:, 0, :-1]
    v[:, 0, :, :-1] += q[:, 1, :, :-1]
    v[:, 0, :, 1:] -= q[:, 1, :, :-1]
    return v


def shortened(q: Tensor, radius: Tensor) -> Tensor:
    """q scaled down in every pixel to a length of at most ``radius``; it has a derivative where q is 0, too."""
    square = q.pow(2).sum(1, keepdim=True)
    radius = torch.as_tensor(radius).to(q).clamp_min(torch.finfo(q.dtype).tiny ** 0.5)
    return q * (radius / torch.maximum(square, radius**2).sqrt())


# For the loops of algorithms: without checks and derivatives, into memory that is there.


def differences(x: Tensor, out: Tensor) -> Tensor:
    """``gradient`` of x, (B, H, W), written to ``out``, (B, 2, H, W).

    Along the rows the image is one long line, which is faster than many short ones, and its ends are cleared after.
    """
    torch.sub(x[:, 1:], x[:, :-1], out=out[:, 0, :-1])
    line = x.flatten(1)
    torch.sub(line[:, 1:], line[:, :-1], out=out[:, 1].flatten(1)[:, :-1])
    out[:, 0, -1] = 0
    out[:, 1, :, -1] = 0
    return out


def add_pulled(q: Tensor, out: Tensor) -> Tensor:
    """Minus ``divergence`` of q added to ``out``, (B, H, W), for a q that is 0 across the border, as a gradient is."""
    out -= q[:, 0]
    out -= q[:, 1]
    out[:, 1:] += q[:, 0, :-1]
    out.flatten(1)[:, 1:] += q[:, 1].flatten(1)[:, :-1]
    return out


def shorten(q: Tensor, radius: Tensor, length: Tensor) -> Tensor:
    """q scaled down in every pixel to a length of at most ``radius``, in place; ``length`` is (B, 1, H, W) memory."""
    torch.mul(q[:, :1], q[:, :1], out=length)
    for k in range(1, q.shape[1]):
        length.addcmul_(q[:, k : k + 1], q[:, k : k + 1])
    torch.maximum(length.sqrt_(), radius.clamp_min(torch.finfo(q.dtype).tiny), out=length)
    return q.mul_(torch.div(radius, length, out=length))
