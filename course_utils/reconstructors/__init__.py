"""Maps from data to images: inversion formulas, iterations that are stopped in time, and networks that are learned."""

from .analytic import FilteredBackProjection, ZeroFilled
from .base import LearnedReconstructor, Reconstructor
from .bregman import LinearisedBregman
from .emission import MLEM, OSEM
from .iterative import CGLS, Iterative, Landweber
from .radial import FAMILY, RadialConfig, RadialNetwork
from .variational_network import VariationalNetwork

__all__ = [
    "CGLS",
    "FAMILY",
    "MLEM",
    "OSEM",
    "FilteredBackProjection",
    "Iterative",
    "Landweber",
    "LearnedReconstructor",
    "LinearisedBregman",
    "RadialConfig",
    "RadialNetwork",
    "Reconstructor",
    "VariationalNetwork",
    "ZeroFilled",
]
