"""Learned lines of k-space and their rivals with as many lines."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots
from ...reproduce.setting import mean

__all__ = ["chosen_random", "learned_minus", "sampling_figure", "sampling_rows", "sampling_story"]


def chosen_random(row: Mapping) -> str:
    """The random pattern with the least error on the training slices: what one would choose without the test."""
    drawn = {name: p for name, p in row["patterns"].items() if name.startswith("random")}
    return min(drawn, key=lambda name: drawn[name]["training_error"])


def learned_minus(row: Mapping, rival: str) -> list[float]:
    """PSNR of the learned pattern minus that of a rival, one number for each test slice."""
    pairs = zip(row["patterns"]["learned"]["psnr"], row["patterns"][rival]["psnr"], strict=True)
    return [a - b for a, b in pairs]


def sampling_rows(record: Mapping) -> list[list[str]]:
    """A table: price, seed, lines, PSNR of the learned, the low and the chosen random pattern, differences."""
    lines = []
    for row in record["rows"]:
        named = ("learned", "low frequencies", chosen_random(row))
        gaps = [learned_minus(row, rival) for rival in named[1:]]
        lines.append(
            [
                f"{row['price']:g}", str(row["seed"]), str(row["patterns"]["learned"]["lines"]),
                *(f"{mean(row['patterns'][name]['psnr']):.2f}" for name in named),
                *(f"{mean(gap):+.2f} ± {statistics.stdev(gap):.2f}" for gap in gaps),
            ]
        )  # fmt: skip
    return lines


def sampling_figure(record: Mapping) -> Figure:
    """The learned weights of all pairs of lines, and the PSNR of all patterns on slices of another head."""
    alt = (
        "Left: learned weights over the frequency, one panel for each price of a line; they are large at the low "
        "frequencies and zero beyond, with few exceptions. Right: mean PSNR on test slices of the learned pattern, of "
        "the low frequencies and of random patterns with as many lines, for each price and seed."
    )
    prices = sorted({row["price"] for row in record["rows"]})
    figure, axes = subplots(1, len(prices) + 1, size=(9.6, 3.2), alt=alt)
    for ax, price in zip(axes, prices, strict=False):
        for row in record["rows"]:
            if row["price"] == price:
                colour, shift = (COLOURS["vermilion"], -0.2) if row["seed"] == 0 else (COLOURS["blue"], 0.2)
                ax.bar(np.arange(len(row["c"])) + shift, row["c"], 0.4, color=colour, label=f"seed {row['seed']}")
        ax.set(xlabel=r"frequency $|k|$ of a pair of lines", ylabel="learned weight", title=f"price {price:g}")
        ax.legend(loc="upper right", fontsize=8)
    ax = axes[-1]
    for k, row in enumerate(record["rows"]):
        for name, p in row["patterns"].items():
            if name.startswith("random"):
                ax.plot(k, mean(p["psnr"]), ".", color="0.6", markersize=5)
        ax.plot(k, mean(row["patterns"]["low frequencies"]["psnr"]), "s", color=COLOURS["blue"], markersize=6)
        ax.plot(k, mean(row["patterns"]["learned"]["psnr"]), "D", color=COLOURS["vermilion"], markersize=6)
    ax.plot([], [], "D", color=COLOURS["vermilion"], label="learned")
    ax.plot([], [], "s", color=COLOURS["blue"], label="low frequencies")
    ax.plot([], [], ".", color="0.6", label="random draws")
    labels = [f"{row['patterns']['learned']['lines']} lines,\nseed {row['seed']}" for row in record["rows"]]
    ax.set_xticks(range(len(labels)), labels, fontsize=7)
    ax.set(ylabel="mean PSNR on test slices (dB)", xlim=(-0.5, len(labels) - 0.5))
    ax.legend(loc="best", fontsize=8)
    return figure


def sampling_story(record: Mapping) -> str:
    """Lines, PSNR and differences, slice by slice."""
    size = 2 * (len(record["rows"][0]["c"]) - 1)
    said = [
        f"Price {price}, seed {seed}: {n} of {size} lines; learned {a} dB, low frequencies {b} dB (learned minus these "
        f"{low}), the random pattern that is best in training {c} dB ({drawn})."
        for price, seed, n, a, b, c, low, drawn in sampling_rows(record)
    ]
    open_ = sum(not row["converged"] for row in record["rows"])
    return " ".join(said) + f" Searches that the budget ended: {open_} of {len(record['rows'])}."
