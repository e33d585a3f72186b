"""What the two explorers of chapter 05 carry when they stand on a page without a kernel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...explore.base import Explorer
from ...explore.live_data import floats, grey_bytes, stored_generators
from ...explore.page import control_values, live_page
from ...generators import Generator
from ...operators import LinearOperator
from ...regularisers import Hard
from ...solvers import Dictionary, reconstruct
from .starts import BINS, LAM, counted, ends

__all__ = ["initialisation_page", "method_page"]

HERE = Path(__file__).parent
N_CANDIDATES = 128


def initialisation_page(
    explorer: Explorer,
    A: LinearOperator,
    x: Tensor,
    y: Tensor,
    models: dict[str, tuple[Generator, Dictionary]],
    matrix_seed: int,
) -> str:
    """Algorithm 1 in the page, on the data of the notebook; the dictionary's answers are computed now.

    Parameters
    ----------
    explorer : Explorer
    A : GaussianMatrix
    x, y : (N, 1, 28, 28) and (N, m) tensors
        Truths and data.
    models : dict of family -> (generator, dictionary of starts)
    matrix_seed : int
        Of the torch generator that drew A.
    """
    lam = torch.tensor(control_values(explorer.controls["lam"]))
    references = []  # for each family (N, number of weights, d)
    for G, dictionary in models.values():
        many = y.repeat_interleave(len(lam), dim=0)
        references.append(reconstruct(A, many, Hard(G, lam.repeat(len(y))), start=dictionary).z.flatten())
    data, blocks = stored_generators({family: G for family, (G, _) in models.items()})
    data["ends"] = {family: [counted(values) for values in ends()[family]] for family in models}
    data |= {"bins": list(BINS), "lam": LAM}
    blocks |= {
        "digits": grey_bytes(x),
        "data": floats(y),
        "references": floats(torch.cat(references)),
    }
    return live_page(
        explorer,
        HERE / "initialisation.js",
        {**data, "d": next(iter(models.values()))[0].latent_dim, "m": A.m, "matrixSeed": matrix_seed},
        blocks,
        note="Algorithm 1 runs in this page. The dotted line, its image and the fifty starts were computed beforehand.",
    )


def method_page(
    explorer: Explorer, x: Tensor, models: dict[str, tuple[Generator, Dictionary]], matrix_seed: int, noise_seed: int
) -> str:
    """The five methods in the page.

    Parameters
    ----------
    explorer : Explorer
    x : (N, 1, 28, 28) tensor
        Truths.
    models : dict of family -> (generator, dictionary of starts)
        Of each dictionary the first 128 latent vectors go into the page.
    matrix_seed, noise_seed : int
        Of the torch generators that draw the operator, and one noise for all truths.
    """
    data, blocks = stored_generators({family: G for family, (G, _) in models.items()})
    candidates = torch.cat([dictionary.z[:N_CANDIDATES] for _, dictionary in models.values()])
    blocks |= {"digits": grey_bytes(x), "candidates": floats(candidates)}
    return live_page(
        explorer,
        HERE / "regularisers.js",
        {**data, "d": candidates.shape[1], "matrixSeed": matrix_seed, "noiseSeed": noise_seed},
        blocks,
        note="Solved in this page, by Algorithms 1 to 3, conjugate gradients or a primal-dual method. "
        "The matrix and the noise are those of the notebook, drawn here from the same seeds.",
    )
