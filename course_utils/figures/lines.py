"""Curves with labels and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from .._check import check_choice
from .style import COLOURS, LINES, METHODS, STYLE, subplots

__all__ = ["curves"]


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
    >>> import matplotlib.pyplot as plt
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
