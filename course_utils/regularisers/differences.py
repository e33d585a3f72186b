"""Differences of neighbouring pixels and their adjoint: the gradient of an image on its grid."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_entries, check_tensor

__all__ = ["divergence", "gradient"]


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
