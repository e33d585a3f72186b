"""Figures of what the chapter computes live: the two levels, certificates, and a search with its accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.style import COLOURS, subplots

__all__ = ["accuracy_path", "certificates", "denoised_signal", "upper_level"]

SOLVERS = {
    "gd": ("gradient descent", COLOURS["blue"], "s"),
    "fista": ("FISTA", COLOURS["vermilion"], "o"),
    "lbfgs": ("L-BFGS", COLOURS["green"], "^"),
}


#: Colour and dashes of the three weights, from the small one to the large one.
WEIGHTS = (("sky", ":"), ("vermilion", "-"), ("blue", "--"))


def denoised_signal(truth: Tensor, y: Tensor, shown: Mapping[float, Tensor], alt: str = "") -> Figure:
    """One signal, its data, and reconstructions for three log10 alpha.

    Parameters
    ----------
    truth, y : (N,) tensors
    shown : dict of log10 alpha -> (N,) tensor
    alt : str
    """
    figure, ax = subplots(size=(6.6, 2.7), alt=alt or "A box signal, its data and reconstructions with three weights.")
    t = np.linspace(-2, 2, len(truth))
    ax.plot(t, y.numpy(), ".", color="0.65", markersize=4, label="data")
    ax.plot(t, truth.numpy(), "-", color="0.4", linewidth=1.0, label="truth")
    for (a, x), (colour, dash) in zip(shown.items(), WEIGHTS, strict=True):
        ax.plot(t, x.numpy(), color=COLOURS[colour], linestyle=dash, label=rf"$\alpha={10**a:.2g}$")
    ax.set(xlabel="position", ylabel="grey value", ylim=(-0.45, 1.75))
    ax.legend(loc="upper center", ncol=5, fontsize=8)
    return figure


def upper_level(grid: Tensor, values: Sequence[float], marked: Iterable[float], alt: str = "") -> Figure:
    """The upper level over log10 alpha, with diamonds at three of them.

    Parameters
    ----------
    grid : (k,) tensor
    values : k numbers
    marked : three numbers
    alt : str
    """
    figure, ax = subplots(size=(4.6, 2.9), alt=alt or "The upper level over the weight, three weights marked.")
    ax.plot(10.0 ** grid.numpy(), values, "-", color="0.4", marker=".", markersize=5)
    marked = list(marked)
    for a, value, (colour, _) in zip(marked, np.interp(marked, grid.numpy(), values), WEIGHTS, strict=True):
        ax.plot(10.0**a, value, "D", color=COLOURS[colour], markersize=7)
    ax.set(xscale="log", yscale="log", xlabel=r"$\alpha$", ylabel=r"$f$")
    return figure


def certificates(races: Mapping[str, tuple[Sequence[int], Tensor, Tensor]], alt: str = "") -> Figure:
    """True errors (marks) and certificates (lines without) against iterations.

    Parameters
    ----------
    races : dict of solver -> (iterations, errors (k,), certificates (k,))
    alt : str
    """
    default = "True error and certificate of three solvers against iterations."
    figure, ax = subplots(size=(6.2, 3.4), alt=alt or default)
    for solver, (counts, errors, promised) in races.items():
        label, colour, marker = SOLVERS[solver]
        ax.plot(counts, errors.numpy(), "-", color=colour, marker=marker, label=f"{label}, error")
        ax.plot(counts, promised.numpy(), "--", color=colour, linewidth=1.2, label=f"{label}, certificate")
    ax.set(
        xscale="log", yscale="log", xlabel="iterations", ylabel=r"$\|x-\hat x\|$, mean of 4 signals", ylim=(1e-8, 30)
    )
    ax.legend(loc="lower left", fontsize=8)
    return figure


def accuracy_path(history: Sequence[Mapping], exact: Mapping[tuple, float], alt: str = "") -> Figure:
    """What a search saw of the objective, with the errors that it admits, and the error that it asked for.

    Parameters
    ----------
    history : entries of ``Learned.history``
    exact : dict of theta -> exact objective
    alt : str
    """
    default = "Seen objectives with their error bars at each evaluation, and exact ones; the errors that were allowed."
    figure, (left, right) = subplots(1, 2, size=(8.2, 3.1), alt=alt or default)
    k = np.arange(1, len(history) + 1)
    seen, error = (np.array([entry[name] for entry in history]) for name in ("value", "error"))
    taken = np.array([entry["accepted"] for entry in history])
    left.errorbar(k, seen, error, fmt="none", ecolor=COLOURS["vermilion"], capsize=2.5, linewidth=1.2)
    left.plot(k[taken], seen[taken], "o", color=COLOURS["vermilion"], label="seen, best so far")
    left.plot(k[~taken], seen[~taken], "o", color=COLOURS["vermilion"], markerfacecolor="white", label="seen, other")
    left.plot(k, [exact[tuple(entry["theta"])] for entry in history], "x", color="black", label="exact")
    left.set(xlabel="evaluation", ylabel=r"$f$", yscale="log")
    ticks = [tick for tick in (0.2, 0.3, 0.5, 1, 2, 3) if 0.8 * seen.min() < tick < 1.25 * seen.max()]
    left.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    left.minorticks_off()
    left.legend(loc="upper right", fontsize=8)
    right.plot(k, error, "-o", color=COLOURS["vermilion"])
    right.set(xlabel="evaluation", ylabel="error of $f$, at most", yscale="log")
    return figure
