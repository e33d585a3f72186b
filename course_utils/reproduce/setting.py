"""What the experiments on MNIST share: generators, starts, seeds, and a tuned run on test images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..data.load import load
from ..generators import Generator
from ..metrics import psnr
from ..operators import LinearOperator, measure
from ..regularisers import Hard, Relaxed, Sparse
from ..solvers import Dictionary, Result
from ..training.zoo import pretrained
from ..tuning import tuned_run

__all__ = [
    "GENERATIVE", "GENERATORS", "SEEDS", "Problem", "generator_and_starts", "mean", "rounded", "seeded",
    "start_dictionary", "tuned_row",
]  # fmt: skip

GENERATORS = {"ae": "ae-mnist-8", "vae": "vae-mnist-8", "wgan": "wgan-mnist-8"}
GENERATIVE = {"hard": Hard, "relaxed": Relaxed, "sparse": Sparse}
SEEDS = {"A": 0, "noise_val": 1, "dictionary": 2, "noise_test": 3, "random_start": 4}
FIRST_TEST = 100  # as in the authors' code


def seeded(seed: int) -> torch.Generator:
    """A generator of random numbers on the CPU."""
    return torch.Generator().manual_seed(seed)


def start_dictionary(G: Generator, images: Tensor, seed: int = 2, size: int = 4096) -> Dictionary:
    """The shared starts of a generator: draws from the prior, or for an AE, which has none, encodings of ``images``.

    Parameters
    ----------
    G : Generator
    images : (N, 1, H, W) training images, N >= size; used for an AE only
    """
    return Dictionary(G, seeded(seed), size, images=images if G.name == "ae" else None)


@functools.cache
def generator_and_starts(family: str, seed: int = 0) -> tuple[Generator, Dictionary]:
    """A shipped generator of MNIST digits, "ae", "vae" or "wgan" of a training run, and its shared dictionary."""
    G = pretrained(GENERATORS[family], verbose=False, seed=seed)
    return G, start_dictionary(G, load("mnist").train)


def rounded(values, digits: int = 3) -> list:
    """A tensor as a nested list of rounded numbers."""
    nested = values.tolist() if isinstance(values, Tensor) else list(values)
    if nested and isinstance(nested[0], list):
        return [rounded(v, digits) for v in nested]
    return [round(v, digits) for v in nested]


def mean(values: Sequence[float]) -> float:
    """The mean of a list."""
    return sum(values) / len(values)


class Problem:
    """Validation and test images of MNIST and their data.

    Parameters
    ----------
    A : LinearOperator
    sigma : float
    n_val, n_test : int
        The first validation images, and the test images from number 100 on.
    """

    def __init__(self, A: LinearOperator, sigma: float, n_val: int, n_test: int) -> None:
        data = load("mnist")
        self.A = A
        self.x_val, self.x = data.val[:n_val], data.test[FIRST_TEST : FIRST_TEST + n_test]
        self.y_val = measure(A, self.x_val, sigma, seeded(SEEDS["noise_val"]))
        self.y = measure(A, self.x, sigma, seeded(SEEDS["noise_test"]))


def tuned_row(
    problem: Problem,
    make: Callable,
    lam: Sequence[float],
    mu: Sequence[float] | None = None,
    budget: dict | None = None,
    **settings,
) -> tuple[dict, Result]:
    """Tune by mean PSNR on the validation images, run on the test images.

    Parameters
    ----------
    problem : Problem
    make : callable
        Weights -> regulariser.
    lam, mu : grids; a grid of one value is taken without a run
    budget : dict, optional
        Settings of ``reconstruct`` for the tuning alone.
    **settings
        Of ``reconstruct``.

    Returns
    -------
    row : dict of plain values
    result : Result
        On the test images.
    """
    validation = problem.x_val, problem.y_val
    chosen, result = tuned_run(problem.A, validation, problem.y, make, lam, mu, tuning=budget, **settings)
    row = {
        **chosen,
        "psnr": rounded(psnr(result.x, problem.x)),
        "objective": rounded(result.objective, 5),
        "iterations": result.iterations.tolist(),
        "evaluations": round(float((result.values + result.gradients).double().mean()), 1),
        "ms_per_image": round(1e3 * result.seconds / len(problem.x), 2),
    }
    return row, result
