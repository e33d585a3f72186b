"""Reconstruction methods that are learned from pairs of data and images, for one operator and one noise level."""

from .base import Reconstructor
from .radial import FAMILY, RadialConfig, RadialNetwork
from .variational_network import VariationalNetwork

__all__ = ["FAMILY", "RadialConfig", "RadialNetwork", "Reconstructor", "VariationalNetwork"]
