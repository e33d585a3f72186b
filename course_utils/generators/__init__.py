"""Generators G: z -> x of the course: autoencoder, variational autoencoder, Wasserstein GAN, and a VAE that also learns
the covariance of what its mean misses.

>>> import torch
>>> G = build(GeneratorConfig("vae", latent_dim=8), seed=0)
>>> G(torch.zeros(2, 8)).shape
torch.Size([2, 1, 28, 28])
"""

from ..families import build, configure
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
