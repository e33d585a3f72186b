"""Figures of posterior samples: draws, their spread and the error; ranks of the truth among the draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...figures.images import show_image
from ...figures.style import COLOURS, subplots
from ...reproduce.pictures import unpack
from ...training.learned_recipes import SCAN

#: Sampler -> colour.
OF = {
    "exact walk": "black", "DPS": "blue", "DiffPIR": "green", "PnP-Flow": "vermilion", "PnP-Flow, averaged": "purple",
}  # fmt: skip

__all__ = ["calibration_figure", "on", "samples_figure"]


def on(record: Mapping, where: str) -> list[dict]:
    """The rows of the "shapes" or of the "gaussian" control."""
    return [row for row in record["rows"] if row["on"] == where]


def samples_figure(record: Mapping) -> Figure:
    """Three draws, mean, standard deviation and error of every sampler on one test image."""
    rows = on(record, "shapes")
    alt = (
        "A row of images for each sampler: truth, three draws, their mean, the standard deviation of each pixel and "
        "the error of the mean, the last two on the same scale."
    )
    heads = ["truth", "draw 1", "draw 2", "draw 3", "mean of 19", "standard deviation", "|mean − truth|"]
    figure, axes = subplots(len(rows), len(heads), size=(10.4, 1.62 * len(rows) + 0.35), alt=alt, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        images = unpack([row["truth"], *row["draws"], row["mean"], row["deviation"], row["off"]], SCAN.size)
        for k, (ax, image) in enumerate(zip(line, images, strict=True)):
            warm = k > 4
            show_image(ax, image / 5 if warm else image, "", (0, 0.2) if warm else (0, 1), "magma" if warm else "gray")
        line[0].set_ylabel(row["sampler"])
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=9)
    return figure


def calibration_figure(record: Mapping) -> Figure:
    """Ranks of the truth among 19 draws: on the control, and near edges of the shapes."""
    control = [row for row in on(record, "gaussian") if ", best" not in row["sampler"]]
    shapes = on(record, "shapes")
    alt = (
        "Two panels: the rank of the truth among 19 draws, as a share of the pixels against the rank. Left, the "
        "Gaussian control: the exact walk is level, the samplers are not. Right, near the edges of the shapes."
    )
    figure, axes = subplots(1, 2, size=(10.4, 3.9), alt=alt, sharey=True)
    for ax, rows, title in ((axes[0], control, "Gaussian control"), (axes[1], shapes, "shapes, near edges")):
        for row in rows:
            counts = np.array(row["ranks"])
            ax.plot(
                np.arange(len(counts)), counts / counts.sum(), marker="o", ms=3, lw=1.2, ls="-",
                color=COLOURS[OF[row["sampler"]]], label=row["sampler"],
            )  # fmt: skip
        level = 1 / len(counts)
        ax.axhline(level, color=COLOURS["black"], ls=":", lw=1)
        ax.set(title=title, xlabel="draws below the truth, of 19", yscale="log")
        ax.set_xticks([0, 5, 10, 15, 19])
        ax.legend(fontsize=8, ncols=2, loc="upper center")
    axes[0].set_ylabel("share of the pixels")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high * 4)  # room for the legends
    _percent(axes[0], (0.01, 0.02, 0.05, 0.1, 0.2, 0.5))
    return figure


def _percent(ax, ticks: Sequence[float]) -> None:
    """A logarithmic axis in per cent."""
    low, high = ax.get_ylim()
    shown = [tick for tick in ticks if low <= tick <= high]
    ax.set_yticks(shown, [f"{100 * tick:g} %" for tick in shown])
    ax.yaxis.minorticks_off()
