"""What a few windows at a time bring, against all of them, at equal cost."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots

__all__ = ["best_of", "kind", "stochastic_figure", "stochastic_rows", "stochastic_story"]

LABELS = {"few": "few windows", "all": "all windows", "lbfgsb": "L-BFGS-B, all windows"}
LOOKS = {"few": ("vermilion", "D"), "all": ("blue", "s"), "lbfgsb": ("black", "o")}


def kind(record: Mapping, row: Mapping) -> str:
    """Which of the three methods a run is of."""
    if row["step"] == 0:
        return "lbfgsb"
    return "few" if row["batch"] == record["settings"]["batch"] else "all"


def best_of(record: Mapping, which: str) -> dict:
    """The run of least objective at the end, of those of one method: its step is tuned."""
    rows = [row for row in record["rows"] if kind(record, row) == which]
    return min(rows, key=lambda row: row["path"][-1][1])


def stochastic_rows(record: Mapping) -> list[list[str]]:
    """A table: method, first step, steps, objective and test PSNR at the end."""
    lines = []
    for row in record["rows"]:
        step = f"{row['step']:g}" if row["step"] else "its own"
        _, value, after = row["path"][-1]
        lines.append([LABELS[kind(record, row)], step, str(row["steps"]), f"{value:.1f}", f"{after:.2f}"])
    return lines


def stochastic_figure(record: Mapping) -> Figure:
    """Objective of all training windows, and PSNR of the test windows, against the cost."""
    alt = (
        "Two panels against the iterations of both levels: the objective of all training windows and the mean PSNR of "
        "test windows, for gradient descent with few windows a step, with all windows, and for L-BFGS-B."
    )
    figure, axes = subplots(1, 2, size=(8.4, 3.2), alt=alt)
    for row in record["rows"]:
        which = kind(record, row)
        colour, marker = LOOKS[which]
        tuned = row is best_of(record, which)
        for ax, column in zip(axes, (1, 2), strict=True):
            ax.plot(
                [p[0] for p in row["path"]], [p[column] for p in row["path"]], "-", color=COLOURS[colour],
                marker=marker, linewidth=1.8 if tuned else 0.8, alpha=1.0 if tuned else 0.4,
                label=LABELS[which] if tuned else None,
            )  # fmt: skip
    axes[0].set(xlabel="iterations of both levels", ylabel="objective, training windows")
    axes[1].set(xlabel="iterations of both levels", ylabel="mean PSNR, test windows (dB)")
    axes[0].legend(loc="best", fontsize=8)
    return figure


def stochastic_story(record: Mapping) -> str:
    """The end of every method with its best step."""
    said = []
    for which, label in LABELS.items():
        row = best_of(record, which)
        _, value, after = row["path"][-1]
        step = f" with the step {row['step']:g}" if row["step"] else ""
        said.append(
            f"{label}{step}: {row['steps']} steps or evaluations, objective {value:.1f}, test windows {after:.2f} dB."
        )
    first = record["rows"][0]["path"][0]
    return f"All begin at the objective {first[1]:.1f}, {first[2]:.2f} dB. " + " ".join(said)
