"""A relative of the relaxed method: the distance that an encoder measures."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generators import Generator
from ..operators import LinearOperator
from .base import check_linear
from .fidelity import Fidelity
from .generative import Generative
from .objective import SQUARED, ImageObjective, LatentObjective, Objective

__all__ = ["EncoderDistance", "EncoderObjective"]


class EncoderObjective(ImageObjective):
    """F(A x, y) + lam ||x - G(E(x))||^2 in x; starts are images G(z) by their latent vectors, judged as images."""

    def starts(self, start, n_starts, generator, x0):
        in_range = _InRange(self.A, self.y, self.R.G, self.lam, self.fidelity)
        in_range.R = self.R
        return in_range.starts(start, n_starts, generator, x0)

    def answer(self, found, batch_size):
        x, z = found["x"], found["z"]
        return x, z, x - torch.cat([self.R.G(part) for part in z.split(batch_size)])


class _InRange(LatentObjective):
    """The same at images of the range."""

    def scores(self, images: Tensor, z: Tensor, profile: Tensor | None = None) -> Tensor:
        price = torch.cat([self.R(part) for part in images.split(512)])
        return self.misfits(images, profile) + self.lam[:, None] * price


class EncoderDistance(Generative):
    r"""Images that an autoencoder does not change: :math:`R(x) = \|x - G(E(x))\|_2^2`.

    The problem :math:`\min_x \|Ax-y\|_2^2 + \lambda R(x)` has the image as its variable.  R is an upper bound of
    the squared distance to the range of G, for G(E(x)) need not be the nearest image.

    Parameters
    ----------
    G : Generator with an encoder
    lam : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 3.1.2 (its references [9, 10]).
    """

    def __init__(self, G: Generator, lam: float | Tensor) -> None:
        super().__init__(G, lam)
        if not G.has_encoder:
            raise ValueError(f"'G' must have an encoder, a {G.name} has none")

    def __call__(self, x: Tensor) -> Tensor:
        """R(x): (B, 1, H, W) -> (B,), differentiable."""
        return (x - self.G(self.G.encode(x))).pow(2).flatten(1).sum(1)

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        self.check(A, fidelity, general=True)
        return EncoderObjective(A, y, self, fidelity)
