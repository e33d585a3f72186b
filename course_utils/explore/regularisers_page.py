"""What the two explorers of chapter 05 carry when they stand on a page without a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generators import Generator
from ..operators import LinearOperator
from ..regularisers import Hard
from ..solvers import Dictionary, reconstruct
from .base import Explorer
from .live_data import floats, grey_bytes, stored_generators
from .page import control_values, engine_script, live_page

__all__ = ["initialisation_page", "method_page"]

N_SEEDS, N_CANDIDATES = 20, 128


def initialisation_page(
    explorer: Explorer, A: LinearOperator, x: Tensor, y: Tensor, models: dict[str, tuple[Generator, Dictionary]]
) -> str:
    """Algorithm 1 in the page, on the data of the notebook; the dictionary's answers are computed now.

    Parameters
    ----------
    explorer : Explorer
    A : GaussianMatrix
    x, y : (N, 1, 28, 28) and (N, m) tensors
        Truths and data.
    models : dict of family -> (generator, dictionary of starts)
    """
    lam = torch.tensor(control_values(explorer.controls["lam"]))
    references = []  # for each family (N, number of weights, d)
    for G, dictionary in models.values():
        many = y.repeat_interleave(len(lam), dim=0)
        references.append(reconstruct(A, many, Hard(G, lam.repeat(len(y))), start=dictionary).z.flatten())
    data, blocks = stored_generators({family: G for family, (G, _) in models.items()})
    G = next(iter(models.values()))[0]  # a start is a draw from N(0, I), whatever the generator
    starts = [G.sample_latent(3, torch.Generator().manual_seed(seed)) for seed in range(N_SEEDS)]
    blocks |= {
        "digits": grey_bytes(x),
        "matrix": A.M.half().numpy().astype("<f2").tobytes(),
        "data": floats(y),
        "starts": floats(torch.stack(starts)),
        "references": floats(torch.cat(references)),
    }
    return live_page(
        explorer,
        [engine_script(), "generators.js", "initialisation.js"],
        {**data, "d": G.latent_dim, "m": A.m},
        blocks,
        note="Algorithm 1 runs in this page. The dotted line and its image were computed beforehand.",
    )


def method_page(explorer: Explorer, x: Tensor, models: dict[str, tuple[Generator, Dictionary]]) -> str:
    """The five methods in the page, with two more controls: number of measurements and noise level.

    Parameters
    ----------
    explorer : Explorer
    x : (N, 1, 28, 28) tensor
        Truths.
    models : dict of family -> (generator, dictionary of starts)
        Of each dictionary the first 128 latent vectors go into the page.
    """
    data, blocks = stored_generators({family: G for family, (G, _) in models.items()})
    candidates = torch.cat([dictionary.z[:N_CANDIDATES] for _, dictionary in models.values()])
    blocks |= {"digits": grey_bytes(x), "candidates": floats(candidates)}
    extra = []
    for key, label, title, values, start in (
        ("m", "measurements m", "number of random projections", [25, 50, 75, 100, 150, 200, 300, 400], 150),
        ("sigma", "noise σ", "standard deviation of the noise", [0.0, 0.01, 0.02, 0.05, 0.1, 0.2], 0.05),
    ):
        labels = [f"{value:g}" for value in values]
        extra.append(
            {"key": key, "kind": "range", "label": label, "title": title, "labels": labels, "values": values}
            | {"start": values.index(start)}
        )
    return live_page(
        explorer,
        [engine_script(), "generators.js", "regularisers.js"],
        {**data, "d": candidates.shape[1]},
        blocks,
        extra=extra,
        note="Solved in this page, by Algorithms 1 to 3, conjugate gradients or a primal-dual method. "
        "The matrix and the noise are drawn here: other ones than in the notebook, from the same distribution.",
    )
