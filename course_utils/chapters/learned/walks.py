"""Diffusion posterior sampling among the rivals: the one method whose search meets weights with which it diverges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots
from ...reproduce.experiment import Experiment
from .experiments import APART, SETTINGS, SIZES, row_of
from .rivals import DRAWS, RIVALS
from .scans import HOME, PLACES, place

__all__ = ["EXPERIMENTS", "walks_figure", "walks_job", "walks_story"]


def walks_job(rival: str, n_val: int = SIZES["n_val"], n_test: int = SIZES["n_test"]) -> dict:
    """A rival of ``APART``, as the others: with the weights of home at every place."""
    places = {name: place(name, n_val, n_test) for name in PLACES}
    return row_of(RIVALS[rival], places[HOME], places, pictured=True)


def walks_figure(record: Mapping) -> Figure:
    """PSNR of each test image, by place."""
    alt = "PSNR of every test image by diffusion posterior sampling, a column of marks for each place, with the mean."
    figure, ax = subplots(size=(7.5, 3.0), alt=alt)
    (row,) = record["rows"]
    for k, name in enumerate(PLACES):
        values = row["places"][name]["psnr"]
        ax.plot([k] * len(values), values, ".", color=COLOURS["blue"], alpha=0.5)
        ax.plot(k, np.mean(values), "D", color=COLOURS["vermilion"])
    ax.set_xticks(range(len(PLACES)), [name.replace(" ", "\n", 1) for name in PLACES])
    ax.set_ylabel("PSNR (dB)")
    return figure


def walks_story(record: Mapping) -> str:
    """The weights that were chosen, and the mean PSNR at every place."""
    (row,) = record["rows"]
    weights = ", ".join(f"{name} = {value:g}" for name, value in row["weights"].items())
    levels = ", ".join(f"{name} {np.mean(row['places'][name]['psnr']):.1f}" for name in PLACES)
    return f"{row['label']} with {weights}: {levels} dB."


EXPERIMENTS = {
    "learned-walks": Experiment(
        name="learned-walks",
        title="Diffusion posterior sampling on tomography of shapes, at home and elsewhere",
        tasks=lambda: [{"rival": name} for name in APART],
        run=walks_job,
        settings=SETTINGS | SIZES | {"draws": DRAWS, "places": PLACES},
        figure=walks_figure,
        story=walks_story,
    )
}
