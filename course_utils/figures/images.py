"""Images and rows of images with their residuals."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from .. import metrics
from .style import IMAGE_CMAP, RESIDUAL_CMAP, CourseFigure, subplots

__all__ = ["image_rows", "show_image"]


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
    >>> import matplotlib.pyplot as plt, torch
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
                left = images[b] - truth[b]  # type: ignore[index]  # residuals are left out without a truth
                difference = show_image(place, left, words, (-span, span), RESIDUAL_CMAP)
            elif residuals and not beside:
                axes[row + 1, k].set_axis_off()
                axes[row + 1, k].text(
                    0.95, 0.5, "residual", ha="right", va="center", transform=axes[row + 1, k].transAxes
                )
    if residuals:
        where = axes if beside else axes[1::2, :]
        figure.colorbar(difference, ax=where, fraction=0.03, pad=0.02, label="grey value")
    return figure
