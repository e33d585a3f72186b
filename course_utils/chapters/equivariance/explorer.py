"""Explorer of chapter 10: an object is turned, and three networks that learned upright ones reconstruct it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import grey_bytes
from ...explore.page import live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, IMAGE_CMAP, RESIDUAL_CMAP, STYLE
from ...live import reconstructor_spec
from ...metrics import psnr
from ...reproduce.setting import SEEDS
from ...results import load_result
from ...training.learned_recipes import SCAN
from .turn_figures import GREY, LOOKS, row_of, small
from .turning import (
    ANGLES,
    N_IMAGES,
    NETWORKS,
    SIGMAS,
    STEP,
    network,
    objects,
    relative,
    scan,
    scans,
    turned_data,
    turned_image,
)

__all__ = ["turn_explorer", "turned"]

HERE = Path(__file__).parent
N_SHOWN = 4
WHITE = 254  # so that 0.5 is stored exactly
MOVED, TRUE = "moved", "true"
OTHERS = {"turned Φ(y)": MOVED, "turned object": TRUE}
SPANS = {MOVED: 0.1, TRUE: 0.5}
MINUS = {MOVED: "minus gΦ(y)", TRUE: "minus the object"}


@lru_cache(maxsize=2048)
@torch.no_grad()
def _reconstruction(name: str, image: int, degrees: int, sigma: float) -> Tensor:
    """What a network makes of the turned data of one object: (1, 1, 56, 56)."""
    return network(name)(turned_data(scans(sigma)[image : image + 1], degrees), scan())


def turned(name: str, image: int, degrees: int, sigma: float) -> dict:
    """Reconstruction of the turned data, both differences, equivariance error and PSNR."""
    upright, x = (_reconstruction(name, image, angle, sigma) for angle in (0, degrees))
    truth = turned_image(objects()[image : image + 1], degrees)
    differences = {MOVED: x - turned_image(upright, degrees), TRUE: x - truth}
    return {
        "x": x,
        **differences,
        "error": float(relative(differences[MOVED], upright)),
        "psnr": float(psnr(x, truth)),
    }


def turn_explorer() -> Explorer:
    """Angle, image, noise, and what to compare with: object and data, three reconstructions and their differences.

    Example
    -------
    >>> sorted(turn_explorer().controls)
    ['angle', 'difference', 'image', 'sigma']
    """
    record = load_result("equivariance-turns")
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 7.4))
        side, high = 0.215, 0.215 * 8.4 / 7.4
        pictures = [figure.add_axes((0.012 + k % 4 * 0.249, 0.705 - k // 4 * 0.32, side, high)) for k in range(8)]
        charts = [figure.add_axes((left, 0.075, 0.39, 0.2)) for left in (0.075, 0.575)]
    shown = [_frame(ax, k) for k, ax in enumerate(pictures)]
    lines = [_lines(ax, what) for ax, what in zip(charts, ("error", "psnr"), strict=True)]
    handles, labels = charts[0].get_legend_handles_labels()
    figure.legend(handles[:3], labels[:3], loc="upper center", bbox_to_anchor=(0.5, 0.362), ncols=3, fontsize=9)
    for ax in charts:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[3:], labels[3:], loc="upper right", fontsize=8)

    def draw(angle: int, image: int, sigma: float, difference: str) -> Figure:
        found = {name: turned(name, image, angle, sigma) for name in NETWORKS}
        parts = [turned_image(objects()[image : image + 1], angle), *(f["x"] for f in found.values())]
        parts += [turned_data(scans(sigma)[image : image + 1], angle), *(f[difference] for f in found.values())]
        for picture, part in zip(shown, parts, strict=True):
            picture.set_data(part.reshape(part.shape[-2:]).numpy())
        for picture in shown[5:]:
            picture.set_clim(-SPANS[difference], SPANS[difference])
        pictures[0].set_title(f"object, turned by {angle}°".replace("-", "−"), fontsize=10)
        pictures[4].set_title(f"its data, noise {sigma:g}", fontsize=10)
        for ax, below, (name, f) in zip(pictures[1:4], pictures[5:], found.items(), strict=True):
            ax.set_title(f"{name}, {f['psnr']:.1f} dB", fontsize=10)
            below.set_title(
                f"{MINUS[difference]}, ±{SPANS[difference]}\nequivariance error {small(f['error'])}", fontsize=10
            )
        for what, (curves, dots, here) in zip(("error", "psnr"), lines, strict=True):
            here.set_xdata([angle, angle])
            for name, f in found.items():
                curves[name].set_ydata(row_of(record, name, sigma)[what])
                dots[name].set_data([angle], [f[what]])
            of, key, _ = GREY[what]
            curves[what].set_ydata(row_of(record, of, sigma)[key])
        return figure

    controls = {
        "angle": widgets.IntSlider(
            90, min=ANGLES[0], max=ANGLES[-1], step=STEP, description="angle",
            tooltip="by how many degrees the object is turned, counter-clockwise; the views are 6 degrees apart",
        ),
        "image": widgets.Dropdown(options=list(range(N_SHOWN)), description="image", tooltip="which test image"),
        "sigma": widgets.Dropdown(
            options=[("0.1, as in training", SIGMAS[0]), ("none", SIGMAS[1])], description="noise",
            tooltip="standard deviation of the noise in the data",
        ),
        "difference": widgets.Dropdown(
            options=list(OTHERS.items()), description="compare with",
            tooltip="what is subtracted from the reconstructions in the lower pictures",
        ),
    }  # fmt: skip
    alt = (
        "An object of a disc and a rectangle, turned by an angle that can be chosen, its data, and what an ordinary, "
        "an augmented and an equivariant network make of the turned data, with PSNR; below them what is left when the "
        "turned reconstruction gΦ(y) of the upright data y, or the turned object, is taken away, and the equivariance "
        "error, which is the norm of the first difference relative to that of Φ(y), within the circle that every turn "
        "keeps. The noise is turned with the data. Two charts show error and PSNR over the angle: curves are means "
        f"over {N_IMAGES} objects, dots belong to the one that is shown."
    )
    grid = {"angle": [0, 42, 90], "image": [0, 3]}
    explorer = Explorer("turn", controls, draw, alt, grid=grid, live=lambda: _page(explorer))
    return explorer


def _frame(ax, k: int):
    """An empty picture: object, three reconstructions; data, three differences."""
    cmap, high = RESIDUAL_CMAP if k > 4 else IMAGE_CMAP, _brightest() if k == 4 else 1.0
    shape = scan().shape_out if k == 4 else scan().shape_in[1:]
    return show_image(ax, np.zeros(shape), limits=(0.0, high), cmap=cmap, aspect="auto")


def _lines(ax, what: str) -> tuple[dict, dict, object]:
    """Curves over the angle, dots for the object that is shown, and where the angle stands."""
    curves, dots, zeros = {}, {}, np.zeros(len(ANGLES))
    for name, (colour, line) in LOOKS.items():
        (curves[name],) = ax.plot(ANGLES, zeros, line, color=COLOURS[colour], label=name)
        (dots[name],) = ax.plot([0], [0], "o", color=COLOURS[colour], markersize=6, clip_on=False, zorder=3)
    (curves[what],) = ax.plot(ANGLES, zeros, ":", color="0.45", label=GREY[what][2])
    here = ax.axvline(0, color="0.6", linewidth=1)
    ax.set(xlim=(-180, 180), ylim=_range(what), xlabel="angle (degrees)")
    ax.set_title({"error": "equivariance error", "psnr": "PSNR (dB)"}[what], fontsize=10)
    ax.set_xticks(range(-180, 181, 90))
    return curves, dots, here


def _brightest() -> float:
    return float(scans(SCAN.sigma)[:N_SHOWN].max())


def _range(what: str) -> tuple[float, float]:
    """Room for all curves and all dots, whatever is chosen."""
    values = [
        value
        for row in load_result("equivariance-turns")["rows"]
        for mean, deviation in zip(row[what], row[f"{what}_std"], strict=True)
        for value in (mean - 2 * deviation, mean + 2 * deviation)
    ]
    return (0.0, max(values)) if what == "error" else (np.floor(min(values)), np.ceil(max(values)))


def _page(explorer: Explorer) -> str:
    """The explorer in the page: objects, networks and curves go along; data and reconstructions are made there."""
    record = load_result("equivariance-turns")
    specifications, blocks = {}, {"objects": grey_bytes(objects()[:N_SHOWN], WHITE)}
    for name in NETWORKS:
        specifications[name], blocks[f"weights of {name}"] = reconstructor_spec(network(name))
    data = {
        "size": SCAN.size,
        "views": SCAN.views,
        "step": STEP,
        "white": WHITE,
        "noise": {"seed": SEEDS["noise_test"], "images": N_IMAGES},
        "brightest": _brightest(),
        "spans": SPANS,
        "networks": specifications,
        "looks": LOOKS,
        "angles": list(ANGLES),
        "grey": GREY,
        "ranges": {what: _range(what) for what in ("error", "psnr")},
        "curves": [
            {key: row[key] for key in ("name", "sigma", "error", "psnr", "psnr_turned", "interpolation")}
            for row in record["rows"]
        ],
    }
    return live_page(
        explorer,
        HERE / "turn.js",
        data,
        blocks,
        note="Data and reconstructions are computed in this page, by the notebook's networks; the curves, means over "
        f"{N_IMAGES} objects, were computed beforehand.",
    )
