"""Generators G: z -> x of the course: autoencoder, variational autoencoder, Wasserstein GAN, and a VAE that also learns
the covariance of what its mean misses; and priors of images that are known by a denoiser: diffusion and flow matching.

>>> import torch
>>> G = build(GeneratorConfig("vae", latent_dim=8), seed=0)
>>> G(torch.zeros(2, 8)).shape
torch.Size([2, 1, 28, 28])
"""

from ..families import build, configure
from .ae import AE
from .base import Generator, GeneratorConfig
from .flow_matching import FlowMatching
from .image_diffusion import ImageDiffusion
from .image_prior import ImagePriorConfig
from .networks import decoder, encoder, n_parameters
from .precision import LocalPrecision
from .score import ScoreModel, cosine_schedule
from .structured import StructuredConfig, StructuredVAE
from .time_unet import TimeUNet
from .vae import VAE, kl_to_standard_normal, reparametrise
from .velocity import VelocityModel
from .wgan import WGAN, gradient_penalty

__all__ = [
    "AE",
    "VAE",
    "WGAN",
    "FlowMatching",
    "Generator",
    "GeneratorConfig",
    "ImageDiffusion",
    "ImagePriorConfig",
    "LocalPrecision",
    "ScoreModel",
    "StructuredConfig",
    "StructuredVAE",
    "TimeUNet",
    "VelocityModel",
    "build",
    "configure",
    "cosine_schedule",
    "decoder",
    "encoder",
    "gradient_penalty",
    "kl_to_standard_normal",
    "n_parameters",
    "reparametrise",
]
