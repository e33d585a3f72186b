"""Chapter 00: five methods on one blurred, noisy digit, and the self-test of the machine."""

from __future__ import annotations

import os
import platform
import time
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ... import data
from ... import figures as plots
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import floats, grey_bytes, stored_generators
from ...explore.page import control_values, live_page
from ...explore.trial import trial
from ...generators import Generator
from ...metrics import psnr
from ...operators import GaussianBlur, LinearOperator, add_noise, measure
from ...provenance import machine
from ...regularisers import TV, Hard, Relaxed, Sparse, Tikhonov
from ...solvers import Dictionary, Result, objective_of, reconstruct
from ...training import zoo

__all__ = ["WEIGHTS", "regularisers", "self_test", "tour_explorer"]

#: Weights for the 5x5 blur with sigma = 0.1 and the VAE: highest mean PSNR on 20 validation digits (noise seed 1) on
#: the grid 1, 3, 10, 30, ...; where the maximum is flat to 0.05 dB, the middle.  tests/chapters/start checks them.
WEIGHTS = {
    "Tikhonov": {"lam": 0.1},
    "TV": {"lam": 0.03},
    "hard": {"lam": 0.003},
    "relaxed": {"lam": 0.3, "mu": 0.03},
    "sparse": {"lam": 0.3, "mu": 0.03},
}
KINDS = {"Tikhonov": Tikhonov, "TV": TV, "hard": Hard, "relaxed": Relaxed, "sparse": Sparse}
LAMBDAS = torch.logspace(-3, 1, 9)  # half a decade a step
GENERATOR, NOISE_SEED = "vae-mnist-8", 3
HERE = Path(__file__).parent


def regularisers(G: Generator, weights: dict | None = None) -> dict:
    """The five methods with their weights, by name.

    Parameters
    ----------
    G : Generator
    weights : dict of name -> dict, optional
        Default: ``WEIGHTS``.

    Example
    -------
    >>> from course_utils import pretrained
    >>> regularisers(pretrained("vae-mnist-8", verbose=False))["relaxed"]
    Relaxed(vae, lam=0.3, mu=0.03)
    """
    return {
        name: KINDS[name](**w) if name in ("Tikhonov", "TV") else KINDS[name](G, **w)
        for name, w in (weights or WEIGHTS).items()
    }


@cache
def _problem() -> tuple[LinearOperator, Tensor, Tensor]:
    """Operator, the first test image of each digit, and one noise for each, of standard deviation 1."""
    mnist = data.load("mnist")
    A = GaussianBlur(28)
    x = torch.stack([mnist.test[int((mnist.test_labels == d).nonzero()[0])] for d in range(10)])
    return A, x, add_noise(torch.zeros(10, *A.shape_out), 1.0, torch.Generator().manual_seed(NOISE_SEED))


@cache
def _generator() -> tuple[Generator, Dictionary]:
    G = zoo.pretrained(GENERATOR, verbose=False)
    return G, Dictionary(G, torch.Generator().manual_seed(2))


def _data(sigma: float, digit: int) -> tuple[Tensor, Tensor]:
    A, x, noise = _problem()
    truth = x[digit : digit + 1]
    return truth, A(truth) + sigma * noise[digit : digit + 1]


@lru_cache(maxsize=256)
def _sweep(method: str, mu: float, sigma: float, digit: int) -> Result:
    """One method with every lambda of ``LAMBDAS``: one batch, so that the lambda slider costs nothing."""
    A = _problem()[0]
    y = _data(sigma, digit)[1].expand(len(LAMBDAS), -1, -1, -1).contiguous()
    if method == "Tikhonov":
        return reconstruct(A, y, Tikhonov(LAMBDAS))
    if method == "TV":
        return reconstruct(A, y, TV(LAMBDAS), tol=1e-4, max_iter=400)
    G, starts = _generator()
    if method == "hard":
        return reconstruct(A, y, Hard(G, LAMBDAS), start=starts, tol=1e-5)
    if method == "relaxed":
        return reconstruct(A, y, Relaxed(G, LAMBDAS, mu), start=starts, tol=1e-5)
    # From the solution with u = 0, which is hard with weight lam mu, Algorithm 3 needs a fraction of its steps.
    z0 = reconstruct(A, y, Hard(G, LAMBDAS * mu), start=starts, tol=1e-5).z
    return reconstruct(A, y, Sparse(G, LAMBDAS, mu), start=z0, stop="objective", tol=1e-5, max_iter=120)


FORMULAS = {
    "Tikhonov": r"$\min_x\ \|Ax-y\|^2+\lambda\|x\|^2$",
    "TV": r"$\min_x\ \|Ax-y\|^2+\lambda\,\mathrm{TV}(x)$",
    "hard": r"$\min_z\ \|AG(z)-y\|^2+\lambda\|z\|^2$",
    "relaxed": r"$\min_{x,z}\ \|Ax-y\|^2+\lambda(\|G(z)-x\|^2+\mu\|z\|^2)$",
    "sparse": r"$\min_{z,u}\ \|A(G(z)+u)-y\|^2+\lambda(\|u\|_1+\mu\|z\|^2)$",
}
ALT = (
    "A handwritten digit, its blurred and noisy picture, the reconstruction by the chosen method and its residual; "
    "on the right the PSNR against lambda with the chosen lambda marked and the PSNR of the data as a dotted line; "
    "below, the formula that is minimised, the weights, and the misfit compared with the size of the noise."
)


class _Drawing:
    """One figure, made once; ``__call__`` changes its artists."""

    def __init__(self) -> None:
        with rc_context(plots.STYLE):
            self.figure = Figure(figsize=(8.6, 2.75))
            self.shown = []
            for k, title in enumerate(("truth", "data", "reconstruction", "residual")):
                ax = self.figure.add_axes((0.01 + 0.166 * k, 0.335, 0.158, 0.158 * 8.6 / 2.75))
                limits, cmap = ((-1, 1), plots.RESIDUAL_CMAP) if k == 3 else ((0, 1), plots.IMAGE_CMAP)
                self.shown.append(plots.show_image(ax, np.zeros((28, 28)), title, limits, cmap))
            self.quality = self.figure.add_axes((0.745, 0.2, 0.245, 0.7))
            self.quality.set(xscale="log", xlabel=r"$\lambda$", ylabel="PSNR (dB)", ylim=(4, 33), xlim=(7e-4, 14))
            (self.curve,) = self.quality.plot([], [], "o-", color=plots.COLOURS["blue"], ms=3)
            (self.chosen,) = self.quality.plot([], [], "o", ms=9, color=plots.COLOURS["vermilion"], label="chosen")
            self.floor = self.quality.axhline(0, ls=":", color=plots.COLOURS["black"], label="the data")
            self.quality.legend(loc="upper center", fontsize=8, ncol=2, columnspacing=1)
            self.formula = self.figure.text(0.01, 0.19, "", fontsize=10.5, va="center")
            self.words = self.figure.text(0.01, 0.06, "", fontsize=9.5, va="center")

    def __call__(self, method: str, lam: float, mu: float, sigma: float, digit: int) -> Figure:
        A, _, _ = _problem()
        truth, y = _data(float(sigma), digit)
        uses_mu = method in ("relaxed", "sparse")
        result = _sweep(method, round(float(mu), 9) if uses_mu else 0.0, round(float(sigma), 9), digit)
        k = int((LAMBDAS.log10() - np.log10(lam)).abs().argmin())
        x = result.x[k : k + 1]
        quality = psnr(result.x, truth.expand_as(result.x))
        for shown, image in zip(self.shown, (truth, y, x, x - truth), strict=True):
            shown.set_data(image.reshape(28, 28).numpy())
        self.shown[1].axes.title.set_text(f"data, {float(psnr(y, truth)):.1f} dB")
        self.shown[2].axes.title.set_text(f"{method}, {float(quality[k]):.1f} dB")
        self.curve.set_data(LAMBDAS.numpy(), quality.numpy())
        self.chosen.set_data([float(LAMBDAS[k])], [float(quality[k].clamp(4.3, 32.7))])
        self.floor.set_ydata([float(psnr(y, truth))] * 2)
        weight = rf"$\mu = {mu:.2g}$" + ("" if uses_mu else " (not used by this method)")
        self.formula.set_text(rf"{FORMULAS[method]},   $\lambda = {float(LAMBDAS[k]):.2g}$,   {weight}")
        misfit, noise = float((A(x) - y).norm()), sigma * A.m**0.5
        verdict = "it fits the noise too" if misfit < 0.93 * noise else "as it should be"
        verdict = "the data are not fully explained" if misfit > 1.07 * noise else verdict
        stopped = "" if bool(result.converged[k]) else "; iteration limit reached"
        self.words.set_text(
            rf"misfit $\|Ax-y\|$ = {misfit:.2f}, noise alone $\sigma\sqrt{{m}}$ = {noise:.2f}: {verdict}{stopped}"
        )
        return self.figure


def tour_explorer() -> Explorer:
    """Five methods on one blurred, noisy digit: weights lambda and mu, noise level sigma.

    Example
    -------
    >>> sorted(tour_explorer().controls)
    ['digit', 'lam', 'method', 'mu', 'sigma']
    """

    def slider(value: float, low: float, high: float, step: float, name: str, tooltip: str):
        return widgets.FloatLogSlider(
            value=value, min=low, max=high, step=step, description=name, tooltip=tooltip, readout_format=".2g"
        )

    controls = {
        "method": widgets.Dropdown(
            options=list(FORMULAS), value="hard", description="method", tooltip="what is minimised"
        ),
        "lam": slider(10**-2.5, -3, 1, 0.5, "λ", "weight of the regulariser"),
        "mu": slider(10**-1.5, -3, 0, 0.5, "μ", "weight of the latent term; relaxed and sparse only"),
        "sigma": slider(0.1, -2, -0.5, 0.25, "noise σ", "standard deviation of the noise, white = 1"),
        "digit": widgets.Dropdown(options=list(range(10)), value=2, description="digit", tooltip="which test image"),
    }
    grid = {"lam": [1e-3, 10**-1.5, 10.0], "mu": [1e-3, 1.0], "sigma": [0.01, 10**-0.5], "digit": [8]}
    explorer = Explorer("tour", controls, _Drawing(), ALT, grid=grid, live=lambda: _page(explorer))
    return explorer


def _page(explorer: Explorer) -> str:
    """The five methods in the page; for each of its problems it is told which start of the dictionary is the best."""
    lam, mu, sigmas = (torch.tensor(control_values(explorer.controls[key])) for key in ("lam", "mu", "sigma"))
    A, x, noise = _problem()
    G, dictionary = _generator()
    y = (A(x) + sigmas[:, None, None, None, None] * noise).flatten(0, 1)  # for each sigma all digits

    def best(make, *weights: Tensor) -> Tensor:
        """Of the regulariser with each combination of weights, for each y: (y, combinations, d)."""
        grid = [w.flatten().repeat(len(y)) for w in torch.meshgrid(*weights, indexing="ij")]
        many = y.repeat_interleave(len(grid[0]) // len(y), dim=0)
        return dictionary.best(objective_of(A, many, make(*grid)))[:, 0].unflatten(0, (len(y), -1))

    # lam mu takes the values from the least lam times the least mu to the greatest lam, in the same steps
    products = torch.cat([mu[:-1] * lam[0], lam])
    ways = best(lambda w: Hard(G, w), products), best(lambda w, v: Relaxed(G, w, v), lam, mu)
    z, place = torch.cat([way.flatten(0, 1) for way in ways]).unique(dim=0, return_inverse=True)
    places = place.split([way.shape[0] * way.shape[1] for way in ways])
    data, blocks = stored_generators({"vae": G})
    blocks |= {"digits": grey_bytes(x), "starts": floats(z)}
    for name, found in zip(("hard", "relaxed"), places, strict=True):
        blocks[f"starts of {name}"] = found.numpy().astype("<u2").tobytes()
    note = "Solved in this page, the chosen λ first, then the others for the curve. The starts were chosen beforehand."
    return live_page(explorer, HERE / "tour.js", data | {"d": G.latent_dim, "noiseSeed": NOISE_SEED}, blocks, note=note)


def self_test() -> dict:
    """Is this machine ready?  Prints versions, device, threads, widgets, data, weights, speed; returns what it found.

    Returns
    -------
    dict
        "ok": everything that the chapters need is there; "ms": milliseconds per hard reconstruction;
        "explorers": they work with the installed ipywidgets and IPython.

    Raises
    ------
    IntegrityError
        Shipped data or weights are damaged.

    Example
    -------
    >>> self_test()["ok"]
    Python ...
    True
    """
    threads = torch.get_num_threads()
    lines = [
        f"Python {platform.python_version()}; "
        + ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "matplotlib"))
    ]
    lines.append(f"processor: {machine()['processor']}, {threads} thread{'s' if threads > 1 else ''} for torch")
    if torch.cuda.is_available():
        device = f"CUDA, {torch.cuda.get_device_name()}"
    else:
        device = "Apple MPS" if torch.backends.mps.is_available() else "none"
    lines.append(f"accelerator: {device} (none is needed: the chapters run on the processor)")
    if os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE":
        lines.append("advice: set OMP_WAIT_POLICY=PASSIVE before Python starts, or busy threads slow each other down")
    explorers, words = trial()
    lines.append(f"explorers: {words}")
    mnist = data.load("mnist")
    lines.append(
        f"data: MNIST, {len(mnist.train)} train, {len(mnist.val)} validation, {len(mnist.test)} test; verified"
    )
    names = zoo.available()
    for name in names:
        zoo.pretrained(name, verbose=False)
    lines.append(f"weights: {len(names)} generators; verified")
    G, starts = _generator()
    A = GaussianBlur(28)
    y = measure(A, mnist.test[:32], 0.1, torch.Generator().manual_seed(0))
    reconstruct(A, y[:2], Hard(G, 0.003), start=starts)  # the first call pays for things that later ones find ready
    start = time.perf_counter()
    reconstruct(A, y, Hard(G, 0.003), start=starts)
    ms = 1e3 * (time.perf_counter() - start) / len(y)
    lines.append(f"speed: {ms:.0f} ms for a reconstruction with a generator (32 at once)")
    missing = [] if GENERATOR in names else [f"the weights {GENERATOR}"]
    missing += [] if len(mnist.test) == 10_000 else ["images of MNIST"]
    missing += [] if explorers else ["widgets that work"]
    lines.append(f"Not ready: {' and '.join(missing)} are missing." if missing else "Ready.")
    print("\n".join(lines))
    return {"ok": not missing, "ms": ms, "threads": threads, "weights": names, "explorers": explorers}
