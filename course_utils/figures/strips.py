"""Strips of images, and clouds of points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from .images import show_image
from .style import COLOURS, CourseFigure, subplots

__all__ = ["image_strips", "scatter"]


GAP = 2  # pixels between the images of a strip


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
    >>> import matplotlib.pyplot as plt, torch
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


def scatter(ax: Axes, points: Tensor, title: str = "", label: str | None = None, color: str = "blue", size: float = 3):
    """Dots of the plane: (N, 2)."""
    x = points.detach().cpu().numpy()
    ax.plot(x[:, 0], x[:, 1], linestyle="", marker=".", markersize=size, color=COLOURS[color], alpha=0.5, label=label)
    ax.set_title(title)
    ax.set_aspect("equal")
