"""Regularisers R: by hand (Tikhonov, TV) and from a generator (Hard, Relaxed, Sparse)."""

from .classical import L1, TV, Tikhonov, divergence, gradient
from .generative import Hard, Relaxed, Sparse

__all__ = ["L1", "TV", "Hard", "Relaxed", "Sparse", "Tikhonov", "divergence", "gradient"]
