"""Sparse and sparse-TV: deviations from the range that are few, or that have few edges."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..generators import Generator
from ..operators import LinearOperator
from .differences import gradient
from .fidelity import Fidelity
from .generative import TwoWeights
from .latent import ImageTV
from .objective import SQUARED, LatentObjective, Objective, per_problem, sum_of_squares
from .tv import TV, tv_prox

__all__ = ["DeviationObjective", "Sparse", "SparseObjective", "SparseTV", "SparseTVObjective"]

#: Relative duality gap, and most iterations, of the denoising problem within a step of Algorithm 3.
PROX_TOL, PROX_ITER = 1e-5, 500
#: Deviations below it count by their square in the search for R(x): there the norms have a kink.
KINK = 1e-3


class _Misfit(Objective):
    """||A (G(z) + u) - y||^2 in z for fixed u."""

    batched = ("y", "u")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, u: Tensor) -> None:
        self.A, self.y, self.G, self.u = A, y, G, u

    def _value(self, z: Tensor) -> Tensor:
        return sum_of_squares(self.A(self.G(z) + self.u) - self.y)


class _LinearMisfit(Objective):
    """||A (g + u) - y||^2 in u for fixed g = G(z)."""

    batched = ("y", "g")

    def __init__(self, A: LinearOperator, y: Tensor, g: Tensor) -> None:
        self.A, self.y, self.g = A, y, g

    def _value(self, u: Tensor) -> Tensor:
        return sum_of_squares(self.A(self.g + u) - self.y)


class DeviationObjective(LatentObjective):
    """f(z, u) + g1(z) + g2(u) of Algorithm 3: f = ||A(G(z) + u) - y||^2, g1 = lam mu ||z||^2, g2 = lam F(u).

    ``scores`` (inherited) judges a start by the hard objective with weight lam mu, that is at u = 0.
    """

    batched = ("y", "threshold", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, G, lam * mu)
        self.threshold = lam

    def z_block(self, u: Tensor) -> Objective:
        return _Misfit(self.A, self.y, self.G, u)

    def u_block(self, g: Tensor) -> Objective:
        return _LinearMisfit(self.A, self.y, g)

    def prox_z(self, z: Tensor, tau: Tensor) -> Tensor:
        """prox of tau g1: (B, d), (B,) -> (B, d)."""
        return z / (1 + 2 * tau * self.lam)[:, None]

    def total(self, z: Tensor, u: Tensor) -> Tensor:
        return self.u_block(self.G(z)).value(u) + self.lam * sum_of_squares(z) + self.penalty(u)


class SparseObjective(DeviationObjective):
    """With F(u) = ||u||_1."""

    def prox_u(self, u: Tensor, tau: Tensor) -> Tensor:
        """prox of tau g2, soft thresholding: (B, 1, H, W), (B,) -> (B, 1, H, W)."""
        threshold = (tau * self.threshold)[:, None, None, None]
        return u - torch.clamp(u, -threshold, threshold)

    def penalty(self, u: Tensor) -> Tensor:
        """g2(u): (B, 1, H, W) -> (B,)."""
        return self.threshold * u.flatten(1).abs().sum(1)


class SparseTVObjective(DeviationObjective):
    """f(z, u) + g1(z) + g2(u) of Algorithm 3 with g2 = lam TV(u).

    The prox of g2 is a denoising problem, solved to a relative duality gap of 1e-5 from the dual solution of the
    last one: ``with_duals`` makes room for it, one for each row of the batch.
    """

    batched = (*DeviationObjective.batched, "row")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, G, lam, mu)
        self.R, self.duals = TV(0.0), None
        self.row = torch.arange(len(y), device=y.device)

    def with_duals(self, u: Tensor) -> SparseTVObjective:
        """The same problems, each with a dual variable of its own for ``prox_u``, first 0."""
        new = copy.copy(self)
        new.row, new.duals = torch.arange(len(u), device=u.device), torch.zeros_like(gradient(u))
        return new

    def penalty(self, u: Tensor) -> Tensor:
        return self.threshold * self.R(u)

    def prox_u(self, u: Tensor, tau: Tensor) -> Tensor:
        """prox of tau g2: (B, 1, H, W), (B,) -> (B, 1, H, W)."""
        first = None if self.duals is None else self.duals[self.row]
        v, dual = tv_prox(u, tau * self.threshold, first, tol=PROX_TOL, max_iter=PROX_ITER)
        if self.duals is not None:
            self.duals[self.row] = dual
        return v


class Sparse(TwoWeights):
    r"""Sparse deviations u from the range, :math:`x = G(z) + u`.

    :math:`\min_{z,u} \|A(G(z) + u) - y\|_2^2 + \lambda(\|u\|_1 + \mu\|z\|_2^2)`

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Dhar et al., ICML 2018; paper, Sect. 3.1.2 and 5.
    """

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return (g - x).flatten(1).abs().sum(1) + mu * sum_of_squares(z)

    def searched(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        u = (g - x).flatten(1)
        return ((u.pow(2) + KINK**2).sqrt() - KINK).sum(1) + mu * sum_of_squares(z)

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        self.check(A, fidelity)
        return SparseObjective(A, y, self.G, per_problem("lam", self.lam, y), per_problem("mu", self.mu, y))


class SparseTV(TwoWeights):
    r"""Deviations u from the range with few edges, :math:`x = G(z) + u`: sparse with :math:`F(u)=\mathrm{TV}(u)`.

    :math:`\min_{z,u} \|A(G(z) + u) - y\|_2^2 + \lambda(\mathrm{TV}(u) + \mu\|z\|_2^2)`, TV isotropic: a bright spot
    that G has never seen costs its edge and not its area.

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 5.4.
    """

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return TV(0.0)(g - x) + mu * sum_of_squares(z)

    def searched(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return ImageTV(KINK)(z, g - x) + mu * sum_of_squares(z)

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        self.check(A, fidelity)
        return SparseTVObjective(A, y, self.G, per_problem("lam", self.lam, y), per_problem("mu", self.mu, y))
