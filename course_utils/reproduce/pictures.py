"""A few small images in a results file, as text."""

from __future__ import annotations

import base64

import numpy as np
import torch
from torch import Tensor

__all__ = ["middle", "pack", "unpack"]


def pack(images: Tensor, low: float = 0.0, high: float = 1.0) -> list[str]:
    """Images (N, 1, H, W) as text: 8 bits a pixel between ``low`` and ``high``, base64.

    Example
    -------
    >>> unpack(pack(torch.ones(1, 1, 2, 2)), 2)
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    grey = ((images.clamp(low, high) - low) / (high - low) * 255).round().to(torch.uint8)
    return [base64.b64encode(image.numpy().tobytes()).decode() for image in grey]


def unpack(texts: list[str], size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """The images of ``pack``: (N, 1, size, size)."""
    grey = np.stack([np.frombuffer(base64.b64decode(text), np.uint8) for text in texts])
    return torch.from_numpy(grey.astype(np.float32)).reshape(-1, 1, size, size) / 255 * (high - low) + low


def middle(images: Tensor, side: int) -> Tensor:
    """The middle of each image, ``side`` pixels wide, or less where the image is smaller: what is stored of an example.

    Example
    -------
    >>> middle(torch.arange(16.0).reshape(1, 1, 4, 4), 2).flatten()
    tensor([ 5.,  6.,  9., 10.])
    """
    H, W = images.shape[-2:]
    side = min(side, H, W)
    top, left = (H - side) // 2, (W - side) // 2
    return images[..., top : top + side, left : left + side]
