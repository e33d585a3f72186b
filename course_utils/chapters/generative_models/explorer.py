"""Explorer of chapter 03: walk through the latent spaces of AE, VAE and GAN, side by side."""

from __future__ import annotations

import functools
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.encodings import encodings
from ...explore.live_data import floats, grey_bytes, stored_generators
from ...explore.page import live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, METHODS, subplots
from ...generators import Generator
from ...training.zoo import pretrained

__all__ = ["latent_explorer"]

HERE = Path(__file__).parent
MODELS = {"ae": "ae-mnist-8", "vae": "vae-mnist-8", "wgan": "wgan-mnist-8"}

LATENT_DIM = 8

ALT = (
    "Two rows. Top: the test digit from which the walk starts, then the images of the autoencoder, the "
    "variational autoencoder and the GAN halfway to another digit. Bottom: the digit at the end of the walk, "
    "then the eight latent coordinates of each generator as bars; those of the autoencoder are the longest."
)


@functools.cache
def _world() -> tuple[Tensor, dict[str, tuple[Generator, Tensor, Tensor]]]:
    """One test digit of each class (10, 1, 28, 28); per model: G, their encodings (10, d), one unit of z (d,)."""
    data = load("mnist")
    digits = torch.stack([data.test[data.test_labels == k][0] for k in range(10)])
    models = {}
    for family, name in MODELS.items():
        G = pretrained(name, verbose=False)
        z = encodings(G, digits)
        unit = torch.ones(LATENT_DIM)  # VAE and GAN: the prior's standard deviation
        if family == "ae":  # no prior: what its encodings do instead
            with torch.no_grad():
                unit = G.encode(data.val).std(0)
        models[family] = (G, z, unit)
    return digits, models


def _controls() -> dict[str, ipywidgets.DOMWidget]:
    digits = [(str(k), k) for k in range(10)]
    coordinates = [(f"z{i + 1}", i) for i in range(LATENT_DIM)]
    shift = {"min": -3.0, "max": 3.0, "step": 0.25, "readout_format": ".2f"}
    return {
        "first": widgets.Dropdown(
            options=digits, value=4, description="from digit", tooltip="test digit at which the walk starts"
        ),
        "second": widgets.Dropdown(
            options=digits, value=0, description="to digit", tooltip="test digit at which the walk ends"
        ),
        "t": widgets.FloatSlider(
            0.5, min=0.0, max=1.0, step=0.05, description="way t", tooltip="share of the way from first to second"
        ),
        "i": widgets.Dropdown(
            options=coordinates, value=0, description="1st coordinate", tooltip="first latent coordinate to shift"
        ),
        "a": widgets.FloatSlider(
            0.0, description="1st shift", tooltip="shift of the first coordinate, in standard deviations", **shift
        ),
        "j": widgets.Dropdown(
            options=coordinates, value=1, description="2nd coordinate", tooltip="second latent coordinate to shift"
        ),
        "b": widgets.FloatSlider(
            0.0, description="2nd shift", tooltip="shift of the second coordinate, in standard deviations", **shift
        ),
    }


def latent_explorer() -> Explorer:
    """Explorer "latent": G(z) of the three shipped generators along a line between two encodings.

    z = (1 - t) z_first + t z_second + a s_i e_i + b s_j e_j, where s is the standard deviation of the latent
    coordinate: of the encodings for the AE, of the prior for VAE and GAN.

    Source
    ------
    Paper, Sect. 4.3.5; chapter 03.
    """
    digits, models = _world()
    figure, axes = subplots(2, 1 + len(models), size=(7.6, 3.3), alt=ALT)
    ends = [show_image(ax, digits[0], title) for ax, title in zip(axes[:, 0], ("from", "to"), strict=True)]
    reach = 1.3 * max(float(z.abs().max()) for _, z, _ in models.values())  # one scale for all three
    images, bars = {}, {}
    for family, top, bottom in zip(models, axes[0, 1:], axes[1, 1:], strict=True):
        images[family] = show_image(top, digits[0])
        bars[family] = bottom.bar(range(1, LATENT_DIM + 1), [0.0] * LATENT_DIM)
        bottom.set(ylim=(-reach, reach), xticks=range(1, LATENT_DIM + 1), xlabel="latent coordinate")
        bottom.set_ylabel("z" if family == "ae" else "")
        bottom.tick_params(labelsize=8, labelleft=family == "ae")
    figure.draw_without_rendering()  # lay out once: doing it again for every move would double the time
    figure.set_layout_engine("none")
    plt.close(figure)  # the explorer shows it; pyplot must not

    @torch.no_grad()
    def draw(first: int, second: int, t: float, i: int, a: float, j: int, b: float):
        for shown, k in zip(ends, (first, second), strict=True):
            shown.set_data(digits[k, 0].numpy())
        for family, (G, codes, unit) in models.items():
            z = torch.lerp(codes[first], codes[second], t)
            z[i] += a * unit[i]
            z[j] += b * unit[j]
            images[family].set_data(G(z[None])[0, 0].numpy())
            images[family].axes.set_title(f"{family.upper()}: ‖z‖ = {z.norm():.1f}")
            for k, (bar, value) in enumerate(zip(bars[family], z.tolist(), strict=True)):
                bar.set_height(value)
                bar.set_color(COLOURS["orange"] if k in (i, j) else METHODS[family]["color"])
        return figure

    explorer = Explorer(
        "latent",
        _controls(),
        draw,
        alt=ALT,
        grid={
            "first": [1, 4],
            "second": [0, 9],
            "t": [0.0, 1.0],
            "i": [0, 7],
            "a": [-3.0, 3.0],
            "j": [1, 6],
            "b": [3.0],
        },
        live=lambda: _page(explorer, digits, models, reach),
    )
    return explorer


def _page(explorer: Explorer, digits: Tensor, models: dict, reach: float) -> str:
    """The explorer with its three generators in the page."""
    data, blocks = stored_generators({family: G for family, (G, _, _) in models.items()})
    codes = torch.cat([torch.cat([z, unit[None]]) for _, z, unit in models.values()])  # (33, 8)
    blocks |= {"digits": grey_bytes(digits), "codes": floats(codes)}
    return live_page(
        explorer,
        HERE / "latent.js",
        {**data, "d": LATENT_DIM, "reach": reach},
        blocks,
    )
