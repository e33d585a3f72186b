"""The counterexample of the paper's Sect. 6.1: a parabola as the range of G, two minimisers, and a jump."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from ..._check import check_choice, check_nonnegative
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.page import live_page
from ...figures.style import METHODS, STYLE, subplots

__all__ = ["ParabolaSolution", "hollow_figure", "parabola_explorer", "solve_parabola"]

HERE = Path(__file__).parent
Y2 = 4.0  # the second coordinate of the data, as in the paper
Z = np.linspace(-3.2, 3.2, 3_201)
TIE = 1e-9  # objectives that differ by less, relatively, are equal


@dataclass(frozen=True)
class ParabolaSolution:
    """All minimisers of one problem.

    Attributes
    ----------
    z : (k,) array
        Global minimisers, k = 1 or 2.
    x : (k, 2) array
        The reconstructions that belong to them.
    objective : (n,) array
        The least value over x (or u) for each z of the grid ``Z``.
    """

    z: np.ndarray
    x: np.ndarray
    objective: np.ndarray


def _reduced(method: str, z: np.ndarray, y1: float, lam: float, mu: float) -> np.ndarray:
    """The objective with x (relaxed) or u (sparse) eliminated, as a function of z."""
    r1, r2 = y1 - z, Y2 - z**2
    if method == "hard":
        return r1**2 + r2**2 + lam * z**2
    if method == "relaxed":
        return lam / (1 + lam) * (r1**2 + r2**2) + lam * mu * z**2

    def huber(r):  # min over u of (r - u)^2 + lam |u|
        return np.where(np.abs(r) <= lam / 2, r**2, lam * np.abs(r) - lam**2 / 4)

    return huber(r1) + huber(r2) + lam * mu * z**2


def _image(method: str, z: np.ndarray, y1: float, lam: float) -> np.ndarray:
    """The x that belongs to each z: (k,) -> (k, 2)."""
    g = np.stack([z, z**2], axis=1)
    residual = np.array([y1, Y2]) - g
    if method == "hard":
        return g
    if method == "relaxed":
        return g + residual / (1 + lam)
    return g + np.sign(residual) * np.maximum(np.abs(residual) - lam / 2, 0)


def solve_parabola(method: str, y1: float, lam: float, mu: float) -> ParabolaSolution:
    """Hard, relaxed or sparse for A = I, G(z) = (z, z^2) and y = (y1, 4): every global minimiser.

    Parameters
    ----------
    method : {"hard", "relaxed", "sparse"}
    y1 : float
    lam, mu : float >= 0
        As in ``Hard``, ``Relaxed`` and ``Sparse``; ``mu`` plays no part in hard.

    Source
    ------
    Paper, Sect. 6.1.

    Example
    -------
    >>> solve_parabola("hard", 0.0, 1.0, 0.0).z.round(3)
    array([-1.732,  1.732])
    >>> solve_parabola("hard", 0.01, 1.0, 0.0).z.round(2)
    array([1.73])
    """
    check_choice("method", method, ("hard", "relaxed", "sparse"))
    check_nonnegative("lam", lam)
    check_nonnegative("mu", mu)
    values = _reduced(method, Z, y1, lam, mu)
    inner = (values[1:-1] <= values[:-2]) & (values[1:-1] < values[2:])
    lowest, width = Z[1:-1][inner], Z[1] - Z[0]
    for _ in range(40):  # golden sections would do; thirds are shorter to write
        left, right = lowest - width / 3, lowest + width / 3
        lower = _reduced(method, left, y1, lam, mu) < _reduced(method, right, y1, lam, mu)
        lowest, width = np.where(lower, left, right), width * 2 / 3
    reached = _reduced(method, lowest, y1, lam, mu)
    z = np.sort(lowest[reached <= reached.min() + TIE * (1 + abs(reached.min()))])
    z = z[np.concatenate([[True], np.diff(z) > 1e-3])]
    return ParabolaSolution(z, _image(method, z, y1, lam), values)


def hollow_figure() -> Figure:
    """The question before the answers: the range of G and the data in its hollow."""
    figure, ax = subplots(size=(3.6, 2.3), alt="A parabola, the range of G, and the data y in its hollow.")
    ax.plot(Z, Z**2, color="0.6")
    ax.plot(0, Y2, linestyle="none", marker="x", markersize=9, markeredgewidth=2.5, color="k")
    ax.text(0, Y2 + 0.7, "data y: which x?", ha="center")
    ax.text(-1.45, 2.3, "range of G", ha="left", color="0.4")
    ax.set(xlim=(-3, 3), ylim=(-0.7, 6.9), xlabel="first pixel", ylabel="second pixel")
    return figure


def parabola_explorer() -> Explorer:
    """The plane with the parabola, the objective over z, and the solution as a function of the data.

    Example
    -------
    >>> explorer = parabola_explorer()
    >>> explorer.draw(method="hard", y1=0.0, lam=1.0, mu=0.1).axes[0].get_title()
    '2 minimisers'
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 3.3))
        plane = figure.add_axes((0.06, 0.15, 0.27, 0.66))
        valley = figure.add_axes((0.41, 0.15, 0.24, 0.66))
        answer = figure.add_axes((0.73, 0.15, 0.25, 0.66))
    plane.plot(Z, Z**2, color="0.6", label="range of G")
    (data,) = plane.plot([], [], linestyle="none", marker="x", markersize=9, markeredgewidth=2.5, color="k", label="y")
    (found,) = plane.plot([], [], linestyle="none", marker="o", markersize=8, label="x")
    (latent,) = plane.plot([], [], linestyle="none", marker="o", markersize=8, markerfacecolor="none", label="G(z)")
    (links,) = plane.plot([], [], color="0.3", linewidth=0.9, linestyle=":")
    plane.set(xlim=(-3, 3), ylim=(-0.7, 6.9), xlabel="first coordinate", ylabel="second coordinate")
    key = plane.legend(loc="upper center", ncol=4, fontsize=8, columnspacing=0.8, handlelength=1.0, handletextpad=0.3)
    for handle in key.legend_handles[2:]:
        handle.set_color("0.35")  # the colour of the markers is that of the method
    (curve,) = valley.plot([], [])
    (bottom,) = valley.plot([], [], linestyle="none", marker="o", markersize=8)
    valley.set(xlabel="z", ylabel="objective, best x", xlim=(-3, 3))
    (branch,) = answer.plot([], [], linestyle="none", marker=".", markersize=4)
    (here,) = answer.plot([], [], linestyle="none", marker="o", markersize=8)
    answer.set(xlabel=r"datum $y_1$", ylabel=r"solution $x_1$", xlim=(-0.62, 0.62), ylim=(-2.4, 2.4))
    answer.set_xticks([-0.5, 0.0, 0.5])
    caption = figure.text(0.06, 0.93, "", fontsize=10, va="center")
    ticks = np.linspace(-0.6, 0.6, 61)

    def draw(method: str, y1: float, lam: float, mu: float) -> Figure:
        colour = METHODS[method]["color"]
        now = solve_parabola(method, float(y1), float(lam), float(mu))
        data.set_data([y1], [Y2])
        found.set(xdata=now.x[:, 0], ydata=now.x[:, 1], color=colour)
        latent.set(xdata=now.z, ydata=now.z**2, color=colour)
        gap = (np.nan, np.nan)
        path = [p for z, x in zip(now.z, now.x, strict=True) for p in ((y1, Y2), tuple(x), (z, z**2), gap)]
        links.set_data(*zip(*path, strict=True))
        plane.set_title(f"{len(now.z)} minimiser{'s' if len(now.z) > 1 else ''}")
        curve.set(xdata=Z, ydata=now.objective, color=colour)
        low = now.objective.min()
        high = max(now.objective[len(Z) // 2], np.interp(2.6, Z, now.objective), low + 1e-3)
        bottom.set(xdata=now.z, ydata=np.interp(now.z, Z, now.objective), color=colour)
        valley.set_ylim(low - 0.12 * (high - low), high + 0.25 * (high - low))
        points = [(t, x) for t in ticks for x in solve_parabola(method, t, float(lam), float(mu)).x[:, 0]]
        branch.set(xdata=[p[0] for p in points], ydata=[p[1] for p in points], color=colour)
        here.set(xdata=[y1] * len(now.x), ydata=now.x[:, 0], color=colour)
        sides = [solve_parabola(method, t, float(lam), float(mu)).x[-1 if t > 0 else 0] for t in (-0.005, 0.005)]
        factor = float(np.linalg.norm(sides[1] - sides[0])) / 0.01
        weights = rf"$\lambda={lam:.2g}$" + ("" if method == "hard" else rf", $\mu={mu:.2g}$")
        moved = f"from $y_1=-0.005$ to $0.005$ the solution moves {factor:.3g} times as far"
        caption.set_text(f"{method}, {weights}: {moved}")
        return figure

    controls = {
        "method": widgets.ToggleButtons(
            options=["hard", "relaxed", "sparse"],
            value="relaxed",
            description="method",
            tooltip="which of the three regularisers",
            style={"button_width": "6em"},
            layout={"width": "28em"},
        ),
        "y1": widgets.FloatSlider(
            value=0.0, min=-0.5, max=0.5, step=0.01, description="y₁", tooltip="first coordinate of the data"
        ),
        "lam": widgets.FloatLogSlider(
            value=1.0, base=10, min=-2, max=2, step=0.1, description="λ", tooltip="weight of the regulariser",
            readout_format=".2g",
        ),
        "mu": widgets.FloatLogSlider(
            value=0.1, base=10, min=-2, max=2, step=0.1, description="μ",
            tooltip="weight of the latent term, relaxed and sparse only", readout_format=".2g",
        ),
    }  # fmt: skip
    alt = (
        "A parabola in the plane, the range of G, with the datum y above its vertex, the reconstructions x and the "
        "points G(z) they belong to; beside it the objective over z with its minima, and the first coordinate of the "
        "solution against that of the datum, which jumps at zero."
    )
    # solve_parabola is short enough to be written twice: parabola.js is held against it by the tests
    explorer = Explorer("parabola", controls, draw, alt, live=lambda: live_page(explorer, HERE / "parabola.js"))
    return explorer
