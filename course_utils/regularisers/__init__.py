"""Regularisers R: by hand (Tikhonov, TV, L1), from a generator (Hard, Relaxed, Sparse), their variants; data terms."""

from .base import Regulariser
from .classical import L1, TV, Tikhonov, divergence, gradient, tv_prox
from .covariance import LearnedCovariance
from .encoder import EncoderDistance
from .fidelity import Fidelity, KullbackLeibler, SquaredError
from .hard import Hard
from .huber import HuberTV
from .intermediate import Intermediate
from .latent import Box, CriticLoss, GaussianMixture, ImageTV, LatentRegulariser, Sphere, SquaredNorm
from .objective import ImageObjective, LatentObjective, Objective
from .relaxed import Relaxed
from .sparse import Sparse, SparseTV
from .starts import Dictionary

__all__ = [
    "L1",
    "TV",
    "Box",
    "CriticLoss",
    "Dictionary",
    "EncoderDistance",
    "Fidelity",
    "GaussianMixture",
    "Hard",
    "HuberTV",
    "ImageObjective",
    "ImageTV",
    "Intermediate",
    "KullbackLeibler",
    "LatentObjective",
    "LatentRegulariser",
    "LearnedCovariance",
    "Objective",
    "Regulariser",
    "Relaxed",
    "Sparse",
    "SparseTV",
    "Sphere",
    "SquaredError",
    "SquaredNorm",
    "Tikhonov",
    "divergence",
    "gradient",
    "tv_prox",
]
