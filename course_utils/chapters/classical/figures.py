"""Pictures of chapter 02: what penalties cost, how algorithms get there, filters, rates, rules, posteriors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...choosing import Choice
from ...figures.images import show_image
from ...figures.lines import curves
from ...figures.methods import PROBLEMS
from ...figures.style import COLOURS, LINES, subplots
from ...figures.tables import markdown_table
from ...filters import Rate
from ...metrics import psnr
from ...regularisers import Regulariser
from ...reproduce.methods import WINDOW
from ...reproduce.pictures import middle, unpack
from ...reproduce.problems import shared_problem
from ...solvers import Result

__all__ = [
    "algorithm_table", "examples_figure", "families_table", "penalty_table", "posterior_figure", "profiles",
    "rates_figure", "rules_figure", "shaded_phantom", "simple_images",
]  # fmt: skip


def simple_images(n: int = 32) -> dict[str, Tensor]:
    """Four images between 0 and 1: an upright step, a slanted step, a ramp, and a roof (two ramps with a kink).

    Example
    -------
    >>> {name: tuple(image.shape) for name, image in simple_images(8).items()}
    {'step': (1, 1, 8, 8), 'slanted step': (1, 1, 8, 8), 'ramp': (1, 1, 8, 8), 'roof': (1, 1, 8, 8)}
    """
    t = torch.linspace(0, 1, n)
    images = {
        "step": (t > 0.5).float().expand(n, n),
        "slanted step": (t + t[:, None] > 1).float(),
        "ramp": t.expand(n, n),
        "roof": (2 * t - 1).abs().expand(n, n),
    }
    return {name: image.reshape(1, 1, n, n) for name, image in images.items()}


def shaded_phantom(n: int = 64) -> Tensor:
    """A plate on a background, both shaded linearly: edges and ramps in one image, (1, 1, n, n).

    Example
    -------
    >>> x = shaded_phantom(16)
    >>> x.shape, round(float(x.min()), 2), round(float(x.max()), 2)
    (torch.Size([1, 1, 16, 16]), 0.2, 0.8)
    """
    t = torch.linspace(0, 1, n)
    x = (0.2 + 0.6 * t).expand(n, n).clone()
    rows, columns = slice(n // 4, 5 * n // 8), slice(3 * n // 16, 9 * n // 16)
    x[rows, columns] = 0.9 - 0.75 * t[columns]
    return x.reshape(1, 1, n, n)


def penalty_table(penalties: Mapping[str, Regulariser], images: Mapping[str, Tensor]):
    """R(x) of each penalty at each image, divided by its value at the first."""
    lines = []
    for name, R in penalties.items():
        values = [float(R(x)) for x in images.values()]
        lines.append([name, f"{values[0]:.0f}", *(f"{value / values[0]:.2f}" for value in values[1:])])
    first, *others = images
    return markdown_table(["penalty", f"R({first})", *(f"{other} / {first}" for other in others)], lines)


def profiles(rows: Mapping[str, Tensor], row: int, alt: str = "") -> Figure:
    """One row of pixels of several images (1, 1, H, W), a panel for each but the first, which is in all of them."""
    (truth_name, truth), *others = rows.items()
    figure, axes = subplots(1, len(others), size=(2.7 * len(others), 2.5), alt=alt, sharey=True)
    for ax, (name, image) in zip(axes, others, strict=True):
        ax.plot(truth[0, 0, row], color=COLOURS["black"], linestyle=":", label=truth_name)
        ax.plot(image[0, 0, row], color=COLOURS["vermilion"], linestyle="-", linewidth=1.3, label=name)
        ax.set(title=name, xlabel="pixel")
    axes[0].set_ylabel("grey value")
    axes[0].legend(fontsize=8)
    return figure


def algorithm_table(results: Mapping[str, Result], least: Tensor):
    """Iterations, distance from the least objective, and time of several solvers of one problem."""
    lines = [
        [
            name, f"{r.iterations.double().mean():.0f}", f"{float((r.objective / least - 1).max()):.0e}",
            f"{1e3 * r.seconds / len(r.x):.0f}", "yes" if bool(r.converged.all()) else "no",
        ]
        for name, r in results.items()
    ]  # fmt: skip
    return markdown_table(["algorithm", "iterations", "(F - F*) / F*, worst", "ms per image", "converged"], lines)


def rates_figure(rates: Mapping[str, Rate], alt: str = "") -> Figure:
    """Error against noise level, log-log, each beside a line of the slope that is proved."""
    figure, ax = subplots(size=(5.8, 3.7), alt=alt)
    for k, (name, rate) in enumerate(rates.items()):
        colour = list(COLOURS.values())[k]
        ax.loglog(rate.deltas, rate.errors, "os^Dv"[k], color=colour, markersize=6)
        line = rate.errors[-1] * (rate.deltas / rate.deltas[-1]) ** rate.theorem
        label = f"{name}: {rate.slope:.2f}, theorem {rate.theorem:.2f}"
        ax.loglog(rate.deltas, line, color=colour, linestyle=LINES[k], linewidth=1.2, label=label)
    ax.set(xlabel=r"noise level $\delta=\|e\|$", ylabel=r"worst error $\|x-x^\dagger\|$")
    ax.legend(fontsize=8.5)
    return figure


def rules_figure(choices: Mapping[str, Sequence[Choice]], truths: Tensor, image: int, alt: str = "") -> Figure:
    """PSNR of one image against lambda with the weight of every rule, a panel for each regulariser.

    Parameters
    ----------
    choices : dict of regulariser -> Choices of all rules, the oracle among them
    truths : (B, 1, H, W) tensor
    image : int
    """
    figure, axes = subplots(1, len(choices), size=(4.6 * len(choices), 3.6), alt=alt, sharey=True)
    for ax, (name, rules) in zip(axes, choices.items(), strict=True):
        quality = next(rule.curves["psnr"] for rule in rules if rule.rule == "oracle")[:, image]
        curves(rules[0].grid, {"PSNR": quality}, "λ", "", "semilogx", title=name, ax=ax)
        for k, rule in enumerate(rules):
            height = float(psnr(rule.result.x, truths)[image])
            colour = list(COLOURS.values())[(1, 2, 3, 4, 6)[k]]
            ax.plot(  # hollow ones, so that rules which agree are all seen
                float(rule.lam[image]), height, marker="osD^*"[k], markersize=(9, 15, 12, 7, 11)[k], linestyle="none",
                markeredgecolor=colour, markerfacecolor="none" if k in (1, 2) else colour, markeredgewidth=1.6,
                label=f"{rule.rule}: {height:.1f} dB",
            )  # fmt: skip
        ax.legend(fontsize=8.5, loc="lower center")
    axes[0].set_ylabel("PSNR (dB)")
    return figure


def posterior_figure(panels: Mapping[str, Tensor], spread: Tensor, truth: Tensor, alt: str = "") -> Figure:
    """Images (1, 1, H, W) with their PSNR, and the standard deviation of each pixel on a scale of its own."""
    figure, axes = subplots(1, len(panels) + 2, size=(1.75 * (len(panels) + 2), 2.3), alt=alt)
    show_image(axes[0], truth, "truth")
    for ax, (name, image) in zip(axes[1:], panels.items(), strict=False):
        show_image(ax, image, f"{name}\n{float(psnr(image, truth)):.1f} dB")
    top = float(np.ceil(20 * float(spread.max())) / 20)
    shown = show_image(axes[-1], spread, f"standard deviation\n0 to {top:.2f}", (0, top), "viridis")
    figure.colorbar(shown, ax=axes[-1], fraction=0.046)
    return figure


def examples_figure(record: Mapping) -> Figure:
    """The first test image of each problem, by the best formula, iteration and penalty and by one generative method.

    Parameters
    ----------
    record : dict
        Stored result of ``methods``.
    """
    columns = ["formula", "iterative", "TV", "TGV", "generative"]
    names = [name for name in PROBLEMS if any(r["problem"] == name for r in record["rows"])]
    alt = (
        "A row for each problem: truth, the best formula, iteration, TV and TGV, and the best method with a generator."
    )
    figure, axes = subplots(len(names), len(columns) + 1, size=(10.5, 1.95 * len(names)), alt=alt, squeeze=False)
    for line, name in zip(axes, names, strict=True):
        truth = middle(shared_problem(name, n_val=1).x[:1], WINDOW)
        show_image(line[0], truth, "truth")
        line[0].set_ylabel(PROBLEMS[name].replace(", ", "\n"), fontsize=9)
        for ax, column in zip(line[1:], columns, strict=True):
            rows = [r for r in record["rows"] if r["problem"] == name and "example" in r]
            mine = [r for r in rows if r["kind"] == column or r["method"].rstrip("+") == column.lower()]
            if not mine:
                ax.set_axis_off()
                continue
            best = max(mine, key=lambda r: np.mean(r["psnr"]))
            show_image(ax, unpack([best["example"]], truth.shape[-1]), f"{best['label']}\n{best['psnr'][0]:.1f} dB")
    return figure


def families_table(record: Mapping, kinds: Sequence[str] = ("formula", "iterative", "variational")):
    """The families of the lectures with measured columns: cost, and what the best of each loses to the best of all.

    Parameters
    ----------
    record : dict
        Stored result of ``methods``.
    kinds : sequence of str
        Those that are compared with each other.
    """
    rows = [r for r in record["rows"] if r["kind"] in kinds]
    problems = [name for name in PROBLEMS if any(r["problem"] == name for r in rows)]
    lines = []
    for kind in kinds:
        mine = [r for r in rows if r["kind"] == kind]
        cost = sorted(r["cpu_ms"] for r in mine)
        steps = [r["iterations_mean"] for r in mine]
        loss = []
        for problem in problems:
            here = [np.mean(r["psnr"]) for r in mine if r["problem"] == problem]
            best = max(np.mean(r["psnr"]) for r in rows if r["problem"] == problem)
            loss.append(f"{best - max(here):.1f}" if here else "none")
        used = f"{min(steps):.0f} to {max(steps):.0f}" if max(steps) else "none"
        lines.append([kind, f"{np.median(cost):.2g} ({cost[0]:.1g} to {cost[-1]:.2g})", used, *loss])
    head = ["family", "CPU ms per image: median (range)", "iterations", *(f"dB lost: {name}" for name in problems)]
    return markdown_table(head, lines)
