"""Check of chapter 04: a generator that wins an entry of the score card and is of no use as a regulariser."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ...checks import Verdict, attempt, not_yet, right
from ...data import load
from ...metrics import psnr
from ...operators import GaussianMatrix
from ...properties import as_generator, emd, frechet_distance, samples, subset
from ...regularisers import TV, Hard
from ...regularisers.starts import Dictionary
from ...solvers import reconstruct
from ...training.zoo import pretrained

__all__ = ["useless_winner"]

N, REPEATS = 500, 2  # images of each measurement, and how many there are
ENTRIES = {"A3 EMD": lambda real, drawn: emd(real, drawn).value, "A3 Frechet": frechet_distance}
TITLES = {"ae": "AE", "vae": "VAE", "wgan": "GAN"}
AHEAD = 0.05  # a win is by 5 per cent at least
USELESS = 1.0  # dB behind TV, which needs no generator
WEIGHTS = (1e-3, 1e-2, 1e-1)  # of hard; the one that is best for the truth counts


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _entry(key: str, G) -> float:
    """The entry of the card, as ``score_card`` measures it, on fewer images."""
    values = []
    for k in range(REPEATS):
        drawn, real = samples(G, N, _seeded(100 + k)), subset(load("mnist").test, N, _seeded(200 + k))
        values.append(float(ENTRIES[key](real, drawn)))
    return sum(values) / REPEATS


@functools.cache
def _rival(key: str, family: str) -> float:
    return _entry(key, pretrained(f"{family}-mnist-8", verbose=False))


@functools.cache
def _problem() -> tuple[GaussianMatrix, Tensor, Tensor]:
    """150 random numbers of each of ten test digits: the compressed sensing of chapter 05."""
    A, x = GaussianMatrix(150, 28, _seeded(0)), load("mnist").test[100:110]
    return A, x, A(x) + 0.05 * torch.randn(len(x), 150, generator=_seeded(3))


@functools.cache
def _without_generator() -> float:
    A, x, y = _problem()
    return float(psnr(reconstruct(A, y, TV(0.016)).x, x).mean())


def _as_regulariser(G) -> float:
    """PSNR of hard with G, at the best weight and from the best of 2,000 draws: as kind as can be."""
    A, x, y = _problem()
    starts = Dictionary(G, _seeded(2), 2000)
    return max(float(psnr(reconstruct(A, y, Hard(G, lam), start=starts, max_iter=60).x, x).mean()) for lam in WEIGHTS)


def useless_winner(entry: str, G) -> Verdict:
    """Does ``G`` beat AE, VAE and GAN of digits in an entry of the card, and is it useless as a regulariser?

    The entry is measured on 500 samples, twice, with the same draws for all.  Useless: *hard* with G, at the best of
    three weights, is 1 dB or more behind total variation on 150 random numbers of ten test digits.

    Parameters
    ----------
    entry : {"A3 EMD", "A3 Frechet"}
    G : generator
        See ``as_generator``: ``latent_dim``, and G(z), differentiable in z, (B, d) -> (B, 1, 28, 28).

    Example
    -------
    >>> bool(useless_winner("A1 test", None))
    ✗ Not yet: take an entry of A3, 'A3 EMD' or 'A3 Frechet', got 'A1 test'; the identity and a constant win others...
    False
    """
    if not isinstance(entry, str) or entry not in ENTRIES:
        named = repr(entry) if isinstance(entry, str) else type(entry).__name__
        return not_yet(
            f"take an entry of A3, 'A3 EMD' or 'A3 Frechet', got {named}; the identity and a constant win others, as "
            "section 1 says"
        )
    if G is None or G is Ellipsis:
        return not_yet("the generator is still empty: replace the placeholder")
    adapted, problem = attempt(_accepted, G)
    if problem is not None:
        return problem
    if isinstance(adapted, str):
        return not_yet(adapted)
    value, problem = attempt(_entry, entry, adapted)
    if problem is not None:
        return problem
    rivals = {TITLES[family]: _rival(entry, family) for family in TITLES}
    best = min(rivals, key=rivals.get)
    message = f"{entry} is {value:.3g}, the best of AE, VAE and GAN is the {best} with {rivals[best]:.3g}"
    if not value < (1 - AHEAD) * rivals[best]:
        return not_yet(f"{message}; lower wins. {_advice(entry)}")
    quality, problem = attempt(_as_regulariser, adapted)
    if problem is not None:
        return problem
    plain = _without_generator()
    message += f"; hard with it has {quality:.1f} dB, TV without any generator {plain:.1f} dB"
    if quality > plain - USELESS:
        return not_yet(f"{message}: it wins, but it is of use: as a constraint it keeps up with TV")
    return right(f"{message}: it wins this entry and is useless, so this entry alone does not make a regulariser")


def _accepted(G):
    """The adapted generator, or what it lacks."""
    try:
        adapted = as_generator(G)
    except (TypeError, ValueError) as error:
        return str(error)
    if tuple(adapted.image_shape) != (1, 28, 28):
        return f"the images must have the shape (1, 28, 28), got {tuple(adapted.image_shape)}"
    return adapted


def _advice(entry: str) -> str:
    if entry == "A3 EMD":
        return "Which images scored better than real ones in section 4?"
    return "Which images have the features of real ones, and need no training to be drawn?"
