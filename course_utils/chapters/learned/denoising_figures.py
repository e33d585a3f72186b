"""Figures of plug-and-play: where it settles, how it gets there, and where one should have stopped."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...figures.style import COLOURS, subplots

__all__ = ["HUES", "denoising_figure", "stopping_figure", "ways_figure"]

#: How a run ends -> colour.
HUES = {
    "settles": COLOURS["blue"], "falls": COLOURS["sky"], "moves": COLOURS["orange"], "leaves": COLOURS["vermilion"],
}  # fmt: skip
MEANING = {
    "settles": "settled after 200 iterations", "falls": "steps still falling", "moves": "steps do not fall",
    "leaves": "left, given up",
}  # fmt: skip
#: Strength -> colour, from light to dark.
SHADES = ("#9ecae1", "#3182bd", "#08306b")
WEIGHT = {"forward-backward": "step", "half-quadratic": "step", "ADMM": "step", "RED": "λ"}


def _table(record: Mapping) -> dict[tuple[str, str, float], list[dict]]:
    """(denoiser, scheme, strength) -> its runs, one for each weight."""
    return {(row["denoiser"], row["scheme"], row["sigma"]): row["runs"] for row in record["rows"]}


def _names(record: Mapping) -> tuple[list[str], list[str], list[float]]:
    """Denoisers, schemes and strengths, in the order of the record."""
    keys = _table(record)
    return tuple(list(dict.fromkeys(key[k] for key in keys)) for k in range(3))


def denoising_figure(record: Mapping) -> Figure:
    """How the runs end, for every denoiser, scheme, strength and weight, and the mean PSNR of the last images."""
    table, (denoisers, schemes, strengths) = _table(record), _names(record)
    alt = (
        "Twelve small tables, a row of them for each denoiser and a column for each scheme; in each, strengths from "
        "top to bottom and steps from left to right. Colours say how runs end, numbers the PSNR of the last image."
    )
    figure, axes = subplots(len(denoisers), len(schemes), size=(10.4, 7.2), alt=alt, sharey=True, squeeze=False)
    for i, denoiser in enumerate(denoisers):
        for j, scheme in enumerate(schemes):
            ax = axes[i, j]
            weights = [run["weight"] for run in table[denoiser, scheme, strengths[0]]]
            colours = np.ones((len(strengths), len(weights), 3))
            for r, sigma in enumerate(strengths):
                for c, run in enumerate(table[denoiser, scheme, sigma]):
                    # a cell is mixed from the colours of its images
                    colours[r, c] = np.mean([to_rgb(HUES[end]) for end in run["ends"]], 0)
                    last = [value for value in run["last"] if value is not None]
                    words = f"{np.mean(last):.1f}" if last else "–"
                    ax.text(c, r, words, ha="center", va="center", fontsize=8.5, color=_readable(colours[r, c]))
            ax.imshow(colours, aspect="auto")
            ax.set_xticks(range(len(weights)), [f"{w:g}" for w in weights], fontsize=8.5)
            ax.set_yticks(range(len(strengths)), [f"{s:g}" for s in strengths], fontsize=8.5)
            ax.tick_params(length=0)
            ax.grid(False)
            for edge in ax.spines.values():
                edge.set_visible(False)
            if i == 0:
                ax.set_title(scheme)
            if i == len(denoisers) - 1:
                ax.set_xlabel(WEIGHT[scheme])
            if j == 0:
                ax.set_ylabel(f"{denoiser}\nstrength σ")
    handles = [Patch(color=HUES[end], label=MEANING[end]) for end in HUES]
    figure.legend(handles=handles, loc="lower center", ncols=4)
    figure.get_layout_engine().set(rect=(0, 0.05, 1, 0.95))
    return figure


def _readable(colour: np.ndarray) -> str:
    """White on dark, black on light."""
    return "white" if colour @ (0.299, 0.587, 0.114) < 0.5 else "black"


def ways_figure(record: Mapping, scheme: str = "forward-backward", which: int = 1) -> Figure:
    """Steps and PSNR along the runs of a scheme, with one of its weights: a column for each denoiser."""
    table, (denoisers, _, strengths) = _table(record), _names(record)
    alt = (
        f"Relative length of a step, above, and PSNR, below, against the iteration, {scheme}: a column for each "
        "denoiser, a curve for each strength."
    )
    figure, axes = subplots(2, len(denoisers), size=(10.4, 5.6), alt=alt, sharex=True, sharey="row", squeeze=False)
    k = record["settings"]["stored"]
    for j, denoiser in enumerate(denoisers):
        for sigma, shade in zip(strengths, SHADES, strict=True):
            run = table[denoiser, scheme, sigma][which]
            for i, key in enumerate(("step", "psnr")):
                values = [np.nan if v is None else v for v in run[key]]
                axes[i, j].plot(k, values, "-", color=shade, label=f"{sigma:g}" if j == 0 and i == 0 else None)
        axes[0, j].set(title=denoiser, xscale="log", yscale="log")
        axes[0, j].axhline(record["settings"]["settled"], color=COLOURS["black"], ls=":", lw=1)
        axes[1, j].set(xlabel="iteration k")
    axes[0, 0].set_ylabel(r"$\|x_{k+1}-x_k\|\,/\,\|x_k\|$")
    axes[1, 0].set_ylabel("PSNR (dB)")
    axes[0, 0].legend(title="strength σ", fontsize=8, loc="lower left")
    return figure


def stopping_figure(record: Mapping) -> Figure:
    """What the last image, and the one at which the misfit falls below the noise, lose against the best on the way."""
    table, (denoisers, schemes, _) = _table(record), _names(record)
    alt = (
        "A panel for each denoiser and a row for each scheme: the PSNR that is lost against the best image on the way, "
        "by the last image and by the one at which the misfit first falls below the level of the noise; a dot for each "
        "run, and the share of the runs in which the rule fires."
    )
    figure, axes = subplots(1, len(denoisers), size=(10.4, 4.2), alt=alt, sharey=True, squeeze=False)
    for ax, denoiser in zip(axes[0], denoisers, strict=True):
        for row, scheme in enumerate(schemes):
            runs = [run for key, found in table.items() if key[:2] == (denoiser, scheme) for run in found]
            lost, stopped, fired, n = [], [], 0, 0
            for run in runs:
                for best, last, rule in zip(run["best"], run["last"], run["fires"], strict=True):
                    n += 1
                    if last is not None:
                        lost.append(best - last)
                    if rule is not None:
                        fired += 1
                        stopped.append(best - rule)
            for values, dy, hue in ((lost, -0.17, "blue"), (stopped, 0.17, "vermilion")):
                height = row + dy + 0.1 * np.linspace(-1, 1, max(len(values), 1))[: len(values)]
                ax.plot(np.maximum(values, 0.01), height, ".", ms=3.5, color=COLOURS[hue], alpha=0.6)
            ax.text(
                1.0, (row + 0.17 + 0.5) / len(schemes), f"{100 * fired / n:.0f} % ",
                transform=ax.transAxes, ha="right", va="center", fontsize=8.5, color=COLOURS["vermilion"],
            )  # fmt: skip
        ax.set(title=denoiser, xlabel="PSNR lost against the best (dB)", xscale="log", xlim=(0.008, 60))
        ax.set_ylim(-0.5, len(schemes) - 0.5)
        ax.set_yticks(range(len(schemes)), schemes)
        ax.set_xticks([0.01, 0.1, 1, 10], ["≤ 0.01", "0.1", "1", "10"])
        ax.grid(axis="y", visible=False)
    handles = [
        axes[0, 0].plot([], [], ".", ms=8, color=COLOURS[hue], label=words)[0]
        for hue, words in (("blue", "last image"), ("vermilion", "first with a misfit below δ (share: it fires)"))
    ]
    figure.legend(handles=handles, loc="lower center", ncols=2)
    figure.get_layout_engine().set(rect=(0, 0.07, 1, 0.93))
    return figure
