"""What was learned of lambda and mu of the relaxed and the sparse regulariser, by three ways."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots
from ...reproduce.setting import mean

__all__ = ["found", "minus_grid", "weights_figure", "weights_rows", "weights_story"]

WAYS = {
    "grid": ("grid", COLOURS["black"], "s"),
    "values": ("values", COLOURS["blue"], "o"),
    "gradient": ("gradients", COLOURS["vermilion"], "D"),
}


def found(record: Mapping, method: str, by: str) -> dict:
    """The row of one method and one way."""
    return next(row for row in record["rows"] if row["method"] == method and row["by"] == by)


def minus_grid(record: Mapping, method: str, by: str) -> list[float]:
    """PSNR with the learned weights minus that with the best of the grid, one number for each test image."""
    grid = found(record, method, "grid")["psnr"]
    return [a - b for a, b in zip(found(record, method, by)["psnr"], grid, strict=True)]


def weights_rows(record: Mapping) -> list[list[str]]:
    """A table: method, way, evaluations, weights, f in training, test PSNR, its difference to the grid."""
    lines = []
    for row in record["rows"]:
        gap = minus_grid(record, row["method"], row["by"])
        apart = "" if row["by"] == "grid" else f"{mean(gap):+.2f} ± {statistics.stdev(gap):.2f}"
        lines.append(
            [
                row["method"], WAYS[row["by"]][0], str(row["evaluations"]), f"{10 ** row['theta'][0]:.2g}",
                f"{10 ** row['theta'][1]:.2g}", f"{row['f']:.2f}",
                f"{mean(row['psnr']):.2f} ± {statistics.stdev(row['psnr']):.2f}", apart,
            ]
        )  # fmt: skip
    return lines


def weights_figure(record: Mapping) -> Figure:
    """Where the searches went in the plane of both weights, and what they gain on test images over the grid."""
    alt = (
        "Left and middle: the plane of lambda and mu, for relaxed and for sparse; points of the grid, larger where the "
        "objective is smaller, and the ways of the searches, which end near the largest points. Right: PSNR on test "
        "digits minus that of the best of the grid, one dot for each digit, with the means."
    )
    figure, axes = subplots(1, 3, size=(9.6, 3.3), alt=alt)
    low, high = record["settings"]["low"], record["settings"]["high"]
    for ax, method in zip(axes, ("relaxed", "sparse"), strict=False):
        path = np.asarray(found(record, method, "grid")["path"])
        share = path[:, 2].min() / path[:, 2]
        ax.scatter(10 ** path[:, 0], 10 ** path[:, 1], 90 * share**2, color="0.75", marker="s", label="grid")
        for row in record["rows"]:
            if row["method"] == method and row["by"] != "grid":
                label, colour, marker = WAYS[row["by"]]
                path = np.asarray(row["path"])
                look = {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 0.8}
                ax.plot(*(10 ** path[:, :2]).T, "-", label=label, **look)
                ax.plot(*(10 ** np.asarray(row["theta"])), "*", color=colour, markersize=13)
        ax.set(
            xscale="log", yscale="log", xlabel=r"$\lambda$", ylabel=r"$\mu$", title=method,
            xlim=(10 ** (low[0] + 1), 10 ** high[0]), ylim=(10 ** (low[1] - 0.2), 10 ** (high[1] + 0.2)),
        )  # fmt: skip
        ax.legend(loc="lower right", fontsize=8, markerscale=0.7)
    shown = [(row["method"], row["by"]) for row in record["rows"] if row["by"] != "grid"]
    for k, (method, by) in enumerate(shown):
        gap = minus_grid(record, method, by)
        at = k + 0.25 * np.linspace(-1, 1, len(gap))
        axes[2].plot(at, gap, ".", color=WAYS[by][1], markersize=4, alpha=0.6)
        axes[2].plot([k - 0.32, k + 0.32], [mean(gap)] * 2, "-", color="black", linewidth=2)
    axes[2].axhline(0, color="0.5", linewidth=0.8)
    axes[2].set_xticks(range(len(shown)), [f"{m},\n{WAYS[by][0]}" for m, by in shown], fontsize=8)
    axes[2].set(ylabel="PSNR minus that of the grid (dB)", title="test digits")
    return figure


def weights_story(record: Mapping) -> str:
    """Weights, evaluations and PSNR of every way; the hypotheses of the implicit gradient."""
    said = [
        f"{method}, {way}: lambda {lam}, mu {mu} after {n} evaluations, {db} dB on test digits"
        + (f" ({gap} to the grid, digit by digit)." if gap else ".")
        for method, way, n, lam, mu, _, db, gap in weights_rows(record)
    ]
    row = found(record, "relaxed", "gradient")
    kinked = row["slopes_with_kinks"]
    return " ".join(said) + (
        f" Without kinks the gradient of the lower level is at most {max(row['slopes']):.0e} and its Hessian at least "
        f"{min(row['curvatures']):.2g}; difference quotients agree to {max(row['quotient_apart']):.0e}. With the kinks "
        f"Newton's method leaves gradients of {min(kinked):.2g} to {max(kinked):.2g}."
    )
