"""The table of all methods of the course, drawn and written from its stored record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import COLOURS, subplots
from .tables import markdown_table

__all__ = ["HEAD", "KINDS", "PROBLEMS", "TRAINING", "cells", "methods_figure", "methods_table", "remarks"]

#: Kind -> colour and marker, in the order of the lectures.
KINDS = {
    "formula": ("purple", "P"),
    "iterative": ("orange", "s"),
    "variational": ("blue", "o"),
    "generative": ("vermilion", "D"),
    "learned": ("green", "X"),
}
PROBLEMS = {
    "deblurring": "deblurring, digits",
    "tomography": "tomography, Shapes, 30 views",
    "ct": "CT, chest, 30 views",
    "pet": "emission tomography, shapes+",
    "mri": "single-coil MRI, brain, 25 spokes",
}
TRAINING = {"none": "no", "images": "images", "pairs": "pairs"}
HEAD = ["method", "PSNR (dB)", "SSIM", "contrast", "CPU ms per image", "iterations", "to be chosen", "training data"]
GREEK = {"lam": "λ", "mu": "μ", "beta": "β"}


def remarks(row: Mapping) -> list[str]:
    """What has to be said of a row: runs that did not converge, weights at their limit."""
    said = []
    if row["converged"] < 1:
        said.append(f"{100 * (1 - row['converged']):.0f} % not converged")
    if row["at_edge_of_grid"]:
        said.append(f"{', '.join(GREEK.get(name, name) for name in row['at_edge_of_grid'])} at its limit")
    return said


def cells(row: Mapping) -> list[str]:
    """A row of the record as the entries of ``HEAD``.

    Example
    -------
    >>> row = {"label": "TV", "psnr": [20.0, 22.0], "ssim": [0.7, 0.8], "cpu_ms": 30.2, "iterations_mean": 250.4,
    ...        "parameters": ["lam"], "training": "none", "converged": 1.0, "at_edge_of_grid": []}
    >>> cells(row)
    ['TV', '21.0 ± 1.4', '0.75', '', '30', '250', 'λ', 'no']
    """
    spread = float(np.std(row["psnr"], ddof=1))
    contrast = f"{np.mean(row['contrast']):.2f}" if "contrast" in row else ""
    cost = row["cpu_ms"]
    iterations = f"{row['iterations_mean']:.0f}" if row["iterations_mean"] else ""
    chosen = ", ".join(GREEK.get(name, name) for name in row["parameters"]) or "nothing"
    mark = "".join(f" ({text})" for text in remarks(row))
    return [
        row["label"] + mark, f"{np.mean(row['psnr']):.1f} ± {spread:.1f}", f"{np.mean(row['ssim']):.2f}", contrast,
        f"{cost:.0f}" if cost >= 10 else f"{cost:.2g}", iterations, chosen, TRAINING[row["training"]],
    ]  # fmt: skip


def ordered(rows: Sequence[Mapping]) -> list[Mapping]:
    """By kind, and within a kind by PSNR, the best first."""
    kinds = list(KINDS)
    return sorted(rows, key=lambda row: (kinds.index(row["kind"]), -np.mean(row["psnr"])))


def methods_table(record: Mapping, problem: str, methods: Sequence[str] | None = None) -> Markdown:
    """Quality, cost and needs of the methods on one problem.

    Parameters
    ----------
    record : dict
        Stored result of ``methods``.
    problem : str
        One of ``PROBLEMS``.
    methods : names, optional
        Only these.
    """
    rows = [r for r in record["rows"] if r["problem"] == problem and (methods is None or r["method"] in methods)]
    lines = [cells(row) for row in ordered(rows)]
    used = [k for k in range(len(HEAD)) if any(line[k] for line in lines)]
    return markdown_table([HEAD[k] for k in used], [[line[k] for k in used] for line in lines])


def methods_figure(record: Mapping) -> Figure:
    """PSNR of every method, a panel for each problem, mean and standard deviation over the test images."""
    names = [name for name in PROBLEMS if any(r["problem"] == name for r in record["rows"])]
    best = {}
    for name in names:
        rows = [r for r in record["rows"] if r["problem"] == name]
        best[name] = max(rows, key=lambda r: np.mean(r["psnr"]))["label"]
    alt = "PSNR of every method on each problem; best mean: " + "; ".join(f"{PROBLEMS[n]}: {best[n]}" for n in names)
    figure, axes = subplots(2, 3, size=(14.5, 11.5), alt=alt)
    for ax, name in zip(axes.flat, names, strict=False):
        rows = sorted((r for r in record["rows"] if r["problem"] == name), key=lambda r: np.mean(r["psnr"]))
        for k, row in enumerate(rows):
            colour, marker = KINDS[row["kind"]]
            ax.errorbar(
                np.mean(row["psnr"]), k, xerr=np.std(row["psnr"], ddof=1), color=COLOURS[colour], marker=marker,
                markersize=6, linestyle="none", elinewidth=1.2,
                markerfacecolor="white" if row["converged"] < 1 else COLOURS[colour],
            )  # fmt: skip
        ax.set(yticks=range(len(rows)), xlabel="PSNR (dB), mean ± std over test images", title=PROBLEMS[name])
        ax.set_yticklabels([row["label"] for row in rows], fontsize=8.5)
        ax.grid(axis="y", visible=False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
        handles = [
            Line2D([], [], color=COLOURS[colour], marker=marker, linestyle="none", markersize=8, label=kind)
            for kind, (colour, marker) in KINDS.items()
        ]
        open_ = Line2D([], [], color=COLOURS["black"], marker="o", markerfacecolor="white", linestyle="none")
        open_.set_label("open: some runs did not converge")
        ax.legend(handles=[*handles, open_], loc="center", fontsize=12, frameon=False)
    return figure
