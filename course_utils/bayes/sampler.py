"""What all posterior samplers with a learned prior share: white noise, many samples at once, and one reconstruction."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import (
    check_count,
    check_entries,
    check_finite,
    check_flag,
    check_generator,
    check_kind,
    check_positive,
    check_seed,
    check_tensor,
    check_weights,
    trusting,
)
from .._inference import with_autograd
from ..generators.score import ScoreModel
from ..generators.velocity import VelocityModel
from ..operators import LinearOperator
from ..reconstructors import Reconstructor
from ..regularisers import Tikhonov
from ..solvers.conjugate import conjugate_gradients
from ..solvers.direct import tikhonov_by_svd

__all__ = ["PosteriorSampler", "data_prox"]

#: So many walks go side by side.
CHUNK = 256
LARGEST_SEED = 2**63 - 1


class Noise:
    """White noise for N walks, each from a random generator of its own, so that no walk depends on its neighbours.

    The generators are the CPU's, so that every device sees the same noise.
    """

    def __init__(self, seeds: list[int], shape: tuple[int, ...], like: Tensor) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape, self.like = shape, like

    def __call__(self) -> Tensor:
        """The next draw: (N, *shape)."""
        parts = [torch.randn(self.shape, generator=g, dtype=self.like.dtype) for g in self.generators]
        return torch.stack(parts).to(self.like.device)


class PosteriorSampler(Reconstructor):
    """A method that walks from noise to an image that the prior and the data allow; another noise, another image.

    A subclass implements ``walk``.  ``samples`` gives several images for each problem, and as a reconstruction map,
    ``reconstruct(A, y, sampler)``, it gives the mean of ``draws`` of them, with noise that is the same for every
    problem and every call.  The map is differentiable in y.

    Parameters
    ----------
    model : ScoreModel or VelocityModel
        The prior.
    steps : int, optional
        Of a walk; default: as many as the model has.
    draws : int
        Samples whose mean is the reconstruction: one is a sample, many come near the mean of what is sampled, which
        has the smaller squared error.
    seed : int
        Of the noise of the reconstruction.
    """

    kind: type = ScoreModel

    def __init__(
        self, model: ScoreModel | VelocityModel, steps: int | None = None, draws: int = 1, seed: int = 0
    ) -> None:
        self.model = check_kind("model", model, self.kind)
        self.steps = model.steps if steps is None else check_count("steps", steps)
        if isinstance(model, ScoreModel):
            model.times(self.steps)  # raises if there are not so many noise levels
        self.draws, self.seed = check_count("draws", draws), check_seed("seed", seed)

    def walk(self, y: Tensor, A: LinearOperator, noise: Noise) -> Tensor:
        """One image for each of N data sets: ``(N, *A.shape_out)`` -> (N, 1, H, W)."""
        raise NotImplementedError

    def check(self, y: Tensor, A: LinearOperator) -> None:
        """Raise unless ``y`` can be data of A, and A takes the images of the model."""
        check_kind("A", A, LinearOperator)
        if A.shape_in != self.model.image_shape:
            raise ValueError(f"'A' must take images {self.model.image_shape}, as the model makes, not {A.shape_in}")
        check_tensor("y", y, (None, *A.shape_out), like=A.like)
        check_finite("y", y)
        if not len(y):
            raise ValueError("'y' must hold at least one problem, got an empty batch")
        like = self.model.alpha_bar if isinstance(self.model, ScoreModel) else self.model.like
        if like.dtype != y.dtype or like.device != y.device:
            raise TypeError(f"'y' must be {like.dtype} on {like.device}, as the model is, got {y.dtype} on {y.device}")

    @with_autograd
    @torch.no_grad()
    def samples(self, y: Tensor, A: LinearOperator, n: int, generator: torch.Generator) -> Tensor:
        """n samples for each problem: ``(B, *A.shape_out)`` -> (n, B, 1, H, W).

        Each walk has a seed of its own, drawn from ``generator`` in the order of the problems.  So the problems one by
        one, with one generator after the other, have the same samples as all at once, up to round-off.

        Raises
        ------
        TypeError, ValueError
            Data of a wrong shape or dtype, NaN, an operator of other images than the model's.
        """
        self.check(y, A)
        n = check_count("n", n)
        check_generator(generator)
        return self._drawn(y, A, self._seeds(len(y), n, generator))

    @with_autograd
    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        self.check(y, A)
        check_flag("trace", trace)
        seeds = self._seeds(1, self.draws, torch.Generator().manual_seed(self.seed)) * len(y)
        x = self._drawn(y, A, seeds).mean(0)
        steps = torch.full((len(y),), self.steps, device=y.device)
        return {"x": x, "iterations": steps, "converged": torch.isfinite(x).flatten(1).all(1)}

    @staticmethod
    def _seeds(B: int, n: int, generator: torch.Generator) -> list[list[int]]:
        return torch.randint(LARGEST_SEED, (B, n), generator=generator, device=generator.device).tolist()

    def _drawn(self, y: Tensor, A: LinearOperator, seeds: list[list[int]]) -> Tensor:
        """One walk for each seed of each problem: (S, B, 1, H, W)."""
        S, flat = len(seeds[0]) if seeds else 1, [seed for row in seeds for seed in row]
        found = []
        with trusting():
            for first in range(0, len(flat), CHUNK):
                some = flat[first : first + CHUNK]
                index = torch.arange(first, first + len(some), device=y.device) // S
                found.append(self.walk(y[index], A, Noise(some, A.shape_in, y)))
        return torch.cat(found).unflatten(0, (-1, S)).transpose(0, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.model).__name__}, steps={self.steps}, draws={self.draws})"


def data_prox(A: LinearOperator, y: Tensor, x: Tensor, rho: float | Tensor) -> Tensor:
    r"""The image nearest to x that explains the data: :math:`\arg\min_v \|Av-y\|_2^2 + \rho\|v-x\|_2^2`.

    With v = x + w it is Tikhonov's problem for w and the residual y - A x.  By the singular value decomposition where A
    has one, exactly, and differentiable; else by conjugate gradients.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    x : (B, 1, H, W) tensor
    rho : float or (B,) tensor, > 0

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Parikh, Boyd, Proximal Algorithms (2014), Sect. 6.1.1.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> data_prox(Identity(1), torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), rho=3.0).item()
    0.25
    """
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_tensor("x", x, (len(y), *A.shape_in), like=y)
    if not torch.is_tensor(rho) or rho.ndim == 0:
        rho = check_positive("rho", rho)
    check_weights("rho", rho)
    if isinstance(rho, Tensor) and (rho.shape != (len(y),) or not bool((rho > 0).all())):
        raise ValueError(f"'rho' must be a number or ({len(y)},) of them, each > 0, got shape {tuple(rho.shape)}")
    check_entries("y", y)
    problem = Tikhonov(rho).problem(A, y - A(x))
    solve = tikhonov_by_svd if A.decomposes else conjugate_gradients
    return x + solve(problem, torch.zeros_like(x))[0]["v"]
