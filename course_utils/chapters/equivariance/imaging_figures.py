"""What was learned from masked digits with and without the true ones: curves, pictures, a table, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ...figures.strips import image_strips
from ...figures.style import COLOURS, subplots
from ...reproduce.pictures import unpack
from ...reproduce.setting import mean

__all__ = ["imaging_figure", "imaging_pictures", "imaging_story", "imaging_table", "quality", "runs", "said"]

STYLES = {
    "supervised": {"color": COLOURS["black"], "linestyle": "-", "marker": "o"},
    "equivariant imaging": {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"},
    "data alone": {"color": COLOURS["blue"], "linestyle": ":", "marker": "v"},
}
MASKS = {"random": "random mask", "invariant": "mask that quarter turns keep"}
#: Group of the network -> what it is called.
NETWORKS = {"C4": "equivariant", "C1": "ordinary"}


def runs(record: Mapping, mask: str, loss: str, group: str = "C4", longer: bool = False) -> list[dict]:
    """The rows of one training, one for each seed; of the usual length, or of the longer ones."""
    usual = min(row["steps"] for row in record["rows"])
    return [
        row
        for row in record["rows"]
        if (row["mask"], row["loss"], row["group"]) == (mask, loss, group) and (row["steps"] > usual) == longer
    ]


def quality(rows: list[dict]) -> tuple[float, float, float]:
    """PSNR of the hidden pixels (dB): the mean over the seeds, the smallest, the largest.

    Example
    -------
    >>> quality([{"psnr_hidden": 16.0}, {"psnr_hidden": 17.0}])
    (16.5, 16.0, 17.0)
    """
    values = [row["psnr_hidden"] for row in rows]
    return mean(values), min(values), max(values)


def said(rows: list[dict]) -> str:
    """The quality in words, with its range over the seeds.

    Example
    -------
    >>> said([{"psnr_hidden": 16.0}, {"psnr_hidden": 17.0}]), said([{"psnr_hidden": 16.0}])
    ('16.5 (16.0 to 17.0)', '16.0')
    """
    middle, low, high = quality(rows)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})" if len(rows) > 1 else f"{middle:.1f}"


def imaging_figure(record: Mapping) -> Figure:
    """PSNR of the hidden pixels during the trainings, a panel for each mask, a line for each seed."""
    alt = (
        "PSNR of hidden pixels of test digits over the training step, equivariant network, one line for each seed. "
        "Left, random mask: supervised training and equivariant imaging rise and end in overlapping ranges, data alone "
        "stays flat at the bottom. Right, mask that quarter turns keep: only supervised training rises, equivariant "
        "imaging lies on data alone."
    )
    figure, axes = subplots(1, 2, size=(8.4, 3.3), alt=alt, sharey=True)
    for ax, (mask, title) in zip(axes, MASKS.items(), strict=True):
        for loss, style in STYLES.items():
            for k, row in enumerate(runs(record, mask, loss)):
                steps, values = zip(*row["path"], strict=True)
                ax.plot(steps, values, linewidth=1.3, label=None if k else loss, **style)
        ax.set(xlabel="training step", title=title)
    axes[0].set_ylabel("PSNR of hidden pixels (dB)")
    axes[1].legend(fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.25))
    return figure


def imaging_pictures(record: Mapping) -> Figure:
    """The stored reconstructions of the first seed, random mask above, invariant mask below."""
    strips, notes, size = {}, {}, 28
    for mask in MASKS:
        for loss in STYLES:
            row = runs(record, mask, loss)[0]
            label = f"{mask} mask,\n{loss}"
            strips[label] = unpack(row["pictures"], size)
            notes[label] = f"{row['psnr_hidden']:.1f} dB"
    return image_strips(strips, notes)


def imaging_table(record: Mapping) -> tuple[list[str], list[list[str]]]:
    """Heading and lines: PSNR of hidden pixels over both masks, and both terms on the test data after training."""
    heading = ["network, loss"]
    for mask in MASKS:
        heading += [f"{mask} mask: PSNR hidden (dB)", "data term", "second term"]
    lines = []
    for group, network in NETWORKS.items():
        for loss in STYLES:
            cells = []
            for mask in MASKS:
                rows = runs(record, mask, loss, group)
                if rows:
                    terms = (mean([row[name] for row in rows]) for name in ("data", "equivariance"))
                    cells += [said(rows), *(f"{term:.2g}" for term in terms)]
            if cells:
                lines.append([f"{network}, {loss}", *cells])
    return heading, lines


def imaging_story(record: Mapping) -> str:
    """What each training reaches on the hidden pixels of both masks, and what twice as many steps add."""
    words = []
    for mask, name in MASKS.items():
        parts = [f"{loss} {said(runs(record, mask, loss))} dB" for loss in STYLES]
        parts.append(
            f"equivariant imaging with an ordinary network {said(runs(record, mask, 'equivariant imaging', 'C1'))} dB"
        )
        words.append(f"{name[0].upper()}{name[1:]}, PSNR of hidden pixels: {', '.join(parts)}.")
    for row in runs(record, "random", "equivariant imaging", longer=True):
        usual = next(r for r in runs(record, "random", "equivariant imaging") if r["seed"] == row["seed"])
        gain = row["psnr_hidden"] - usual["psnr_hidden"]
        converged = "had converged" if gain < 0.2 else "had not converged"
        words.append(
            f"{row['steps']} steps in place of {usual['steps']} change equivariant imaging on the random mask by "
            f"{gain:+.1f} dB, so that the shorter trainings {converged}."
        )
    return " ".join(words)
