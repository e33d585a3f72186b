"""Figures of the real data of chapter 07: the needle and the chest by every method, and a disc that was invented."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots
from ...metrics import psnr
from ...reproduce.pictures import unpack
from .figures import coloured

__all__ = ["hallucination_figure", "real_figure"]


def real_figure(record: Mapping, labels: Mapping[str, str], slice_: Tensor) -> Figure:
    """Two layers of the needle and one CT slice by every method; the last column shows what G has drawn.

    Parameters
    ----------
    record : dict
        Stored result of ``table-real``.
    labels : dict of method -> words
    slice_ : (1, 56, 56) tensor
        The CT slice.
    """
    tilt = {r["method"]: r for r in record["rows"] if r["data"] == "tilt"}
    ct = {r["method"]: r for r in record["rows"] if r["data"] == "ct"}
    size, example = record["settings"]["size"], record["settings"]["ct_example"]
    alt = (
        "Rows: two layers of a measured needle, and a CT slice. Columns: FBP with streaks, Tikhonov, TV, and "
        "a generator of circles and rectangles: hard, relaxed, sparse-TV. It draws the needle as a circle, and "
        "turns the chest into a blob; in the last column what it drew is blue, what was added orange, removed purple."
    )
    figure, axes = subplots(3, len(labels) + 2, size=(1.55 * (len(labels) + 2), 5.6), alt=alt)
    for row in range(2):
        axes[row, 0].set_axis_off()
        axes[row, 0].text(0.5, 0.5, f"needle,\nlayer {(110, 140)[row]},\nno truth", ha="center", va="center")
    show_image(axes[2, 0], slice_, "CT, truth")
    for column, (method, name) in enumerate(labels.items(), 1):
        for row in range(2):
            error = 100 * tilt[method]["example_misfits"][row]
            head = f"{name}\n" if row == 0 else ""
            image = unpack([tilt[method]["examples"][row]], size)
            show_image(axes[row, column], image, f"{head}{error:.1f} %", (0, 0.8))
        show_image(axes[2, column], unpack(ct[method]["examples"], size), f"{ct[method]['psnr'][example]:.1f} dB")
    for row in range(3):
        source = ct if row == 2 else tilt
        k = 0 if row == 2 else row
        image = unpack([source["sparse-tv"]["examples"][k]], size)
        u = unpack([source["sparse-tv"]["example_deviations"][k]], size, -1.0, 1.0)
        coloured(axes[row, -1], image - u, u, "G(z) blue, u\norange, purple" if row == 0 else "", white=0.8)
    return figure


def _outline(ax, g: Tensor) -> None:
    """Where G drew something: the line at half of its greatest value."""
    picture = np.asarray(g.detach()).reshape(g.shape[-2:])
    ax.contour(picture, levels=[0.5 * float(picture.max())], colors=COLOURS["orange"], linewidths=1.2, linestyles="-")


def hallucination_figure(truth: Tensor, by_tv: Tensor, found: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """For each choice of weights: patient, TV, sparse-TV, their difference and what G drew, whose outline is orange.

    Parameters
    ----------
    truth, by_tv : (1, 1, H, W) tensors
    found : dict of words -> (image by sparse-TV, what G drew in it)
    """

    def quality(x: Tensor) -> str:
        return f"{float(psnr(x, truth)):.1f} dB"

    alt = f"A CT slice by TV, {quality(by_tv)}, and by sparse-TV: " + "; ".join(
        f"{name}, {quality(x)}, with a disc that the patient has not" for name, (x, _) in found.items()
    )
    figure, axes = subplots(len(found), 5, size=(10.5, 2.3 * len(found)), alt=alt, squeeze=False)
    for row, (name, (x, g)) in zip(axes, found.items(), strict=True):
        show_image(row[0], truth, "patient, and where\nG drew something")
        _outline(row[0], g)
        show_image(row[1], by_tv, f"TV\n{quality(by_tv)}")
        show_image(row[2], x, f"sparse-TV, {name}\n{quality(x)}")
        show_image(row[3], x - by_tv, "sparse-TV minus TV,\n±0.5", (-0.5, 0.5), RESIDUAL_CMAP)
        show_image(row[4], g, "what G drew")
    return figure
