"""Tikhonov by the singular value decomposition."""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.registry import solves
from ..regularisers.tikhonov import TikhonovObjective
from .descent import decomposes
from .pool import CONVERGED

__all__ = ["tikhonov_by_svd"]


@solves(TikhonovObjective, "direct", rank=0, fast=decomposes)
def tikhonov_by_svd(objective: TikhonovObjective, x0: Tensor, trace: bool = False):
    """The minimiser V (S^2 + lam)^-1 S U^T y, without iterations; results as ``gradient_descent``, no traces.

    Source
    ------
    Hansen, Discrete Inverse Problems (2010), Ch. 4.
    """
    basis = objective.A.spectrum()
    S = basis.S
    filtered = S / (S**2 + objective.lam[:, None]).clamp_min(torch.finfo(S.dtype).tiny)
    x = basis.image(basis.of_data(objective.y) * filtered)
    none = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    counts = {"iterations": none, "values": none, "gradients": none}
    return {"v": x, "f": objective.value(x), "status": none + CONVERGED, **counts}, {}
