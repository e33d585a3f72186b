"""What equivariant imaging learned from masked digits: curves, pictures, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure

from ...figures.strips import image_strips
from ...figures.style import COLOURS, subplots
from ...reproduce.pictures import unpack
from ...reproduce.setting import mean

__all__ = ["imaging_figure", "imaging_pictures", "imaging_story", "quality", "runs"]

STYLES = {
    "supervised": {"color": COLOURS["black"], "linestyle": "-", "marker": "o"},
    "data alone": {"color": COLOURS["orange"], "linestyle": ":", "marker": "v"},
    "equivariant imaging": {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"},
}
MASKS = {"random": "random mask", "invariant": "mask that quarter turns keep"}


def runs(record: Mapping, mask: str, loss: str, group: str = "C4", steps: int | None = None) -> list[dict]:
    """The rows of one training, a row for each seed; of the usual length if ``steps`` is not given."""
    usual = min(row["steps"] for row in record["rows"])
    wanted = (mask, loss, group, usual if steps is None else steps)
    return [row for row in record["rows"] if (row["mask"], row["loss"], row["group"], row["steps"]) == wanted]


def quality(rows: list[dict]) -> tuple[float, float]:
    """Mean over the seeds of the PSNR of hidden pixels, and half the distance between the extremes."""
    values = [row["psnr_hidden"] for row in rows]
    return mean(values), (max(values) - min(values)) / 2


def imaging_figure(record: Mapping) -> Figure:
    """PSNR of the hidden pixels during the trainings, a panel for each mask, a thin line for each seed."""
    alt = (
        "PSNR of hidden pixels of test digits over the training step, one thin line for each seed. Left, random mask: "
        "supervised highest, equivariant imaging below it, data alone flat at the bottom. Right, mask that quarter "
        "turns keep: only the supervised training rises, equivariant imaging lies on data alone."
    )
    figure, axes = subplots(1, 2, size=(8.4, 3.3), alt=alt, sharey=True)
    for ax, (mask, title) in zip(axes, MASKS.items(), strict=True):
        for loss, style in STYLES.items():
            for row in runs(record, mask, loss):
                steps, values = zip(*row["path"], strict=True)
                ax.plot(steps, values, linewidth=1.3, label=loss if row["seed"] == 0 else None, **style)
        ax.set(xlabel="training step", title=title)
    axes[0].set_ylabel("PSNR of hidden pixels (dB)")
    axes[1].legend(fontsize=8, loc="center right")
    return figure


def imaging_pictures(record: Mapping) -> Figure:
    """The stored reconstructions of the first seed."""
    rows = {}
    for mask, name in (("random", "random"), ("invariant", "invariant")):
        for loss in STYLES:
            row = runs(record, mask, loss)[0]
            rows[f"{loss}, {name}"] = unpack(row["pictures"], 28)
    return image_strips(rows)


def imaging_story(record: Mapping) -> str:
    """What the trainings reach on both masks."""
    return str(torch.tensor([quality(runs(record, mask, loss))[0] for mask in MASKS for loss in STYLES]))
