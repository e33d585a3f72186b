"""TGV and TV without smoothing beside each other, and beside the field of experts."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots
from ...reproduce.setting import mean

__all__ = ["generalised_figure", "generalised_psnr", "generalised_story"]

LABELS = {"tv": "TV without smoothing", "tgv": "TGV"}


def generalised_psnr(record: Mapping, method: str, which: str = "psnr") -> list[float]:
    """Mean PSNR of the windows, one number for each seed of the training windows."""
    return [mean(row[which]) for row in record["rows"] if row["method"] == method]


def generalised_figure(record: Mapping) -> Figure:
    """PSNR of both on training and on test windows, one mark for each seed."""
    alt = "Mean PSNR on training and on test windows of TV without smoothing and of TGV, one mark for each seed."
    figure, ax = subplots(size=(4.6, 3.2), alt=alt)
    for k, method in enumerate(LABELS):
        for which, colour, marker, shift in (("psnr_train", "sky", "o", -0.16), ("psnr", "vermilion", "D", 0.16)):
            for j, value in enumerate(generalised_psnr(record, method, which)):
                ax.plot(k + shift + 0.06 * (j - 1), value, marker, color=COLOURS[colour], markersize=6)
    ax.plot([], [], "o", color=COLOURS["sky"], label="training windows")
    ax.plot([], [], "D", color=COLOURS["vermilion"], label="test windows")
    ax.set_xticks(range(len(LABELS)), list(LABELS.values()))
    ax.set(ylabel="mean PSNR (dB)", xlim=(-0.5, len(LABELS) - 0.5))
    ax.legend(loc="best", fontsize=8)
    return figure


def generalised_story(record: Mapping) -> str:
    """PSNR of both, their weights and the evaluations that they took."""
    said = []
    for method, label in LABELS.items():
        rows = [row for row in record["rows"] if row["method"] == method]
        weights = "; ".join(", ".join(f"{10**t:.2g}" for t in row["theta"]) for row in rows)
        said.append(
            f"{label}: {', '.join(f'{v:.2f}' for v in generalised_psnr(record, method))} dB on test windows "
            f"({mean(generalised_psnr(record, method, 'psnr_train')):.2f} in training), weights {weights}, "
            f"{', '.join(str(row['evaluations']) for row in rows)} evaluations."
        )
    unsolved = sum(not row["solved"] for row in record["rows"])
    return " ".join(said) + f" Runs in which a window was not solved to its tolerance: {unsolved}."
