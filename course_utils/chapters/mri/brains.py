"""What the experiments on brain slices share: slices, generators with their starts, weights, example windows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from torch import Tensor

from ...data.brain import brain_fold
from ...generators import Generator
from ...operators import LinearOperator
from ...regularisers import Hard, Relaxed, Sparse
from ...reproduce.pictures import middle
from ...reproduce.setting import SEEDS, start_dictionary
from ...solvers import Dictionary, reconstruct
from ...training.recipes import RECIPES, brain_name
from ...training.zoo import available, check_unseen, pretrained

__all__ = [
    "DICTIONARY", "EXAMPLE", "FIRST", "GENERATIVE", "HEAD", "TEST_STEP", "VAE", "VAL_STEP", "WINDOW", "at_end",
    "brain_generator", "example_truth", "first_z", "generator_name", "heads", "scaled", "shipped",
    "walk", "window",
]  # fmt: skip

HEAD = "S1"  # is the test head, but where it is said otherwise
GENERATIVE = {"hard": Hard, "relaxed": Relaxed, "sparse": Sparse}
DICTIONARY = 512  # starts
#: Hard with this weight and budget finds the z from which methods start that leave the range.
FIRST = {"lam": 0.125, "max_iter": 60}
VAL_STEP, TEST_STEP, EXAMPLE = 7, 4, 4  # every so many-th slice; the one of the test slices that is shown
WINDOW = 56  # pixels, side of the stored part of an example


def generator_name(family: str, test: str = HEAD) -> str:
    """The shipped generator that has not seen the head ``test``: "vae", or with a model of the covariance.

    Example
    -------
    >>> generator_name("covariance") == generator_name("covariance", "S1")
    True
    """
    return brain_name(family, None if test == HEAD else test)


VAE = generator_name("vae")


def shipped(name: str) -> bool:
    """Whether the weights of a generator or of a network are there."""
    return name in (*available(), *available("network"))


def heads(val_step: int, test_step: int, test: str = HEAD) -> tuple[Tensor, Tensor]:
    """Every so many-th slice of the validation head and of the test head."""
    data = brain_fold(test)
    return data.val[::val_step], data.test[::test_step]


@functools.lru_cache(maxsize=4)
def brain_generator(name: str) -> tuple[Generator, Dictionary]:
    """A shipped generator of brains and its shared dictionary of starts, kept for the next job of this process.

    It must not have seen the head that its recipe keeps for the test.
    """
    test = RECIPES[name].without or HEAD
    G = pretrained(check_unseen(name, test), verbose=False)
    return G, start_dictionary(G, brain_fold(test).train, SEEDS["dictionary"], DICTIONARY)


def first_z(A: LinearOperator, y: Tensor, name: str) -> Tensor:
    """Where methods start that leave the range: the z of hard, itself from the dictionary: (B, d)."""
    G, starts = brain_generator(name)
    return reconstruct(A, y, Hard(G, FIRST["lam"]), start=starts, max_iter=FIRST["max_iter"]).z


def walk(score: Callable[[float], float], start: float, factor: float, most: int) -> dict[float, float]:
    """Scores at ``start``, at its neighbours a ``factor`` away, and on uphill, until they fall.

    Parameters
    ----------
    score : callable
        The greater the better.
    most : int
        Steps in one direction.

    Returns
    -------
    dict of value -> score, in rising order

    Example
    -------
    >>> walk(lambda v: 8 - abs(v - 8), start=1.0, factor=2.0, most=9)
    {0.5: 0.5, 1.0: 1.0, 2.0: 2.0, 4.0: 4.0, 8.0: 8.0, 16.0: 0.0}
    """
    scores = {value: score(value) for value in (start / factor, start, start * factor)}
    up = scores[start * factor] > scores[start / factor]
    for k in range(2, most + 1):
        last = max(scores) if up else min(scores)
        if max(scores, key=scores.get) != last:
            break
        value = start * factor**k if up else start / factor**k
        scores[value] = score(value)
    return dict(sorted(scores.items()))


def at_end(scores: dict[float, float]) -> bool:
    """Whether the best of a ``walk`` is the last value that was tried."""
    best = max(scores, key=scores.get)
    return best in (min(scores), max(scores))


def window(images: Tensor) -> Tensor:
    """What is stored of an example."""
    return middle(images, WINDOW)


def example_truth(record: dict) -> Tensor:
    """The stored part of the test slice that is shown: (1, 1, 56, 56)."""
    settings = record["settings"]
    return window(heads(1, settings["test_step"])[1][settings["example"]][None])


def scaled(factors: Sequence[float], unit: float) -> list[float]:
    """Weights that are multiples of one number, sigma or sigma^2."""
    return [factor * unit for factor in factors]
