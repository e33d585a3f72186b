"""Regularisers that are networks: adversarial, input-convex, ridge, NETT."""

from .adversarial import AdversarialConfig, AdversarialRegulariser
from .base import LearnedRegulariser, RegulariserNetwork, TomographyHome
from .input_convex import InputConvexConfig, InputConvexRegulariser
from .nett import NETTConfig, NETTRegulariser
from .ridge import RidgeConfig, RidgeRegulariser

__all__ = [
    "AdversarialConfig",
    "AdversarialRegulariser",
    "InputConvexConfig",
    "InputConvexRegulariser",
    "LearnedRegulariser",
    "NETTConfig",
    "NETTRegulariser",
    "RegulariserNetwork",
    "RidgeConfig",
    "RidgeRegulariser",
    "TomographyHome",
]
