"""The compressed sensing problems of the explorers of chapter 05."""

from __future__ import annotations

from functools import cache, lru_cache

import torch
from torch import Tensor

from ...data.load import load
from ...generators import Generator
from ...operators import GaussianMatrix, LinearOperator, measure
from ...reproduce import GENERATORS, start_dictionary
from ...solvers import Dictionary
from ...training.zoo import pretrained

M, SIGMA, N_IMAGES = 150, 0.05, 10
MATRIX_SEED, NOISE_SEED = 0, 3
MEASUREMENTS, SIGMAS = (25, 50, 75, 100, M, 200, 300, 400), (0.0, 0.01, 0.02, SIGMA, 0.1, 0.2)
FAMILIES = {"VAE": "vae", "AE": "ae", "GAN": "wgan"}


@cache
def _truths() -> Tensor:
    """The first test image of each digit from number 100 on."""
    data = load("mnist")
    labels = data.test_labels[100:]
    return data.test[[100 + int((labels == digit).nonzero()[0]) for digit in range(N_IMAGES)]]


@lru_cache(maxsize=len(MEASUREMENTS))
def _operator(m: int) -> GaussianMatrix:
    return GaussianMatrix(m, 28, torch.Generator().manual_seed(MATRIX_SEED))


def _problem(m: int = M, sigma: float = SIGMA) -> tuple[LinearOperator, Tensor, Tensor]:
    """Operator, images, and their data: by default the problem of Fig. 9."""
    A, x = _operator(m), _truths()
    return A, x, measure(A, x, sigma, torch.Generator().manual_seed(NOISE_SEED))


@cache
def _generator(family: str) -> tuple[Generator, Dictionary]:
    """A shipped generator and its shared dictionary of starts: about a second, once."""
    G = pretrained(GENERATORS[family], verbose=False)
    return G, start_dictionary(G, load("mnist").train)


def _models() -> dict[str, tuple[Generator, Dictionary]]:
    return {family: _generator(family) for family in FAMILIES.values()}
