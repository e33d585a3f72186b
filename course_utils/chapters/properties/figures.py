"""Figures of chapter 04: error distributions, earth mover's distances, latent clouds, far images, score cards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.patches import Circle
from torch import Tensor

from ...figures.images import image_rows, show_image
from ...figures.labels import DATA, TITLES
from ...figures.style import COLOURS, METHODS, CourseFigure, subplots

__all__ = [
    "cards", "distances", "error_histograms", "latent_clouds", "laws", "path_curves", "reconstructions", "strip_grid",
    "trade_off", "triangle_grids",
]  # fmt: skip

#: 95 % of N(0, I) in the plane lie within this radius.
R95 = 2.4477


def _by(rows: Sequence[Mapping], key: str) -> dict:
    """Rows grouped by the value of a key, in order of appearance."""
    groups: dict = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _from_zero(ax) -> None:
    """The axis of values starts at 0 and leaves room above the highest mark."""
    ax.set_ylim(0, 1.06 * ax.dataLim.y1)


def error_histograms(rows: Sequence[Mapping], edges: Sequence[float], alt: str = "") -> CourseFigure:
    """Fig. 1: the NRMSE over the test images, one panel a data set, one violin a generator and latent dimension.

    Parameters
    ----------
    rows : dicts with "data", "family", "d", "histogram" (counts between ``edges``), "quantiles" (0, 25, 50, 75, 100 %)
    edges : (K + 1,) sequence
    alt : str
        Default: the medians.

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> row = {"data": "mnist", "family": "ae", "d": 8, "histogram": [1, 3], "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5]}
    >>> figure = error_histograms([row], [0.0, 0.25, 0.5])
    >>> figure.alt
    'NRMSE of the best fit of each test image. Medians: MNIST, AE 8: 0.30.'
    >>> plt.close(figure)
    """
    groups = _by(rows, "data")
    if not alt:
        parts = [
            f"{DATA[data]}, " + ", ".join(f"{TITLES[r['family']]} {r['d']}: {r['quantiles'][2]:.2f}" for r in group)
            for data, group in groups.items()
        ]
        alt = f"NRMSE of the best fit of each test image. Medians: {'; '.join(parts)}."
    height = 0.9 + 0.34 * max(len(group) for group in groups.values())
    figure, axes = subplots(1, len(groups), size=(4.2 * len(groups), height), alt=alt, squeeze=False)
    middle = (np.asarray(edges[1:]) + np.asarray(edges[:-1])) / 2
    for ax, (data, group) in zip(axes[0], groups.items(), strict=True):
        for k, row in enumerate(group):
            colour, density = METHODS[row["family"]]["color"], np.asarray(row["histogram"], dtype=float)
            half = 0.42 * density / max(density.max(), 1)
            ax.fill_between(middle, -k - half, -k + half, color=colour, alpha=0.35, linewidth=0, step="mid")
            low, first, median, third, high = row["quantiles"]
            ax.plot([low, high], [-k, -k], color=colour, linewidth=1, linestyle="-")
            ax.plot([first, third], [-k, -k], color=colour, linewidth=4, linestyle="-", solid_capstyle="butt")
            ax.plot([median], [-k], marker="|", markersize=11, markeredgewidth=2.2, color=COLOURS["black"])
        ax.set(yticks=-np.arange(len(group)), yticklabels=[f"{TITLES[r['family']]}, d = {r['d']}" for r in group])
        ax.set(title=DATA[data], xlabel="NRMSE of the best fit", xlim=(0, None))
        ax.grid(axis="y", visible=False)
    return figure


def distances(rows: Sequence[Mapping], floors: Mapping[str, float], alt: str = "") -> CourseFigure:
    """Fig. 3: earth mover's distance against the latent dimension, with the distance of real from real images.

    Parameters
    ----------
    rows : dicts with "data", "family", "d", "emd"
    floors : dict of data -> EMD of training against test images
    alt : str

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> figure = distances([{"data": "mnist", "family": "vae", "d": 8, "emd": 35.0}], {"mnist": 28.0})
    >>> figure.alt
    'Earth mover’s distance to the test images. MNIST: VAE 8: 35; real images 28.'
    >>> plt.close(figure)
    """
    groups = _by(rows, "data")
    if not alt:
        parts = [
            f"{DATA[data]}: " + ", ".join(f"{TITLES[r['family']]} {r['d']}: {r['emd']:.0f}" for r in group)
            + f"; real images {floors[data]:.0f}"
            for data, group in groups.items()
        ]  # fmt: skip
        alt = f"Earth mover’s distance to the test images. {'. '.join(parts)}."
    figure, axes = subplots(1, len(groups), size=(3.9 * len(groups), 3.0), alt=alt, squeeze=False)
    for ax, (data, group) in zip(axes[0], groups.items(), strict=True):
        for family, members in _by(group, "family").items():
            members = sorted(members, key=lambda row: row["d"])
            ax.plot([r["d"] for r in members], [r["emd"] for r in members], label=TITLES[family], **METHODS[family])
        ax.axhline(floors[data], color=COLOURS["black"], linestyle=":", label="real images")
        ax.set(title=DATA[data], xlabel="latent dimension d", ylabel="EMD (squared grey values)")
        _from_zero(ax)
        ax.set_xticks(sorted({r["d"] for r in group}))
        ax.legend(loc="lower right", ncol=2, fontsize=8)
    return figure


def laws(rows: Sequence[Mapping], names: Mapping[str, str], alt: str) -> CourseFigure:
    """Distances and good samples under each law of z: a mark for each training run, a bar at their mean.

    Parameters
    ----------
    rows : dicts with "data", "family", "laws" (law -> "emd", "frechet", "good"); of "real" the three numbers alone
    names : dict of law -> label
    alt : str
    """
    measures = {"emd": "EMD (squared grey values)", "frechet": "Fréchet distance", "good": "good samples (%)"}
    groups = _by(rows, "data")
    figure, axes = subplots(len(groups), 3, size=(9.6, 2.9 * len(groups)), alt=alt, squeeze=False)
    for line, (data, group) in zip(axes, groups.items(), strict=True):
        families = _by([r for r in group if r["family"] != "real"], "family")
        (real,) = (r for r in group if r["family"] == "real")
        for ax, (measure, label) in zip(line, measures.items(), strict=True):
            scale = 100 if measure == "good" else 1
            for k, (family, runs) in enumerate(families.items()):
                at = np.arange(len(names)) + 0.2 * (k - 1)
                values = scale * np.array([[run["laws"][law][measure] for law in names] for run in runs])
                style = METHODS[family] | {"linestyle": "none"}
                ax.hlines(values.mean(0), at - 0.08, at + 0.08, color=style["color"], linewidth=2)
                ax.plot(np.tile(at, len(runs)), values.ravel(), label=TITLES[family], **style | {"markersize": 4.5})
            ax.axhline(scale * real[measure], color=COLOURS["black"], linestyle=":", label="real images")
            ax.set(ylabel=label, title=DATA[data], xticks=range(len(names)))
            ax.set_xticklabels(
                [name.replace(" (", "\n(").replace("ed G", "ed\nG") for name in names.values()], fontsize=8
            )
            ax.grid(axis="x", visible=False)
            ax.set_yscale("log") if measure == "frechet" else _from_zero(ax)
        line[0].legend(fontsize=8, loc="upper right")
    return figure


def reconstructions(truth: Tensor, fits: Mapping[str, Tensor], alt: str = "") -> CourseFigure:
    """Fig. 2: test images, the best fits of each generator with PSNR, and the residuals."""
    return image_rows(fits, truth=truth, size=1.05, alt=alt)


def latent_clouds(clouds: Mapping[str, Tensor], notes: Mapping[str, str] | None = None, alt: str = "") -> CourseFigure:
    """Fig. 4: latent vectors in a random plane; the circle holds 95 % of N(0, I).

    Parameters
    ----------
    clouds : dict of title -> (N, 2) tensor
    notes : dict of title -> str, optional
        Written below the title.

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> figure = latent_clouds({"VAE": torch.zeros(3, 2)})
    >>> figure.alt
    'Latent vectors of test images in a random plane. Within the circle that holds 95 % of N(0, I): VAE 100 %.'
    >>> plt.close(figure)
    """
    inside = {k: float((torch.as_tensor(p).norm(dim=1) < R95).double().mean()) for k, p in clouds.items()}
    if not alt:
        parts = ", ".join(f"{k} {100 * v:.0f} %" for k, v in inside.items()).replace("\n", " ")
        alt = f"Latent vectors of test images in a random plane. Within the circle that holds 95 % of N(0, I): {parts}."
    columns = min(3, len(clouds))
    n_rows = -(-len(clouds) // columns)
    figure, axes = subplots(n_rows, columns, size=(2.6 * columns, 2.9 * n_rows), alt=alt, squeeze=False)
    for ax, (title, points) in zip(axes.flat, clouds.items(), strict=False):
        points = torch.as_tensor(points)
        family = next((f for f, name in TITLES.items() if title.startswith(name)), "")
        colour = METHODS.get(family, {"color": COLOURS["black"]})["color"]
        ax.plot(*points.T.numpy(), linestyle="", marker=".", markersize=3, alpha=0.5, color=colour)
        ax.add_patch(Circle((0, 0), R95, fill=False, edgecolor=COLOURS["black"], linewidth=1.5))
        reach = max(4.0, 1.05 * float(points.abs().quantile(0.995)))
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        ax.set_title("\n".join([title, *([notes[title]] if notes and title in notes else [])]), fontsize=9)
    for ax in axes.flat[len(clouds) :]:
        ax.set_axis_off()
    return figure


def strip_grid(grid: Mapping[str, Sequence[Tensor]], columns: Sequence[str], alt: str) -> CourseFigure:
    """Strips of images in a table: one row a key, one column a heading.

    Parameters
    ----------
    grid : dict of row title -> one (n, 1, H, W) tensor for each column
    columns : headings
    alt : str
    """
    figure, axes = subplots(
        len(grid), len(columns), size=(1.9 * len(columns) + 0.9, 0.72 * len(grid) + 0.4), alt=alt, squeeze=False
    )
    for k, (line, (title, strips)) in enumerate(zip(axes, grid.items(), strict=True)):
        for ax, strip, heading in zip(line, strips, columns, strict=True):
            show_image(ax, torch.cat(list(strip[:, 0].clamp(0, 1)), dim=1), "" if k else heading)
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=6)
    return figure


def triangle_grids(grids: Mapping[str, Tensor], alt: str) -> CourseFigure:
    """Fig. 6: (K, L, 1, H, W) images over a triangle; the three corners that are fits of test images are framed."""
    columns = min(3, len(grids))
    n_rows = -(-len(grids) // columns)
    figure, axes = subplots(n_rows, columns, size=(2.7 * columns, 2.95 * n_rows), alt=alt, squeeze=False)
    for ax, (title, images) in zip(axes.flat, grids.items(), strict=False):
        rows, cols, _, height, width = images.shape
        show_image(ax, images[:, :, 0].clamp(0, 1).permute(0, 2, 1, 3).reshape(rows * height, cols * width), title)
        for r, c in ((0, 0), (rows - 1, 0), (0, cols - 1)):
            frame = [(c * width - 0.5, r * height - 0.5), width, height]
            ax.add_patch(_rectangle(*frame))
    for ax in axes.flat[len(grids) :]:
        ax.set_axis_off()
    return figure


def _rectangle(corner, width, height):
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, fill=False, edgecolor=COLOURS["orange"], linewidth=2)


def path_curves(paths: Mapping[str, Sequence[float] | Tensor], ylabel: str, alt: str) -> CourseFigure:
    """A quantity along a straight path in latent space, one line a generator ("AE", "VAE", "GAN")."""
    figure, ax = subplots(size=(5.2, 2.8), alt=alt)
    families = {name: family for family, name in TITLES.items()}
    for name, values in paths.items():
        values = np.asarray(values, dtype=float)
        style = METHODS[families[name]] | {"marker": ""}
        ax.plot(np.linspace(0, 1, len(values)), values, label=name, **style)
    ax.set(xlabel="way t from z1 to z2", ylabel=ylabel, ylim=(0, None))
    ax.legend()
    return figure


def trade_off(rows: Sequence[Mapping], floor: float, alt: str = "") -> CourseFigure:
    """The noise level rho of a VAE: error of the best fit, distance of samples, spread of encodings."""
    rho = [row["rho"] for row in rows]
    if not alt:
        alt = (
            f"Against rho from {rho[0]:g} to {rho[-1]:g}: NRMSE {rows[0]['nrmse']:.2f} to {rows[-1]['nrmse']:.2f}; EMD "
            f"{rows[0]['emd']:.0f} to {rows[-1]['emd']:.0f}; spread of the encodings {rows[0]['radius']:.1f} to "
            f"{rows[-1]['radius']:.1f}."
        )
    figure, axes = subplots(1, 3, size=(9.6, 2.8), alt=alt)
    vae = METHODS["vae"]
    axes[0].plot(rho, [r["nrmse"] for r in rows], **vae)
    axes[0].set(ylabel="NRMSE of the best fit, median")
    axes[1].plot(rho, [r["emd"] for r in rows], label="z from N(0, I)", **vae)
    fitted = vae | {"color": COLOURS["purple"], "marker": "D"}
    axes[1].plot(rho, [r["emd_fitted"] for r in rows], label="z fitted to encodings", **fitted)
    axes[1].axhline(floor, color=COLOURS["black"], linestyle=":", label="real images")
    axes[1].set(ylabel="EMD (squared grey values)")
    axes[1].legend()
    axes[2].plot(rho, [r["radius"] for r in rows], **vae)
    axes[2].axhline(1.0, color=COLOURS["black"], linestyle=":", label="N(0, I)")
    axes[2].set(ylabel="root mean square of z_j")
    axes[2].legend()
    for ax in axes:
        ax.set(xlabel="noise level ρ (grey values)", xscale="log", xticks=rho, xticklabels=[f"{r:g}" for r in rho])
        ax.minorticks_off()
        _from_zero(ax)
    return figure


def _short(score) -> str:
    """The printed digits of a score, but three significant ones at most: a cell is small."""
    if not math.isfinite(score.value) or score.value == 0:
        return str(score)
    places = 2 - math.floor(math.log10(abs(score.value)))
    return f"{score.value:,.{max(0, min(score.decimals, places))}f}"


def cards(score_cards: Mapping[str, object], alt: str = "") -> CourseFigure:
    """Score cards side by side: a table whose cells are darker the worse a generator is among those of its data.

    Parameters
    ----------
    score_cards : dict of title -> ScoreCard

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> from course_utils.properties import Score, ScoreCard
    >>> score = Score("A1 test", "best fit", "1", 0.31, 0.01, "lower")
    >>> figure = cards({"VAE": ScoreCard("VAE", "mnist", (score,), {}, 1.0)})
    >>> figure.alt
    'Score cards. best fit: VAE 0.31.'
    >>> plt.close(figure)
    """
    measures = next(iter(score_cards.values())).scores
    if not alt:
        parts = [f"{s.name}: " + ", ".join(f"{t} {card[s.key]}" for t, card in score_cards.items()) for s in measures]
        alt = f"Score cards. {'. '.join(parts)}.".replace("\n", " ")
    titles = list(score_cards)
    figure, ax = subplots(size=(5.0 + 0.8 * len(titles), 0.6 + 0.28 * len(measures)), alt=alt)
    groups: dict[str, list[int]] = {}
    for k, card in enumerate(score_cards.values()):
        groups.setdefault(card.data, []).append(k)
    shade = np.full((len(measures), len(titles)), np.nan)
    for i, measure in enumerate(measures):
        values = np.array([card[measure.key].value for card in score_cards.values()], dtype=float)
        badness = {"lower": values, "higher": -values}.get(measure.better)
        if badness is None:
            badness = np.abs(values - float(measure.better))
        for members in groups.values():
            part = badness[members]
            if np.isfinite(part).sum() < 2:
                continue
            # A difference below a tenth of the value is not painted as if it were a large one.
            span = max(np.nanmax(part) - np.nanmin(part), 0.1 * np.nanmax(np.abs(values[members])))
            shade[i, members] = (part - np.nanmin(part)) / span
    ax.imshow(shade, cmap="Oranges", vmin=-0.1, vmax=1.8, aspect="auto")
    for i, measure in enumerate(measures):
        for k, card in enumerate(score_cards.values()):
            ax.text(k, i, _short(card[measure.key]), ha="center", va="center", fontsize=10)
        ax.text(len(titles) - 0.4, i, f"best: {measure.better}", va="center", fontsize=9, color="0.35")
    labels = [f"{m.key.split(' ')[0]}  {m.name}" for m in measures]
    ax.set(yticks=range(len(measures)), yticklabels=labels, xticks=range(len(titles)), xticklabels=titles)
    ax.tick_params(length=0, labelsize=10, labeltop=True, labelbottom=False)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure
