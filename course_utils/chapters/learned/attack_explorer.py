"""Explorer of chapter 09: what random and worst perturbations of a scan do to five methods."""

from __future__ import annotations

import base64
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import grey_bytes
from ...explore.page import live_page
from ...figures.images import show_image
from ...figures.style import IMAGE_CMAP, RESIDUAL_CMAP, STYLE
from ...figures.tables import markdown_table
from ...live import reconstructor_spec
from ...metrics import psnr
from ...reconstructors import Reconstructor
from ...regularisers import Regulariser
from ...reproduce.methods import solve
from ...reproduce.setting import SEEDS
from ...results import load_result
from ...training.learned_recipes import SCAN
from .rivals import NETWORKS, RIVALS, network
from .scans import home
from .worst_found import BUDGETS, N_IMAGES, SOURCES, found_at, noise_norm, row_of, unit_perturbations

__all__ = ["attack_explorer", "attacks_table", "perturbation"]

HERE = Path(__file__).parent
NAMES = {
    "fbp": "FBP", "tv": "TV", "post-processing": "FBP and U-Net", "proximal": "learned proximal gradient",
    "primal-dual": "learned primal-dual",
}  # fmt: skip
RANDOM, OWN = "random", "own"
#: Short, so that a telephone has room for the control.
KINDS = {
    "random noise": RANDOM, "worst found for this method": OWN, "worst found for FBP": "fbp",
    "worst found for TV": "tv", "worst found for U-Net": "post-processing", "worst found for proximal": "proximal",
    "worst found for primal-dual": "primal-dual",
}  # fmt: skip
RANDOM_SEED = 5
SPAN_DATA, SPAN = 0.3, 0.5
WHITE = 254  # so that 0.5 is stored exactly
N_NOISE = 50  # the noise of so many test images is one draw


@cache
def _record() -> dict:
    return load_result("attack-explorer")


@cache
def _made(method: str) -> Regulariser | Reconstructor:
    return RIVALS[method].make(home(n_test=N_NOISE), **row_of(_record(), method)["weights"])


@cache
def _unit(source: str, image: int, budget: float) -> Tensor:
    """A perturbation of norm 1 as it was found within a budget; a random one depends on the image alone."""
    A = home(n_test=N_NOISE).A
    if source == RANDOM:
        e = torch.randn(1, *A.shape_out, generator=torch.Generator().manual_seed(RANDOM_SEED + image))
        return e / e.norm()
    return unit_perturbations(found_at(_record(), source, budget)["e"][image : image + 1], A.shape_out)


def _budget(size: float) -> float:
    """The least of the searched sizes that is not below this one."""
    return next(budget for budget in BUDGETS if size <= budget)


def perturbation(source: str, image: int, size: float) -> Tensor:
    """A perturbation whose norm is ``size`` times that of the noise, at most 1: (1, views, detectors).

    It is the one that was found for the next larger searched size, made smaller: a lower bound of the worst.
    """
    e = _unit(source, image, _budget(size))
    return size * noise_norm(e[0].numel()) * e


@lru_cache(maxsize=512)
def _images(method: str, image: int, source: str, size: float) -> Tensor:
    """The reconstruction from perturbed data."""
    problem = home(n_test=N_NOISE)
    y = problem.y[image : image + 1] + perturbation(source, image, size)
    return solve(problem, RIVALS[method], y, _made(method)).x


def attacks_table() -> Markdown:
    """The worst perturbations of both sizes, each against its own method: what the change is like, over all images.

    With the change Δ = Φ(y + e) − Φ(y): its norm, that of its data, the largest of a pixel, and its norm when both
    reconstructions are clipped to [0, 1] afterwards.
    """
    problem, lines = home(n_test=N_NOISE), []
    y = problem.y[:N_IMAGES]
    for method, name in NAMES.items():
        before = solve(problem, RIVALS[method], y, _made(method)).x
        for size in BUDGETS:
            e = torch.cat([perturbation(method, image, size) for image in range(N_IMAGES)])
            after = solve(problem, RIVALS[method], y + e, _made(method)).x
            change, norm = after - before, e.flatten(1).norm(dim=1)
            clipped = after.clamp(0, 1) - before.clamp(0, 1)
            parts = (change, problem.A(change), clipped)
            shares = [float((part.flatten(1).norm(dim=1) / norm).mean()) for part in parts]
            lines.append([
                name, f"{size:g}", f"{float(norm.mean()) / SCAN.sigma:.1f}", f"{shares[0]:.2f}", f"{shares[1]:.2f}",
                f"{float(change.abs().max()):.2f}", f"{shares[2]:.2f}",
            ])  # fmt: skip
    head = ["method", "size", "‖e‖/σ", "‖Δ‖/‖e‖", "‖AΔ‖/‖e‖", "largest change of a pixel", "‖Δ‖/‖e‖, clipped"]
    return markdown_table(head, lines)


def attack_explorer() -> Explorer:
    """Method, perturbation, its size and image: the data before and after, the reconstruction before and after.

    Example
    -------
    >>> sorted(attack_explorer().controls)
    ['image', 'kind', 'method', 'size']
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 5.2))
        height = 0.215 * 8.4 / 5.2
        axes = [figure.add_axes((0.012 + k % 4 * 0.249, 0.565 - k // 4 * 0.425, 0.215, height)) for k in range(8)]
    titles = (
        "truth", "data y", f"perturbation e, ±{SPAN_DATA}", "y + e",
        "Φ(y)", "Φ(y + e)", f"Φ(y + e) − Φ(y), ±{SPAN}", f"Φ(y + e) − truth, ±{SPAN}",
    )  # fmt: skip
    problem = home(n_test=N_NOISE)
    brightest = float(problem.y[:N_IMAGES].max())
    shown = []
    for k, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        span = {2: SPAN_DATA, 6: SPAN, 7: SPAN}.get(k)
        cmap, low = (RESIDUAL_CMAP, -span) if span else (IMAGE_CMAP, 0.0)
        high = span or (brightest if k in (1, 3) else 1.0)
        shape = problem.A.shape_out if k in (1, 2, 3) else problem.A.shape_in[1:]
        shown.append(show_image(ax, np.zeros(shape), limits=(low, high), cmap=cmap, aspect="auto"))
        ax.set_title(title, fontsize=10)
    words = figure.text(0.012, 0.06, "", fontsize=10, va="center", linespacing=1.5)

    def draw(method: str, kind: str, size: float, image: int) -> Figure:
        size, source = round(float(size), 2), method if kind == OWN else kind
        truth, y, e = problem.x[image : image + 1], problem.y[image : image + 1], perturbation(source, image, size)
        before, after = _images(method, image, RANDOM, 0.0), _images(method, image, source, size)
        parts = (truth, y, e, y + e, before, after, after - before, after - truth)
        for picture, part in zip(shown, parts, strict=True):
            picture.set_data(part.reshape(part.shape[-2:]).numpy())
        change, norm = float((after - before).norm()), float(e.norm())
        times = f" = {change / norm:.2f} ‖e‖" if norm else ""
        what = next(name for name, value in KINDS.items() if value == kind)
        words.set_text(
            f"{NAMES[method]}; {what}, ‖e‖ = {size:.2f} of the noise:\n"
            f"change {change:.2f}{times}, at most {float((after - before).abs().max()):.2f} in a pixel;  "
            f"PSNR {float(psnr(before, truth)):.1f} dB before, {float(psnr(after, truth)):.1f} dB after"
        )
        return figure

    controls = {
        "method": widgets.Dropdown(
            options=[(name, method) for method, name in NAMES.items()], value="proximal", description="method",
            tooltip="how to reconstruct",
        ),
        "kind": widgets.Dropdown(
            options=list(KINDS.items()), value=OWN, description="perturbation",
            tooltip="what is added to the data: random, or what a search found for a method",
        ),
        "size": widgets.FloatSlider(
            0.3, min=0, max=1, step=0.05, description="size",
            tooltip="norm of the perturbation, in norms of the noise that the data already have",
        ),
        "image": widgets.Dropdown(options=list(range(N_IMAGES)), description="image", tooltip="which test image"),
    }  # fmt: skip
    alt = (
        "Eight pictures of a scan of two shapes: truth, data, the perturbation of the data, the perturbed data, the "
        "reconstruction before and after, what the perturbation changed, and the error; norms and PSNR stand below."
    )
    grid = {"kind": [RANDOM, OWN, "tv"], "size": [0.0, 1.0], "image": [1]}
    explorer = Explorer("attack", controls, draw, alt, grid=grid, live=lambda: _page(explorer))
    return explorer


def _page(explorer: Explorer) -> str:
    """The explorer in the page: images, networks and perturbations go along; all reconstructions are made there."""
    problem, record = home(n_test=N_NOISE), _record()
    specifications, blocks = {}, {"truths": grey_bytes(problem.x[:N_IMAGES], WHITE)}
    for method in SOURCES:
        if method in NETWORKS:
            specifications[method], blocks[f"weights of {method}"] = reconstructor_spec(network(method))
    blocks["perturbations"] = b"".join(
        base64.b64decode(text)
        for budget in BUDGETS
        for source in SOURCES
        for text in found_at(record, source, budget)["e"]
    )
    data = {
        "size": problem.A.shape_in[1],
        "views": SCAN.views,
        "sigma": SCAN.sigma,
        "white": WHITE,
        "images": N_IMAGES,
        "noise": {"seed": SEEDS["noise_test"], "images": N_NOISE},
        "randomSeed": RANDOM_SEED,
        "brightest": float(problem.y[:N_IMAGES].max()),
        "spans": {"data": SPAN_DATA, "image": SPAN},
        "budgets": list(BUDGETS),
        "sources": list(SOURCES),
        "networks": specifications,
        "weights": {method: row_of(record, method)["weights"] for method in SOURCES},
    }
    return live_page(
        explorer,
        HERE / "attack.js",
        data,
        blocks,
        note="Data and reconstructions are computed in this page, by the notebook's networks; the worst perturbations "
        "were found beforehand.",
    )
