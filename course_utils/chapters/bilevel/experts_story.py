"""What the learned field of experts gains, and its filters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots
from ...reproduce.setting import mean

__all__ = ["experts_figure", "experts_story", "filters_figure", "gains", "test_psnr"]

LABELS = {"tv": "TV", "foe": "field of experts"}


def rows_of(record: Mapping, method: str) -> list[dict]:
    return [row for row in record["rows"] if row["method"] == method]


def test_psnr(record: Mapping, method: str) -> list[float]:
    """Mean PSNR of the test windows, one number for each seed of the training windows."""
    return [mean(row["psnr"]) for row in rows_of(record, method)]


def gains(record: Mapping) -> list[float]:
    """By how many dB the experts are better than TV on the same test windows, for each seed."""
    return [a - b for a, b in zip(test_psnr(record, "foe"), test_psnr(record, "tv"), strict=True)]


def experts_figure(record: Mapping) -> Figure:
    """PSNR of training and of test windows by seed, and the objective during the training of the experts."""
    alt = (
        "Left: mean PSNR on training and on test windows of learned TV and of the field of experts, one mark for each "
        "seed. Right: the upper-level objective of the field of experts against lower-level iterations, "
        "falling curves."
    )
    figure, (left, right) = subplots(1, 2, size=(7.8, 3.2), alt=alt)
    for k, method in enumerate(LABELS):
        for row in rows_of(record, method):
            at = k + 0.08 * (row["seed"] - 1)
            left.plot(at - 0.16, mean(row["psnr_train"]), "o", color=COLOURS["sky"], markersize=6)
            left.plot(at + 0.16, mean(row["psnr"]), "D", color=COLOURS["vermilion"], markersize=6)
    left.plot([], [], "o", color=COLOURS["sky"], label="training windows")
    left.plot([], [], "D", color=COLOURS["vermilion"], label="test windows")
    left.set_xticks(range(len(LABELS)), list(LABELS.values()))
    left.set(ylabel="mean PSNR (dB)", xlim=(-0.5, len(LABELS) - 0.5))
    left.legend(loc="best", fontsize=8)
    for row in rows_of(record, "foe"):
        style = ("-", "--", ":")[row["seed"]]
        paid, value = zip(*row["seen"], strict=True)
        right.plot(paid, value, style, color=COLOURS["blue"], linewidth=1.4, label=f"seed {row['seed']}")
    right.set(xscale="log", yscale="log", xlabel="lower-level iterations", ylabel="objective (training windows)")
    right.set_yticks([50, 60, 70, 80, 90], ["50", "60", "70", "80", "90"])
    right.minorticks_off()
    right.legend(loc="upper right", fontsize=8)
    return figure


def filters_figure(record: Mapping, seed: int = 0) -> Figure:
    """The learned filters, the heaviest first, each with its weight and smoothing."""
    row = next(row for row in rows_of(record, "foe") if row["seed"] == seed)
    K, s, theta = record["settings"]["filters"], record["settings"]["filter_size"], np.asarray(row["theta"])
    w, nu, filters = 10 ** theta[:K], 10 ** theta[K : 2 * K], theta[2 * K :].reshape(K, s, s)
    sizes = np.sqrt((filters**2).sum((1, 2)))
    alt = (
        f"The {K} learned filters of {s} by {s} pixels, scaled to norm one, red positive and blue negative. Above each "
        "its weight times its norm, and its smoothing over its norm."
    )
    figure, axes = subplots(2, K // 2, size=(7.4, 4.2), alt=alt)
    for ax, k in zip(axes.flat, np.argsort(-w * sizes), strict=True):
        shown = filters[k] / sizes[k]
        most = abs(shown).max()
        ax.imshow(shown, cmap=RESIDUAL_CMAP, vmin=-most, vmax=most)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.set_title(rf"$w\,|c|={w[k] * sizes[k]:.3f}$" + "\n" + rf"$\nu/|c|={nu[k] / sizes[k]:.3f}$", fontsize=9)
    return figure


def experts_story(record: Mapping) -> str:
    """PSNR of both regularisers, and whether the gain is above the spread of the seeds."""
    said = []
    for method, label in LABELS.items():
        values = test_psnr(record, method)
        train = mean([mean(row["psnr_train"]) for row in rows_of(record, method)])
        said.append(f"{label}: {', '.join(f'{v:.2f}' for v in values)} dB on test windows ({train:.2f} in training).")
    said.append(f"Field of experts minus TV: {', '.join(f'{v:+.2f}' for v in gains(record))} dB.")
    open_ = [row["seed"] for row in rows_of(record, "foe") if not row["converged"]]
    said.append(f"Trainings of the experts that the budget ended: {len(open_)} of {len(rows_of(record, 'foe'))}.")
    return " ".join(said)
