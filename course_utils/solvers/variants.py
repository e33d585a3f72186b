"""Objectives and runs of the variants: other R_Z, the distance by an encoder, deviations in an intermediate layer."""

from __future__ import annotations

import torch
from torch import Tensor

from ..operators import LinearOperator
from ..regularisers import EncoderDistance, Intermediate, LatentRegulariser
from .descent import lbfgs
from .objectives import HardObjective, sum_of_squares

__all__ = ["EncoderObjective", "IntermediateObjective", "LatentObjective", "descend_from_range", "staged"]


class LatentObjective(HardObjective):
    """||A G(z) - y||^2 + lam R_Z(z, G(z)) in z; of a constraint R_Z only the projection is used."""

    def __init__(self, A, y: Tensor, G, lam: Tensor, R_Z: LatentRegulariser) -> None:
        super().__init__(A, y, G, lam)
        self.R_Z = R_Z

    def _value(self, z: Tensor) -> Tensor:
        x = self.G(z)
        misfit = sum_of_squares(self.A(x) - self.y)
        return misfit if self.R_Z.constraint else misfit + self.lam * self.R_Z(z, x)

    def prox(self, z: Tensor, tau: Tensor) -> Tensor:
        """Of the indicator function: the projection, whatever tau."""
        return self.R_Z.project(z)

    def scores(self, images: Tensor, z: Tensor) -> Tensor:
        data, y = self.A(images).flatten(1), self.y.flatten(1)
        misfit = sum_of_squares(data) - 2 * y @ data.T + sum_of_squares(y)[:, None]
        if self.R_Z.constraint:
            return misfit
        prior = torch.cat([self.R_Z(*part) for part in zip(z.split(512), images.split(512), strict=True)])
        return misfit + self.lam[:, None] * prior


class EncoderObjective(HardObjective):
    """||A x - y||^2 + lam ||x - G(E(x))||^2 in x, an image or a flat vector; ``scores`` are those of images G(z)."""

    def __init__(self, A: LinearOperator, y: Tensor, R: EncoderDistance, lam: Tensor) -> None:
        super().__init__(A, y, R.G, lam)
        self.R = R

    def _value(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, *self.A.shape_in)
        return sum_of_squares(self.A(x) - self.y) + self.lam * self.R(x)

    def scores(self, images: Tensor, z: Tensor) -> Tensor:
        data, y = self.A(images).flatten(1), self.y.flatten(1)
        misfit = sum_of_squares(data) - 2 * y @ data.T + sum_of_squares(y)[:, None]
        return misfit + self.lam[:, None] * torch.cat([self.R(part) for part in images.split(512)])


class IntermediateObjective(HardObjective):
    """||A G_2(G_1(z) + v) - y||^2 + lam (||v||^2 + mu ||z||^2) in one vector (z, v) for each problem.

    ``scores`` (inherited) judges a start by the hard objective with weight lam mu, that is at v = 0.
    """

    batched = ("y", "lam", "penalty")

    def __init__(self, A: LinearOperator, y: Tensor, R: Intermediate, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, R.G, lam * mu)
        self.R, self.penalty = R, lam

    def images(self, w: Tensor) -> Tensor:
        """G_2(G_1(z) + v): (B, d + q) -> (B, 1, H, W)."""
        z, v = w[:, : self.G.latent_dim], w[:, self.G.latent_dim :]
        h = self.R.G_1(z)
        return self.R.G_2(h + v.reshape(h.shape))

    def _value(self, w: Tensor) -> Tensor:
        d = self.G.latent_dim
        misfit = sum_of_squares(self.A(self.images(w)) - self.y)
        return misfit + self.penalty * sum_of_squares(w[:, d:]) + self.lam * sum_of_squares(w[:, :d])


def descend_from_range(run):
    """A solver in the space of images that starts at G(z), or at the first image if there is one."""

    def solve(objective: EncoderObjective, z0: Tensor, x0: Tensor | None, **settings):
        x0 = objective.G(z0) if x0 is None else x0
        found, path = run(objective, x0.flatten(1), **settings)
        x = found.pop("v").reshape(x0.shape)
        path.pop("v", None)  # images are not kept
        return found | {"x": x, "z": objective.G.encode(x)}, path

    return solve


def staged(objective: IntermediateObjective, z0: Tensor, x0: None, trace: bool = False, **settings):
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
