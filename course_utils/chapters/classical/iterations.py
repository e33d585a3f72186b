"""Explorer of chapter 02: four iterations that are stopped in time, on a scan of few views."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import grey_bytes
from ...explore.page import control_values, live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, STYLE
from ...operators import ParallelBeam
from ...reconstructors import CGLS, MLEM, Iterative, Landweber

__all__ = ["METHODS", "STOPS", "Run", "iterations_explorer", "level", "measured", "problem", "run"]

HERE = Path(__file__).parent
SIZE, VIEWS, IMAGE, NOISE_SEED, SPAN = 56, 30, 0, 3, 0.5
WHITE = 254  # the byte of a stored pixel with grey value 1; even, as the shapes have 0.5
#: The numbers of iterations that the slider has.
STOPS = (
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 40, 48, 57, 68, 80, 95, 115, 135, 160, 190, 225, 265, 300,
)  # fmt: skip
METHODS = {"Landweber": "landweber", "Nesterov": "nesterov", "CGLS": "cgls", "MLEM": "mlem"}
LINES = {
    "landweber": {"color": COLOURS["blue"], "linestyle": "-"},
    "nesterov": {"color": COLOURS["purple"], "linestyle": "--"},
    "cgls": {"color": COLOURS["vermilion"], "linestyle": "-."},
    "mlem": {"color": COLOURS["green"], "linestyle": ":"},
}
FAINT = 0.6  # opacity of the curves of the methods that are not chosen
LIMITS = (0.06, 3.0)  # of the relative error
ALT = (
    "A rectangle and a disc with a bright spot, an iterate of the chosen method and its error as images, beside "
    "them the relative error of four methods against the number of iterations, falling and rising again, where the "
    "iterate shown, the best one and the one at which the discrepancy principle stops are marked."
)


@cache
def problem() -> tuple[ParallelBeam, Tensor]:
    """30 views of 56 x 56 pixels, and the image, in double precision.

    In single precision the directions of CGLS are orthogonal no more after ten iterations: what is drawn from there on
    lags behind by some of them.

    Example
    -------
    >>> A, truth = problem()
    >>> A.m, truth.shape
    (2430, torch.Size([1, 1, 56, 56]))
    """
    return ParallelBeam.full(SIZE, n_angles=VIEWS).double(), load("shapes+").test[IMAGE : IMAGE + 1].double()


@lru_cache(maxsize=32)
def measured(sigma: float, counts: bool) -> tuple[Tensor, float]:
    r"""Data, and the factor s by which they are larger than A x.

    Without counts y = A x + e with e of standard deviation sigma, and s = 1.  Counts are draws from Poisson(s A x) with
    s the mean of A x over sigma^2: then E||y / s - A x||^2 = m sigma^2 for both.

    Example
    -------
    >>> A, truth = problem()
    >>> for counts in (False, True):
    ...     y, s = measured(0.01, counts)
    ...     print(round(float((y / s - A(truth)).pow(2).mean().sqrt()), 3))
    0.01
    0.01
    """
    A, truth = problem()
    draws, clean = torch.Generator().manual_seed(NOISE_SEED), A(truth)
    if not counts:
        return clean + sigma * torch.randn(clean.shape, generator=draws), 1.0  # in single precision, as the page has it
    s = float(clean.mean()) / sigma**2
    return torch.poisson(s * clean, generator=draws), s


def level(method: str, sigma: float) -> float:
    """What the discrepancy principle takes the misfit of the truth for: m sigma^2, and m / 2 for counts.

    For counts that is too much here, and MLEM stops early, because a ray that misses the object has no counts and no
    misfit, and more than half of the rays do.

    Example
    -------
    >>> level("mlem", 0.01)
    1215.0
    """
    m = problem()[0].m
    return m / 2 if method == "mlem" else m * sigma**2


def _iteration(method: str) -> Iterative:
    if method == "mlem":
        return MLEM()
    return CGLS() if method == "cgls" else Landweber(accelerated=method == "nesterov")


@dataclass(frozen=True)
class Run:
    """A method's way.

    Attributes
    ----------
    error : (301,) array
        ||x_k - x|| / ||x|| for k = 0, 1, ..., 300.
    images : dict of int -> (56, 56) array
        The iterates at ``STOPS``.
    best : int
        The k of least error.
    stop : int or None
        The first k whose misfit is at most the level of the discrepancy principle.
    """

    error: np.ndarray
    images: dict[int, np.ndarray]
    best: int
    stop: int | None


@lru_cache(maxsize=64)
def run(method: str, sigma: float) -> Run:
    """The whole way of a method, of which moving the slider shows another place.

    Example
    -------
    >>> found = run("cgls", 0.01)
    >>> len(found.error), found.best < run("landweber", 0.01).best
    (301, True)
    """
    A, truth = problem()
    y, s = measured(sigma, method == "mlem")
    errors, images, stop = [], {}, None
    for k, (x, misfit) in enumerate(islice(_iteration(method).iterates(y, A), STOPS[-1] + 1)):
        errors.append(float((x / s - truth).norm() / truth.norm()))
        if k in STOPS:
            images[k] = (x[0, 0] / s).numpy()
        if stop is None and float(misfit) <= level(method, sigma):
            stop = k
    return Run(np.array(errors), images, int(np.argmin(errors)), stop)


class _Drawing:
    """One figure, made once; ``__call__`` changes its artists."""

    def __init__(self) -> None:
        _, truth = problem()
        zeros = np.zeros((SIZE, SIZE))
        with rc_context(STYLE):
            self.figure = Figure(figsize=(8.6, 3.3))
            width, height = 0.178, 0.178 * 8.6 / 3.3
            images = [self.figure.add_axes((0.012 + 0.19 * k, 0.4, width, height)) for k in range(3)]
            self.axes = self.figure.add_axes((0.66, 0.155, 0.328, 0.725))
            show_image(images[0], truth, "truth")
            self.iterate = show_image(images[1], zeros, "iterate")
            self.error = show_image(images[2], zeros, f"error, ±{SPAN}", (-SPAN, SPAN), RESIDUAL_CMAP)
            self.words = self.figure.text(0.012, 0.32, "", fontsize=9, va="top", linespacing=1.5)
            self._curves()

    def _curves(self) -> None:
        ax, k = self.axes, np.arange(STOPS[-1] + 1)
        self.lines = {
            method: ax.plot(k[1:], np.ones(STOPS[-1]), label=name, lw=1.8, marker="", **LINES[method])[0]
            for name, method in METHODS.items()
        }
        self.marks = {
            "now": ax.plot([], [], "o", ms=8, zorder=5)[0],
            "best": ax.plot([], [], "*", ms=13, color=COLOURS["black"], zorder=4)[0],
            "stop": ax.plot([], [], "x", ms=9, mew=2.4, color=COLOURS["orange"], zorder=6)[0],
        }
        ax.set(
            xscale="log", yscale="log", xlim=(0.9, 330), ylim=LIMITS, xlabel="iterations k",
            ylabel=r"relative error $\|x_k-x\|\,/\,\|x\|$",
        )  # fmt: skip
        ax.set_xticks([1, 10, 100], ["1", "10", "100"])
        ax.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
        ax.yaxis.minorticks_off()
        key = ax.legend(loc="lower left", fontsize=8, handlelength=2.4, borderaxespad=0.1)
        ax.add_artist(key)
        marks = [self.marks[name] for name in ("now", "best", "stop")]
        self.key = ax.legend(
            marks, ["shown", "best", "discrepancy principle"], loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncol=3,
            fontsize=8, borderaxespad=0.1, handletextpad=0.2, columnspacing=0.9,
        )  # fmt: skip

    def __call__(self, method: str, k: int, sigma: float) -> Figure:
        found, (_, truth) = run(method, float(sigma)), problem()
        for other, line in self.lines.items():
            line.set_ydata(run(other, float(sigma)).error[1:])
            line.set(alpha=1.0 if other == method else FAINT, linewidth=2.4 if other == method else 1.5)
        places = {"now": k, "best": found.best, "stop": found.stop}
        for name, mark in self.marks.items():
            at = [places[name]] if places[name] else []  # k = 0 has no place on a logarithmic axis
            mark.set_data(at, np.clip(found.error[at], *LIMITS))
        self.marks["now"].set_color(LINES[method]["color"])
        self.key.legend_handles[0].set_color(LINES[method]["color"])
        x = found.images[k]
        self.iterate.set_data(x)
        self.error.set_data(x - truth[0, 0].numpy())
        name = next(label for label, value in METHODS.items() if value == method)
        self.iterate.axes.title.set_text(f"{name}, k = {k}")
        self.words.set_text(_words(found, k, float(sigma), method == "mlem"))
        return self.figure


def _words(found: Run, k: int, sigma: float, counts: bool) -> str:
    A, truth = problem()
    stop = "does not stop within 300 iterations"
    if found.stop is not None:
        stop = f"stops at k = {found.stop}, with {found.error[found.stop]:.3f}"
    noise = f"Gaussian noise of σ = {sigma:.2g}; the largest datum is {float(A(truth).max()):.2f}."
    if counts:
        y, s = measured(sigma, True)
        noise = (
            f"Counts from Poisson(s Ax), s = mean(Ax) / σ² = {_few(s)}; {_few(float(y.mean()))} a ray in the mean,\n"
            f"as much noise as Gaussian of σ = {sigma:.2g}.  The level is m / 2."
        )
    return (
        f"Relative error {found.error[k]:.3f}; the best is {found.error[found.best]:.3f}, at k = {found.best}.\n"
        f"The discrepancy principle {stop}.\n{noise}"
    )


def _few(number: float) -> str:
    """A number in words for reading: 0.97, 9.9, 99, 972."""
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"


def iterations_explorer() -> Explorer:
    """Method, number of iterations and noise: the error falls, and then the noise comes.

    Example
    -------
    >>> figure = iterations_explorer().draw(method="cgls", k=5, sigma=0.01)
    >>> [ax.get_title() for ax in figure.axes[:3]]
    ['truth', 'CGLS, k = 5', 'error, ±0.5']
    """
    controls = {
        "method": widgets.Dropdown(
            options=list(METHODS.items()), value="landweber", description="method", tooltip="which iteration"
        ),
        "k": widgets.SelectionSlider(
            options=list(STOPS), value=20, description="iterations k", tooltip="how many iterations are made"
        ),
        "sigma": widgets.FloatLogSlider(
            0.01, base=10, min=-2.5, max=-1, step=0.25, description="noise σ",
            tooltip="standard deviation of the noise, in units of the data", readout_format=".2g",
        ),
    }  # fmt: skip
    grid = {"k": [1, 20, 300], "sigma": [10**-2.5, 0.01, 0.1]}
    explorer = Explorer("iterations", controls, _Drawing(), ALT, grid=grid, live=lambda: _page(explorer), play="k")
    return explorer


def _page(explorer: Explorer) -> str:
    """The explorer in the page: image and counts go along; rays, Gaussian noise and iterates are made there."""
    _, truth = problem()
    sigmas = control_values(explorer.controls["sigma"])
    counts = torch.cat([measured(sigma, True)[0] for sigma in sigmas])
    blocks = {
        "shapes": grey_bytes(truth, WHITE),
        "counts": counts.numpy().astype("<u2").tobytes(),  # a page has no generator of Poisson numbers
    }
    data = {
        "white": WHITE, "views": VIEWS, "size": SIZE, "noiseSeed": NOISE_SEED, "span": SPAN, "faint": FAINT,
        "limits": LIMITS, "titles": {value: name for name, value in METHODS.items()},
        "factors": [measured(sigma, True)[1] for sigma in sigmas],
        "levels": {method: [level(method, sigma) for sigma in sigmas] for method in METHODS.values()},
        "colors": {method: style["color"] for method, style in LINES.items()},
        "dashes": {"landweber": "none", "nesterov": "7 4", "cgls": "7 3 2 3", "mlem": "2 3"},
    }  # fmt: skip
    return live_page(
        explorer,
        HERE / "iterations.js",
        data,
        blocks,
        note="Iterated in this page. The rays, the noise and the counts are those of the notebook.",
    )
