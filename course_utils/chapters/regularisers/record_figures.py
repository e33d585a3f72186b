"""Figures of the stored experiments: error against m, the sweep of Fig. 7, the starts of Fig. 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from ...figures.images import show_image
from ...figures.labels import TITLES
from ...figures.style import COLOURS, METHODS, STYLE, subplots

__all__ = ["measurement_curves", "starts_figure", "sweep_with_images"]


LASSO = {"color": COLOURS["purple"], "linestyle": ":", "marker": "x"}

LASSO_BOX = {"color": COLOURS["sky"], "linestyle": (0, (1, 1)), "marker": "+"}

STYLES = {
    "VAE hard": METHODS["hard"],
    "VAE relaxed": METHODS["relaxed"],
    "VAE sparse": METHODS["sparse"],
    "AE hard": {"color": COLOURS["blue"], "linestyle": ":", "marker": "*"},
    "GAN hard": {"color": "0.45", "linestyle": "-.", "marker": "v"},
    "TV": METHODS["tv"],
    "Lasso": LASSO,
    "Lasso in [0, 1]": LASSO_BOX,
}


def measurement_curves(
    lines: Mapping[str, Mapping[str, Mapping[int, float]]], second_hand: Mapping[str, Sequence[float]], alt: str = ""
) -> Figure:
    """Mean squared error a pixel against the number of measurements m, one panel a noise.

    Parameters
    ----------
    lines : dict of "bora", "paper" -> dict of label -> {m: mean squared error}
    second_hand : dict with "m" and one list a method
        Others' numbers, drawn as open grey symbols in the first panel.
    alt : str

    Example
    -------
    >>> from matplotlib.pyplot import close
    >>> one = {"VAE hard": {10: 0.06, 100: 0.01}, "TV": {10: 0.1, 100: 0.02}}
    >>> figure = measurement_curves({"bora": one, "paper": one}, {"m": [10, 100], "VAE": [0.06, 0.01]})
    >>> figure.axes[0].get_xlabel()
    'measurements m'
    >>> close(figure)
    """
    default = "Mean squared error against the number of measurements for generative methods, TV and the Lasso."
    figure, axes = subplots(1, 2, size=(9.4, 4.0), alt=alt or default, sharey=True)
    titles = {"bora": "little noise (Bora et al.)", "paper": r"$\sigma = 0.05$ (Duff et al.)"}
    for ax, noise in zip(axes, ("bora", "paper"), strict=True):
        for label, values in lines[noise].items():
            counts = sorted(values)
            ax.plot(counts, [values[m] for m in counts], label=label, **STYLES[label])
        ax.set(xscale="log", yscale="log", xlabel="measurements m", title=titles[noise])
        ax.set_xticks([10, 25, 50, 100, 200, 400, 750], [10, 25, 50, 100, 200, 400, 750])
        ax.minorticks_off()
    markers = iter("os^")
    for name, values in second_hand.items():
        if name != "m":
            shown = [(m, v) for m, v in zip(second_hand["m"], values, strict=True) if v > 0]
            axes[0].plot(
                *zip(*shown, strict=True), linestyle="none", marker=next(markers), markersize=7, color="0.5",
                markerfacecolor="none", label=f"second-hand: {name}",
            )  # fmt: skip
    axes[0].set(ylabel="mean squared error a pixel", ylim=(1e-6, 0.3))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=5)
    return figure


def _unpacked(texts: Sequence[str]) -> Tensor:
    from ...reproduce.pictures import unpack

    return unpack(list(texts), 28)


def sweep_with_images(
    rows: Sequence[Mapping],
    morozov: float,
    truth: Sequence[str],
    marked: Sequence[float],
    spread: float = 0.0,
    alt: str = "",
) -> Figure:
    """Fig. 7 from stored rows: residual and PSNR against lambda, and the images at the marked values.

    Parameters
    ----------
    rows : stored rows of the experiment "fig7": Tikhonov, and the methods of one generator
    morozov : float
    truth : one packed image
    marked : values of lambda
    spread : float
        Standard deviation of the norm of the noise; a band shows two of them.
    alt : str
    """
    default = (
        "Residual and PSNR against lambda for Tikhonov, hard, relaxed and sparse; images at three values of lambda."
    )
    figure, _ = subplots(size=(9.2, 7.2), alt=alt or default)
    figure.clear()
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.15])
    with plt.rc_context(STYLE):
        axes = top.subplots(1, 2)
        grid = bottom.subplots(len(marked), len(rows) + 1)
    for r in rows:
        style = METHODS[r["method"]]
        name = "Tikhonov" if r["method"] == "tikhonov" else r["method"]
        middle = len(r["residual"][0]) // 2
        for ax, values in zip(axes, (r["residual"], r["psnr"]), strict=True):
            columns = np.asarray(values)
            ax.plot(r["lam"], columns[:, middle], label=name, markevery=2, **style)
            for k in range(columns.shape[1]):
                if k != middle:
                    ax.plot(
                        r["lam"], columns[:, k], linestyle="none", marker=style["marker"], color=style["color"],
                        markersize=3 if k < middle else 6, markerfacecolor="none",
                    )  # fmt: skip
    for ax in axes:
        for value in marked:
            ax.axvline(value, color="0.75", linewidth=1.0, zorder=0)
        ax.set(xscale="log", xlabel=r"weight $\lambda$")
    axes[0].axhline(morozov, color="black", linewidth=1.2, label=r"Morozov $\sigma\sqrt{m}$")
    axes[0].axhspan(morozov - 2 * spread, morozov + 2 * spread, color="0.85", zorder=0)
    axes[0].set(yscale="log", ylabel=r"residual norm $\|Ax-y\|_2$")
    axes[0].set_yticks([1.5, 2, 3, 4, 6, 8, 10], ["1.5", "2", "3", "4", "6", "8", "10"])
    axes[0].minorticks_off()
    axes[1].set(ylabel="PSNR (dB)")
    axes[0].legend(fontsize=8.5)
    for k, r in enumerate(rows):
        images = _unpacked(r["images"])
        for i, lam in enumerate(marked):
            name = ("Tikhonov" if r["method"] == "tikhonov" else r["method"]) if i == 0 else ""
            show_image(grid[i, k + 1], images[i], f"{name}\n{r['images_psnr'][i]:.1f} dB".strip())
            if k == 0:
                show_image(grid[i, 0], _unpacked(truth)[0], "truth" if i == 0 else "")
                grid[i, 0].set_ylabel(rf"$\lambda={lam:g}$")
    return figure


def starts_figure(rows: Sequence[Mapping], alt: str = "") -> Figure:
    """Fig. 8 from stored rows: one digit from three starts (left), and the PSNR of all test images (right).

    Parameters
    ----------
    rows : stored rows of the experiment "fig8"
    alt : str
    """
    default = (
        "Left: one digit deblurred by hard with three generators from three starts. "
        "Right: PSNR of one start, of the best of three by objective, and of the dictionary start, over 100 digits."
    )
    figure, _ = subplots(size=(9.2, 1.75 * len(rows) + 0.3), alt=alt or default)
    figure.clear()
    left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1.0])
    starts = len(rows[0]["images"])
    at = rows[0].get("shown_row", 12)
    with plt.rc_context(STYLE):
        grid = left.subplots(len(rows), starts + 1, squeeze=False)
        ax = right.subplots()
    for b, r in enumerate(rows):
        show_image(grid[b, 0], _unpacked(r["truth"])[0], "truth" if b == 0 else "")
        grid[b, 0].set_ylabel(TITLES[r["generator"]], fontsize=11)
        for k, image in enumerate(_unpacked(r["images"])):
            db, f = r["psnr"][min(at, len(r["psnr"]) - 1)][k], r["objective"][min(at, len(r["psnr"]) - 1)][k]
            head = f"start {k + 1}\n" if b == 0 else ""
            show_image(grid[b, k + 1], image, f"{head}{db:.1f} dB, f = {f:.2f}")
            grid[b, k + 1].title.set_fontsize(8.5)
    jitter = torch.Generator().manual_seed(0)
    names = {"one start": METHODS["hard"], "least f of three": METHODS["relaxed"], "dictionary": METHODS["sparse"]}
    for b, r in enumerate(rows):
        db, f = torch.tensor(r["psnr"]), torch.tensor(r["objective"])
        parts = (db[:, 0], db.gather(1, f.argmin(1, keepdim=True))[:, 0], torch.tensor(r["psnr_dictionary"]))
        for k, (values, style) in enumerate(zip(parts, names.values(), strict=True)):
            height = -b - 0.25 * (k - 1)
            noise = 0.14 * (torch.rand(len(values), generator=jitter) - 0.5)
            dots = {"linestyle": "none", "marker": style["marker"], "markersize": 2, "alpha": 0.4}
            ax.plot(values, height + noise, color=style["color"], **dots)
            ax.plot(values.mean(), height, marker="|", markersize=14, markeredgewidth=2.5, color=style["color"])
    ax.set(yticks=[-b for b in range(len(rows))], xlabel="PSNR (dB); a tick marks the mean")
    ax.set_yticklabels([TITLES[r["generator"]] for r in rows])
    ax.grid(axis="y", visible=False)
    handles = [Line2D([], [], linestyle="none", marker=s["marker"], color=s["color"]) for s in names.values()]
    right.legend(handles, list(names), loc="outside upper center", ncol=3, columnspacing=1.0, handletextpad=0.2)
    return figure
