"""Other images of a batch: movements and warps that leave a brain a brain, and quarter turns."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .._check import check_finite, check_generator, check_tensor
from ..equivariance import Group
from ..equivariance.imaging import moved_each

__all__ = ["augment", "quarter_turns"]

SHIFT = 4  # pixels, each way
ANGLE = math.radians(8)
SCALE = 0.08  # of each side by itself, relative
WARP = 1.5  # pixels: standard deviation of the displacement at the points of a 6x6 grid
BRIGHTNESS = 0.1  # of all grey values, relative
GAMMA = 0.25  # grey values to the power e^(+- 0.25)
NOISE = 0.02  # largest standard deviation of the noise in the head
WARPED = 0.75  # of the images


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Other heads than those in ``x``, as a person's shape, place and contrast differ from another's.

    Each image is mirrored or not, moved by whole pixels, its grey values are scaled and bent by a power, and the head
    gets noise: the shipped training head is a mean of 27 scans, others are one scan each.  Three of four are also
    turned, stretched and warped by a smooth random displacement.  That interpolates (bicubic), which smooths the finest
    texture; the fourth keeps it as it is.  What comes from outside the image is 0, grey values stay in [0, 1].

    Parameters
    ----------
    x : (B, 1, H, W) tensor in [0, 1]
        Heads seen from above, left and right being alike.
    generator : torch.Generator
        All that is random comes from it.

    Returns
    -------
    (B, 1, H, W) tensor

    Raises
    ------
    TypeError, ValueError
        Not a batch of images.

    Example
    -------
    >>> x = torch.zeros(4, 1, 64, 64)
    >>> x[..., 24:40, 24:40] = 0.5
    >>> augment(x, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 1, 64, 64])
    """
    check_tensor("x", x, (None, 1, None, None))
    check_finite("x", x)
    check_generator(generator)
    B, (H, W) = len(x), x.shape[2:]

    def draw(*shape: int) -> Tensor:
        """Uniform on [-1, 1]."""
        return 2 * torch.rand(B, *shape, generator=generator, device=generator.device).to(x) - 1

    mirror, chance = draw(1).sign(), draw(1, 1, 1)
    shift = (draw(2) * (SHIFT + 0.5)).round()  # whole pixels: columns, rows
    angle, stretch = ANGLE * draw(1), 1 + SCALE * draw(2)
    warp = torch.randn(B, 2, 6, 6, generator=generator, device=generator.device).to(x) * WARP
    power, brightness = (GAMMA * draw(1, 1, 1)).exp(), 1 + BRIGHTNESS * draw(1, 1, 1)

    # Where each pixel of the new image comes from: (column, row) in pixels from the centre.
    rows, columns = torch.meshgrid(torch.arange(H) - (H - 1) / 2, torch.arange(W) - (W - 1) / 2, indexing="ij")
    place = torch.stack([columns, rows]).to(x).expand(B, 2, H, W)
    turned = torch.stack(
        [
            stretch[:, :1, None] * (angle.cos()[..., None] * place[:, 0] - angle.sin()[..., None] * place[:, 1]),
            stretch[:, 1:, None] * (angle.sin()[..., None] * place[:, 0] + angle.cos()[..., None] * place[:, 1]),
        ],
        1,
    )
    turned = turned + functional.interpolate(warp, size=(H, W), mode="bicubic", align_corners=True)
    place = torch.where(chance < 2 * WARPED - 1, turned, place) + shift[..., None, None]
    place = torch.stack([mirror[..., None] * place[:, 0] * 2 / W, place[:, 1] * 2 / H], -1)
    moved = functional.grid_sample(x, place, mode="bicubic", padding_mode="zeros", align_corners=False)
    moved = brightness * moved.clamp(0, 1) ** power
    noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
    noise = (draw(1, 1, 1) + 1) / 2 * NOISE * noise * (moved / 0.1).clamp(max=1)  # none in the black background
    return (moved + noise).clamp(0, 1)


def quarter_turns(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image turned by 0, 1, 2 or 3 quarters, all equally likely: a network learns that no side is up.

    Parameters
    ----------
    x : (B, C, N, N) tensor
    generator : torch.Generator

    Returns
    -------
    (B, C, N, N) tensor

    Raises
    ------
    TypeError, ValueError
        Images that are not square, or with NaN.

    Source
    ------
    Lectures, part II.1: equivariance by learning.

    Example
    -------
    >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> turned = quarter_turns(x, torch.Generator().manual_seed(0))
    >>> any(torch.equal(turned, torch.rot90(x, k, (2, 3))) for k in range(4))
    True
    """
    check_tensor("x", x, (None, None, None, None))
    check_finite("x", x)
    check_generator(generator)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"'x' must be square, because a quarter turn swaps its sides, got {tuple(x.shape)}")
    return moved_each(x, Group("C4"), 0, generator)
