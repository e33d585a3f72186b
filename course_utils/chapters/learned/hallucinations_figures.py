"""Figures of spots that are invented and hidden, and of networks and TV under both kinds of error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.images import show_image
from ...figures.style import COLOURS, subplots
from ...figures.tables import markdown_table
from ...reproduce.pictures import unpack
from .scans import HOME

__all__ = [
    "digit_rows", "digits_robust_figure", "digits_robust_story", "erased_table", "hallucinations_figure",
    "hallucinations_story", "spot_pictures",
]  # fmt: skip

SIDE = 56
DIGIT_LOOKS = {
    "tv": ("orange", "--", "s"), "tv again": ("vermilion", "--", "D"), "tv-bounded": ("purple", ":", "v"),
    "hard": ("black", ":", "o"), "automap": ("blue", ":", "o"), "post-processing": ("blue", "-", "s"),
    "proximal": ("green", "-", "^"), "primal-dual": ("sky", "-", "D"), "lista": ("purple", "-.", "o"),
}  # fmt: skip


def hallucinations_figure(record: Mapping) -> Figure:
    """Contrast of the bright spot for each method: with fresh noise, and with an error that was looked for."""
    rows, sizes = record["rows"][::-1], [f"{size:g}" for size in record["settings"]["sizes"]]
    alt = (
        "Four panels, a row a method: contrast of the bright spot in units of the true one. Left: images without a "
        "spot, right: with one, for errors as large as the change that the spot makes in the data, and three times "
        "that. A grey bar for fresh noise, a blue mark for data that change as a spot would change them, a vermilion "
        "one for the worst error found."
    )
    figure, axes = subplots(1, 4, size=(13.0, 4.0), alt=alt, sharey=True)
    panels = [(key, size) for key in ("invented", "left") for size in sizes]
    for ax, (key, size) in zip(axes, panels, strict=True):
        for k, row in enumerate(rows):
            chance = np.array(row["by_chance"][key])
            found, plain = row["at"][size][key], row["at"][size]["as_a_spot" if key == "invented" else "as_none"]
            first = k == 0
            ax.plot(
                [chance.min(), chance.max()], [k, k], color="0.7", linewidth=6, linestyle="-", label="noise" * first
            )
            ax.plot(
                np.mean(plain), k, "o", color=COLOURS["blue"], markerfacecolor="white",
                label="as a spot, or its absence, would change the data" * first,
            )  # fmt: skip
            ax.plot(np.mean(found), k, "o", color=COLOURS["vermilion"], label="error found" * first)
        ax.axvline(1 if key == "left" else 0, color="0.3", linewidth=0.9, linestyle=":")
        what = "without a spot" if key == "invented" else "with a spot"
        times = "" if size == "1" else f"{size} × "
        ax.set(title=f"{what}, error {times}‖A s‖", xlabel="contrast of the spot")
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows], fontsize=9)
        ax.grid(axis="y", visible=False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def spot_pictures(
    record: Mapping, names: Sequence[str], plain: Tensor, spotted: Tensor, spot: Tensor
) -> Figure:  # fmt: skip
    """Reconstructions of one image without and with its spot, from noisy data and with the larger error that was found.

    Parameters
    ----------
    record : dict
    names : rivals
    plain, spotted : (1, 1, 56, 56) tensors
        The true images.
    spot : (1, 1, 56, 56) bool tensor
    """
    rows = {row["rival"]: row for row in record["rows"]}
    size = f"{record['settings']['sizes'][-1]:g}"
    alt = (
        "Rows: the true image, then methods. Columns: an image without a bright spot from noisy data, the same with "
        "the error that invents one; an image with the spot from noisy data, and with the error that hides it. A "
        "circle marks the place, numbers give the contrast."
    )
    down, right = (float(v.double().mean()) for v in spot[0, 0].nonzero(as_tuple=True))
    figure, axes = subplots(4, 1 + len(names), size=(1.75 * (1 + len(names)), 7.6), alt=alt)
    heads = ["no spot", "no spot,\nerror found", "a spot", "a spot,\nerror found"]
    for k, words in enumerate(heads):
        show_image(axes[k, 0], (plain, spotted)[k // 2], "truth" if k == 0 else "")
        axes[k, 0].set_ylabel(words)
        for column, name in enumerate(names, 1):
            row, here = rows[name], rows[name]["at"][size]
            value = here[("invented_before", "invented", "left_before", "left")[k]][0]
            title = f"{row['label']}\n{value:.2f}" if k == 0 else f"{value:.2f}"
            show_image(axes[k, column], unpack(row["example"], SIDE)[k], title)
            axes[k, column].title.set_fontsize(9)
        for ax in axes[k]:
            ax.plot(right, down, "o", markersize=13, markerfacecolor="none", color=COLOURS["orange"], markeredgewidth=1)
    return figure


def erased_table(record: Mapping) -> Markdown:
    """How much of the spot, and of what was found in its place, each method shows."""
    lines = []
    for row in record["rows"]:
        erased = row["erased"]
        lines.append([row["label"]] + [f"{100 * np.mean(erased[key]):.0f} %" for key in ("spot", "random", "ratio")])
    head = [
        "change of the image, and the part of it that is shown",
        "the spot",
        "spot and random texture, least",
        "found",
    ]
    return markdown_table(head, lines)


def hallucinations_story(record: Mapping) -> str:
    """The contrasts, method by method."""
    words = []
    for row in record["rows"]:
        for size, here in row["at"].items():
            words.append(
                f"{row['label']}, error {size} x the spot's: invented {np.mean(here['invented']):.2f} "
                f"(noise {np.max(row['by_chance']['invented']):.2f} at most, a true change "
                f"{np.mean(here['as_a_spot']):.2f}); left {np.mean(here['left']):.2f} (noise alone "
                f"{np.mean(row['by_chance']['left']):.2f})."
            )
    return " ".join(words)


def digit_rows(record: Mapping, place: str = HOME) -> dict[str, Mapping]:
    """The rows at one place; "tv again" has weights for each level."""
    return {
        row["rival"] + " again" * bool(row.get("again")): row
        for row in record["rows"]
        if row.get("place", HOME) == place
    }


def digits_robust_figure(record: Mapping, places: Sequence[str] = (HOME, "300 measurements")) -> Figure:
    """Relative error over the relative size of the error in the data, drawn and found, for each number of data."""
    alt = (
        "Four panels: relative error of the reconstruction over the relative size of the error in the data; left for "
        "random errors, right for the worst that were found; above 150 measurements, below 300. In every panel the "
        "lines of TV and those of the networks can be compared."
    )
    figure, axes = subplots(len(places), 2, size=(10.5, 3.5 * len(places)), alt=alt, sharex=True, sharey=True)
    for line, place in zip(axes, places, strict=True):
        for ax, key in zip(line, ("drawn", "worst"), strict=True):
            for name, row in digit_rows(record, place).items():
                noise = 100 * np.mean(row["noise"])
                x = [noise * float(level) for level in row["at"]]
                y = [np.mean(cell[key]) for cell in row["at"].values()]
                if not name.endswith("again"):  # without noise there is no weight to tune for it
                    x, y = [0.0, *x], [np.mean(row["without"]), *y]
                colour, style, marker = DIGIT_LOOKS[name]
                label = row["label"] + ", λ for each level" * name.endswith("again")
                ax.plot(x, y, color=COLOURS[colour], linestyle=style, marker=marker, label=label)
            kind = "random errors, mean" if key == "drawn" else "worst errors found"
            count = "150 measurements" if place == HOME else place
            ax.set_title(f"{count}: {kind}")
        line[0].set_ylabel("relative error of the image")
    axes[0, 0].set_ylim(0, None)
    for ax in axes[-1]:
        ax.set_xlabel("size of the error / norm of the data (%)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5)
    return figure


def digits_robust_story(record: Mapping, places: Sequence[str] = (HOME, "300 measurements")) -> str:
    """The relative errors of each method at the level of the training, drawn and found."""
    words = []
    for place in places:
        for name, row in digit_rows(record, place).items():
            cell = row["at"]["1"]
            words.append(
                f"{place}, {row['label']}{', λ for each level' * name.endswith('again')}: without an error "
                f"{np.mean(row['without']):.2f}, "
                f"drawn {np.mean(cell['drawn']):.2f}, worst {np.mean(cell['worst']):.2f}."
            )
    return " ".join(words)
