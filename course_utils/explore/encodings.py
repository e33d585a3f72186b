"""Latent vectors of some images, for explorers that walk between them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generators import Generator
from ..operators import Identity
from ..regularisers import Hard
from ..solvers import Dictionary, reconstruct


def encodings(G: Generator, images: Tensor) -> Tensor:
    """Latent vectors of some images: (B, 1, H, W) -> (B, d).

    E(x) where there is an encoder.  Without one, the z that minimises ||G(z) - x||^2, searched from the best
    of 2048 draws from the prior.
    """
    with torch.no_grad():
        if G.has_encoder:
            return G.encode(images)
    dictionary = Dictionary(G, torch.Generator().manual_seed(0), size=2048)
    return reconstruct(Identity(images.shape[-1]), images, Hard(G, 0.0), start=dictionary, max_iter=60).z
