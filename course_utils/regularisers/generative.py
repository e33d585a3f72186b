"""What all generative regularisers share: a generator G, weights, and R(x) by a search over z, eq. (7).

    R_G(x) = min_z F(G(z) - x) + R_Z(z),     R_Z(z) = mu ||z||^2 (hard: ||z||^2)

Hard takes F = 0 at 0 and infinity elsewhere, relaxed F = ||.||_2^2, sparse F = ||.||_1,
sparse-TV F = TV.
``lam`` and ``mu`` are numbers or (B,) tensors: with tensors, every problem of a batch has its own weights,
so that a parameter sweep is one batch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from .._check import check_finite, check_weights
from .._inference import with_autograd
from ..generators import Generator
from ..operators import Identity
from .base import Regulariser, check_linear, check_prox
from .fidelity import Fidelity
from .objective import Objective, per_problem
from .registry import choose
from .starts import latent_starts

__all__ = ["Generative", "InnerProblem", "TwoWeights"]


class InnerProblem(Objective):
    """What R minimises over z for given images x; where that has kinks or jumps, a smooth function to search by."""

    batched = ("x", "mu")

    def __init__(self, R: Generative, x: Tensor) -> None:
        self.R, self.x = R, x
        self.mu = per_problem("mu", getattr(R, "mu", 1.0), x)

    def magnitude(self) -> Tensor:
        return self.x.flatten(1).pow(2).sum(1)

    def _value(self, z: Tensor) -> Tensor:
        return self.R.searched(self.x, self.R.G(z), z, self.mu)

    def exact(self, z: Tensor) -> Tensor:
        """What R minimises: (B, d) -> (B,)."""
        return torch.cat([part.R.price(part.x, part.R.G(w), w, part.mu) for part, w in self._parts(z)])

    def scores(self, images: Tensor, z: Tensor, profile: None = None) -> Tensor:
        """The value of N candidates (z, G(z)) for each x: (B, N)."""
        pairs = ((x.expand_as(images), mu.expand(len(z))) for x, mu in zip(self.x, self.mu, strict=True))
        return torch.stack([self.R.searched(x, images, z, mu) for x, mu in pairs])


class Generative(Regulariser):
    """A regulariser that is made from a generator."""

    #: ``prox`` is there, by a search over z: no step for a convex solver.
    proximable = False

    def __init__(self, G: Generator, lam: float | Tensor) -> None:
        if not isinstance(G, Generator):
            raise TypeError(f"'G' must be a Generator, got {type(G).__name__}")
        super().__init__(lam)
        self.G = G

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        """F(g - x) + R_Z(z) with g = G(z), which R minimises over z: images x and g, (B, d), (B,) -> (B,).

        Raises
        ------
        TypeError
            R has other variables beside z.
        """
        raise TypeError(f"{type(self).__name__} is not a function of the image alone: it has no R(x)")

    def searched(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        """``price``, or a smooth function whose minimisers are near its own."""
        return self.price(x, g, z, mu)

    @with_autograd
    @torch.no_grad()
    def __call__(self, x: Tensor, start=None, n_starts: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """R(x), by solving its inner problem over z with L-BFGS: (B, 1, H, W) -> (B,).

        The search ends in a local minimum, so the value is an upper bound of the minimum.

        Parameters
        ----------
        x : (B, 1, H, W) tensor
        start, n_starts, generator
            As in ``reconstruct``.  Default: E(x) where G has an encoder, else the dictionary (``generator`` needed).
        """
        self.G.check_images(x)
        self.G.check_deterministic()
        check_finite("x", x)
        problem = InnerProblem(self, x)
        start = ("encoder" if self.G.has_encoder else "dictionary") if start is None else start
        z0 = latent_starts(problem, self.G, x, start, n_starts, generator, x)
        everyone = torch.arange(len(x), device=x.device).repeat_interleave(z0.shape[1])
        problem = problem.select(everyone)
        found, _ = choose(problem, "auto").run(problem, z0.flatten(0, 1), None)
        return problem.exact(found["v"]).reshape(z0.shape[:2]).amin(1)

    @with_autograd
    @torch.no_grad()
    def prox(self, x: Tensor, tau: float | Tensor, start=None, n_starts: int = 1, generator=None) -> Tensor:
        """argmin_v R(v) + ||v - x||^2 / (2 tau): denoising, the problem with A = I and lam = 2 tau, searched over z.

        Parameters as in ``__call__``.
        """
        self.G.check_images(x)
        tau = check_prox(x, tau)
        if isinstance(tau, Tensor):
            tau = tau.flatten()
        if x.shape[-1] != x.shape[-2]:
            raise ValueError(f"'x' must hold square images, got {tuple(x.shape)}")
        R = copy.copy(self)
        R.lam = 2 * tau
        problem = R.problem(Identity(x.shape[-1]).to(x), x)
        algorithm = choose(problem, "auto")
        objective = algorithm.view(problem)
        start = ("encoder" if self.G.has_encoder else "dictionary") if start is None else start
        v0 = objective.starts(start, n_starts, generator, x)
        B, S = v0.shape[:2]
        everyone = torch.arange(B, device=x.device).repeat_interleave(S)
        found, _ = algorithm.run(objective.select(everyone), v0.flatten(0, 1), None)
        best = found["f"].reshape(B, S).argmin(1) + S * torch.arange(B, device=x.device)
        return objective.answer({name: value[best] for name, value in found.items()}, batch_size=512)[0]

    def check(self, A, fidelity: Fidelity, general: bool = False) -> None:
        """Raise unless G fits A, A is linear and errors are squared; the last two may be otherwise if ``general``."""
        if not general:
            check_linear(A)
            if not fidelity.squared:
                raise TypeError(f"'fidelity' must be SquaredError for {type(self).__name__}, got {fidelity!r}")
        self.G.check_deterministic()
        if self.G.image_shape != A.shape_in:
            raise ValueError(f"'R' has a generator of images {self.G.image_shape}, the operator takes {A.shape_in}")
        weight = next(self.G.parameters())
        if (weight.dtype, weight.device) != (A.like.dtype, A.like.device):
            raise TypeError(
                f"'G', the generator, must be as the operator is, {A.like.dtype} on {A.like.device}, "
                f"got {weight.dtype} on {weight.device}: G.to(A.like) moves it"
            )

    def __repr__(self) -> str:
        weights = ", ".join(f"{k}={v}" for k, v in vars(self).items() if k != "G")
        return f"{type(self).__name__}({self.G.name}, {weights})"


class TwoWeights(Generative):
    """With a second weight, mu, of ||z||^2."""

    def __init__(self, G: Generator, lam: float | Tensor, mu: float | Tensor) -> None:
        super().__init__(G, lam)
        self.mu = check_weights("mu", mu)
