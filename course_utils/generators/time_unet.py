"""A small U-Net that is told the time: what guesses noise or velocity in a noisy image."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_count, check_entries, check_numbers, check_tensor

__all__ = ["TimeUNet"]

FREQUENCIES = 8  # sines and cosines through which the network is told the time
GROUPS = 4  # of channels that are normalised together, in each image by itself


class Block(nn.Module):
    """Two convolutions past which the input goes too; the time stretches and shifts the channels between them."""

    def __init__(self, c_in: int, c_out: int, code: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.time = nn.Linear(code, 2 * c_out)
        self.past = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # untrained, the block lets its input pass
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        scale, shift = self.time(code)[:, :, None, None].chunk(2, dim=1)  # (B, c_out, 1, 1) each
        h = self.conv1(functional.silu(self.norm1(x)))  # (B, c_out, H, W)
        h = self.norm2(h) * (1 + scale) + shift
        return self.past(x) + self.conv2(functional.silu(h))


class TimeUNet(nn.Module):
    """Images and times -> images: (B, 1, H, W), (B,) in [0, 1] -> (B, 1, H, W).

    Patches of p x p pixels become p^2 channels, which makes it p^2 times as fast and loses nothing.  Then blocks on the
    way down, each with half the side, and on the way up, where each sees what was there on the way down.  No image sees
    another one of its batch.  The last layer starts at 0, and so does the output.

    Parameters
    ----------
    widths : sequence of int
        Channels at each side H / p, H / 2p, H / 4p, ...; multiples of 8.
    patch : int
        p.

    Source
    ------
    Ronneberger, Fischer, Brox, MICCAI 2015; with times as Ho, Jain, Abbeel, NeurIPS 2020, but without attention.

    Example
    -------
    >>> network = TimeUNet(widths=(8, 16))
    >>> network(torch.ones(3, 1, 28, 28), torch.tensor([0.0, 0.5, 1.0])).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64), patch: int = 2) -> None:
        super().__init__()
        widths = check_widths(widths)
        self.patch = patch = check_count("patch", patch)
        first, last, code = widths[0], widths[-1], 2 * widths[0]
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, code), nn.SiLU(), nn.Linear(code, code), nn.SiLU()
        )  # fmt: skip
        self.stem = nn.Conv2d(patch**2, first, 3, padding=1)
        self.down = nn.ModuleList(Block(c, c, code) for c in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.middle = nn.ModuleList(Block(last, last, code) for _ in range(2))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(2 * c, c, code) for c in widths[:-1])
        self.head = nn.Sequential(nn.GroupNorm(GROUPS, first), nn.SiLU(), nn.Conv2d(first, patch**2, 3, padding=1))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Images at their times: (B, 1, H, W), (B,) in [0, 1] -> (B, 1, H, W)."""
        check_tensor("x", x, (None, 1, None, None), like=self.stem.weight)
        unit = self.patch * 2 ** len(self.down)
        if x.shape[2] % unit or x.shape[3] % unit:
            raise ValueError(f"'x' must have sides that are multiples of {unit}, got {tuple(x.shape)}")
        check_tensor("time", time, (len(x),), like=x)
        check_entries("x", x)
        check_entries("time", time)
        angle = time[:, None] * math.pi / 2 * 2.0 ** torch.arange(FREQUENCIES, device=x.device, dtype=x.dtype)
        code = self.time(torch.cat([angle.sin(), angle.cos()], dim=1))  # (B, code)
        h = self.stem(functional.pixel_unshuffle(x, self.patch))  # (B, widths[0], H / p, W / p)
        kept = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            kept.append(block(h, code))
            h = shrink(kept[-1])  # half the side
        for block in self.middle:
            h = block(h, code)
        for block, grow in zip(reversed(self.up), reversed(self.grow), strict=True):
            h = grow(functional.interpolate(h, scale_factor=2.0, mode="nearest"))  # twice the side
            h = block(torch.cat([h, kept.pop()], dim=1), code)
        return functional.pixel_shuffle(self.head(h), self.patch)  # (B, 1, H, W)


def check_widths(widths) -> tuple[int, ...]:
    """The channels of each level, multiples of 2 GROUPS."""
    found = tuple(check_count("widths", width) for width in check_numbers("widths", widths))
    if any(width % (2 * GROUPS) for width in found):
        raise ValueError(f"'widths' must be multiples of {2 * GROUPS}, got {found}")
    return found
