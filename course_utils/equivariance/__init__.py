"""Equivariance: groups that move images and data, convolutions and reconstructions that move with them, and measures.

>>> H, conv = Group("C4"), GroupConv("C4", 1, 2, kind="lift")
>>> x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
>>> bool(equivariance_error(conv, x, lambda x: H.act(x, 1), lambda f: H.act_fields(f, 1)) < 1e-5)
True
"""

import torch  # noqa: F401  (used by the example above)

from .data_action import act_on_data, act_on_mask
from .equivariant_proximal import LearnedProximalGradient, ProximalConfig, equal_weights
from .groups import GROUPS, Group, rotate
from .imaging import equivariant_imaging_losses
from .layers import GroupConv, ResidualBlock, expanded
from .measures import disc, equivariance_error, equivariant_sides, invariance_error, reconstruction_error
from .prox import SymmetricTV, prox_error

__all__ = [
    "GROUPS",
    "Group",
    "GroupConv",
    "LearnedProximalGradient",
    "ProximalConfig",
    "ResidualBlock",
    "SymmetricTV",
    "act_on_data",
    "act_on_mask",
    "disc",
    "equal_weights",
    "equivariance_error",
    "equivariant_imaging_losses",
    "equivariant_sides",
    "expanded",
    "invariance_error",
    "prox_error",
    "reconstruction_error",
    "rotate",
]
