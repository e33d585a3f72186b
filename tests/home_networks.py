"""The networks that are trained at a home: one line each, small enough for every test."""

from __future__ import annotations

import torch
from registry import seeded

from course_utils.families import build
from course_utils.reconstructors import (
    AutomapConfig,
    EquilibriumConfig,
    Home,
    LearnedPrimalDualConfig,
    LearnedProximalConfig,
    LISTAConfig,
    PostProcessingConfig,
)

BEAM, MATRIX = Home(12, sigma=0.1, views=7), Home(12, sigma=0.05, m=40)
#: Name -> configuration at a home.
NETWORKS = {
    "automap": lambda home: AutomapConfig(home, hidden=20, channels=3),
    "post-processing": lambda home: PostProcessingConfig(home, channels=3, levels=2),
    "learned proximal gradient": lambda home: LearnedProximalConfig(home, steps=2, width=4),
    "learned primal-dual": lambda home: LearnedPrimalDualConfig(home, steps=2, memory=3, width=4),
    "lista": lambda home: LISTAConfig(home, steps=2, width=3),
    "lista without a matrix": lambda home: LISTAConfig(home, steps=2, width=3, matrix=False),
    "equilibrium": lambda home: EquilibriumConfig(home, width=4, tol=1e-13, max_iter=300),
}
#: Those that take data of another shape, from the operator that they come from.
ANY_DATA = [name for name in NETWORKS if name not in ("automap", "lista")]
BOTH = [(name, home) for name in NETWORKS for home in (BEAM, MATRIX)]
IDS = [f"{name}, {'views' if home is BEAM else 'm'}" for name, home in BOTH]

#: Class -> a small configuration at a home of 28 pixels.
SMALL = {
    type(build(make(MATRIX), 0)).__name__: (lambda make=make: make(Home(28, 0.1, m=4)))
    for name, make in NETWORKS.items()
}


def toy(name: str, home: Home, seed: int = 0):
    """A network in float64, its weights moved from where they start."""
    network = build(NETWORKS[name](home), seed).double()
    with torch.no_grad():
        for p in network.parameters():
            p += 0.02 * torch.randn(p.shape, generator=seeded(1), dtype=p.dtype)
    return network


def data_of(network, n: int = 3) -> torch.Tensor:
    shape = network.trained_with.shape_out
    return 0.3 * torch.randn(n, *shape, generator=seeded(2), dtype=torch.float64)
