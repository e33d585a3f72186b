"""Learned denoisers D(x, sigma): free, nonexpansive by construction, gradient of a potential; their Jacobians."""

from .base import Denoiser, DenoiserConfig
from .gradient_step import GradientStepDenoiser
from .jacobian import jacobian_asymmetry, lipschitz_estimate
from .lipschitz import LipschitzDenoiser
from .residual import ResidualDenoiser
from .torus import torus_bound, torus_norm

__all__ = [
    "Denoiser",
    "DenoiserConfig",
    "GradientStepDenoiser",
    "LipschitzDenoiser",
    "ResidualDenoiser",
    "jacobian_asymmetry",
    "lipschitz_estimate",
    "torus_bound",
    "torus_norm",
]
