"""Autoencoder: paper Sect. 2.1, eq. (4)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..families import family
from .base import Generator, GeneratorConfig
from .networks import encoder

__all__ = ["AE"]


@family("ae", config=GeneratorConfig)
class AE(Generator):
    """Encoder E and decoder G, trained to minimise the mean of ||x - G(E(x))||_2^2, eq. (4)."""

    has_encoder = True

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.encoder = encoder(config.variant, config.size, config.latent_dim)

    def encode(self, x: Tensor) -> Tensor:
        """E(x): (B, 1, H, W) -> (B, d)."""
        self.check_images(x)
        return self.encoder(x)

    def losses(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Eq. (4) on a batch (B, 1, H, W): the mean over the images of the sum over the pixels."""
        return {"loss": (x - self(self.encode(x))).pow(2).flatten(1).sum(1).mean()}
