"""Reconstruction methods that are learned from pairs of data and images, for one operator and one noise level."""

from .variational_network import VariationalNetwork

__all__ = ["VariationalNetwork"]
