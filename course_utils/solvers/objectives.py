"""What is minimised: a batch of B independent functions, one per problem.

``value(v)`` and ``value_and_grad(v)`` take (B, ...) variables and give (B,) values; ``select(index)`` is the same
for some of the problems (an index may repeat, which is how several starts are run).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from .._check import check_nonnegative
from ..generators import Generator
from ..operators import LinearOperator

__all__ = [
    "HardObjective",
    "Objective",
    "QuadraticObjective",
    "ReducedObjective",
    "RelaxedObjective",
    "SparseObjective",
    "TikhonovObjective",
    "per_problem",
    "sum_of_squares",
]


def sum_of_squares(v: Tensor) -> Tensor:
    """||v||_2^2 of each problem: (B, ...) -> (B,)."""
    return v.flatten(1).pow(2).sum(1)


def per_problem(name: str, weight: float | Tensor, y: Tensor) -> Tensor:
    """A weight as a (B,) tensor beside ``y``: a number is repeated, a tensor must have shape (B,).

    Raises
    ------
    ValueError
    """
    check_nonnegative(name, weight)
    if not isinstance(weight, Tensor):
        return torch.full((len(y),), float(weight), dtype=y.dtype, device=y.device)
    if weight.shape not in ((), (len(y),)):
        raise ValueError(f"'{name}' must be a number or have shape ({len(y)},), got {tuple(weight.shape)}")
    return weight.to(y).expand(len(y)).contiguous()


#: So many problems are evaluated at once: on a CPU what fits its cache, on a GPU what fits its memory.
CHUNK = {"cpu": 128}
GPU_CHUNK = 4096


class Objective:
    """A batch of functions.

    Subclasses implement ``_value`` and name in ``batched`` their attributes that have a batch axis.
    """

    batched: tuple[str, ...] = ()

    def _value(self, v: Tensor) -> Tensor:
        raise NotImplementedError

    def magnitude(self) -> Tensor:
        """Squared norm of the data from whose difference the values come: (B,), for the size of round-off."""
        return sum_of_squares(self.y)

    def _parts(self, v: Tensor):
        """The batch in pieces of a good size: (objective, variables) of each."""
        size = CHUNK.get(v.device.type, GPU_CHUNK)
        if len(v) <= size:
            return [(self, v)]
        return [(self.select(slice(i, i + size)), v[i : i + size]) for i in range(0, len(v), size)]

    def value(self, v: Tensor) -> Tensor:
        """Values (B,)."""
        return torch.cat([part._value(w) for part, w in self._parts(v)])

    def value_and_grad(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Values (B,) and gradients, shaped like ``v``."""
        values, grads = [], []
        for part, w in self._parts(v.detach()):
            w = w.detach().requires_grad_()
            with torch.enable_grad():
                f = part._value(w)
                grads += torch.autograd.grad(f.sum(), w)
            values.append(f.detach())
        return torch.cat(values), torch.cat(grads)

    def select(self, index: Tensor | slice) -> Objective:
        """The problems at ``index``, (b,) integers or a slice."""
        part = copy.copy(self)
        for name in self.batched:
            setattr(part, name, getattr(self, name)[index])
        return part


class QuadraticObjective(Objective):
    """A quadratic function of x, least where M x = b: ``normal(x)`` is M x, ``right()`` is b."""

    def normal(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def right(self) -> Tensor:
        raise NotImplementedError

    def diagonal(self) -> Tensor | None:
        """About the diagonal of M, positive, shaped like x, where that helps to solve M x = b; None where it does not.

        Tikhonov has none: the diagonal of A^*A + lam I is close to constant for the operators of the course.
        """
        return None


class TikhonovObjective(QuadraticObjective):
    """||A x - y||^2 + lam ||x||^2 in x."""

    batched = ("y", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, lam: Tensor) -> None:
        self.A, self.y, self.lam = A, y, lam

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.lam * sum_of_squares(x)

    def normal(self, x: Tensor) -> Tensor:
        return self.A.T(self.A(x)) + self.lam.reshape(-1, *[1] * (x.ndim - 1)) * x

    def right(self) -> Tensor:
        return self.A.T(self.y)


class HardObjective(Objective):
    """||A G(z) - y||^2 + lam ||z||^2 in z, eq. (3)."""

    batched = ("y", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor) -> None:
        self.A, self.y, self.G, self.lam = A, y, G, lam

    def _value(self, z: Tensor) -> Tensor:
        return sum_of_squares(self.A(self.G(z)) - self.y) + self.lam * sum_of_squares(z)

    def prior(self) -> Tensor:
        """The weight of ||z||^2: (B,)."""
        return self.lam

    def linearised(self, images: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """Residual r (B, q) with value = ||r||^2 + prior ||z||^2 (+ a constant), and dr/dz (B, d, q).

        ``images`` is G(z), (B, 1, H, W), and ``jacobian`` (B, d, 1, H, W) its derivatives.
        """
        data = self.A(jacobian.flatten(0, 1)).reshape(*jacobian.shape[:2], -1)
        return (self.A(images) - self.y).flatten(1), data

    def scores(self, images: Tensor, z: Tensor) -> Tensor:
        """The objective at N given pairs (z, G(z)) for every problem: (B, N), by one matrix product."""
        data = torch.cat([self.A(part).flatten(1) for part in images.split(512)])  # (N, m)
        y = self.y.flatten(1)
        return (sum_of_squares(data) - 2 * y @ data.T + sum_of_squares(y)[:, None]) + self.lam[
            :, None
        ] * sum_of_squares(z)


class ReducedObjective(Objective):
    r"""Relaxed with x eliminated exactly (variable projection): a function of z alone.

    With A = U S V^T the best x for a given z is G(z) + V (S^2 + lam)^-1 S (U^T y - S V^T G(z)), and what remains is

        sum_k w_k (s_k (V^T G(z))_k - (U^T y)_k)^2 + ||y||^2 - ||U^T y||^2 + lam mu ||z||^2,
        w_k = lam / (lam + s_k^2):

    relaxed is hard in another norm, one that trusts the generator less where A sees well.
    """

    batched = ("target", "rest", "weight", "lam", "lam_mu")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, mu: Tensor) -> None:
        self.G, self.lam, self.lam_mu = G, lam, lam * mu
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

    def scores(self, images: Tensor, z: Tensor) -> Tensor:
        """The objective at N given pairs (z, G(z)) for every problem: (B, N)."""
        data = torch.cat([self.coordinates(part) for part in images.split(512)])
        weighted = self.weight * self.target
        misfit = self.weight @ data.pow(2).T - 2 * weighted @ data.T + (weighted * self.target).sum(1)[:, None]
        return misfit + self.rest[:, None] + self.lam_mu[:, None] * sum_of_squares(z)

    def image(self, z: Tensor) -> Tensor:
        """The best x for each z: (B, d) -> (B, 1, H, W)."""
        g = self.G(z)
        residual = self.target - self.coordinates(g)
        correction = self.S / (self.S**2 + self.lam[:, None]).clamp_min(torch.finfo(g.dtype).tiny) * residual
        return g + self.basis.image(correction)


class _ZBlock(Objective):
    """lam ||G(z) - x||^2 + lam mu ||z||^2 in z, for fixed x."""

    batched = ("x", "lam", "lam_mu")

    def __init__(self, G: Generator, x: Tensor, lam: Tensor, lam_mu: Tensor) -> None:
        self.G, self.x, self.lam, self.lam_mu = G, x, lam, lam_mu

    def magnitude(self) -> Tensor:
        return self.lam * sum_of_squares(self.x)

    def _value(self, z: Tensor) -> Tensor:
        return self.lam * sum_of_squares(self.G(z) - self.x) + self.lam_mu * sum_of_squares(z)


class _XBlock(Objective):
    """||A x - y||^2 + lam ||g - x||^2 in x, for fixed g = G(z)."""

    batched = ("y", "g", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, g: Tensor, lam: Tensor) -> None:
        self.A, self.y, self.g, self.lam = A, y, g, lam

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.lam * sum_of_squares(self.g - x)


class RelaxedObjective(HardObjective):
    """||A x - y||^2 + lam (||G(z) - x||^2 + mu ||z||^2) in the blocks z and x, as Algorithm 2 takes it.

    ``scores`` (inherited) judges a start by the hard objective with weight lam mu, that is at x = G(z).
    """

    batched = ("y", "relaxation", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, G, lam * mu)
        self.relaxation = lam

    def z_block(self, x: Tensor) -> Objective:
        return _ZBlock(self.G, x, self.relaxation, self.lam)

    def x_block(self, g: Tensor) -> Objective:
        return _XBlock(self.A, self.y, g, self.relaxation)

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        return self.x_block(self.G(z)).value(x) + self.lam * sum_of_squares(z)


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


class SparseObjective(HardObjective):
    """f(z, u) + g1(z) + g2(u) of Algorithm 3: f = ||A(G(z) + u) - y||^2, g1 = lam mu ||z||^2, g2 = lam ||u||_1.

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

    def prox_u(self, u: Tensor, tau: Tensor) -> Tensor:
        """prox of tau g2, soft thresholding: (B, 1, H, W), (B,) -> (B, 1, H, W)."""
        threshold = (tau * self.threshold)[:, None, None, None]
        return u - torch.clamp(u, -threshold, threshold)

    def penalty(self, u: Tensor) -> Tensor:
        """g2(u): (B, 1, H, W) -> (B,)."""
        return self.threshold * u.flatten(1).abs().sum(1)

    def total(self, z: Tensor, u: Tensor) -> Tensor:
        return self.u_block(self.G(z)).value(u) + self.lam * sum_of_squares(z) + self.penalty(u)
