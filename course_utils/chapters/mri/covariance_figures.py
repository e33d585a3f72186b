"""Figures of the MRI experiments: sweeps over spokes and noise, examples, what the covariance looks like, Fig. 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.images import show_image
from ...figures.style import COLOURS, METHODS, RESIDUAL_CMAP, STYLE, subplots
from ...reproduce.pictures import unpack
from .claims import MET, Published

__all__ = ["LABELS", "STYLES", "examples_figure", "fig12_figure", "model_figure", "sweep_figure", "worth_figure"]

STYLES = {
    "zero-filled": {"color": COLOURS["purple"], "linestyle": (0, (1, 1)), "marker": "P"},
    "tikhonov": METHODS["tikhonov"],
    "tv": METHODS["tv"],
    "hard": METHODS["hard"],
    "narnhofer": {"color": COLOURS["sky"], "linestyle": "-", "marker": "X"},
    "relaxed": METHODS["relaxed"],
    "sparse": METHODS["sparse"],
    "identity": {"color": COLOURS["green"], "linestyle": ":", "marker": "v"},
    "diagonal": {"color": COLOURS["orange"], "linestyle": "--", "marker": "s"},
    "covariance": {"color": COLOURS["vermilion"], "linestyle": "-", "marker": "o"},
    "gaussian": {"color": COLOURS["sky"], "linestyle": ":", "marker": "d"},
    "vn-25-0.05": {"color": COLOURS["blue"], "linestyle": "-.", "marker": "D"},
    "vn-125-0.05": {"color": COLOURS["black"], "linestyle": (0, (3, 1, 1, 1)), "marker": "^"},
    "vn-25-0.0125": {"color": COLOURS["purple"], "linestyle": (0, (5, 1)), "marker": "P"},
}
LABELS = {
    "zero-filled": "zero-filled", "tikhonov": "Tikhonov", "tv": "TV", "hard": "hard",
    "narnhofer": "Narnhofer (adapted)", "relaxed": "relaxed", "sparse": "sparse", "identity": "identity",
    "diagonal": "diagonal", "covariance": "covariance", "gaussian": "one Gaussian, no z",
    "vn-25-0.05": "VN: 25 spokes, σ 0.05",
    "vn-125-0.05": "VN: 125 spokes, σ 0.05", "vn-25-0.0125": "VN: 25 spokes, σ 0.0125",
}  # fmt: skip
#: Which curves share a row of panels; covariance is in both.
GROUPS = (
    ("identity", "diagonal", "covariance", "vn-25-0.05", "vn-125-0.05", "vn-25-0.0125"),
    ("zero-filled", "tikhonov", "tv", "hard", "narnhofer", "relaxed", "sparse", "covariance"),
)


def sweep_figure(record: Mapping) -> Figure:
    """Mean PSNR of the test slices with their standard deviation; below, dashed, the published curves of knees.

    Parameters
    ----------
    record : dict
        Stored result of ``covariance``.
    """
    settings = record["settings"]
    rows = {(r["method"], r["spokes"], r["sigma"]): r["psnr"] for r in record["rows"] if r["kind"] == "row"}
    spokes, noise, few = settings["spokes"], settings["noise"], settings["noise_spokes"]
    columns = [
        (f"σ = {settings['sigma']:g}", "spokes", spokes, [(s, settings["sigma"]) for s in spokes]),
        (f"σ = {settings['low']:g}", "spokes", spokes, [(s, settings["low"]) for s in spokes]),
        (f"{few} spokes", "noise σ of real and imaginary part", noise, [(few, s) for s in noise]),
    ]
    alt = (
        "Mean PSNR against the number of spokes at two noise levels and against the noise at 25 spokes. First row: "
        "models of the covariance and variational networks; second: the other methods; third: published curves."
    )
    figure, axes = subplots(3, 3, size=(12.5, 10), alt=alt, sharey="row")
    for column, (title, xlabel, x, places) in enumerate(columns):
        for line, methods in enumerate(GROUPS):
            ax = axes[line, column]
            for k, method in enumerate(methods):
                values = [rows.get((method, *place)) for place in places]
                _curve(ax, x, values, method, shift=k - len(methods) / 2, log=column == 2)
            _homes(ax, methods, column, settings)
            ax.set_title(f"ours, brains: {title}")
        published = (
            Published.at_25_spokes if column == 2 else Published.over_spokes[(0.05, 0.0125)[column]],
            Published.noise if column == 2 else Published.spokes,
        )
        for method, curve in published[0].items():
            seen = [(a, b) for a, b in zip(published[1], curve, strict=True) if b is not None]
            axes[2, column].plot(*zip(*seen, strict=True), label=LABELS[method], **STYLES[method] | {"linestyle": "--"})
        axes[2, column].set_title(f"published, knees: {title}" + (", as we read it" if column < 2 else ""))
        for ax in axes[:, column]:
            ax.set_xlabel(xlabel)
            if column == 2:
                _noise_axis(ax, noise)
                ax.invert_xaxis()
    for line in axes:
        line[0].set_ylabel("PSNR (dB), data range 1")
        handles = {label: handle for ax in line for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        low, high = line[1].get_ylim()
        line[1].set_ylim(low - 0.25 * (high - low), high)  # room for the legend below all curves
        line[1].legend(handles.values(), handles.keys(), fontsize=7.5, ncol=2, loc="lower right")
    figure.supxlabel(f"Published: {Published.label.partition(': ')[2]}.", fontsize=8.5)
    return figure


def worth_figure(controls: Mapping, covariance: Mapping) -> Figure:
    """One Gaussian for all slices against Gaussians that follow z, and TV, over spokes and noise.

    Parameters
    ----------
    controls, covariance : dict
        Stored results of ``mri-controls`` and of ``covariance``.
    """
    settings = covariance["settings"]
    rows = {(r["method"], r["spokes"], r["sigma"]): r["psnr"] for r in covariance["rows"] if r["kind"] == "row"}
    rows |= {("gaussian", r["spokes"], r["sigma"]): r["psnr"] for r in controls["rows"] if r["kind"] == "gaussian"}
    spokes, noise, few = settings["spokes"], settings["noise"], settings["noise_spokes"]
    columns = [("spokes", spokes, [(s, level) for s in spokes], f"σ = {level:g}") for level in _levels(settings)]
    columns.append(("noise σ of real and imaginary part", noise, [(few, s) for s in noise], f"{few} spokes"))
    alt = (
        "Mean PSNR over spokes at two noise levels and over the noise at 25 spokes, for TV, one Gaussian without z, "
        "and the learned covariance, which is the highest."
    )
    figure, axes = subplots(1, 3, size=(12.5, 3.8), alt=alt, sharey=True)
    for column, (ax, (xlabel, x, places, title)) in enumerate(zip(axes, columns, strict=True)):
        for k, method in enumerate(("tv", "gaussian", "covariance")):
            _curve(ax, x, [rows.get((method, *place)) for place in places], method, shift=k - 1, log=column == 2)
        ax.set(title=title, xlabel=xlabel)
        if column == 2:
            _noise_axis(ax, noise)
            ax.invert_xaxis()
    axes[0].set_ylabel("PSNR (dB), mean ± std over slices")
    axes[0].legend(fontsize=9, frameon=False, loc="lower right")
    return figure


def _levels(settings: Mapping) -> tuple[float, float]:
    return settings["sigma"], settings["low"]


def _curve(ax, x: Sequence[float], values: Sequence, method: str, shift: float, log: bool) -> None:
    """Mean and standard deviation over slices, each method a little to the side so that bars do not hide each other."""
    seen = [(a, np.mean(v), np.std(v, ddof=1) if len(v) > 1 else 0.0) for a, v in zip(x, values, strict=True) if v]
    if not seen:
        return
    a, middle, error = (np.array(part) for part in zip(*seen, strict=True))
    a = a * 1.03**shift if log else a + 0.9 * shift
    ax.errorbar(a, middle, error, label=LABELS[method], elinewidth=0.7, capsize=0, **STYLES[method])


def _noise_axis(ax, noise: Sequence[float]) -> None:
    """A logarithmic axis with the noise levels as ticks."""
    ax.set_xscale("log")
    ax.set_xticks(noise, [f"{sigma:g}" for sigma in noise])
    ax.minorticks_off()


def _homes(ax, methods: Sequence[str], column: int, settings: Mapping) -> None:
    """A faint line where each network of the panel was trained."""
    for method in methods:
        if method.startswith("vn-"):
            spokes, sigma = int(method.split("-")[1]), float(method.split("-")[2])
            level = (settings["sigma"], settings["low"])[column] if column < 2 else None
            if (column == 2 and spokes == settings["noise_spokes"]) or sigma == level:
                ax.axvline(sigma if column == 2 else spokes, color=STYLES[method]["color"], linewidth=0.8, alpha=0.6)


def examples_figure(record: Mapping, truth: Tensor) -> Figure:
    """The middle of one test slice by several methods, a row for each setting, residuals below each.

    Parameters
    ----------
    record : dict
        Stored result of ``covariance``.
    truth : (1, 1, 56, 56) tensor
        ``course_utils.reproduce.brains.example_truth(record)``.
    """
    rows = [r for r in record["rows"] if "examples" in r]
    methods = [m for m in LABELS if any(r["method"] == m for r in rows)]
    places = [tuple(at) for at in record["settings"]["examples_at"]]
    found = {(r["method"], r["spokes"], r["sigma"]): r for r in rows}
    k = record["settings"]["example"]
    alt = "One test slice, with residuals, at several numbers of spokes by " + ", ".join(LABELS[m] for m in methods)
    size = (1.5 * (len(methods) + 1), 3.2 * len(places))
    figure, axes = subplots(2 * len(places), len(methods) + 1, size=size, alt=alt, squeeze=False)
    for line, (spokes, sigma) in enumerate(places):
        show_image(axes[2 * line, 0], truth, "truth" if line == 0 else "")
        axes[2 * line + 1, 0].set_axis_off()
        words = f"{spokes} spokes,\nσ = {sigma:g};\nresidual ±0.3"
        axes[2 * line + 1, 0].text(0.5, 0.5, words, ha="center", va="center")
        for column, method in enumerate(methods, 1):
            top, below = axes[2 * line, column], axes[2 * line + 1, column]
            row = found.get((method, spokes, sigma))
            name = LABELS[method].replace(" (", "\n(").replace(": ", "\n").replace(", ", "\n") if line == 0 else ""
            if row is None:
                top.set_title(name)
                top.set_axis_off()
                below.set_axis_off()
                continue
            image = unpack(row["examples"], truth.shape[-1])
            show_image(top, image, f"{name}\n{row['psnr'][k]:.1f} dB".strip())
            show_image(below, image - truth, "", (-0.3, 0.3), RESIDUAL_CMAP)
    return figure


def model_figure(record: Mapping) -> Figure:
    """What each model knows of the residual: standard deviations, a pixel's covariance with its neighbours, draws.

    Parameters
    ----------
    record : dict
        Stored result of ``covariance``.
    """
    rows = [r for r in record["rows"] if r["kind"] == "model"]
    side = record["settings"]["window"]
    alt = (
        "For each model of the covariance: the residual of a test slice, standard deviations of the pixels, the "
        "covariance of two pixels with their neighbours, positive red, negative blue, a mean image, a draw around it."
    )
    heads = ("x - G(z), ±0.2", "standard deviation", "covariance\nof pixel", "of pixel", "G(z), z ~ N(0, I)", "drawn")
    figure, axes = subplots(len(rows), len(heads), size=(1.9 * len(heads), 2.1 * len(rows)), alt=alt, squeeze=False)
    for line, r in zip(axes, rows, strict=True):
        low, high = r["deviation_range"]
        show_image(line[0], unpack([r["residual"]], side, -0.5, 0.5), heads[0], (-0.2, 0.2), RESIDUAL_CMAP)
        deviation = unpack([r["deviation"]], side, 0.0, high)
        show_image(line[1], deviation, f"{heads[1]}\n{low:.3f} to {high:.3f}", (0, high))
        for ax, pixel, title in zip(line[2:4], r["pixels"], heads[2:4], strict=True):
            near = unpack([pixel["covariance"]], _side(pixel["covariance"]), -1.0, 1.0)
            show_image(ax, near, f"{title} {tuple(pixel['at'])}", (-1, 1), RESIDUAL_CMAP)
        show_image(line[4], unpack(r["means"][:1], side), heads[4])
        show_image(line[5], unpack(r["drawn"][:1], side), heads[5])
        line[0].set_ylabel(r["family"])
    return figure


def _side(text: str) -> int:
    """Pixels along the side of a packed square image."""
    return round((len(text) * 3 / 4) ** 0.5)


HOLLOW = {"linestyle": "", "markerfacecolor": "white", "zorder": 5}


def _cut(row: Mapping) -> bool:
    """Whether too many of the runs were stopped by their budget, not by their rule."""
    return row.get("converged", 1) < MET


def fig12_figure(record: Mapping, truth: Tensor) -> Figure:
    """PSNR against noise with weights chosen for each image (solid) and tuned (faint); one slice at every noise level.

    Parameters
    ----------
    record : dict
        Stored result of ``fig12``.
    truth : (1, 1, 56, 56) tensor
    """
    noise = sorted(record["settings"]["noise"])
    methods = [m for m in record["settings"]["methods"] if any(r["method"] == m for r in record["rows"])]
    rows = {(r["method"], r["sigma"]): r for r in record["rows"]}
    k = record["settings"]["example"]
    alt = "PSNR against noise for " + ", ".join(LABELS[m] for m in methods) + "; one slice by each at every level."
    size = (14, 1.75 * max(2, len(methods)))
    figure, axes = subplots(len(methods), len(noise) + 5, size=size, alt=alt, squeeze=False)
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, :4].flat:
        ax.remove()
    with rc_context(STYLE):
        left = figure.add_subplot(grid[:, :4])
    for shift, method in enumerate(methods):
        here = [s for s in noise if (method, s) in rows]
        values = [rows[method, s]["oracle_psnr"] for s in here]
        aside = shift - len(methods) / 2
        _curve(left, np.array(here), values, method, shift=aside, log=True)
        cut = [(s * 1.03**aside, np.mean(v)) for s, v in zip(here, values, strict=True) if _cut(rows[method, s])]
        if cut:
            left.plot(*zip(*cut, strict=True), **STYLES[method] | HOLLOW)
        tuned = [np.mean(rows[method, s]["psnr"]) for s in here]
        left.plot(here, tuned, color=STYLES[method]["color"], linestyle="-", linewidth=0.8, alpha=0.5)
    _noise_axis(left, noise)
    left.set(xlabel="noise σ of the data", ylabel="PSNR (dB), data range 1, mean ± std over slices")
    left.set_title(
        "weights chosen for each image by its truth;\nthin: tuned on another head; hollow and *: cut off by the budget"
    )
    left.legend(fontsize=9, frameon=False)
    for line, method in enumerate(methods):
        show_image(axes[line, 4], truth, "truth" if line == 0 else "")
        for column, s in enumerate(noise, 5):
            row = rows.get((method, s))
            if row is None:
                axes[line, column].set_axis_off()
                continue
            head = f"σ = {s:g}\n" if line == 0 else ""
            image = unpack([row["example"]], truth.shape[-1])
            show_image(axes[line, column], image, f"{head}{row['oracle_psnr'][k]:.1f} dB{'*' if _cut(row) else ''}")
        axes[line, 4].set_ylabel(LABELS[method])
    return figure
