"""Fifty random starts of Algorithm 1 on each problem of the explorer: how well the images are where they end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.labels import TITLES
from ...figures.style import METHODS, subplots
from ...metrics import psnr
from ...regularisers import Hard
from ...reproduce.experiment import Experiment
from ...results import load_result
from ...solvers import reconstruct
from .problem import FAMILIES, MATRIX_SEED, N_IMAGES, NOISE_SEED, SIGMA, M, _generator, _problem

__all__ = ["BINS", "EXPERIMENTS", "LAM", "RULE", "counted", "ends"]

LAM, N_STARTS, START_SEED = 0.01, 50, 100
#: When Algorithm 1 stops, here and in the explorer.
RULE = {"stop": "objective", "tol": 1e-5, "max_iter": 100}
BINS = tuple(range(5, 28))  # edges, in dB; what lies outside is counted in the first or the last
NEAR = 0.5  # dB


def starts_job(generator: str, n_images: int = N_IMAGES, n_starts: int = N_STARTS) -> dict:
    """Where Algorithm 1 ends from each start, for each image, in one batch."""
    A, x, y = _problem()
    G, _ = _generator(generator)
    z0 = G.sample_latent(n_starts, torch.Generator().manual_seed(START_SEED))
    many, truths = y[:n_images].repeat_interleave(n_starts, 0), x[:n_images].repeat_interleave(n_starts, 0)
    found = reconstruct(A, many, Hard(G, LAM), solver="paper", start=z0.repeat(n_images, 1), **RULE)
    quality = psnr(found.x, truths).reshape(n_images, n_starts)
    return {
        "psnr": [[round(value, 2) for value in row] for row in quality.tolist()],
        "converged": round(float(found.converged.float().mean()), 3),
    }


@cache
def ends() -> dict[str, Tensor]:
    """Generator -> PSNR of the ends, (images, starts), as stored."""
    return {row["generator"]: torch.tensor(row["psnr"]) for row in load_result("starts")["rows"]}


def counted(values: Tensor) -> list[int]:
    """How many of the values lie in each of the ``BINS``.

    Example
    -------
    >>> counted(torch.tensor([1.0, 5.5, 6.0, 40.0]))[:3]
    [2, 1, 0]
    """
    inside = values.clamp(BINS[0], BINS[-1] - 1e-3)
    return torch.histc(inside, len(BINS) - 1, BINS[0], BINS[-1]).int().tolist()


def share_near(values: Tensor) -> Tensor:
    """For each image the share of starts that end at most ``NEAR`` dB below the best of them."""
    return (values >= values.amax(1, keepdim=True) - NEAR).float().mean(1)


def starts_figure(record: Mapping) -> Figure:
    """For each generator and image the PSNR of all ends, as dots.

    Parameters
    ----------
    record : dict
        Stored result of ``starts``.
    """
    alt = "For VAE, AE and GAN, PSNR of the ends of fifty starts against the digit, in groups."
    figure, axes = subplots(1, len(record["rows"]), size=(9.0, 2.8), alt=alt, squeeze=False, sharey=True)
    for ax, row in zip(axes[0], record["rows"], strict=True):
        for digit, values in enumerate(row["psnr"]):
            look = METHODS[row["generator"]]
            ax.plot([digit] * len(values), values, look["marker"], color=look["color"], alpha=0.25)
        ax.set(title=TITLES[row["generator"]], xlabel="digit", xticks=range(len(row["psnr"])))
    axes[0, 0].set_ylabel("PSNR at the end (dB)")
    return figure


def starts_story(record: Mapping) -> str:
    """How many starts end near the best, in numbers."""
    words = []
    for row in record["rows"]:
        near = share_near(torch.tensor(row["psnr"]))
        words.append(
            f"{TITLES[row['generator']]}: {100 * near.mean():.0f} per cent of the starts end within {NEAR} dB of "
            f"the best of {len(row['psnr'][0])}, between {100 * near.min():.0f} and {100 * near.max():.0f} by digit; "
            f"{100 * row['converged']:.0f} per cent met the stopping rule."
        )
    return " ".join(words)


EXPERIMENTS = {
    "starts": Experiment(
        name="starts",
        title="Ends of Algorithm 1 from fifty random starts",
        tasks=lambda: [{"generator": family} for family in FAMILIES.values()],
        run=starts_job,
        settings={
            "m": M, "sigma": SIGMA, "lam": LAM, "n_images": N_IMAGES, "n_starts": N_STARTS, "rule": RULE,
            "seeds": {"A": MATRIX_SEED, "noise": NOISE_SEED, "starts": START_SEED}, "psnr_data_range": 1,
        },
        figure=starts_figure,
        story=starts_story,
    ),
}  # fmt: skip
