"""Figures and tables of chapter 07: geometry and sinogram, the tables, and which part of an image G has drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from IPython.display import Markdown
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.images import show_image
from ...figures.labels import label
from ...figures.lines import curves
from ...figures.style import COLOURS, METHODS, RESIDUAL_CMAP, STYLE, subplots
from ...figures.tables import markdown_table
from ...metrics import RANGE_2_OFFSET_DB
from ...operators import ParallelBeam
from ...reproduce.pictures import unpack

__all__ = [
    "coloured", "cost_table", "deviation_figure", "geometry_figure", "runs_figure", "singular_value_curves",
    "sinogram_row", "table_and_examples", "tomography_table", "two_colours", "views_figure",
]  # fmt: skip

GENERATOR_COLOUR, ADDED, REMOVED = "blue", "orange", "purple"
#: Of the paper's text: iterations (mean) and time of its algorithms, Sect. 5.3.
PAPER_COST = {"tikhonov": (157, 40), "hard": (37, 12), "relaxed": (255, 60)}
FILL = {"fbp": {"color": COLOURS["purple"], "linestyle": (0, (1, 1)), "marker": "P"}}
STYLES = METHODS | FILL | {"sparse-tv": {"color": COLOURS["sky"], "linestyle": "-", "marker": "X"}}


def geometry_figure(A: ParallelBeam, x: Tensor, view: int, alt: str = "") -> Figure:
    """The rays of one view over the image, its projection, and the sinogram with that view marked.

    Parameters
    ----------
    A : ParallelBeam
    x : (1, 1, size, size) tensor
    view : int
        Index of the angle.
    """
    y = A(x)[0] / A.scale
    angle, n, size = float(A.angles[view]), A.shape_out[1], A.shape_in[1]
    offsets = (np.arange(n) - (n - 1) / 2) * A.bin_width
    figure, axes = subplots(1, 3, size=(9.6, 3.1), alt=alt)
    half = size / 2
    axes[0].imshow(x[0, 0].numpy(), cmap="gray", vmin=0, vmax=1, extent=(-half, half, -half, half))
    normal, along = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    reach = half * math.sqrt(2)
    for s in offsets[:: max(1, n // 13)]:
        ends = np.stack([s * normal - reach * along, s * normal + reach * along])
        axes[0].plot(*ends.T, color=COLOURS["orange"], linestyle="-", linewidth=0.9)
    axes[0].set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="pixels", ylabel="pixels", aspect="equal")
    axes[0].set_title(f"rays of the view at {math.degrees(angle):.0f}°")
    axes[0].grid(False)
    axes[1].plot(offsets, y[view].numpy(), color=COLOURS["orange"], linestyle="-")
    axes[1].set(xlabel="detector position s (pixels)", ylabel="grey value x pixels", title="its projection")
    low, high = math.degrees(float(A.angles[0])), math.degrees(float(A.angles[-1]))
    edge = n * A.bin_width / 2
    axes[2].imshow(y.numpy(), cmap="gray", aspect="auto", extent=(-edge, edge, high, low))
    axes[2].axhline(math.degrees(angle), color=COLOURS["orange"], linestyle="-")
    axes[2].set(xlabel="detector position s (pixels)", ylabel="angle (degrees)", title="all views: the sinogram")
    axes[2].grid(False)
    return figure


def sinogram_row(sinograms: Mapping[str, Tensor], degrees: tuple[float, float], alt: str = "") -> Figure:
    """Sinograms side by side, angles downwards, each on its own grey scale.

    Parameters
    ----------
    sinograms : dict of title -> (n_angles, n_detectors) tensor
    degrees : (first, last) angle
    """
    figure, axes = subplots(1, len(sinograms), size=(2.4 * len(sinograms), 2.6), alt=alt, squeeze=False, sharey=True)
    for ax, (title, y) in zip(axes[0], sinograms.items(), strict=True):
        ax.imshow(y.numpy(), cmap="gray", aspect="auto", extent=(0, y.shape[1], degrees[1], degrees[0]))
        ax.set(title=title, xlabel="detector bin")
        ax.grid(False)
    axes[0, 0].set_ylabel("angle (degrees)")
    return figure


def singular_value_curves(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], alt: str = "") -> Figure:
    """Singular values against their number, on a logarithmic scale.

    Parameters
    ----------
    curves : dict of label -> (numbers, singular values)
    """
    figure, ax = subplots(size=(5.6, 3.2), alt=alt)
    for k, (name, (index, values)) in enumerate(curves.items()):
        colour = list(COLOURS.values())[k % 6]
        ax.plot(index, np.maximum(values, 1e-9), label=name, color=colour, linestyle=("-", "--", "-.", ":")[k % 4])
    ax.set(yscale="log", ylim=(1e-7, 2), xlabel="number of the singular value", ylabel="singular value")
    ax.legend(fontsize=8.5, frameon=False)
    return figure


def tomography_table(rows: Sequence[Mapping]) -> Markdown:
    """Weights and PSNR of stored rows, with the range of this course and with the paper's; contrast if there are spots.

    Example
    -------
    >>> row = {"generator": "none", "method": "tv", "lam": 0.05, "psnr": [24.0, 26.0], "contrast": [0.3, 0.4]}
    >>> print(tomography_table([row]).data)
    | method | λ or cutoff | μ | PSNR (dB), range 1: mean ± std | range 2: mean | contrast left, % |
    |:---|---:|---:|---:|---:|---:|
    | TV | 0.05 |  | 25.00 ± 1.41 | 31.02 | 35 |
    """
    lines, spots = [], all("contrast" in r for r in rows)
    for r in rows:
        db = torch.tensor(r["psnr"])
        first = r["lam"] if "lam" in r else r["cutoff"]
        mu = f"{r['mu']:.2g}" if "mu" in r else ""
        spread = f"{db.mean():.2f} ± {db.std():.2f}"
        line = [label(r), f"{first:.2g}", mu, spread, f"{db.mean() + RANGE_2_OFFSET_DB:.2f}"]
        lines.append([*line, f"{100 * np.mean(r['contrast']):.0f}"] if spots else line)
    head = ["method", "λ or cutoff", "μ", "PSNR (dB), range 1: mean ± std", "range 2: mean"]
    return markdown_table([*head, "contrast left, %"] if spots else head, lines)


def cost_table(rows: Sequence[Mapping]) -> Markdown:
    """Iterations, evaluations and time: the paper's text, its algorithms run here, and our fast solvers.

    Example
    -------
    >>> row = {"generator": "vae", "method": "hard", "psnr": [28.0], "iterations_mean": 15.2, "ms_per_image": 150.0}
    >>> row |= {"paper_psnr": [26.0], "paper_iterations_mean": 82.0, "paper_ms_per_image": 350.0}
    >>> row |= {"values_mean": 2.0, "gradients_mean": 16.0, "paper_values_mean": 190.0, "paper_gradients_mean": 82.0}
    >>> cost_table([row]).data.splitlines()[-1]
    '| VAE hard | 37 | up to 12 s | 82 | 190 + 82 | 0.35 s | 26.0 | 15 | 2 + 16 | 0.15 s | 28.0 |'
    """
    lines = []
    for r in rows:
        iterations, seconds = PAPER_COST[r["method"]]
        line = [label(r), iterations, f"up to {seconds} s"]
        for of in ("paper_", ""):
            line += [
                f"{r[f'{of}iterations_mean']:.0f}",
                f"{r[f'{of}values_mean']:.0f} + {r[f'{of}gradients_mean']:.0f}",
                f"{r[f'{of}ms_per_image'] / 1e3:.2g} s",
                f"{np.mean(r[f'{of}psnr']):.1f}",
            ]
        lines.append(line)
    counted = ["values + gradients", "time", "PSNR (dB)"]
    head = ["method", "paper: iterations", "time", "paper's algorithm, ours: iterations", *counted, "fast: iterations"]
    return markdown_table([*head, *counted], lines)


def runs_figure(runs: Mapping[tuple[str, str, float], Sequence[float]]) -> Figure:
    """Mean PSNR of each training run: one line a generator and scan, one dot a run.

    Parameters
    ----------
    runs : dict of (generator, views, noise) -> mean PSNR of its training runs
    """
    names = [f"{label({'generator': g, 'method': 'hard'})}, {views}, σ = {sigma:g}" for g, views, sigma in runs]
    words = (
        f"{name}: {', '.join(f'{v:.1f}' for v in values)}" for name, values in zip(names, runs.values(), strict=True)
    )
    alt = "Mean PSNR in dB of each training run. " + "; ".join(words)
    figure, ax = subplots(size=(6.4, 0.9 + 0.3 * len(runs)), alt=alt)
    colours = {family: list(COLOURS.values())[k] for k, family in enumerate(dict.fromkeys(g for g, *_ in runs))}
    for k, ((family, *_), values) in enumerate(runs.items()):
        ax.plot([min(values), max(values)], [-k, -k], color=colours[family], linestyle="-")
        ax.plot(values, [-k] * len(values), color=colours[family], marker="o", linestyle="none")
    ax.set(yticks=[-k for k in range(len(runs))], yticklabels=names)
    ax.set_xlabel("mean PSNR of 100 test images (dB), data range 1")
    ax.grid(axis="y", visible=False)
    return figure


def rho_figure(lines: Mapping[str, Mapping[float, float]]) -> Figure:
    """Mean PSNR against the noise level rho of a VAE.

    Parameters
    ----------
    lines : dict of label -> {rho: mean PSNR}
    """
    alt = "Mean PSNR in dB against rho. " + "; ".join(
        f"{name}: {', '.join(f'{v:.1f}' for v in values.values())}" for name, values in lines.items()
    )
    figure, ax = subplots(size=(6.4, 3.0), alt=alt)
    rhos = list(next(iter(lines.values())))
    curves(
        rhos,
        {name: list(values.values()) for name, values in lines.items()},
        "noise level ρ with which the VAE was trained",
        "mean PSNR of 100 test images (dB)",
        ax=ax,
    )
    ax.set_xticks(rhos)
    return figure


def table_and_examples(record: Mapping, test: Tensor, shown: Sequence[int] = (0, 1)) -> Figure:
    """PSNR of every test image as points and quartiles; beside them examples with residuals.

    Parameters
    ----------
    record : dict
        Stored result of ``fig10``.
    test : (N, 1, 56, 56) tensor
        The test images of the experiment.
    shown : indices of examples
    """
    rows = record["rows"]
    pictured = [
        ("none", "tv"),
        ("ae", "hard"),
        ("vae", "hard"),
        ("vae", "relaxed"),
        ("vae", "sparse"),
        ("wgan", "hard"),
    ]
    found = {(r["generator"], r["method"]): r for r in rows}
    pictured = [key for key in pictured if key in found]
    alt = "PSNR of 100 test images for each method; examples with residuals: " + ", ".join(
        f"{label(found[k])} {np.mean(found[k]['psnr']):.1f} dB" for k in pictured
    )
    n_columns = len(pictured) + 1
    figure, axes = subplots(2 * len(shown), n_columns + 4, size=(15, 1.45 * 2 * len(shown)), alt=alt, squeeze=False)
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, :4].flat:
        ax.remove()
    with rc_context(STYLE):
        left = figure.add_subplot(grid[:, :4])
    distributions(left, {label(r): (r["psnr"], r["method"]) for r in rows})
    for row, k in enumerate(shown):
        truth = test[k : k + 1]
        show_image(axes[2 * row, 4], truth, "truth" if row == 0 else "")
        axes[2 * row + 1, 4].set_axis_off()
        axes[2 * row + 1, 4].text(0.5, 0.5, "residual,\n±0.5", ha="center", va="center")
        for column, key in enumerate(pictured, 5):
            image = unpack([found[key]["examples"][k]], truth.shape[-1])
            title = f"{label(found[key])}\n" if row == 0 else ""
            show_image(axes[2 * row, column], image, f"{title}{found[key]['psnr'][k]:.1f} dB")
            show_image(axes[2 * row + 1, column], image - truth, "", (-0.5, 0.5), RESIDUAL_CMAP)
    return figure


def distributions(ax, rows: Mapping[str, tuple[Sequence[float], str]]) -> None:
    """One line a method: every image a point, a bar from quartile to quartile, a tick at the median."""
    jitter = np.random.default_rng(0)
    for k, (values, method) in enumerate(rows.values()):
        style = STYLES[method]
        height = -k + 0.28 * (jitter.random(len(values)) - 0.5)
        ax.plot(
            values, height, linestyle="none", marker=style["marker"], markersize=2.5, color=style["color"], alpha=0.35
        )
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        ax.plot([low, high], [-k, -k], color=style["color"], linestyle="-", linewidth=5, solid_capstyle="butt")
        ax.plot([middle], [-k], marker="|", markersize=13, markeredgewidth=2.5, color=COLOURS["black"])
    ax.set(yticks=[-k for k in range(len(rows))], yticklabels=list(rows), xlabel="PSNR (dB), data range 1")
    ax.grid(axis="y", visible=False)


def views_figure(record: Mapping) -> Figure:
    """Mean PSNR of every method on every geometry, a panel for each noise level, and the singular values."""
    rows = [r for r in record["rows"] if r["kind"] == "row"]
    seen = [r for r in record["rows"] if r["kind"] == "geometry"]
    names = list(dict.fromkeys(r["geometry"] for r in rows))
    sigmas = sorted({r["sigma"] for r in rows}, reverse=True)
    alt = "Mean PSNR of each method on each geometry, for each noise level; singular values of each geometry."
    figure, axes = subplots(1, len(sigmas) + 1, size=(4.3 * (len(sigmas) + 1), 3.6), alt=alt)
    for ax, sigma in zip(axes, sigmas, strict=False):
        here = [r for r in rows if r["sigma"] == sigma]
        methods = list(dict.fromkeys((r["generator"], r["method"]) for r in here))
        for k, key in enumerate(methods):
            mine = {r["geometry"]: r for r in here if (r["generator"], r["method"]) == key}
            place = np.arange(len(names)) + 0.11 * (k - (len(methods) - 1) / 2)
            middle = [np.mean(mine[name]["psnr"]) for name in names]
            error = [np.std(mine[name]["psnr"]) for name in names]
            style = STYLES[key[1]]
            ax.errorbar(
                place, middle, error, linestyle="none", marker=style["marker"], color=style["color"], markersize=6,
                elinewidth=1, label=label(mine[names[0]]),
            )  # fmt: skip
        ax.set(xticks=range(len(names)), ylabel="PSNR (dB), mean ± std", title=f"σ = {sigma:g}")
        ax.set_xticklabels([name.replace(" ", "\n") for name in names], fontsize=9)
        ax.legend(fontsize=7.5, ncol=2, frameon=False)
    for k, r in enumerate(seen):
        colour, line = list(COLOURS.values())[k % 6], ("-", "--", "-.", ":")[k % 4]
        values = np.maximum(r["singular_values"], 1e-9)
        axes[-1].plot(r["index"], values, label=r["geometry"], color=colour, linestyle=line)
    axes[-1].set(yscale="log", ylim=(1e-7, 2), xlabel="number of the singular value", ylabel="singular value")
    axes[-1].legend(fontsize=8, frameon=False)
    return figure


def two_colours(g: Tensor, u: Tensor, white: float = 1.0) -> np.ndarray:
    """G(z) in blue, what u adds in orange, what it removes in purple, on black: (H, W, 3) in [0, 1].

    The three are told apart with every common kind of colour vision.

    Parameters
    ----------
    g, u : (1, H, W) or (H, W) tensors
    white : float
        Grey value of full colour.

    Example
    -------
    >>> rgb = two_colours(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    >>> [f"{v:.2f}" for v in rgb[0, 0]], rgb[0, 1].tolist()
    (['0.00', '0.45', '0.70'], [0.0, 0.0, 0.0])
    """

    def colour(name: str) -> np.ndarray:
        return np.array([int(COLOURS[name][k : k + 2], 16) / 255 for k in (1, 3, 5)])

    g, u = (np.asarray(part, dtype=float).reshape(part.shape[-2:])[..., None] / white for part in (g, u))
    ink = np.clip(g, 0, 1) * colour(GENERATOR_COLOUR)
    for amount, name in ((np.clip(u, 0, 1), ADDED), (np.clip(-u, 0, 1), REMOVED)):
        ink = (1 - amount) * ink + amount * colour(name)
    return np.clip(ink, 0, 1)


def coloured(ax, g: Tensor, u: Tensor, title: str, white: float) -> None:
    """``two_colours`` on axes."""
    ax.imshow(two_colours(g, u, white), interpolation="nearest")
    ax.set_title(title)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)


def deviation_figure(record: Mapping, test: Tensor) -> Figure:
    """Truth and methods, the residual of sparse-TV, and which part of it G has drawn: G(z) blue, u orange or purple.

    Above each image its PSNR, and how much of the spot's contrast is left.
    """
    rows = {r["method"]: r for r in record["rows"] if r["sigma"] == 0.05}
    shown = [m for m in ("tv", "hard", "sparse-tv") if m in rows]
    n = len(rows["sparse-tv"]["examples"])
    size = test.shape[-1]
    alt = (
        "Three images of a circle with a bright spot and a rectangle: truth, TV, VAE hard without the spot, VAE "
        "sparse-TV with it, the residual of sparse-TV, and the same image coloured: the part drawn by the generator in "
        "blue, the spot, which the deviation added, in orange."
    )
    figure, axes = subplots(n, len(shown) + 3, size=(1.7 * (len(shown) + 3), 1.85 * n), alt=alt, squeeze=False)
    for k in range(n):
        truth = test[k : k + 1]
        show_image(axes[k, 0], truth, "truth" if k == 0 else "")
        for column, method in enumerate(shown, 1):
            image = unpack([rows[method]["examples"][k]], size)
            head = f"{label(rows[method])}\n" if k == 0 else ""
            kept = f", {100 * rows[method]['contrast'][k]:.0f} %" if "contrast" in rows[method] else ""
            show_image(axes[k, column], image, f"{head}{rows[method]['psnr'][k]:.1f} dB{kept}")
        image = unpack([rows["sparse-tv"]["examples"][k]], size)
        u = unpack([rows["sparse-tv"]["example_deviations"][k]], size, -1.0, 1.0)
        show_image(axes[k, -2], image - truth, "residual,\n±0.5" if k == 0 else "", (-0.5, 0.5), RESIDUAL_CMAP)
        coloured(axes[k, -1], image - u, u, "G(z) blue,\nu orange, purple" if k == 0 else "", white=0.6)
    return figure
