"""Relaxed: small deviations from the range of the generator."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generators import Generator
from ..operators import LinearOperator
from .fidelity import Fidelity
from .generative import TwoWeights
from .objective import SQUARED, LatentObjective, Objective, per_problem, sum_of_squares

__all__ = ["ReducedObjective", "Relaxed", "RelaxedObjective", "ZBlock"]


class ZBlock(Objective):
    """lam ||G(z) - x||^2 + lam mu ||z||^2 in z, for fixed x."""

    batched = ("x", "lam", "lam_mu")

    def __init__(self, G: Generator, x: Tensor, lam: Tensor, lam_mu: Tensor) -> None:
        self.G, self.x, self.lam, self.lam_mu = G, x, lam, lam_mu

    def magnitude(self) -> Tensor:
        return self.lam * sum_of_squares(self.x)

    def _value(self, z: Tensor) -> Tensor:
        return self.lam * sum_of_squares(self.G(z) - self.x) + self.lam_mu * sum_of_squares(z)


class XBlock(Objective):
    """||A x - y||^2 + lam ||g - x||^2 in x, for fixed g = G(z)."""

    batched = ("y", "g", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, g: Tensor, lam: Tensor) -> None:
        self.A, self.y, self.g, self.lam = A, y, g, lam

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.lam * sum_of_squares(self.g - x)


class RelaxedObjective(LatentObjective):
    """||A x - y||^2 + lam (||G(z) - x||^2 + mu ||z||^2) in the blocks z and x, as Algorithm 2 takes it.

    ``scores`` (inherited) judges a start by the hard objective with weight lam mu, that is at x = G(z).
    """

    batched = ("y", "relaxation", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, G, lam * mu)
        self.relaxation = lam

    def z_block(self, x: Tensor) -> Objective:
        return ZBlock(self.G, x, self.relaxation, self.lam)

    def x_block(self, g: Tensor) -> Objective:
        return XBlock(self.A, self.y, g, self.relaxation)

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        return self.x_block(self.G(z)).value(x) + self.lam * sum_of_squares(z)

    def reduced(self) -> ReducedObjective:
        """The same problem with x eliminated, for an operator that can be decomposed."""
        return ReducedObjective(self.A, self.y, self.G, self.relaxation, self.lam)


class ReducedObjective(LatentObjective):
    r"""Relaxed with x eliminated exactly (variable projection): a function of z alone.

    With A = U S V^T the best x for a given z is G(z) + V (S^2 + lam)^-1 S (U^T y - S V^T G(z)), and what remains is

        sum_k w_k (s_k (V^T G(z))_k - (U^T y)_k)^2 + ||y||^2 - ||U^T y||^2 + lam mu ||z||^2,
        w_k = lam / (lam + s_k^2):

    relaxed is hard in another norm, one that trusts the generator less where A sees well.
    """

    batched = ("y", "target", "rest", "weight", "lam", "lam_mu")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, lam_mu: Tensor) -> None:
        self.A, self.y, self.G, self.lam, self.lam_mu = A, y, G, lam, lam_mu
        self.basis = A.spectrum()
        self.S = self.basis.S
        self.target = self.basis.of_data(y)  # (B, k)
        self.rest = (sum_of_squares(y) - sum_of_squares(self.target)).clamp_min(0)
        self.weight = lam[:, None] / (lam[:, None] + self.S**2).clamp_min(torch.finfo(y.dtype).tiny)

    def magnitude(self) -> Tensor:
        return sum_of_squares(self.target) + self.rest

    def coordinates(self, images: Tensor) -> Tensor:
        """S V^T x: (N, 1, H, W) -> (N, k)."""
        return self.basis.of_image(images) * self.S

    def _value(self, z: Tensor) -> Tensor:
        residual = self.coordinates(self.G(z)) - self.target
        return (self.weight * residual.pow(2)).sum(1) + self.rest + self.lam_mu * sum_of_squares(z)

    def prior(self) -> Tensor:
        """The weight of ||z||^2: (B,)."""
        return self.lam_mu

    def linearised(self, images: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """As for the hard objective; the residual is that of the coordinates, weighted by the root of ``weight``."""
        root = self.weight.sqrt()
        data = self.coordinates(jacobian.flatten(0, 1)).unflatten(0, jacobian.shape[:2])
        return root * (self.coordinates(images) - self.target), root[:, None] * data

    def profile(self, images: Tensor) -> Tensor:
        """The squares of the coordinates of N images: (N, k)."""
        return torch.cat([self.coordinates(part).pow(2) for part in images.split(512)])

    def scores(self, images: Tensor, z: Tensor, profile: Tensor | None = None) -> Tensor:
        """The objective at N given pairs (z, G(z)) for every problem, and their ``profile`` if it is known: (B, N)."""
        squares = self.profile(images) if profile is None else profile
        weighted = self.weight * self.target
        products = self.basis.image(self.S * weighted).flatten(1) @ images.flatten(1).T
        misfit = self.weight @ squares.T - 2 * products + (weighted * self.target).sum(1)[:, None]
        return misfit + self.rest[:, None] + self.lam_mu[:, None] * sum_of_squares(z)

    def image(self, z: Tensor) -> Tensor:
        """The best x for each z: (B, d) -> (B, 1, H, W)."""
        g = self.G(z)
        residual = self.target - self.coordinates(g)
        correction = self.S / (self.S**2 + self.lam[:, None]).clamp_min(torch.finfo(g.dtype).tiny) * residual
        return g + self.basis.image(correction)

    def answer(self, found, batch_size):
        z = found["v"]
        parts = torch.arange(len(z), device=z.device).split(batch_size)
        g = torch.cat([self.G(z[part]) for part in parts])
        x = torch.cat([self.select(part).image(z[part]) for part in parts])
        return x, z, x - g


class Relaxed(TwoWeights):
    r"""Small deviations from the range: :math:`\min_{x,z} \|Ax - y\|_2^2 + \lambda(\|G(z) - x\|_2^2 + \mu\|z\|_2^2)`.

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 3.1.2 and 5.
    """

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return sum_of_squares(g - x) + mu * sum_of_squares(z)

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        self.check(A, fidelity)
        return RelaxedObjective(A, y, self.G, per_problem("lam", self.lam, y), per_problem("mu", self.mu, y))
