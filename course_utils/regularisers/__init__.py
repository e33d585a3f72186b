"""Regularisers R: by hand (Tikhonov, TV, L1), from a generator (Hard, Relaxed, Sparse), and their variants."""

from .classical import L1, TV, Tikhonov, divergence, gradient, tv_prox
from .covariance import LearnedCovariance
from .generative import Hard, Relaxed, Sparse, SparseTV
from .latent import Box, CriticLoss, GaussianMixture, ImageTV, LatentRegulariser, Sphere, SquaredNorm
from .variants import EncoderDistance, Intermediate

__all__ = [
    "L1",
    "TV",
    "Box",
    "CriticLoss",
    "EncoderDistance",
    "GaussianMixture",
    "Hard",
    "ImageTV",
    "Intermediate",
    "LatentRegulariser",
    "LearnedCovariance",
    "Relaxed",
    "Sparse",
    "SparseTV",
    "Sphere",
    "SquaredNorm",
    "Tikhonov",
    "divergence",
    "gradient",
    "tv_prox",
]
