"""Figures of the course: one colour-blind-safe style, images with residuals and PSNR, labelled curves.

Figures carry their alternative text: ``subplots(..., alt="...")`` makes one that hands it to the notebook.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "IMAGE_CMAP", "METHODS", "RESIDUAL_CMAP", "STYLE", "CourseFigure", "subplots"]


#: Okabe and Ito, "Color Universal Design" (2008): told apart with every common kind of colour vision.
COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}

LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), "-")

#: A method and a generator keep their colour through the course; dashes and markers say it without colour.
METHODS: dict[str, dict[str, Any]] = {
    "tikhonov": {"color": COLOURS["black"], "linestyle": ":", "marker": "v"},
    "tv": {"color": COLOURS["orange"], "linestyle": "--", "marker": "s"},
    "hard": {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
    "relaxed": {"color": COLOURS["vermilion"], "linestyle": "-.", "marker": "D"},
    "sparse": {"color": COLOURS["green"], "linestyle": (0, (5, 1)), "marker": "^"},
    "ae": {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
    "vae": {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"},
    "wgan": {"color": COLOURS["green"], "linestyle": "-.", "marker": "^"},
}

IMAGE_CMAP, RESIDUAL_CMAP = "gray", "RdBu_r"

STYLE = {
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.prop_cycle": mpl.cycler(color=list(COLOURS.values())) + mpl.cycler(linestyle=LINES),
}


class CourseFigure(Figure):
    """A figure that knows its alternative text, ``alt``, and hands it to the notebook with the picture."""

    def __init__(self, *args, alt: str = "", **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.alt = alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi, bbox_inches="tight", pad_inches=0.06)
        return {"image/png": buffer.getvalue()}, {"image/png": {"alt": self.alt}}


def subplots(
    nrows: int = 1, ncols: int = 1, size: tuple[float, float] | None = None, alt: str = "", **kwargs
) -> tuple[CourseFigure, Axes | np.ndarray]:
    """A figure in the style of the course, laid out without overlaps.

    Parameters
    ----------
    nrows, ncols : int
    size : (width, height) in inches
        Default: 3.6 x 2.8 for each set of axes.
    alt : str
        What the figure shows, for those who cannot see it.
    **kwargs
        For ``matplotlib.pyplot.subplots``, for example ``sharey=True``.

    Returns
    -------
    figure, axes
        As from ``matplotlib.pyplot.subplots``; end the cell with ``plt.show()``.

    Example
    -------
    >>> figure, ax = subplots(alt="An empty set of axes.")
    >>> figure.alt
    'An empty set of axes.'
    >>> plt.close(figure)
    """
    with plt.rc_context(STYLE):
        return plt.subplots(
            nrows,
            ncols,
            figsize=size or (3.6 * ncols, 2.8 * nrows),
            layout="constrained",
            FigureClass=CourseFigure,
            alt=alt,
            **kwargs,
        )
