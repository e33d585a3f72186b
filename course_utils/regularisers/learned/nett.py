"""NETT, the network Tikhonov: the size of the artefacts that a network sees in an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._check import check_choice, check_count, check_kind
from ...families import family
from .base import TomographyHome, TrainedOnPairs

__all__ = ["NETTConfig", "NETTRegulariser"]


@dataclass(frozen=True)
class NETTConfig(TomographyHome):
    """Everything that is needed to build a ``NETTRegulariser`` again.

    Parameters
    ----------
    size, n_angles, sigma, cutoff
        Where it is trained: tomography with few views; ``size`` is even.
    filters : int
        Channels of the encoder's first layer, twice as many in the second.
    """

    filters: int = 24
    family: str = "network Tikhonov"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("family", self.family, ("network Tikhonov",))
        object.__setattr__(self, "filters", check_count("filters", self.filters))
        if self.size % 2:
            raise ValueError(f"'size' must be even, got {self.size}")


@family("network Tikhonov", config=NETTConfig)
class NETTRegulariser(TrainedOnPairs):
    r"""The artefacts that a network sees, :math:`R(x) = \|N(x)\|^2`, N an encoder and a decoder.

    N is trained to give :math:`N(x_{bad}) = x_{bad} - x` for the filtered back-projection of noisy data of x, and
    :math:`N(x) = 0` for true images.

    Source
    ------
    Li, Schwab, Antholzer, Haltmeier, NETT: Solving Inverse Problems with Deep Neural Networks, Inverse Problems 36
    (2020).

    Example
    -------
    >>> R = NETTRegulariser(NETTConfig(size=28, n_angles=10, filters=4))
    >>> R(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2])
    """

    def __init__(self, config: NETTConfig) -> None:
        super().__init__(check_kind("config", config, NETTConfig))
        n = config.filters
        self.encoder = nn.Sequential(
            nn.Conv2d(1, n, 3, padding=1), nn.CELU(0.1),
            nn.Conv2d(n, 2 * n, 4, stride=2, padding=1), nn.CELU(0.1),
            nn.Conv2d(2 * n, 2 * n, 3, padding=1), nn.CELU(0.1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(2 * n, 2 * n, 3, padding=1), nn.CELU(0.1),
            nn.ConvTranspose2d(2 * n, n, 4, stride=2, padding=1), nn.CELU(0.1),
            nn.Conv2d(n, 1, 3, padding=1),
        )  # fmt: skip

    def artefacts(self, x: Tensor) -> Tensor:
        """N(x): (B, 1, H, W) -> (B, 1, H, W), H and W even."""
        return self.decoder(self.encoder(x))

    def check_images(self, x: Tensor) -> None:
        super().check_images(x)
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"'x' must have even height and width, got {tuple(x.shape)}")

    def value(self, x: Tensor) -> Tensor:
        return self.artefacts(x).pow(2).flatten(1).sum(1)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||N(x)||^2 + ||N(x_bad) - (x_bad - x)||^2, the mean over the batch: (B, 1, H, W) -> 0-dim."""
        bad = self.naive(x, generator)
        on_true, on_bad = self.artefacts(torch.cat([x, bad])).chunk(2)
        clean, seen = ((part.pow(2).flatten(1).sum(1)).mean() for part in (on_true, on_bad - (bad - x)))
        return {"loss": clean + seen, "clean": clean, "seen": seen}
