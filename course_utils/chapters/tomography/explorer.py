"""Explorer of chapter 07: number of views, angular range, noise and method on one image of Shapes."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import floats, grey_bytes, stored_generators
from ...explore.page import control_values, live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, IMAGE_CMAP, RESIDUAL_CMAP, STYLE
from ...generators import Generator
from ...metrics import psnr
from ...operators import ParallelBeam, fbp, measure
from ...regularisers import TV, Hard, Sparse, Tikhonov
from ...reproduce.setting import start_dictionary
from ...solvers import Dictionary, reconstruct
from ...training.zoo import pretrained
from .spots import spot_contrast

__all__ = ["tomography_explorer"]

HERE = Path(__file__).parent
SIZE, SPAN, N_IMAGES, NOISE_SEED, N_CANDIDATES = 56, 0.5, 6, 3, 128
WHITE = 254  # the byte of a stored pixel with grey value 1; even, as the shapes have 0.5
GENERATOR = "vae-shapes-10"
METHODS = {"FBP": "fbp", "Tikhonov": "tikhonov", "TV": "tv", "VAE hard": "hard", "VAE sparse": "sparse"}
IMAGES = {"circle and rectangle": "shapes", "with a bright spot": "shapes+"}


@cache
def _truths() -> dict[str, Tensor]:
    return {name: load(name).test[:N_IMAGES] for name in IMAGES.values()}


@lru_cache(maxsize=64)
def _operator(views: int, degrees: int) -> ParallelBeam:
    return ParallelBeam.full(SIZE, n_angles=views, angular_range=math.radians(degrees))


@cache
def _generator() -> tuple[Generator, Dictionary]:
    G = pretrained(GENERATOR, verbose=False)
    return G, start_dictionary(G, load("shapes").train, size=1024)


def weights(method: str, sigma: float) -> dict[str, float]:
    """The weight or cutoff of a method: tuned at sigma = 0.1 with 125 views, and carried along with the noise."""
    relative = sigma / 0.1
    return {
        "fbp": {"cutoff": min(1.0, 0.35 / relative**0.5)},
        "tikhonov": {"lam": 0.15 * relative**2},
        "tv": {"lam": 0.05 * relative},
        "hard": {"lam": 0.006 * relative**2},
        "sparse": {"lam": 0.4 * relative, "mu": 0.015 * relative},
    }[method]


@lru_cache(maxsize=256)
def _solve(method: str, views: int, degrees: int, sigma: float, image: int, kind: str) -> tuple[Tensor, Tensor]:
    """Data and reconstruction."""
    A, x = _operator(views, degrees), _truths()[kind][image : image + 1]
    y = measure(A, x, sigma, torch.Generator().manual_seed(NOISE_SEED))
    w = weights(method, sigma)
    if method == "fbp":
        return y, fbp(A, y, "hann", w["cutoff"])
    if method == "tikhonov":
        return y, reconstruct(A, y, Tikhonov(w["lam"]), solver="paper", max_iter=60).x
    if method == "tv":
        return y, reconstruct(A, y, TV(w["lam"]), tol=1e-3, max_iter=120).x
    G, starts = _generator()
    if method == "hard":
        return y, reconstruct(A, y, Hard(G, w["lam"]), start=starts, max_iter=30).x
    z0 = reconstruct(A, y, Hard(G, w["lam"] * w["mu"]), start=starts, max_iter=20).z
    return y, reconstruct(A, y, Sparse(G, **w), solver="paper", start=z0, stop="objective", tol=1e-4, max_iter=30).x


def tomography_explorer() -> Explorer:
    """Number of views, angular range, noise and method: truth, sinogram, reconstruction, residual.

    A has norm 1 for every choice, so fewer views means that each gets more of the signal: the dose is shared.  Of an
    object with a bright spot the words also say how much of the spot's contrast is left.

    Example
    -------
    >>> explorer = tomography_explorer()
    >>> figure = explorer.draw(views=30, degrees=180, sigma=0.1, method="fbp", kind="shapes", image=0)
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['truth', 'sinogram']
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 2.75))
        width, height = 0.2, 0.2 * 8.4 / 2.75
        axes = [figure.add_axes((0.015 + k * 0.225, 0.22, width, height)) for k in range(4)]
        gauge = figure.add_axes((0.905, 0.3, 0.085, 0.085 * 8.4 / 2.75), projection="polar")
    shown = []
    for k, (ax, title) in enumerate(zip(axes, ("truth", "sinogram", "reconstruction", "residual, ±0.5"), strict=True)):
        cmap, low, high = (RESIDUAL_CMAP, -SPAN, SPAN) if k == 3 else (IMAGE_CMAP, 0.0, 1.0)
        shown.append(show_image(ax, np.zeros((SIZE, SIZE)), limits=(low, high), cmap=cmap))
        ax.set_title(title, fontsize=10)
    axes[1].set(xlabel="detector", ylabel="angle")
    gauge.set_title("views", fontsize=9)
    gauge.set(xticks=[], yticks=[], ylim=(0, 1))
    rays = gauge.plot([], [], color=COLOURS["orange"], linestyle="-", linewidth=0.6)[0]
    words = figure.text(0.015, 0.07, "", fontsize=10, va="center")

    def draw(views: int, degrees: int, sigma: float, method: str, kind: str, image: int) -> Figure:
        truth = _truths()[kind][image : image + 1]
        y, x = _solve(method, views, degrees, float(sigma), image, kind)
        parts = (truth, y, x, x - truth)
        for k, (picture, part) in enumerate(zip(shown, parts, strict=True)):
            picture.set_data(part.reshape(part.shape[-2:]).numpy())
            if k == 1:
                picture.set_extent((0, y.shape[2], degrees, 0))
                picture.set_clim(0, float(y.max()))
                axes[1].set_aspect("auto")
        angles = np.arange(views) * math.radians(degrees) / views
        spokes = np.stack([angles, angles + math.pi, np.full(views, np.nan)], 1).ravel()
        rays.set_data(spokes, np.tile([1.0, 1.0, np.nan], views))
        A = _operator(views, degrees)
        fit = float((A(x) - y).norm()) / (sigma * A.m**0.5)
        name = next(key for key, value in METHODS.items() if value == method)
        weight = ", ".join(
            f"{ {'lam': 'λ', 'mu': 'μ'}.get(key, key) } = {value:.2g}" for key, value in weights(method, sigma).items()
        )
        spot = f", spot {100 * float(spot_contrast(x, truth)):.0f} %" if kind == "shapes+" else ""
        words.set_text(
            f"{name} ({weight}):  PSNR {float(psnr(x, truth)):.1f} dB{spot}    {views} views over {degrees}°, "
            f"{A.m} data    residual {fit:.2f} of the noise"
        )
        return figure

    controls = {
        "method": widgets.Dropdown(
            options=list(METHODS.items()), value="tv", description="method", tooltip="how to reconstruct"
        ),
        "views": widgets.IntSlider(
            30, 5, 125, step=5, description="views", tooltip="number of angles, equally spaced over the range"
        ),
        "degrees": widgets.IntSlider(
            180, 30, 180, step=10, description="range (°)", tooltip="angular range of the views in degrees"
        ),
        "sigma": widgets.FloatLogSlider(
            0.1, base=10, min=-2.5, max=-0.5, step=0.25, description="noise σ", tooltip="noise in the data",
            readout_format=".2g",
        ),
        "kind": widgets.Dropdown(
            options=list(IMAGES.items()), description="object", tooltip="an object like those of the training, or not"
        ),
        "image": widgets.Dropdown(
            options=list(range(N_IMAGES)), description="image", tooltip="which test image"
        ),
    }  # fmt: skip
    alt = (
        "A circle and a rectangle, their noisy sinogram, the reconstruction of the chosen method and its residual, "
        "with PSNR and misfit; a dial shows the directions of the views."
    )
    grid = {
        "views": [5, 125], "degrees": [30, 180], "sigma": [10**-2.5, 0.1], "image": [3], "kind": ["shapes", "shapes+"],
    }  # fmt: skip
    explorer = Explorer("tomography", controls, draw, alt, grid=grid, live=lambda: _page(explorer))
    return explorer


def _page(explorer: Explorer) -> str:
    """The explorer in the page: objects, generator and weights go along; rays, data and solutions are made there."""
    G, starts = _generator()
    data, blocks = stored_generators({"vae": G})
    truths = _truths()
    blocks |= {
        "shapes": grey_bytes(torch.cat(list(truths.values())), WHITE),
        "candidates": floats(starts.z[:N_CANDIDATES]),
    }
    views, sigmas = control_values(explorer.controls["views"]), control_values(explorer.controls["sigma"])
    data |= {
        "noiseSeed": NOISE_SEED,
        "white": WHITE,
        "most": max(views),
        "bins": _operator(views[0], 180).shape_out[1],
        "first": {kind: k * N_IMAGES for k, kind in enumerate(truths)},
        "weights": {method: [weights(method, sigma) for sigma in sigmas] for method in METHODS.values()},
    }
    return live_page(
        explorer,
        HERE / "tomography.js",
        data,
        blocks,
        note="Solved in this page. The rays, the noise and the weights are those of the notebook; a generator starts "
        f"from the best of {N_CANDIDATES} draws, there of {len(starts.z)}.",
    )
