"""What the test of bad calls knows of the room "equivariance": entered in the tables of ``bad_values``."""

from __future__ import annotations

import torch
from bad_values import ALLOWED, GOOD, INSTANCES, KIND, NAMED, OWN, OWN_KIND, built, images, mask, points
from torch import nn

import course_utils as C
from course_utils.equivariance import Group, ProximalConfig, disc


def quarter(x: torch.Tensor) -> torch.Tensor:
    return torch.rot90(x, 1, (-2, -1))


def back(y: torch.Tensor, A: C.LinearOperator) -> torch.Tensor:
    return A.T(y)


def config() -> ProximalConfig:
    return ProximalConfig(28, 4, 0.1, channels=4, blocks=1, memory=1)


GOOD |= {
    "group": lambda: "C4", "g": lambda: 1, "h": lambda: 1, "angle": lambda: 0.5, "mode": lambda: "bilinear",
    "act": lambda: quarter, "act_out": lambda: quarter, "within": lambda: disc(28), "margin": lambda: 1,
    "network": lambda: torch.square, "c_in": lambda: 1, "c_out": lambda: 1, "padding": lambda: "zeros",
    "stride": lambda: 1, "conv": lambda: nn.Conv2d(1, 1, 3, padding=1), "strides": lambda: [1, 2],
    "sides": lambda: [27, 28], "views": lambda: 4, "channels": lambda: 8, "blocks": lambda: 1, "memory": lambda: 1,
    "shift": lambda: 1, "weight": lambda: 0.5, "f": lambda: points(1, 1, 4, 8, 8),
}  # fmt: skip

OWN |= {
    ("Group", "name"): lambda: "C4", ("GroupConv", "kind"): lambda: "lift", ("prox_error", "R"): lambda: C.L1(0.5),
    ("reconstruction_error", "network"): lambda: back, ("equivariant_imaging_losses", "network"): lambda: back,
    ("equal_weights", "config"): config, ("LearnedProximalGradient", "config"): config,
    ("ProximalConfig", "family"): lambda: "equivariant proximal gradient", ("act_on_mask", "mask"): mask,
    ("LearnedProximalGradient", "y"): lambda: built("beam")(images()),
    ("LearnedProximalGradient", "A"): lambda: built("beam"),
}  # fmt: skip

KIND["ProximalConfig"] = "config"
NAMED["within"] = "mask"
ALLOWED.add(("rotate", "angle", "negative"))
OWN_KIND[("invariance_error", "R")] = "call"

INSTANCES |= {
    "LearnedProximalGradient": lambda: C.build(config(), seed=0),
    "Group": lambda: Group("C4"),
}
