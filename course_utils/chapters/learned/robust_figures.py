"""Figures of perturbed data: gain over size, quality lost, pictures, whom else a perturbation fools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...figures.images import show_image
from ...figures.style import COLOURS, subplots
from ...reproduce.pictures import unpack

__all__ = [
    "by_method", "control", "harm_figure", "pictures_figure", "robust_figure", "robust_story", "transfer_figure",
    "transfer_story",
]  # fmt: skip

SIDE = 56
LOOKS = {
    "fbp": ("black", ":", "v"), "tikhonov": ("purple", "-.", "^"), "tv": ("orange", "--", "s"),
    "tv-bounded": ("vermilion", "-", "D"), "post-processing": ("blue", "-", "o"), "proximal": ("green", "--", "s"),
    "primal-dual": ("sky", "-.", "^"), "equilibrium": ("purple", ":", "D"), "hard": ("blue", "-", "o"),
    "ridge": ("green", "--", "s"), "pnp-lipschitz": ("vermilion", "-.", "^"),
}  # fmt: skip
#: Title of a panel -> families in it.
PANELS = {
    "formula and variational": ("formula", "variational"),
    "end to end": ("end to end",),
    "generator, learned regulariser, denoiser": ("generator", "learned regulariser", "denoiser"),
}
MORE = ("fbp", "tikhonov", "tv", "tv-bounded", "post-processing", "primal-dual", "ridge")


def by_method(record: Mapping) -> dict[str, Mapping]:
    """The rows of the methods, without those of the control."""
    return {row["rival"]: row for row in record["rows"] if row.get("sizes") is None}


def control(record: Mapping) -> dict[str, Mapping]:
    """The rows of the longer search."""
    return {row["rival"]: row for row in record["rows"] if row.get("sizes") is not None}


def look(name: str) -> dict:
    """Line and mark of a method, the same in every figure of this section."""
    colour, line, marker = LOOKS[name]
    return {"color": COLOURS[colour], "linestyle": line, "marker": marker, "markersize": 5}


def robust_figure(record: Mapping) -> Figure:
    """The change of the reconstruction over the size of the error, worst found and random, a panel for each kind."""
    rows = by_method(record)
    alt = (
        "Three panels: change of the reconstruction divided by the size of the error in the data, over that size as a "
        "share of the noise, from 0.01 to 1. Lines with marks for the worst error found, pale ones for the largest of "
        "the random errors, which lie far below."
    )
    figure, axes = subplots(1, len(PANELS), size=(11.5, 4.6), alt=alt, sharey=True)
    for ax, (title, families) in zip(axes, PANELS.items(), strict=True):
        for name, row in rows.items():
            if row["family"] in families:
                sizes = [float(size) for size in row["at"]]
                worst, chance = (
                    [np.mean(cell[key]) for cell in row["at"].values()] for key in ("effect", "random_max")
                )
                ax.plot(sizes, worst, label=row["label"], **look(name))
                ax.plot(sizes, chance, color=look(name)["color"], linewidth=1, alpha=0.45, linestyle="-")
        ax.set(title=title, xlabel="size of the error / norm of the noise", xscale="log", yscale="log")
        ax.legend(loc="upper center", fontsize=8.5, ncols=2, bbox_to_anchor=(0.5, -0.2))
        ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
        ax.set_yticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "8"])
        ax.minorticks_off()
    axes[0].set_ylabel("change of the image / size of the error")
    return figure


def harm_figure(record: Mapping, sizes: Sequence[str] = ("0.1", "1")) -> Figure:
    """PSNR before an error, after a random one and after the worst that was found, for each method."""
    rows = by_method(record)
    names = list(rows)[::-1]
    alt = (
        "Two panels, errors of a tenth of the noise and as large as the noise. A row a method: PSNR without the error, "
        "with a random one, hardly lower, and with the worst one found, much lower."
    )
    figure, axes = subplots(1, len(sizes), size=(10.5, 4.2), alt=alt, sharey=True)
    for ax, size in zip(axes, sizes, strict=True):
        for k, name in enumerate(names):
            cell = rows[name]["at"][size]
            before, chance, worst = (
                np.mean(v) for v in (rows[name]["psnr_before"], cell["psnr_random"], cell["psnr_after"])
            )
            ax.plot([worst, before], [k, k], color="0.8", linewidth=1.5, zorder=0, linestyle="-")
            first = k == 0
            ax.plot(before, k, "o", color=COLOURS["blue"], markerfacecolor="white", label="without it" * first)
            ax.plot(chance, k, "x", color=COLOURS["black"], label="random error" * first)
            ax.plot(worst, k, "o", color=COLOURS["vermilion"], label="worst error found" * first)
        share = "as large as the noise" if size == "1" else f"{float(size):g} of the noise"
        ax.set(title=f"error {share}", xlabel="PSNR (dB), mean over images")
        ax.set_yticks(range(len(names)), [rows[name]["label"] for name in names], fontsize=9)
        ax.grid(axis="y", visible=False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def pictures_figure(record: Mapping, names: Sequence[str] = MORE) -> Figure:
    """Reconstructions of one image before and after the worst error of the stored size."""
    rows, size = by_method(record), record["settings"]["pictured"]
    shown = [name for name in names if name in rows]
    alt = (
        f"Reconstructions of one image by {len(shown)} methods, above without and below with the worst error found of "
        f"{size:g} of the noise, with their PSNR."
    )
    figure, axes = subplots(2, len(shown), size=(1.55 * len(shown), 3.9), alt=alt)
    for column, name in enumerate(shown):
        row = rows[name]
        pair = unpack(row["example"], SIDE)
        quality = row["psnr_before"][0], row["at"][f"{size:g}"]["psnr_after"][0]
        for k in (0, 1):
            title = row["label"].replace("grey values in", "within").replace(", ", ",\n", 1)
            title = title.replace(" primal", "\nprimal").replace(" and", "\nand")
            words = f"{title}\n{quality[k]:.1f} dB" if k == 0 else f"{quality[k]:.1f} dB"
            show_image(axes[k, column], pair[k], words)
            axes[k, column].title.set_fontsize(9)
    for k, words in enumerate(("without it", "worst error")):
        axes[k, 0].set_ylabel(words)
    return figure


def transfer_figure(record: Mapping) -> Figure:
    """Tables in colours: what the perturbation of a row does to the method of a column, at each size."""
    alt = (
        "Tables in colours, one for each size of the error: rows are methods for which the error was found, and random "
        "noise, columns the methods that get it, entries the change of the image over the size of the error."
    )
    figure, axes = subplots(1, len(record["rows"]), size=(12.0, 4.9), alt=alt, sharey=True, squeeze=False)
    top = max(np.mean(cell) for row in record["rows"] for line in row["effect"] for cell in line)
    for ax, row in zip(axes[0], record["rows"], strict=True):
        table = np.array([[np.mean(cell) for cell in line] for line in row["effect"]])
        shown = ax.imshow(table, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            own = row["sources"][i] == row["targets"][j]
            ax.text(
                j, i, f"{value:.1f}", ha="center", va="center", fontsize=9, fontweight="bold" if own else None,
                color="white" if value > 0.6 * top else COLOURS["black"],
            )  # fmt: skip
        ax.set_xticks(
            range(len(row["targets"])),
            [row["labels"][n] for n in row["targets"]],
            rotation=35,
            ha="right",
            fontsize=8.5,
        )
        ax.set_yticks(range(len(row["sources"])), [row["labels"][n] for n in row["sources"]], fontsize=8.5)
        ax.set(title=f"error {row['size']:g} of the noise", xlabel="method that gets it")
        ax.tick_params(length=0)
        ax.grid(False)
        for edge in ax.spines.values():
            edge.set_visible(False)
    axes[0, 0].set_ylabel("found for")
    figure.colorbar(shown, ax=axes, label="change of the image / size of the error", shrink=0.7)
    return figure


def robust_story(record: Mapping) -> str:
    """The gain of each method at each size, worst and random, how it was searched, and what a longer search finds."""
    words = []
    for row in by_method(record).values():
        gains = ", ".join(
            f"{size}: {np.mean(cell['effect']):.1f} (random {np.mean(cell['random_max']):.1f})"
            for size, cell in row["at"].items()
        )
        words.append(f"{row['label']}, derivative {row['gradient']}: {gains}.")
    for name, row in control(record).items():
        short = by_method(record)[name]
        pairs = ", ".join(
            f"{size}: {cell['effect'][0]:.2f} against {short['at'][size]['effect'][0]:.2f}"
            for size, cell in row["at"].items()
        )
        words.append(f"Longer search for {row['label']}, first image: {pairs}.")
    return " ".join(words)


def transfer_story(record: Mapping) -> str:
    """What its own worst error, the best borrowed one and random noise do to each method."""
    words = []
    for row in record["rows"]:
        table = np.array([[np.mean(cell) for cell in line] for line in row["effect"]])
        for j, name in enumerate(row["targets"]):
            own = row["sources"].index(name)
            borrowed = max((i for i in range(len(table) - 1) if i != own), key=lambda i: table[i, j])
            words.append(
                f"Error {row['size']:g}, {row['labels'][name]}: its own {table[own, j]:.1f}, that of "
                f"{row['labels'][row['sources'][borrowed]]} {table[borrowed, j]:.1f}, random {table[-1, j]:.1f}."
            )
    return " ".join(words)
