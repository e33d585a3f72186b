"""Maps from data to images: inversion formulas, iterations that are stopped in time, and networks that are learned."""

from .analytic import FilteredBackProjection, ZeroFilled
from .automap import Automap, AutomapConfig
from .base import LearnedReconstructor, Reconstructor
from .bregman import LinearisedBregman
from .emission import MLEM, OSEM
from .equilibrium import Equilibrium, EquilibriumConfig
from .fixed_point import FixedPoint, anderson, contraction
from .home import Home, HomeConfig, HomeNetwork
from .iterative import CGLS, Iterative, Landweber
from .learned_primal_dual import LearnedPrimalDual, LearnedPrimalDualConfig
from .learned_proximal import LearnedProximal, LearnedProximalConfig
from .lista import LISTA, LISTAConfig
from .postprocessing import PostProcessing, PostProcessingConfig
from .radial import FAMILY, RadialConfig, RadialNetwork
from .unet import UNet
from .variational_network import VariationalNetwork

__all__ = [
    "CGLS",
    "FAMILY",
    "LISTA",
    "MLEM",
    "OSEM",
    "Automap",
    "AutomapConfig",
    "Equilibrium",
    "EquilibriumConfig",
    "FilteredBackProjection",
    "FixedPoint",
    "Home",
    "HomeConfig",
    "HomeNetwork",
    "Iterative",
    "LISTAConfig",
    "Landweber",
    "LearnedPrimalDual",
    "LearnedPrimalDualConfig",
    "LearnedProximal",
    "LearnedProximalConfig",
    "LearnedReconstructor",
    "LinearisedBregman",
    "PostProcessing",
    "PostProcessingConfig",
    "RadialConfig",
    "RadialNetwork",
    "Reconstructor",
    "UNet",
    "VariationalNetwork",
    "ZeroFilled",
    "anderson",
    "contraction",
]
