"""Figures of the chapters on generative models: strips of images, training curves, maps of the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ...figures.style import METHODS, CourseFigure, subplots

__all__ = ["plane_map", "training_curves"]


DENSITY_CMAP = "cividis_r"  # made for colour-blind readers: dark where the penalty is large


def training_curves(cards: Mapping[str, dict], alt: str = "") -> CourseFigure:
    """Validation score against the training step, one panel a generator, from ``zoo.card(name)``.

    Parameters
    ----------
    cards : dict of family -> card
        The keys "ae", "vae", "wgan" say what the score is: eq. (4), eq. (6), or the earth mover's distance.
    alt : str
        Default: a sentence with the first and the best score of each.

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> history = [{"step": 500, "score": 20.0}, {"step": 1000, "score": 12.0}]
    >>> report = {"history": history, "best_step": 1000, "best_score": 12.0}
    >>> figure = training_curves({"ae": {"report": report}})
    >>> figure.alt
    'Validation score against training step. ae: falls from 20.0 to 12.0, best at step 1,000.'
    >>> plt.close(figure)
    """
    units = {
        "ae": "eq. (4), squared error per image",
        "vae": "eq. (6), nats per image",
        "wgan": "EMD to samples, per image",
    }
    reports = {family: card["report"] for family, card in cards.items()}
    if not alt:
        parts = [
            f"{family}: falls from {r['history'][0]['score']:.1f} to {r['best_score']:.1f}, "
            f"best at step {r['best_step']:,}."
            for family, r in reports.items()
        ]
        alt = f"Validation score against training step. {' '.join(parts)}"
    figure, axes = subplots(1, len(reports), size=(3.3 * len(reports), 2.6), alt=alt, squeeze=False)
    for ax, (family, report) in zip(axes[0], reports.items(), strict=True):
        steps = np.array([record["step"] for record in report["history"]]) / 1000
        scores = [record["score"] for record in report["history"]]
        style = METHODS[family]
        ax.plot(steps, scores, color=style["color"], linestyle=style["linestyle"])
        ax.plot(report["best_step"] / 1000, report["best_score"], "o", color=style["color"], label="kept")
        ax.set(xlabel="thousand steps", ylabel=units[family], title=family.upper())
        ax.legend()
    return figure


@torch.no_grad()
def plane_map(
    ax: Axes,
    function: Callable[[Tensor], Tensor],
    limits: Sequence[float] = (-2.6, 2.6),
    levels: Sequence[float] = tuple(range(0, 13)),
    title: str = "",
    n: int = 160,
):
    """Filled contours of a function of the plane, for example -log p; returns them for a colour bar.

    Parameters
    ----------
    ax : Axes
    function : callable
        (N, 2) tensor -> (N,) tensor.
    limits : (low, high)
        Of both axes.
    levels : sequence of float
        Contour levels; values beyond the last one share its colour.
    title : str
    n : int
        Grid points on each axis.
    """
    line = torch.linspace(*limits, n)
    x, y = torch.meshgrid(line, line, indexing="xy")
    values = function(torch.stack([x.flatten(), y.flatten()], dim=1)).reshape(n, n)
    drawn = ax.contourf(line.numpy(), line.numpy(), values.numpy(), levels=levels, cmap=DENSITY_CMAP, extend="both")
    ax.set(title=title, xlim=limits, ylim=limits)
    ax.set_aspect("equal")
    ax.grid(False)
    return drawn
