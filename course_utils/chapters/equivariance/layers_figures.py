"""Figures of equivariant layers: what lifting does with a turn, and errors over the angle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from ...equivariance import GroupConv
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots

__all__ = ["angles_figure", "lifting_figure"]


def lifting_figure(conv: GroupConv, x: Tensor, g: int, alt: str = "") -> Figure:
    """The turned copies of one filter, and the features that they find in an image and in the moved image.

    Parameters
    ----------
    conv : GroupConv
        Lifts one image to one field.
    x : (1, 1, N, N) tensor
    g : int
        The element that moves the image.
    alt : str
    """
    default = "Rows: the turned copies of a filter, the features of an image, the features of the moved image."
    n = conv.H.order
    figure, axes = subplots(3, 1 + n, size=(1.45 * (1 + n), 4.7), alt=alt or default)
    filters = conv.filters().detach()
    axes[0, 0].set_axis_off()
    axes[0, 0].text(0.5, 0.5, "filter $hk$", ha="center", va="center", transform=axes[0, 0].transAxes)
    most = float(filters.abs().max())
    for h in range(n):
        show_image(axes[0, 1 + h], filters[h], f"$h={h}$", (-most, most), RESIDUAL_CMAP)
    for row, (name, image) in enumerate({"image $x$": x, "turned, $gx$": conv.H.act(x, g)}.items(), start=1):
        show_image(axes[row, 0], image, name)
        fields = conv(image).detach()[0, 0]
        span = float(fields.abs().max())
        for h in range(n):
            show_image(axes[row, 1 + h], fields[h], "", (-span, span), RESIDUAL_CMAP)
    for h, source in enumerate(conv.H.row(conv.H.inverse(g))):
        axes[2, 1 + h].set_xlabel(f"feature {source} of $x$, turned", fontsize=8)
    for row, word in ((1, "features of $x$"), (2, "features of $gx$")):
        axes[row, 1].set_ylabel(word)
    return figure


def angles_figure(angles: Sequence[float], errors: Mapping[str, Sequence[float]], alt: str = "") -> Figure:
    """Equivariance errors against the angle, one curve each.

    Parameters
    ----------
    angles : numbers, in radians
    errors : dict of label -> as many numbers
    alt : str
    """
    default = "Relative equivariance errors against the angle of the turn, from 0 to 90 degrees."
    figure, ax = subplots(size=(6.4, 3.4), alt=alt or default)
    looks = zip(("vermilion", "blue", "green", "black"), ("-", "--", "-.", ":"), "osD^", strict=True)
    degrees = [math.degrees(a) for a in angles]
    for (label, values), (colour, dash, marker) in zip(errors.items(), looks, strict=False):
        ax.plot(degrees, values, color=COLOURS[colour], linestyle=dash, marker=marker, label=label)
    ax.set(xlabel="angle (degrees)", ylabel="relative equivariance error", yscale="log", xticks=range(0, 91, 15))
    ax.legend(fontsize=8, loc="lower center")
    return figure
