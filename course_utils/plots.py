"""Figures of the course: one colour-blind-safe style, images with residuals and PSNR, labelled curves.

Figures carry their alternative text: ``subplots(..., alt="...")`` makes one that hands it to the notebook.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from . import metrics
from ._check import check_choice

__all__ = [
    "COLOURS",
    "IMAGE_CMAP",
    "METHODS",
    "RESIDUAL_CMAP",
    "STYLE",
    "CourseFigure",
    "curves",
    "figure_pixels",
    "figure_png",
    "image_rows",
    "show_image",
    "subplots",
]

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
METHODS = {
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


def show_image(
    ax: Axes,
    image: Tensor | np.ndarray,
    title: str = "",
    limits: tuple[float, float] | None = (0.0, 1.0),
    cmap: str = IMAGE_CMAP,
    aspect: str = "equal",
):
    """Draw one image without ticks; returns the matplotlib image, for colour bars and updates.

    Parameters
    ----------
    ax : Axes
    image : (H, W), (1, H, W) or (1, 1, H, W) tensor or array
        NaN, for what was not measured, is shown light blue.
    title : str
    limits : (low, high) or None
        Grey values shown as black and as white; None takes the extremes of the image.
    cmap, aspect : str
    """
    pixels = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image, dtype=float)
    pixels = pixels.reshape(pixels.shape[-2:])
    low, high = limits if limits is not None else (np.nanmin(pixels), np.nanmax(pixels))
    colours = mpl.colormaps[cmap].with_extremes(bad="#B5D9EE")  # NaN: not measured
    shown = ax.imshow(pixels, cmap=colours, vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("0.6")
    return shown


def image_rows(
    columns: Mapping[str, Tensor],
    truth: Tensor | None = None,
    residuals: bool = True,
    limits: tuple[float, float] = (0.0, 1.0),
    size: float = 1.35,
    alt: str = "",
) -> CourseFigure:
    """Rows of images: each problem is one row of reconstructions with their residuals x - truth.

    The residuals stand in a row below, or each beside its image where the figure would else be taller than wide.

    Parameters
    ----------
    columns : dict of name -> (B, 1, H, W) tensor
        What to compare, on the scale [0, 1].
    truth : (B, 1, H, W) tensor, optional
        Shown as the first column; gives the PSNR (range 1) above each image and the residuals below.
    residuals : bool
        Leave the residuals out with False.
    limits : (low, high)
        Grey values shown as black and white.
    size : float
        Side of one image in inches.
    alt : str
        Default: a sentence that lists the columns and their PSNR.

    Returns
    -------
    CourseFigure

    Raises
    ------
    ValueError
        Nothing to show, or columns of different shapes.

    Example
    -------
    >>> x = torch.zeros(2, 1, 28, 28)
    >>> figure = image_rows({"noisy": x + 0.1}, truth=x)
    >>> figure.alt
    'Rows of images. Columns: truth; noisy, mean PSNR 20.0 dB. Beside each image its residual.'
    >>> plt.close(figure)
    """
    columns = dict(columns)
    if not columns:
        raise ValueError("'columns' must hold at least one batch of images, got none")
    reference = truth if truth is not None else next(iter(columns.values()))
    for name, images in columns.items():
        if images.ndim != 4 or images.shape != reference.shape:
            raise ValueError(f"'columns[{name!r}]' must have shape {tuple(reference.shape)}, got {tuple(images.shape)}")
    quality = {name: metrics.psnr(images, truth) for name, images in columns.items()} if truth is not None else {}
    residuals = residuals and truth is not None
    shown = {"truth": truth, **columns} if truth is not None else columns
    beside = residuals and 2 * len(reference) > len(shown)
    n_rows = len(reference) * (2 if residuals and not beside else 1)
    n_columns = len(shown) + (len(columns) if beside else 0)
    if not alt:
        parts = [f"{n}, mean PSNR {quality[n].mean():.1f} dB" if n in quality else n for n in shown]
        where = "Beside" if beside else "Below"
        alt = f"Rows of images. Columns: {'; '.join(parts)}." + f" {where} each image its residual." * residuals
    figure, axes = subplots(
        n_rows,
        n_columns,
        size=(size * n_columns + 0.5 * residuals, (size + 0.22) * n_rows),
        alt=alt,
        squeeze=False,
    )
    span = 0.0
    if residuals:
        span = max(float((images - truth).abs().max()) for images in columns.values()) or 1.0
    for b in range(len(reference)):
        row = b * n_rows // len(reference)
        for k, (name, images) in enumerate(shown.items()):
            title = name if b == 0 else ""
            if name in quality:
                title = f"{title}\n{quality[name][b]:.1f} dB".strip()
            column = max(0, 2 * k - 1) if beside else k
            show_image(axes[row, column], images[b], title, limits)
            if residuals and name in quality:
                place = axes[row, column + 1] if beside else axes[row + 1, k]
                words = "residual" if beside and b == 0 else ""
                difference = show_image(place, images[b] - truth[b], words, (-span, span), RESIDUAL_CMAP)
            elif residuals and not beside:
                axes[row + 1, k].set_axis_off()
                axes[row + 1, k].text(
                    0.95, 0.5, "residual", ha="right", va="center", transform=axes[row + 1, k].transAxes
                )
    if residuals:
        where = axes if beside else axes[1::2, :]
        figure.colorbar(difference, ax=where, fraction=0.03, pad=0.02, label="grey value")
    return figure


def curves(
    x: Sequence[float] | Tensor,
    lines: Mapping[str, Sequence[float] | Tensor],
    xlabel: str,
    ylabel: str,
    scale: str = "linear",
    spread: Mapping[str, Sequence[float] | Tensor] | None = None,
    title: str = "",
    alt: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Labelled curves over a common x axis, told apart by colour and by dashes.

    Parameters
    ----------
    x : (n,) sequence
    lines : dict of label -> (n,) sequence
        A label that is a method or generator of ``METHODS`` gets its fixed colour.
    xlabel, ylabel : str
        With units.
    scale : {"linear", "semilogx", "semilogy", "loglog"}
    spread : dict of label -> (n,) sequence, optional
        Half-width of a shaded band, for example one standard deviation.
    title, alt : str
    ax : Axes, optional
        Draw into these; default: a new figure.

    Returns
    -------
    Axes
        ``ax.figure`` is the figure.

    Raises
    ------
    ValueError
        Unknown scale.

    Example
    -------
    >>> ax = curves([1, 2, 3], {"tv": [20, 21, 22]}, "measurements m", "PSNR (dB)", alt="Rises with m.")
    >>> ax.get_xlabel(), ax.figure.alt
    ('measurements m', 'Rises with m.')
    >>> plt.close(ax.figure)
    """
    check_choice("scale", scale, ("linear", "semilogx", "semilogy", "loglog"))
    if ax is None:
        _, ax = subplots(size=(5.2, 3.2), alt=alt)
    with plt.rc_context(STYLE):
        _draw_curves(ax, _array(x), lines, spread)
        if len(lines) > 1:
            ax.legend()
    if scale in ("semilogx", "loglog"):
        ax.set_xscale("log")
    if scale in ("semilogy", "loglog"):
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return ax


def _draw_curves(ax: Axes, x: np.ndarray, lines: Mapping, spread: Mapping | None) -> None:
    for k, (label, values) in enumerate(lines.items()):
        style = METHODS.get(
            label.lower(),
            {"color": list(COLOURS.values())[k % len(COLOURS)], "linestyle": LINES[k % len(LINES)]},
        )
        values = _array(values)
        ax.plot(x, values, label=label, markevery=max(1, len(x) // 12), **style)
        if spread and label in spread:
            band = _array(spread[label])
            ax.fill_between(x, values - band, values + band, color=style["color"], alpha=0.15, linewidth=0)


def _array(values: Sequence[float] | Tensor) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=float)


def figure_pixels(figure: Figure, dpi: float | None = None) -> np.ndarray:
    """The picture as an (H, W, 3) array of bytes.

    Example
    -------
    >>> figure_pixels(Figure(figsize=(2, 1)), dpi=50).shape
    (50, 100, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if dpi is not None:
        figure.set_dpi(dpi)
    canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def figure_png(figure: Figure, dpi: float | None = None) -> bytes:
    """The picture as PNG bytes, encoded for speed (light compression); used by the explorers.

    Example
    -------
    >>> figure_png(Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(figure_pixels(figure, dpi)).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
