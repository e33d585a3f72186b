"""More images from few: small movements that leave a brain a brain."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ._check import check_tensor

__all__ = ["augment"]

SHIFT = 6  # pixels, each way
ANGLE = math.radians(12)
SCALE = 0.1  # size of the object, relative
BRIGHTNESS = 0.1  # of all grey values, relative


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored or not, moved by whole pixels, brightened or dimmed; every second one turned and resized too.

    Turning interpolates (bicubic), which smooths the finest texture; the other half of the images keeps it as it is.
    What comes from outside the image is 0, grey values stay in [0, 1].

    Parameters
    ----------
    x : (B, 1, H, W) tensor
        A brain seen from above, left and right being alike.
    generator : torch.Generator
        All that is random comes from it.

    Returns
    -------
    (B, 1, H, W) tensor

    Example
    -------
    >>> x = torch.zeros(4, 1, 64, 64)
    >>> x[..., 24:40, 24:40] = 0.5
    >>> augment(x, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 1, 64, 64])
    """
    check_tensor("x", x, (None, 1, None, None))
    B, (H, W) = len(x), x.shape[2:]
    u = torch.rand(B, 7, generator=generator, device=generator.device).to(x)
    mirrored, turned = u[:, 0] < 0.5, u[:, 1] < 0.5
    shift = ((2 * u[:, 2:4] - 1) * (SHIFT + 0.5)).round()  # (B, 2) whole pixels: columns, rows
    angle = torch.where(turned, (2 * u[:, 4] - 1) * ANGLE, 0)
    scale = torch.where(turned, 1 + (2 * u[:, 5] - 1) * SCALE, 1)
    sign = torch.where(mirrored, -1.0, 1.0).to(x)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    # Where each pixel of the new image comes from, in units of half the side.
    from_columns = torch.stack([sign * cosine, -sign * sine * H / W, 2 * shift[:, 0] / W], 1)
    from_rows = torch.stack([sine * W / H, cosine, 2 * shift[:, 1] / H], 1)
    grid = functional.affine_grid(torch.stack([from_columns, from_rows], 1), list(x.shape), align_corners=False)
    moved = functional.grid_sample(x, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    brightness = (1 + (2 * u[:, 6] - 1) * BRIGHTNESS).reshape(B, 1, 1, 1)
    return (brightness * moved).clamp(0, 1)
