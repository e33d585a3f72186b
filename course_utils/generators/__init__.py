"""Generators G: z -> x of the course: autoencoder, variational autoencoder, Wasserstein GAN, and a VAE that also learns
the covariance of what its mean misses.

>>> G = build(GeneratorConfig("vae", latent_dim=8), seed=0)
>>> G(torch.zeros(2, 8)).shape
torch.Size([2, 1, 28, 28])
"""

import torch

from .ae import AE
from .base import Generator, GeneratorConfig
from .networks import decoder, encoder, n_parameters
from .precision import LocalPrecision
from .structured import StructuredConfig, StructuredVAE
from .vae import VAE, kl_to_standard_normal, reparametrise
from .wgan import WGAN, gradient_penalty

__all__ = [
    "AE",
    "VAE",
    "WGAN",
    "Generator",
    "GeneratorConfig",
    "LocalPrecision",
    "StructuredConfig",
    "StructuredVAE",
    "build",
    "configure",
    "decoder",
    "encoder",
    "gradient_penalty",
    "kl_to_standard_normal",
    "n_parameters",
    "reparametrise",
]


def build(config: GeneratorConfig, seed: int) -> Generator:
    """A freshly initialised generator of the family that ``config`` names; the global seed is left alone."""
    family = {"ae": AE, "vae": VAE, "wgan": WGAN}.get(config.family, StructuredVAE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family(config)


def configure(settings: dict) -> GeneratorConfig:
    """The configuration of the family that ``settings`` names, from what ``Generator.settings`` gave.

    >>> configure({"family": "vae", "latent_dim": 8}).size
    28
    """
    structured = settings.get("family") in StructuredConfig.families
    return (StructuredConfig if structured else GeneratorConfig)(**settings)
