"""What a small deviation in an intermediate layer does to the image, to first order; and a control without strokes."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ...generators import Generator
from ...regularisers import Intermediate

__all__ = ["layer_jacobian", "shuffled"]


def layer_jacobian(R: Intermediate, z: Tensor) -> Tensor:
    """The Jacobian of G_2 at G_1(z): which image a small deviation v of the activations adds.

    Parameters
    ----------
    R : Intermediate
    z : (1, d) tensor

    Returns
    -------
    (n, q) tensor
        n pixels, q activations.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> G = build(GeneratorConfig("ae", 2), seed=0).freeze()
    >>> layer_jacobian(Intermediate(G, 1.0, 1.0, layer=5), torch.zeros(1, 2)).shape
    torch.Size([784, 6272])
    """
    with torch.no_grad():
        h = R.G_1(z)
        n = R.G_2(h).numel()
    copies = h.expand(n, *h.shape[1:]).clone().requires_grad_()  # the k-th copy serves the k-th pixel
    with torch.enable_grad():
        (rows,) = torch.autograd.grad(R.G_2(copies).flatten(1).diagonal().sum(), copies)
    return rows.flatten(1)


def shuffled(G: Generator, layer: int, generator: torch.Generator) -> Generator:
    """A copy of G whose weights after ``layer`` are shuffled within each tensor: as large as before, unlearned.

    Parameters
    ----------
    G : Generator
    layer : int
        The first ``layer`` modules of the decoder stay as they are.
    generator : torch.Generator

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> G = build(GeneratorConfig("ae", 2), seed=0).freeze()
    >>> other = shuffled(G, 3, torch.Generator().manual_seed(0))
    >>> z = torch.ones(1, 2)
    >>> torch.equal(other.decoder[:3](z), G.decoder[:3](z)), torch.equal(other(z), G(z))
    (True, False)
    """
    other = copy.deepcopy(G)
    for parameter in other.decoder[layer:].parameters():
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.data = parameter.data.flatten()[order].reshape(parameter.shape)
    return other
