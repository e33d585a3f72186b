"""Small things that the measures share: images in parts, nearest images, random subsets."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_tensor
from ..generators import Generator
from .adapt import as_generator

__all__ = ["images_of", "nearest", "samples", "squared_distances", "subset"]

PART = 512


@torch.no_grad()
def images_of(G: Generator, z: Tensor) -> Tensor:
    """G(z) in parts of a size that fits a cache: (N, d) -> (N, 1, H, W)."""
    return torch.cat([G(part) for part in z.split(PART)])


def samples(G: Generator, n: int, generator: torch.Generator) -> Tensor:
    """``n`` images G(z), z ~ N(0, I).

    Example
    -------
    >>> from course_utils import pretrained
    >>> samples(pretrained("vae-mnist-8", verbose=False), 3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1, 28, 28])
    """
    n = check_count("n", n)
    check_generator(generator)
    G = as_generator(G)
    return images_of(G, G.sample_latent(n, generator))


def subset(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` random ones of the images x, without repetition.

    Neighbours in a data set are often alike (the first and the last 5,000 test digits of MNIST come from different
    writers), so a block would be a biased sample.

    Raises
    ------
    ValueError
        Fewer than ``n`` images.

    Example
    -------
    >>> images = torch.arange(5.0).reshape(5, 1, 1, 1)
    >>> len(subset(images, 3, torch.Generator().manual_seed(0)).unique())
    3
    """
    check_tensor("x", x)
    check_generator(generator)
    n = check_count("n", n)
    check_finite("x", x)
    if x.ndim < 1:
        raise ValueError("'x' must hold images, got one number")
    if n > len(x):
        raise ValueError(f"'n' must be at most the number of images {len(x)}, got {n}")
    return x[torch.randperm(len(x), generator=generator, device=generator.device)[:n].to(x.device)]


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of all pairs, in float64: (N, ...), (M, ...) -> (N, M)."""
    a, b = a.flatten(1).double(), b.flatten(1).double()
    return (a.pow(2).sum(1)[:, None] - 2 * a @ b.T + b.pow(2).sum(1)).clamp_min_(0)


def nearest(x: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance to the nearest of the images ``among``, and its number.

    Parameters
    ----------
    x : (N, 1, H, W) tensor
    among : (M, 1, H, W) tensor

    Returns
    -------
    distance : (N,) tensor
    index : (N,) integer tensor

    Example
    -------
    >>> nearest(torch.zeros(1, 1, 2, 2), torch.tensor([2.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2))
    (tensor([2.]), tensor([1]))
    """
    check_tensor("among", among)
    if among.ndim < 2 or not len(among):
        raise ValueError(f"'among' must hold at least one image, got shape {tuple(among.shape)}")
    check_tensor("x", x, (None, *among.shape[1:]), like=among)
    check_finite("among", among)
    check_finite("x", x)
    flat = among.flatten(1)
    square = flat.pow(2).sum(1)
    index = torch.cat([(square - 2 * part.flatten(1) @ flat.T).argmin(1) for part in x.split(PART)])
    return (x - among[index]).flatten(1).norm(dim=1), index  # subtract first: no cancellation in the distance itself
