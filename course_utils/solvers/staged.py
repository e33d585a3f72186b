"""Deviations in an intermediate layer: first the latent vector alone, then both."""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.hard import HardObjective
from ..regularisers.intermediate import IntermediateObjective
from ..regularisers.registry import solves
from .descent import lbfgs

__all__ = ["staged"]


@solves(IntermediateObjective, "lbfgs", rank=0)
def staged(objective: IntermediateObjective, z0: Tensor, trace: bool = False, **settings):
    """First z alone, v = 0: the hard problem.  Then z and v together, by L-BFGS."""
    hard = HardObjective(objective.A, objective.y, objective.G, objective.lam)
    first, _ = lbfgs(hard, z0)
    d, q = z0.shape[1], objective.R.G_1(z0[:1]).numel()
    w0 = torch.cat([first["v"], first["v"].new_zeros(len(z0), q)], dim=1)
    found, path = lbfgs(objective, w0, trace=trace, **settings)
    w = found.pop("v")
    if trace:
        path["v"] = path["v"][..., :d]
    found |= {name: found[name] + first[name] for name in ("iterations", "values", "gradients")}
    return found | {"z": w[:, :d], "x": torch.cat([objective.images(part) for part in w.split(256)])}, path
