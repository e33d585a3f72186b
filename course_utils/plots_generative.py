"""Figures of the chapters on generative models: strips of images, training curves, maps of the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from .plots import COLOURS, METHODS, CourseFigure, show_image, subplots

__all__ = ["image_strips", "plane_map", "scatter", "training_curves"]

GAP = 2  # pixels between the images of a strip
DENSITY_CMAP = "cividis_r"  # made for colour-blind readers: dark where the penalty is large


def image_strips(
    rows: Mapping[str, Tensor],
    notes: Mapping[str, str] | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    size: float = 0.72,
    alt: str = "",
) -> CourseFigure:
    """One labelled strip of images per row, all columns aligned: samples or reconstructions side by side.

    Parameters
    ----------
    rows : dict of label -> (n, 1, H, W) tensor
        Strips of the same n; values outside ``limits`` are shown as black or white.
    notes : dict of label -> str, optional
        Written to the right of a strip, for example an error.
    limits : (low, high)
        Grey values shown as black and white.
    size : float
        Side of one image in inches.
    alt : str
        Default: a sentence that lists the rows and their notes.

    Returns
    -------
    CourseFigure

    Raises
    ------
    ValueError
        Nothing to show, or strips of different shapes.

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> figure = image_strips({"black": torch.zeros(3, 1, 28, 28), "grey": torch.full((3, 1, 28, 28), 0.5)})
    >>> figure.alt
    'Strips of 3 images. Rows: black; grey.'
    >>> plt.close(figure)
    """
    rows, notes = dict(rows), dict(notes or {})
    if not rows:
        raise ValueError("'rows' must hold at least one strip of images, got none")
    shape = next(iter(rows.values())).shape
    for label, images in rows.items():
        if images.ndim != 4 or images.shape != shape:
            raise ValueError(f"'rows[{label!r}]' must have shape {tuple(shape)}, got {tuple(images.shape)}")
    if not alt:
        parts = [f"{label}, {notes[label]}" if label in notes else label for label in rows]
        alt = f"Strips of {shape[0]} images. Rows: {'; '.join(parts)}.".replace("\n", " ")
    figure, axes = subplots(
        len(rows), 1, size=(size * shape[0] + 2.4, (size + 0.06) * len(rows)), alt=alt, squeeze=False
    )
    for ax, (label, images) in zip(axes[:, 0], rows.items(), strict=True):
        show_image(ax, _tile(images, limits[1]), "", limits)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
        if label in notes:
            ax.text(1.01, 0.5, notes[label], transform=ax.transAxes, ha="left", va="center", fontsize=9)
    return figure


def _tile(images: Tensor, white: float) -> np.ndarray:
    """(n, 1, H, W) -> (H, n W + gaps): side by side, with white gaps."""
    n, _, h, w = images.shape
    canvas = np.full((h, n * w + (n - 1) * GAP), white)
    for i, image in enumerate(images.detach().cpu().numpy()):
        canvas[:, i * (w + GAP) : i * (w + GAP) + w] = image[0]
    return canvas


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


def scatter(ax: Axes, points: Tensor, title: str = "", label: str | None = None, color: str = "blue", size: float = 3):
    """Dots of the plane: (N, 2)."""
    x = points.detach().cpu().numpy()
    ax.plot(x[:, 0], x[:, 1], linestyle="", marker=".", markersize=size, color=COLOURS[color], alpha=0.5, label=label)
    ax.set_title(title)
    ax.set_aspect("equal")


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
