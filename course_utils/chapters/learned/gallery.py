"""One image of home, one with a bright spot and one chest, as every family shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ...figures.images import show_image
from ...figures.style import subplots
from ...reproduce.pictures import unpack
from .scans import HOME, place
from .tables import by_rival

__all__ = ["SHOWN", "gallery"]

#: At least one of each family.
SHOWN = (
    "fbp", "tv", "hard", "sparse-tv", "post-processing", "primal-dual", "equilibrium", "adversarial-stopped", "ridge",
    "pnp", "dps",
)  # fmt: skip
ROWS = (HOME, "bright spot", "chest")


def gallery(record: Mapping, names: Sequence[str] = SHOWN, places: Sequence[str] = ROWS) -> Figure:
    """The stored examples of some rivals, a row for each place, the truth at the left, PSNR above each image."""
    rows, pictured = by_rival(record), record["settings"]["pictured"]
    names = [name for name in names if name in rows]
    alt = (
        f"Reconstructions of test images, in rows ({', '.join(places)}), by one method in each column, with the truth "
        "at the left and the PSNR above each."
    )
    width = 1.15 if len(names) > 6 else 1.75
    size = (width * (len(names) + 1), 1.33 * width * len(places))
    figure, axes = subplots(len(places), len(names) + 1, size=size, alt=alt, squeeze=False)
    for line, where in zip(axes, places, strict=True):
        k = pictured[where]
        truth = place(where, n_val=1, n_test=k + 1).x[k]
        show_image(line[0], truth, title="truth" if where == places[0] else "")
        line[0].set_ylabel(where, fontsize=10)
        for ax, name in zip(line[1:], names, strict=True):
            there = rows[name]["places"][where]
            title = rows[name]["label"].replace(" ", "\n", 1) + "\n" if where == places[0] else ""
            show_image(ax, unpack([there["example"]], truth.shape[-1]), title=f"{title}{there['psnr'][k]:.1f}")
    for ax in axes.flat:
        ax.title.set_fontsize(8.5)
    return figure
