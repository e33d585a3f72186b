"""Explorer of chapter 11: the accuracies of both levels, and what the hypergradient then is worth and costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...bilevel import Bilevel, Hypergradient, LowerSolution, hypergradient, solve_lower
from ...explore import widgets
from ...explore.base import Explorer
from ...figures.style import COLOURS, STYLE
from .problems import as_theta, parameters

__all__ = ["accuracy_explorer", "sweep_accuracy"]

N, SIZE, LOG_NU = 4, 64, -2.0
#: Exponents of eps, of delta, and of alpha that can be chosen.
EPS, DELTA, ALPHA = tuple(range(0, -9, -1)), tuple(range(1, -8, -1)), (-2.0, -1.0, -0.5, 0.0, 1.0)
EXACT = 1e-22, 1e-11  # accuracies of the reference: of ||x - x_hat||^2, and of the linear system


@cache
def _problem() -> Bilevel:
    return parameters(2, N, SIZE)


def _theta(alpha: float) -> Tensor:
    return as_theta((alpha, LOG_NU), _problem().truth)


@cache
def _exact(alpha: float) -> Hypergradient:
    warm = solve_lower(_problem().lower, _theta(alpha), EXACT[0], "lbfgs", max_iter=20_000)
    return hypergradient(_problem(), _theta(alpha), *EXACT, x0=warm)


@cache
def _solution(alpha: float, eps: int) -> LowerSolution:
    return solve_lower(_problem().lower, _theta(alpha), 10.0 ** (2 * eps), max_iter=200_000)


@dataclass(frozen=True)
class Accuracies:
    """Hypergradients at all eps of ``EPS`` and one delta.

    Attributes
    ----------
    error, bound : (9,) arrays
        Of the hypergradient, and what the theorem promises of it.
    lower, cg : (9,) arrays
        Iterations of the lower level and products with the Hessian, all examples together.
    size : float
        Norm of the exact hypergradient.
    """

    error: np.ndarray
    bound: np.ndarray
    lower: np.ndarray
    cg: np.ndarray
    size: float


@cache
def sweep_accuracy(alpha: float, delta: int) -> Accuracies:
    """Error, bound and cost of the hypergradient by (alpha, nu), for log10 of alpha and delta.

    Example
    -------
    >>> found = sweep_accuracy(-0.5, -4)
    >>> bool((found.error <= found.bound * (1 + 1e-6)).all()), bool(found.lower[-1] > 3 * found.lower[0])
    (True, True)
    """
    exact, rows = _exact(alpha), []
    for eps in EPS:
        solution = _solution(alpha, eps)
        found = hypergradient(_problem(), _theta(alpha), 10.0 ** (2 * eps), 10.0**delta, x0=solution)
        error = float((found.gradient - exact.gradient).norm())
        rows.append((error, found.bound, solution.cost, found.cg_iterations))
    return Accuracies(*(np.array(column) for column in zip(*rows, strict=True)), float(exact.gradient.norm()))


def accuracy_explorer() -> Explorer:
    """Explorer "accuracy": eps and delta of the two levels against the error of the hypergradient and its cost.

    Source
    ------
    Lectures, part II.3; Ehrhardt and Roberts, IMA J. Appl. Math. 89 (2024).

    Example
    -------
    >>> sorted(accuracy_explorer().controls)
    ['alpha', 'delta', 'eps']
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 3.3))
        signal = figure.add_axes((0.055, 0.17, 0.25, 0.63))
        errors = figure.add_axes((0.395, 0.17, 0.25, 0.63))
        costs = figure.add_axes((0.735, 0.17, 0.25, 0.63))
    eps_axis, t = 10.0 ** np.array(EPS), np.linspace(-2, 2, SIZE)
    signal.plot(t, _problem().lower.y[0].numpy(), ".", color="0.7", markersize=3, label="data")
    signal.plot(t, _problem().truth[0].numpy(), color="0.4", linewidth=1, label="truth")
    (minimiser,) = signal.plot([], [], color=COLOURS["blue"], linewidth=1.4, label=r"$\hat x$")
    (inexact,) = signal.plot([], [], "--", color=COLOURS["vermilion"], linewidth=1.6, label=r"$\tilde x$")
    signal.set(xlim=(-2, 2), ylim=(-0.4, 1.75), xlabel="position", title="the first example")
    signal.legend(loc="upper center", ncol=4, fontsize=7.5, columnspacing=0.8, handlelength=1.2, handletextpad=0.3)
    (bound,) = errors.plot([], [], "--", color=COLOURS["black"], label="bound")
    (error,) = errors.plot([], [], color=COLOURS["vermilion"], marker="o", markersize=3.5, label="error")
    (size,) = errors.plot([], [], ":", color=COLOURS["blue"], label="exact gradient")
    (here,) = errors.plot([], [], "D", color=COLOURS["vermilion"], markersize=8)
    errors.legend(loc="lower right", fontsize=7.5)
    errors.set(xscale="log", yscale="log", ylim=(1e-9, 1e7), xlabel=r"$\varepsilon$ of the lower level")
    errors.set_title("error of the hypergradient")
    (lower,) = costs.plot([], [], color=COLOURS["blue"], marker="s", markersize=3.5, label="lower level")
    (system,) = costs.plot([], [], "--", color=COLOURS["green"], marker="^", markersize=3.5, label="linear system")
    (paid,) = costs.plot([], [], "D", color=COLOURS["blue"], markersize=8)
    costs.legend(loc="upper left", fontsize=7.5)
    costs.set(xscale="log", yscale="log", ylim=(1, 1e6), xlabel=r"$\varepsilon$ of the lower level")
    costs.set_title("iterations, all examples")
    for ax in (errors, costs):
        ax.set_xlim(3, 3e-9)  # finer to the right, where the work is
        ax.set_xticks([1, 1e-2, 1e-4, 1e-6, 1e-8])
        ax.minorticks_off()
    caption = figure.text(0.055, 0.93, "", fontsize=10, va="center")

    def draw(eps: int, delta: int, alpha: float) -> Figure:
        found, k = sweep_accuracy(alpha, delta), EPS.index(eps)
        minimiser.set_data(t, _exact(alpha).solution.x[0].numpy())
        inexact.set_data(t, _solution(alpha, eps).x[0].numpy())
        bound.set_data(eps_axis, found.bound)
        error.set_data(eps_axis, found.error)
        size.set_data(eps_axis, np.full(len(EPS), found.size))
        here.set_data([10.0**eps], [found.error[k]])
        lower.set_data(eps_axis, found.lower)
        system.set_data(eps_axis, np.maximum(found.cg, 1))
        paid.set_data([10.0**eps], [found.lower[k]])
        sure = found.bound[k] < found.size - found.bound[k]  # then it is below ||z|| as well
        known = "the bound says: a direction of descent" if sure else "the bound promises nothing"
        caption.set_text(
            rf"$\alpha={10**alpha:.2g}$, $\nu=0.01$, $\delta=10^{{{delta}}}$: error {found.error[k]:.1e}, at most "
            f"{found.bound[k]:.1e}; exact gradient {found.size:.2g}; {known}"
        )
        return figure

    controls = {
        "eps": widgets.SelectionSlider(
            options=[(f"1e{k}", k) for k in EPS], value=-3, description="ε", tooltip="distance to the minimiser allowed"
        ),
        "delta": widgets.SelectionSlider(
            options=[(f"1e{k}", k) for k in DELTA], value=-3, description="δ", tooltip="residual of the linear system"
        ),
        "alpha": widgets.SelectionSlider(
            options=[(f"{10**k:.2g}", k) for k in ALPHA], value=-0.5, description="α", tooltip="weight of smoothed TV"
        ),
    }
    alt = (
        "Left, a box signal, its noisy data, the exact minimiser of the lower level and an inexact one. Middle, the "
        "error of the hypergradient and its bound against the accuracy of the lower level: both fall until the "
        "accuracy of the linear system stops them. Right, iterations of both levels, which grow with the accuracy."
    )
    grid = {"eps": [0, -3, -8], "delta": [1, -3, -7], "alpha": [-2.0, -0.5, 1.0]}
    frames = {"eps": [0, -1, -2, -3, -5, -7], "delta": [1, -1, -3, -6], "alpha": [-2.0, -0.5]}
    return Explorer("accuracy", controls, draw, alt, grid=grid, frames=frames)
