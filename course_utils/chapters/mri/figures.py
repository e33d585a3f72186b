"""Figures of chapter 08: k-space and its masks, coils, residuals, the covariance of a pixel, rounds of alternation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from ..._check import check_count, check_tensor
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots
from ...generators import LocalPrecision
from ...metrics import psnr
from ...operators import MaskedFourier
from ...operators.kspace import fourier, inverse_fourier, root_sum_of_squares
from ...solvers import Result

__all__ = [
    "coil_figure", "g_figure", "kspace_figure", "mark_pixel", "neighbour_correlation", "pixel_covariances",
    "residual_figure", "rounds_figure",
]  # fmt: skip

DECADES = 3.5  # of the logarithmic grey scale of a k-space


def log_picture(kspace: Tensor) -> Tensor:
    """|k-space| on a logarithmic scale, the zero frequency in the middle; NaN where it is 0, not measured."""
    size = torch.fft.fftshift(kspace.abs())
    level = 1 + torch.log10(size / size.max()) / DECADES
    return torch.where(size > 0, level.clamp(min=0), float("nan"))


def kspace_figure(x: Tensor, masks: Mapping[str, Tensor], alt: str = "") -> Figure:
    """For each mask: what is sampled, the middle of its point spread function, and the zero-filled image.

    Parameters
    ----------
    x : (1, 1, size, size) tensor
    masks : dict of title -> (size, size) bool tensor
    """
    figure, axes = subplots(3, len(masks), size=(2.1 * len(masks), 6.6), alt=alt, squeeze=False)
    size = x.shape[-1]
    for column, (name, mask) in enumerate(masks.items()):
        A = MaskedFourier(mask)
        spread = torch.fft.fftshift(inverse_fourier(mask.to(x)).abs())
        # each value as large as 3 x 3 pixels, or single points could not be seen
        spread = functional.max_pool2d(spread[None], 3, stride=1, padding=1)[0]
        show_image(axes[0, column], log_picture(fourier(x[0, 0]) * mask), f"{name}\n{A.fraction:.0%} of k-space")
        middle = slice(size // 8, size - size // 8)
        show_image(axes[1, column], (spread / spread.max()).sqrt()[middle, middle])
        filled = A.T(A(x))
        quality = float(psnr(filled, x))
        show_image(axes[2, column], filled, f"{quality:.1f} dB" if quality < 100 else "exact")
    for ax, words in zip(axes[:, 0], ("k-space (log)", "point spread (root)", "zero-filled"), strict=True):
        ax.set_ylabel(words)
    return figure


def coil_figure(maps: Tensor, x: Tensor, alt: str = "") -> Figure:
    """Magnitude of the sensitivities, what each coil sees, and the root sum of squares.

    Parameters
    ----------
    maps : (coils, size, size) complex tensor
    x : (1, 1, size, size) tensor
    """
    coils = len(maps)
    figure, axes = subplots(2, coils + 1, size=(1.7 * (coils + 1), 3.8), alt=alt)
    for c in range(coils):
        show_image(axes[0, c], maps[c].abs(), f"|sensitivity| {c + 1}")
        show_image(axes[1, c], (maps[c] * x).abs(), f"coil {c + 1}")
    axes[0, coils].set_axis_off()
    show_image(axes[1, coils], root_sum_of_squares(maps * x), "sum of squares")
    return figure


def g_figure(maps: Mapping[str, Tensor], alt: str = "") -> Figure:
    """The g-factor of several choices, each on a scale of its own from 1 to its 99th percentile.

    Parameters
    ----------
    maps : dict of title -> (H, W) tensor, as ``g_factor`` gives it
    """
    figure, axes = subplots(1, len(maps), size=(2.6 * len(maps), 2.6), alt=alt, squeeze=False)
    for ax, (name, g) in zip(axes[0], maps.items(), strict=True):
        top = float(g[g.isfinite()].quantile(0.99))
        shown = show_image(ax, g, f"{name}\nmedian {float(g.nanmedian()):.2f}", (1.0, top), "viridis")
        bar = figure.colorbar(shown, ax=ax, shrink=0.8)
        bar.set_label("g")
    return figure


def neighbour_correlation(residuals: Tensor, reach: int) -> Tensor:
    """Correlation of a residual with itself 0, 1, ..., ``reach`` pixels farther, along rows and columns.

    Parameters
    ----------
    residuals : (B, 1, H, W) tensor
        Taken as they are: around 0, not around their mean.
    reach : int, less than H and W

    Returns
    -------
    (reach + 1,) tensor
        1 at distance 0; 0 beyond it for white noise.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> stripes = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(8).repeat(32, 1)[None, None]
    >>> neighbour_correlation(stripes, 2)[2].round(decimals=2)  # -1 along rows, 1 along columns
    tensor(0.)
    """
    check_tensor("residuals", residuals, (None, 1, None, None))
    check_count("reach", reach, minimum=0)
    H, W = residuals.shape[2:]
    if reach >= min(H, W):
        raise ValueError(f"'reach' must be less than the side of the images, {min(H, W)}, got {reach}")
    found = []
    for k in range(reach + 1):
        pairs = ((residuals[..., k:], residuals[..., : W - k]), (residuals[..., k:, :], residuals[..., : H - k, :]))
        found.append(sum((a * b).mean() for a, b in pairs) / 2)
    return torch.stack(found) / found[0]


def residual_figure(x: Tensor, residuals: Tensor, example: int, alt: str = "") -> Figure:
    """A slice, where residuals are large, one of them, and how far a pixel's residual tells about others.

    Parameters
    ----------
    x : (N, 1, H, W) tensor
    residuals : (N, 1, H, W) tensor
        x - G(E(x)).
    example : int
        Which slice is shown.
    """
    figure, axes = subplots(1, 4, size=(9.6, 2.6), alt=alt)
    spread = residuals.std(0)
    show_image(axes[0], x[example], "a slice")
    shown = show_image(axes[1], spread, "spread of the residuals", (0, float(spread.quantile(0.995))))
    figure.colorbar(shown, ax=axes[1], fraction=0.05, pad=0.02)
    span = float(residuals[example].abs().max())
    show_image(axes[2], residuals[example], f"its residual, ±{span:.2f}", (-span, span), RESIDUAL_CMAP)
    correlation = neighbour_correlation(residuals, 8).numpy()
    axes[3].axhline(0, color="0.5", linestyle="-", linewidth=0.8)
    axes[3].plot(correlation, color=COLOURS["blue"], linestyle="-", marker="o", label="residual")
    axes[3].plot([1.0] + 8 * [0.0], color=COLOURS["vermilion"], linestyle="--", marker="s", label="white")
    axes[3].set(xlabel="distance (pixels)", ylabel="correlation")
    axes[3].legend()
    return figure


def mark_pixel(ax: Axes, row: int, column: int) -> None:
    """An orange ring around a pixel."""
    ax.plot(
        column, row, "o", markersize=7, markerfacecolor="none", markeredgecolor=COLOURS["orange"], markeredgewidth=2
    )


def pixel_covariances(
    x: Tensor, field: LocalPrecision, spots: Mapping[str, tuple[int, int]], reach: int = 14, alt: str = ""
) -> Figure:
    """Covariance of some pixels with their surroundings, relative to their own variance.

    Parameters
    ----------
    x : (1, 1, H, W) tensor
    field : LocalPrecision, one Gaussian
    spots : dict of title -> (row, column)
    reach : int
        Pixels shown to each side.
    """
    figure, axes = subplots(2, 1 + len(spots), size=(1.8 * (1 + len(spots)), 4.0), alt=alt)
    show_image(axes[0, 0], x)
    axes[1, 0].set_axis_off()
    for k, (name, (row, column)) in enumerate(spots.items(), 1):
        mark_pixel(axes[0, 0], row, column)
        axes[0, 0].annotate(str(k), (column + 4, row - 3), color=COLOURS["orange"])
        covariance = field.covariance_of(row, column)[0, 0]
        relative, std = covariance / covariance[row, column], float(covariance[row, column].sqrt())
        box = (column - reach - 0.5, column + reach + 0.5), (row + reach + 0.5, row - reach - 0.5)
        show_image(axes[0, k], x, f"{k}: {name}")
        shown = show_image(axes[1, k], relative, f"std {std:.3f}", (-1, 1), RESIDUAL_CMAP)
        for ax in axes[:, k]:
            ax.set(xlim=box[0], ylim=box[1])
        mark_pixel(axes[0, k], row, column)
    figure.colorbar(shown, ax=axes[1, 0], location="left", fraction=0.25, label="covariance / variance")
    return figure


def rounds_figure(results: Mapping[int, Result], truth: Tensor, alt: str = "") -> Figure:
    """The objective over the rounds of an alternation, and the image after some of them.

    Parameters
    ----------
    results : dict of rounds -> Result of one problem with the trace of the rounds since the one before
    truth : (1, 1, H, W) tensor
    """
    width = 1 + len(results)
    figure, axes = subplots(1, width + 1, size=(2.9 + 1.6 * width, 2.4), alt=alt, width_ratios=[1.7] + width * [1])
    first, *later = (results[k].trace["f"][:, 0, 0].numpy() for k in sorted(results))
    path = np.concatenate([first, *(part[1:] for part in later)])
    axes[0].plot(np.arange(len(path)), path, color=COLOURS["blue"], linestyle="-", marker="o")
    axes[0].set(xlabel="round", ylabel="objective")
    show_image(axes[1], truth, "truth")
    for ax, (k, result) in zip(axes[2:], sorted(results.items()), strict=True):
        show_image(ax, result.x, f"round {k}\n{float(psnr(result.x, truth)):.1f} dB")
    return figure
