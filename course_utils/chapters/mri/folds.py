"""Is it the head? Learned covariance and its rivals with each of the three heads kept for the test in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...data.brain import FOLDS
from ...figures.style import COLOURS, subplots
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, mean
from .brains import FIRST, TEST_STEP, VAL_STEP, generator_name, shipped
from .experiments import BUDGET, FEW, FINAL, GRIDS, IN_TURN, SIGMA, STRUCTURED, mri_row

__all__ = ["EXPERIMENTS", "METHODS", "NAMES", "folds_figure", "folds_table", "gains"]

METHODS = ("tv", "hard", *STRUCTURED)
NAMES = {
    "tv": "TV", "hard": "mean alone (range of G)", "identity": "identity", "diagonal": "diagonal",
    "covariance": "covariance",
}  # fmt: skip
SPOKES = (FEW, 125)
LINES = {
    "S1": {"color": COLOURS["blue"], "marker": "o"},
    "Colin27": {"color": COLOURS["orange"], "marker": "s"},
    "ITK": {"color": COLOURS["green"], "marker": "^"},
}


def needed(method: str, test: str) -> str | None:
    """The shipped generator that a method needs."""
    if method == "tv":
        return None
    return generator_name("vae" if method == "hard" else method, test)


def folds_tasks() -> list[dict]:
    """Each head, method and number of spokes, if the generator is there."""
    return [
        {"test": test, "method": method, "spokes": spokes}
        for test in FOLDS
        for method in METHODS
        if (name := needed(method, test)) is None or shipped(name)
        for spokes in SPOKES
    ]


def folds_job(test: str, method: str, spokes: int) -> dict:
    """A row of the sweep over spokes and noise, with this head for the test."""
    return mri_row(method, spokes, SIGMA, test=test)


def gains(rows: Sequence[Mapping], method: str, rival: str, spokes: int) -> dict[str, list[float]]:
    """By how much a method is ahead of a rival in PSNR, for every slice, by test head.

    Example
    -------
    >>> row = {"test": "S1", "spokes": 25}
    >>> gains([row | {"method": "tv", "psnr": [20.0]}, row | {"method": "hard", "psnr": [19.0]}], "hard", "tv", 25)
    {'S1': [-1.0]}
    """
    of = {(r["test"], r["method"]): r["psnr"] for r in rows if r["spokes"] == spokes}
    return {
        test: [a - b for a, b in zip(of[test, method], of[test, rival], strict=True)]
        for test in FOLDS
        if (test, method) in of and (test, rival) in of
    }


def over_heads(by_head: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Mean and spread (standard deviation) of the means over the slices of each head."""
    means = [mean(values) for values in by_head.values()]
    return float(np.mean(means)), float(np.std(means, ddof=1))


def folds_table(record: Mapping, spokes: int) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of the table: PSNR with its spread over slices for each head, and over heads."""
    rows = [r for r in record["rows"] if r["spokes"] == spokes]
    tests = list(dict.fromkeys(r["test"] for r in rows))
    heading = ["method", *(f"test head {test}" for test in tests), "mean over heads", "minus TV"]
    lines = []
    for method in METHODS:
        of = {r["test"]: r["psnr"] for r in rows if r["method"] == method}
        if len(of) < len(tests):
            continue
        cells = [f"{np.mean(of[test]):.1f} ± {np.std(of[test], ddof=1):.1f}" for test in tests]
        middle, spread = over_heads(of)
        ahead = "" if method == "tv" else "{:+.1f} ± {:.1f}".format(*over_heads(gains(rows, method, "tv", spokes)))
        lines.append([NAMES[method], *cells, f"{middle:.1f} ± {spread:.1f}", ahead])
    return heading, lines


def folds_figure(record: Mapping) -> Figure:
    """By how much each method is ahead of TV, for every test head, a panel for each number of spokes.

    Parameters
    ----------
    record : dict
        Stored result of ``heads``.
    """
    rows = record["rows"]
    methods = [m for m in METHODS if m != "tv" and any(r["method"] == m for r in rows)]
    alt = (
        "PSNR minus that of TV on the same slice, for four ways to use a generator, with each of three heads kept for "
        "the test: mean over slices and its standard deviation, few spokes at the left, many at the right."
    )
    figure, axes = subplots(1, len(SPOKES), size=(9.0, 3.7), alt=alt, sharey=True)
    for ax, spokes in zip(axes, SPOKES, strict=True):
        ax.axhline(0, color=COLOURS["black"], linewidth=0.8)
        for k, (test, style) in enumerate(LINES.items()):
            found = {m: gains(rows, m, "tv", spokes).get(test) for m in methods}
            there = [(i, values) for i, values in enumerate(found.values()) if values]
            if there:
                at = [i + 0.16 * (k - 1) for i, _ in there]
                height, spread = [np.mean(v) for _, v in there], [np.std(v, ddof=1) for _, v in there]
                ax.errorbar(at, height, yerr=spread, linestyle="", capsize=3, label=f"test head {test}", **style)
        labels = {"hard": "mean\nalone"} | {m: m for m in methods if m != "hard"}
        ax.set_xticks(range(len(methods)), [labels[m] for m in methods])
        ax.set_title(f"{spokes} spokes")
    axes[0].set_ylabel("PSNR minus that of TV (dB)")
    axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def folds_story(record: Mapping) -> str:
    """Where covariance stands against TV and against the simpler models, for each head."""
    words = []
    for spokes in SPOKES:
        for rival in ("tv", "identity", "diagonal"):
            by_head = gains(record["rows"], "covariance", rival, spokes)
            if len(by_head) < 2:
                continue
            middle, spread = over_heads(by_head)
            heads = ", ".join(f"{test} {mean(values):+.1f}" for test, values in by_head.items())
            ahead = f"covariance minus {NAMES[rival]} {middle:+.1f} +- {spread:.1f} dB over heads ({heads})"
            words.append(f"{spokes} spokes: {ahead}")
    return "; ".join(words) + "."


SETTINGS = {
    "images": "brain slices of 128 x 128 pixels; each head kept for the test in turn, one trains, one validates",
    "folds": {test: list(others) for test, others in FOLDS.items()}, "val_step": VAL_STEP, "test_step": TEST_STEP,
    "spokes": list(SPOKES), "sigma": SIGMA, "methods": list(METHODS), "first": FIRST, "seeds": SEEDS,
    "grids": {name: GRIDS[name] for name in ("tv", "hard", "structured")}, "budget": BUDGET, "final": FINAL,
    "in_turn": IN_TURN, "psnr_data_range": 1,
}  # fmt: skip

EXPERIMENTS = {
    "heads": Experiment(
        name="heads",
        title="MRI of brains: each of three heads kept for the test in turn",
        tasks=folds_tasks,
        run=folds_job,
        settings=SETTINGS,
        figure=folds_figure,
        story=folds_story,
    ),
}
