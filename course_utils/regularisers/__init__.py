"""Regularisers R: by hand (Tikhonov, L1, wavelets, TV, TGV), from a generator, networks; variants; data terms."""

from .base import Regulariser
from .composite import Composite, CompositeObjective
from .covariance import LearnedCovariance
from .differences import divergence, gradient
from .encoder import EncoderDistance
from .fidelity import Fidelity, KullbackLeibler, SquaredError
from .hard import Hard
from .huber import HuberTV
from .intermediate import Intermediate
from .latent import Box, CriticLoss, GaussianMixture, ImageTV, LatentRegulariser, Sphere, SquaredNorm
from .learned import (
    AdversarialConfig,
    AdversarialRegulariser,
    InputConvexConfig,
    InputConvexRegulariser,
    LearnedRegulariser,
    NETTConfig,
    NETTRegulariser,
    RegulariserNetwork,
    RidgeConfig,
    RidgeRegulariser,
    TomographyHome,
)
from .objective import ImageObjective, LatentObjective, Objective
from .relaxed import Relaxed
from .sparse import Sparse, SparseTV
from .sparsity import L1, Wavelets
from .starts import Dictionary
from .tgv import TGV
from .tikhonov import H1, Tikhonov
from .tv import TV, tv_prox

__all__ = [
    "H1",
    "L1",
    "TGV",
    "TV",
    "AdversarialConfig",
    "AdversarialRegulariser",
    "Box",
    "Composite",
    "CompositeObjective",
    "CriticLoss",
    "Dictionary",
    "EncoderDistance",
    "Fidelity",
    "GaussianMixture",
    "Hard",
    "HuberTV",
    "ImageObjective",
    "ImageTV",
    "InputConvexConfig",
    "InputConvexRegulariser",
    "Intermediate",
    "KullbackLeibler",
    "LatentObjective",
    "LatentRegulariser",
    "LearnedCovariance",
    "LearnedRegulariser",
    "NETTConfig",
    "NETTRegulariser",
    "Objective",
    "Regulariser",
    "RegulariserNetwork",
    "Relaxed",
    "RidgeConfig",
    "RidgeRegulariser",
    "Sparse",
    "SparseTV",
    "Sphere",
    "SquaredError",
    "SquaredNorm",
    "Tikhonov",
    "TomographyHome",
    "Wavelets",
    "divergence",
    "gradient",
    "tv_prox",
]
