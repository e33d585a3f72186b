"""Where to start a non-convex problem: drawn from the prior, from an encoder, or the best of a shared dictionary.

Local minima decide more than the algorithm does: one random start can miss by several dB (chapter 05).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_finite, check_generator, check_kind, check_tensor
from ..generators import Generator
from ..operators.kept import Kept

__all__ = ["Dictionary", "latent_starts"]


#: What ``start`` may be, but for a Dictionary or latent vectors.
STARTS = ("dictionary", "random", "encoder")

#: What an operator makes of a dictionary's images is kept if it is no more than so many numbers.
LARGEST_KEPT = 16_000_000


class Dictionary:
    """``size`` pairs (z, G(z)), z ~ N(0, I), generated once and shared by all problems with this generator.

    Parameters
    ----------
    G : Generator
    generator : torch.Generator
        Draws the latent vectors.
    size : int
    images : (N, 1, H, W) tensor, N >= size, optional
        Take the encodings of ``size`` random ones of these instead of prior draws: for an AE, whose encodings
        do not follow N(0, I) (property B2).

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> G = build(GeneratorConfig("ae", 2), seed=0).freeze()
    >>> Dictionary(G, torch.Generator().manual_seed(0), size=16).images.shape
    torch.Size([16, 1, 28, 28])
    """

    def __init__(
        self, G: Generator, generator: torch.Generator, size: int = 4096, images: Tensor | None = None
    ) -> None:
        self.G = check_kind("G", G, Generator)
        size = check_count("size", size)
        check_generator(generator)
        self._projected: dict[str, Dictionary] = {}
        self._kept = Kept()  # kind of profile -> what the operator that was asked for last makes of the images
        with torch.no_grad():
            if images is None:
                self.z = G.sample_latent(size, generator)
            else:
                check_tensor("images", images, (None, *G.image_shape), like=next(G.parameters()))
                if len(images) < size:
                    raise ValueError(f"'images' must hold at least size = {size} images, got {len(images)}")
                pick = torch.randperm(len(images), generator=generator, device=generator.device)[:size]
                check_finite("images", images)
                self.z = torch.cat([G.encode(part) for part in images[pick.to(images.device)].split(512)])
            self.images = torch.cat([G(part) for part in self.z.split(512)])

    @torch.no_grad()
    def projected(self, R_Z) -> Dictionary:
        """The dictionary whose latent vectors are moved to the set of a constraint; made once for each."""
        key = repr(R_Z)
        if key not in self._projected:
            moved = copy.copy(self)
            moved.z, moved._projected, moved._kept = R_Z.project(self.z), {}, Kept()
            moved.images = torch.cat([self.G(part) for part in moved.z.split(512)])
            self._projected[key] = moved
        return self._projected[key]

    @torch.no_grad()
    def best(self, objective, k: int = 1) -> Tensor:
        """The ``k`` latent vectors of least objective for each problem: (B, k, d), best first."""
        if not callable(getattr(objective, "scores", None)):
            raise TypeError(f"'objective' must be a problem with latent vectors, got {type(objective).__name__}")
        k = check_count("k", k)
        if k > len(self.z):
            raise ValueError(f"'k' must be at most the size of the dictionary {len(self.z)}, got {k}")
        scores = objective.scores(self.images, self.z, self._profile(objective))  # (B, size)
        return self.z[scores.topk(k, dim=1, largest=False).indices]

    def _profile(self, objective) -> Tensor | None:
        """``objective.profile(images)``, computed once for an operator.

        To apply A to the whole dictionary takes longer than to solve the problem of one image.
        """
        A, kind = getattr(objective, "A", None), type(objective).profile
        if A is None:
            return None
        kept = self._kept.of(A)
        if kind in kept:
            return kept[kind]
        profile = objective.profile(self.images)
        if profile is not None and profile.numel() <= LARGEST_KEPT:
            kept[kind] = profile
        return profile


def latent_starts(objective, G: Generator, y: Tensor, start, n_starts: int, generator, x0, constraint=None) -> Tensor:
    """(B, S, d) latent vectors from which to start; ``constraint``, an R_Z with ``project``, holds for all of them."""

    def allowed(z: Tensor) -> Tensor:
        return z if constraint is None else constraint.project(z)

    n_starts = check_count("n_starts", n_starts)
    if generator is not None:
        check_generator(generator)
    if isinstance(start, Tensor):
        if start.ndim == 2:
            start = start.unsqueeze(1)
        check_tensor("start", start, (len(y), None, G.latent_dim), like=y)
        check_finite("start", start)
        if n_starts not in (1, start.shape[1]):
            raise ValueError(
                f"'n_starts' must be left out with a tensor as 'start', got {n_starts} for {start.shape[1]}"
            )
        return allowed(start.flatten(0, 1)).reshape(start.shape)
    if isinstance(start, Dictionary):
        if start.G is not G:
            raise ValueError("'start' is a Dictionary of another generator than that of 'R'")
        return _best_of(start, objective, len(y), n_starts, constraint)
    check_choice("start", start, STARTS)
    if start == "encoder":
        if x0 is None:
            raise ValueError("start='encoder' needs 'x0', an image to encode (a Tikhonov reconstruction, say)")
        if n_starts != 1:
            raise ValueError(f"'n_starts' must be 1, as start='encoder' gives one start, got n_starts={n_starts}")
        return allowed(torch.cat([G.encode(part) for part in x0.split(512)])).unsqueeze(1)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"start={start!r} needs 'generator', a torch.Generator, got {type(generator).__name__}")
    if start == "random":
        return allowed(G.sample_latent(len(y) * n_starts, generator)).reshape(len(y), n_starts, -1)
    return _best_of(Dictionary(G, generator), objective, len(y), n_starts, constraint)


def _best_of(dictionary: Dictionary, objective, B: int, n_starts: int, constraint) -> Tensor:
    dictionary = dictionary if constraint is None else dictionary.projected(constraint)
    if n_starts > len(dictionary.z):
        raise ValueError(f"'n_starts' must be at most the size of the dictionary {len(dictionary.z)}, got {n_starts}")
    index = torch.arange(B, device=dictionary.z.device)
    return torch.cat([dictionary.best(objective.select(part), n_starts) for part in index.split(512)])
