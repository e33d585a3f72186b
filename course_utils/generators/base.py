"""What every generator of the course can do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .._check import (
    check_choice,
    check_count,
    check_entries,
    check_generator,
    check_kind,
    check_nonnegative,
    check_tensor,
)
from ..families import Trainable
from .networks import LEAN, SIZES, check_code, check_variant, decoder

__all__ = ["Generator", "GeneratorConfig"]


#: Layers that draw in training mode, and layers that look at the other images of a batch.
DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
LOOKS_AROUND = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that is needed to build a generator again.

    ``rho`` is the noise level of the VAE in eq. (6); AE and GAN ignore it.
    """

    family: str  # "ae" | "vae" | "wgan"
    latent_dim: int
    size: int = 28  # side of the square images: 28, 56 or 128
    variant: str = LEAN  # "lean" | "paper" | "local", for size 128
    head: str = "conv"  # last layer of the paper's variant: "conv" | "dense"
    rho: float = 0.05**0.5 * 0.5**0.5

    families: ClassVar[tuple[str, ...]] = ("ae", "vae", "wgan")

    def __post_init__(self) -> None:
        check_choice("family", self.family, self.families)
        check_choice("head", self.head, ("conv", "dense"))
        # a frozen dataclass has no other way to store what a check returns
        object.__setattr__(self, "size", check_choice("size", self.size, SIZES))
        object.__setattr__(self, "variant", check_variant(self.variant, self.size))
        object.__setattr__(self, "latent_dim", check_code("latent_dim", self.latent_dim, self.variant))
        object.__setattr__(self, "rho", check_nonnegative("rho", self.rho))
        if self.size == 128 and self.head == "dense":
            raise ValueError("'head' must be 'conv' for size 128: the networks of Fig. 16 end in a convolution")


class Generator(Trainable):
    """A generator G: latent space -> images, with ``G(z)``, ``G.sample(n)`` and, where there is one, ``G.encode(x)``.

    Attributes
    ----------
    latent_dim : int
        Dimension d of the latent space.
    image_shape : (1, H, W)
    has_encoder : bool
    """

    has_encoder = False

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = check_kind("config", config, GeneratorConfig)
        self.latent_dim = config.latent_dim
        self.image_shape = (1, config.size, config.size)
        self.decoder = decoder(config.variant, config.size, config.latent_dim, config.head)

    def forward(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, 1, H, W).  The last layer is linear, so values may leave [0, 1] a little."""
        check_tensor("z", z, (None, self.latent_dim), like=next(self.parameters()))
        check_entries("z", z)
        return self.decoder(z)

    decode = forward

    def encode(self, x: Tensor) -> Tensor:
        """E(x): (B, 1, H, W) -> (B, d); only for families with an encoder."""
        raise TypeError(f"a {self.name} has no encoder: it cannot encode an image")

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` images G(z) with z drawn from the prior N(0, I): (n, 1, H, W)."""
        return self(self.sample_latent(n, generator))

    @property
    def name(self) -> str:
        """The name for tables and messages, which is the family or else the class."""
        config = getattr(self, "config", None)
        return type(self).__name__ if config is None else config.family

    def check_deterministic(self) -> None:
        """Raise a ValueError if a layer in training mode draws, or looks at the other images of a batch."""
        for layer in self.modules():
            random = isinstance(layer, DROPS) and layer.p > 0
            if layer.training and (random or isinstance(layer, LOOKS_AROUND)):
                raise ValueError(
                    "'G' must be in evaluation mode (G.freeze()): "
                    f"its {type(layer).__name__} makes it another function at each call"
                )

    def check_images(self, x: Tensor) -> None:
        """Raise unless ``x`` is (B, 1, H, W), of the dtype and on the device of the weights."""
        check_tensor("x", x, (None, *self.image_shape), like=next(self.parameters()))
        check_entries("x", x)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` latent vectors from the prior N(0, I): (n, d)."""
        n, like = check_count("n", n), next(self.parameters())
        check_generator(generator)
        z = torch.randn(n, self.latent_dim, generator=generator, device=generator.device, dtype=like.dtype)
        return z.to(like.device)

    def placed(self, device: str | torch.device) -> Generator:
        return self.to(device, memory_format=torch.channels_last)

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config)
