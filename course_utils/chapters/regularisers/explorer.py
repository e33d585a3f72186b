"""Explorers of chapter 05: the five methods with their weights, and where Algorithm 1 ends from where it starts."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from torch import Tensor

from ...explore import widgets
from ...explore.base import Explorer
from ...figures.images import show_image
from ...figures.style import COLOURS, IMAGE_CMAP, RESIDUAL_CMAP, STYLE
from ...metrics import psnr
from ...regularisers import TV, Hard, Relaxed, Sparse, Tikhonov
from ...solvers import Result, reconstruct
from .page import initialisation_page, method_page
from .problem import (
    FAMILIES,
    MATRIX_SEED,
    MEASUREMENTS,
    N_IMAGES,
    NOISE_SEED,
    SIGMA,
    SIGMAS,
    M,
    _generator,
    _models,
    _problem,
)  # fmt: skip
from .starts import BINS, LAM, RULE, counted, ends

__all__ = ["initialisation_explorer", "method_explorer"]

SPAN = 0.6  # grey values of residuals run from minus this (blue) to this (red)
METHODS = {"hard": "hard", "relaxed": "relaxed", "sparse": "sparse", "Tikhonov": "tikhonov", "TV": "tv"}


def _weight_slider(value: float, low: float, high: float, name: str, tooltip: str) -> ipywidgets.FloatLogSlider:
    return widgets.FloatLogSlider(
        value=value, base=10, min=low, max=high, step=0.25, description=name, tooltip=tooltip, readout_format=".2g"
    )


def _one_figure(size: tuple[float, float]) -> Figure:
    """A figure outside pyplot, so that the notebook does not show it a second time."""
    with rc_context(STYLE):
        return Figure(figsize=size)


def _image_axes(figure: Figure, place: tuple[float, float, float, float], residual: bool = False):
    """Axes without ticks, with an empty 28x28 image to be filled by ``set_data``; returns both."""
    with rc_context(STYLE):
        ax = figure.add_axes(place)
    cmap, low, high = (RESIDUAL_CMAP, -SPAN, SPAN) if residual else (IMAGE_CMAP, 0.0, 1.0)
    return ax, show_image(ax, np.zeros((28, 28)), limits=(low, high), cmap=cmap)


def _pixels(image: Tensor) -> np.ndarray:
    return image.reshape(28, 28).numpy()


# The five methods


@lru_cache(maxsize=512)
def _solve(method: str, lam: float, mu: float, family: str, image: int, m: int, sigma: float) -> Result:
    A, _, y = _problem(m, sigma)
    y = y[image : image + 1]
    if method == "tikhonov":
        return reconstruct(A, y, Tikhonov(lam))
    if method == "tv":
        return reconstruct(A, y, TV(lam), tol=1e-4, max_iter=600)
    G, starts = _generator(family)
    if method == "hard":
        return reconstruct(A, y, Hard(G, lam), start=starts)
    if method == "relaxed":
        return reconstruct(A, y, Relaxed(G, lam, mu), start=starts)
    # Algorithm 3 alone takes a second; from the solution of hard with weight lam mu, that is u = 0, a fraction.
    z0 = reconstruct(A, y, Hard(G, lam * mu), start=starts).z
    return reconstruct(A, y, Sparse(G, lam, mu), start=z0, stop="objective", tol=1e-4, max_iter=100)


FORMULAS = {
    "tikhonov": r"$\min_x\;\|Ax-y\|^2+\lambda\|x\|^2$",
    "tv": r"$\min_x\;\|Ax-y\|^2+\lambda\,\mathrm{TV}(x)$",
    "hard": r"$\min_z\;\|AG(z)-y\|^2+\lambda\|z\|^2$",
    "relaxed": r"$\min_{x,z}\;\|Ax-y\|^2+\lambda(\|G(z)-x\|^2+\mu\|z\|^2)$",
    "sparse": r"$\min_{z,u}\;\|A(G(z)+u)-y\|^2+\lambda(\|u\|_1+\mu\|z\|^2)$",
}


def method_explorer() -> Explorer:
    """Tikhonov, TV, hard, relaxed and sparse on compressed sensing, with any number of measurements and any noise.

    Shows truth, data, reconstruction and residual, the two parts G(z) and u of the reconstruction, its PSNR and
    objective, and on a gauge whether the data are fitted better or worse than the noise allows.

    Example
    -------
    >>> explorer = method_explorer()
    >>> explorer.draw(**explorer.default | {"method": "tv", "lam": 0.01}).axes[0].get_title()
    'truth'
    """
    figure = _one_figure((8.4, 2.85))
    titles = ("truth", "data, as A*y", "reconstruction x", "residual, ±0.6", "in the range: G(z)", "deviation u, ±0.6")
    width, images = 0.155, []
    for k, title in enumerate(titles):
        place = (0.012 + k * 0.165, 0.36, width, width * 8.4 / 2.85)
        ax, shown = _image_axes(figure, place, residual=k in (3, 5))
        ax.set_title(title, fontsize=9)
        images.append((ax, shown))
    caption = figure.text(0.012, 0.22, "", fontsize=10, va="center", linespacing=1.5)
    numbers = figure.text(0.012, 0.08, "", fontsize=10, va="center")
    absent = [images[k][0].text(13.5, 13.5, "no\ngenerator", ha="center", va="center", color="0.45") for k in (4, 5)]
    with rc_context(STYLE):
        gauge = figure.add_axes((0.575, 0.2, 0.41, 0.06))
    gauge.set(xscale="log", xlim=(0.01, 9), ylim=(0, 1), yticks=[], xlabel=r"$\|Ax-y\|$; dashed: $\sigma\sqrt{m}$")
    expected = gauge.axvline(1.0, color=COLOURS["black"], linestyle="--")
    needle = gauge.plot([1], [0.5], marker="D", markersize=8, color=COLOURS["vermilion"], clip_on=False)[0]

    def draw(method: str, lam: float, mu: float, generator: str, image: int, m: int, sigma: float) -> Figure:
        A, x, y = _problem(m, sigma)
        truth, data = x[image : image + 1], y[image : image + 1]
        learned, two_weights = method in ("hard", "relaxed", "sparse"), method in ("relaxed", "sparse")
        weights = float(lam), float(mu) if two_weights else 0.0
        result = _solve(method, *weights, generator if learned else "", image, m, sigma)
        residual = float((A(result.x) - data).norm())
        backprojected = A.T(data)
        u = result.u if learned else torch.zeros_like(truth)
        parts = (truth, backprojected / backprojected.max(), result.x, result.x - truth, result.x - u, u)
        for (_, shown), part in zip(images, parts, strict=True):
            shown.set_data(_pixels(part))
        for (_, shown), text in zip(images[4:], absent, strict=True):
            shown.set_visible(learned)
            text.set_visible(not learned)
        name = next(label for label, family in FAMILIES.items() if family == generator)
        if two_weights:
            used = rf"$\lambda = {lam:.2g}$,  $\mu = {mu:.2g}$,  {name}"
        elif learned:
            used = rf"$\lambda = {lam:.2g}$,  {name}   ($\mu = {mu:.2g}$ plays no part)"
        else:
            used = rf"$\lambda = {lam:.2g}$   ({name} and $\mu = {mu:.2g}$ play no part)"
        caption.set_text(f"{FORMULAS[method]}\n{used}")
        noise = sigma * m**0.5  # Morozov: the expected norm of the noise, nearly
        verdict = "fits to the noise level"
        if not noise:
            verdict = "there is no noise"
        elif not 0.9 <= residual / noise <= 1.1:
            verdict = "fits the noise too" if residual < noise else "fits the data less than the noise allows"
        numbers.set_text(
            f"PSNR {float(psnr(result.x, truth)):.1f} dB     objective {float(result.objective):.3g}     {verdict}"
        )
        expected.set(xdata=[noise, noise], visible=noise > 0)
        needle.set_xdata([min(max(residual, 0.011), 8)])
        return figure

    controls = {
        "method": widgets.Dropdown(
            options=list(METHODS.items()), value="relaxed", description="method", tooltip="which regulariser"
        ),
        "lam": _weight_slider(0.1, -5, 1, "λ", "weight of the regulariser"),
        "mu": _weight_slider(0.1, -4, 1, "μ", "weight of the latent term, relaxed and sparse only"),
        "generator": widgets.Dropdown(
            options=list(FAMILIES.items()), description="generator", tooltip="which trained generator"
        ),
        "image": widgets.Dropdown(
            options=list(range(N_IMAGES)), value=3, description="digit", tooltip="which test image"
        ),
        "m": widgets.SelectionSlider(
            options=list(MEASUREMENTS), value=M, description="data m", tooltip="number of random projections"
        ),
        "sigma": widgets.SelectionSlider(
            options=[(f"{value:g}", value) for value in SIGMAS], value=SIGMA, description="noise σ",
            tooltip="standard deviation of the noise",
        ),
    }  # fmt: skip
    alt = (
        "A handwritten digit, its noisy random projections, the reconstruction of the chosen method with its "
        "residual, its part in the range of the generator and the deviation from it; PSNR, objective, and a gauge "
        "that compares the residual norm with the norm of the noise."
    )
    grid = {"lam": [1e-5, 0.1, 10.0], "mu": [1e-4, 10.0], "image": [8], "m": [25], "sigma": [0.0]}
    explorer = Explorer(
        "regularisers",
        controls,
        draw,
        alt,
        grid=grid,
        live=lambda: method_page(explorer, _problem()[1], _models(), MATRIX_SEED, NOISE_SEED),
    )
    return explorer


# Where one starts


class _CountingButton(ipywidgets.Button):
    """A button whose value is the number of clicks."""

    value = traitlets.Int(0)

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.on_click(self._count)

    def _count(self, _) -> None:
        self.value += 1


@lru_cache(maxsize=256)
def _paths(family: str, image: int, seed: int, lam: float) -> tuple[Tensor, Result, Result, Tensor]:
    """Three starts, Algorithm 1 from each of them, the shared dictionary's answer, and G at the starts."""
    A, _, y = _problem()
    y = y[image : image + 1]
    G, dictionary = _generator(family)
    z0 = G.sample_latent(3, torch.Generator().manual_seed(seed))
    by_descent = reconstruct(A, y.repeat(3, 1), Hard(G, lam), solver="paper", start=z0, trace=True, **RULE)
    reference = reconstruct(A, y, Hard(G, lam), start=dictionary)
    with torch.no_grad():
        return z0, by_descent, reference, G(z0)


def initialisation_explorer() -> Explorer:
    """Algorithm 1 on the hard problem from three starts: the objective on the way, and the digit at the end.

    Pick one of the three, or draw three new ones.  The dotted line is the objective from the shared dictionary.  The
    histogram shows where fifty other starts end, at the weight with which the explorer begins.

    Example
    -------
    >>> explorer = initialisation_explorer()
    >>> sorted(explorer.controls)
    ['generator', 'image', 'lam', 'seed', 'start']
    """
    figure = _one_figure((8.4, 3.5))
    with rc_context(STYLE):
        ax, ends_ax = figure.add_axes((0.075, 0.29, 0.3, 0.55)), figure.add_axes((0.435, 0.29, 0.185, 0.55))
    ax.set(xlabel="iteration of Algorithm 1", ylabel="objective $f(z_i)$", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    styles = [(COLOURS["blue"], "-", "o"), (COLOURS["vermilion"], "--", "s"), (COLOURS["green"], "-.", "^")]
    paths = [
        ax.plot([], [], color=c, linestyle=s, marker=m, markevery=[-1], label=f"start {k + 1}")[0]
        for k, (c, s, m) in enumerate(styles)
    ]
    best = ax.axhline(1.0, color=COLOURS["black"], linestyle=":", label="dictionary")
    ax.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), fontsize=8.5, ncol=4, columnspacing=1.0, frameon=False)
    bars = ends_ax.bar(BINS[:-1], [0] * (len(BINS) - 1), width=1, align="edge", color="0.6")
    ends_ax.set(xlim=(BINS[0], BINS[-1]), xlabel="PSNR at the end (dB)", ylabel="starts")
    ends_ax.set_title(f"50 starts, λ = {LAM:g}", fontsize=9)
    here = ends_ax.axvline(BINS[0], linewidth=2.4)
    shown = []
    for k, title in enumerate(("truth", "start G(z)", "end G(z)", "dictionary")):
        place = (0.655 + k % 2 * 0.18, 0.54 - k // 2 * 0.475, 0.155, 0.155 * 8.4 / 3.5)
        image_ax, image = _image_axes(figure, place)
        shown.append((image_ax, image, title))
    words = figure.text(0.02, 0.085, "", fontsize=9.5, va="center", linespacing=1.4)

    def draw(start: int, seed: int, lam: float, generator: str, image: int) -> Figure:
        _, x, _ = _problem()
        truth = x[image : image + 1]
        _, found, reference, first = _paths(generator, image, seed, float(lam))
        k = start - 1
        values = found.trace["f"][:, :, 0]  # (steps, 3), NaN after the end
        top, bottom, longest = 0.0, float(reference.objective), 1
        for i, line in enumerate(paths):
            f = values[:, i][~values[:, i].isnan()].tolist()
            if f[-1] != float(found.objective[i]):  # the trace may end one step before the result
                f.append(float(found.objective[i]))
            line.set_data(range(len(f)), f)
            line.set(alpha=1.0 if i == k else 0.35, linewidth=2.4 if i == k else 1.4)
            top, bottom, longest = max(top, f[0]), min(bottom, f[-1]), max(longest, len(f))
        best.set_ydata([float(reference.objective)] * 2)
        ax.set(xlim=(-0.02 * longest, 1.02 * longest), ylim=(0.8 * bottom, 1.3 * top))
        quality = [None, None, psnr(found.x[k : k + 1], truth), psnr(reference.x, truth)]
        for (image_ax, picture, title), part, db in zip(
            shown, (truth, first[k], found.x[k], reference.x), quality, strict=True
        ):
            picture.set_data(_pixels(part))
            image_ax.set_title(title if db is None else f"{title}, {float(db):.1f} dB", fontsize=9)
        counts = counted(ends()[generator][image])
        for bar, count in zip(bars, counts, strict=True):
            bar.set_height(count)
        ends_ax.set_ylim(0, 1.05 * max(counts))
        here.set(xdata=[float(quality[2])] * 2, color=styles[k][0], linestyle=styles[k][1])
        excess = float(found.objective[k] / reference.objective) - 1
        order = "the lowest" if int(found.objective.argmin()) == k else "not the lowest"
        steps = f"{int(found.iterations[k])} iterations{'' if found.converged[k] else ', still moving'}"
        side, bound = "above" if excess > 0 else "below", float(reference.objective)
        words.set_text(
            f"start {start}: f = {float(found.objective[k]):.3g} after {steps}, {order} of the three;\n"
            f"{100 * abs(excess):.0f} per cent {side} the {bound:.3g} from the dictionary"
        )
        return figure

    controls = {
        "start": widgets.ToggleButtons(
            options=[("start 1", 1), ("start 2", 2), ("start 3", 3)],
            description="begin at",
            tooltip="which of the three random latent vectors",
            style={"button_width": "5em"},
            layout={"width": "26em"},
        ),
        "seed": _CountingButton(
            description="three new starts", tooltip="draw three other latent vectors from N(0, I)", icon="random"
        ),
        "lam": _weight_slider(0.01, -5, 1, "λ", "weight of the latent term"),
        "generator": widgets.Dropdown(
            options=list(FAMILIES.items()), description="generator", tooltip="which trained generator"
        ),
        "image": widgets.Dropdown(
            options=list(range(N_IMAGES)), value=3, description="digit", tooltip="which test image"
        ),
    }
    alt = (
        "Objective of the hard method against the iteration of Algorithm 1 from three random starts, with the value "
        "reached from the shared dictionary as a dotted line; a histogram of the PSNR where fifty other starts end, "
        "with the end of the chosen one marked; beside them the true digit, the image of the chosen start, the image "
        "where Algorithm 1 ended and the one from the dictionary, with PSNR."
    )
    grid = {"seed": [0, 1], "lam": [1e-5, 10.0], "image": [8]}
    explorer = Explorer(
        "initialisation",
        controls,
        draw,
        alt,
        grid=grid,
        live=lambda: initialisation_page(explorer, *_problem(), _models(), MATRIX_SEED),
    )
    return explorer
