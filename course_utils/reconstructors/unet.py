"""The U-Net: an image, seen at several resolutions, becomes an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_count, check_entries, check_flag, check_tensor, check_weights
from ..regularisers.objective import per_problem

__all__ = ["UNet"]


def _two(c_in: int, c_out: int) -> nn.Sequential:
    """Two convolutions, each with a ReLU.  No batch normalisation: an image must not depend on its neighbours."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(c_out, c_out, kernel_size=3, padding=1), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    """Convolutions on the way down to a coarse image and up again, with what was seen on the way down put beside.

    Parameters
    ----------
    in_channels, out_channels : int
    channels : int
        At full resolution; twice as many on each coarser level.
    levels : int
        Resolutions.  The sides of the images must be multiples of 2^(levels - 1): with three levels, 28 and 56 are.
    noise_level : bool
        A further input channel, constant in each image, tells the noise level: ``network(x, sigma)``.

    Source
    ------
    Ronneberger, Fischer, Brox, MICCAI 2015; the channel of the noise level: Zhang, Zuo, Zhang, IEEE Trans. Image
    Process. 27 (2018).

    Example
    -------
    >>> with torch.random.fork_rng(devices=[]):
    ...     network = UNet(channels=4, noise_level=True)
    >>> network(torch.zeros(3, 1, 28, 28), 0.1).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 16,
        levels: int = 3,
        noise_level: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, out_channels = (
            check_count("in_channels", in_channels),
            check_count("out_channels", out_channels),
        )
        channels, levels = check_count("channels", channels), check_count("levels", levels)
        self.noise_level, self.multiple = check_flag("noise_level", noise_level), 2 ** (levels - 1)
        widths = [channels * 2**level for level in range(levels)]
        first = self.in_channels + self.noise_level
        self.down = nn.ModuleList(_two(a, b) for a, b in zip([first, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2) for width in reversed(widths[:-1])
        )
        self.merge = nn.ModuleList(_two(2 * width, width) for width in reversed(widths[:-1]))
        self.last = nn.Conv2d(channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor, sigma: float | Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) and the noise level, a number or (B,) -> (B, out_channels, H, W).

        Raises
        ------
        TypeError, ValueError
            Other channels, sides that cannot be halved often enough, a noise level that is missing or not asked for.
        """
        check_tensor("x", x, (None, self.in_channels, None, None), like=self.last.weight)
        check_entries("x", x)
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise ValueError(f"'x' must have sides that are multiples of {self.multiple}, got {tuple(x.shape)}")
        if self.noise_level != (sigma is not None):
            raise ValueError(f"'sigma' must be given if, and only if, the network has 'noise_level', got {sigma}")
        if sigma is not None:
            level = per_problem("sigma", check_weights("sigma", sigma), x).reshape(-1, 1, 1, 1)
            x = torch.cat([x, level.expand(-1, 1, *x.shape[2:])], dim=1)  # (B, in_channels + 1, H, W)
        seen = []
        for level, layer in enumerate(self.down):
            x = layer(x if level == 0 else functional.max_pool2d(x, 2))  # (B, channels 2^level, H / 2^level, ...)
            seen.append(x)
        for up, merge, beside in zip(self.up, self.merge, reversed(seen[:-1]), strict=True):
            x = merge(torch.cat([beside, up(x)], dim=1))
        return self.last(x)
