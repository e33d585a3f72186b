"""Explorers of chapter 04: a triangle of three test digits in latent space, and the way out of the prior."""

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
from ...explore.page import control_values, live_page
from ...figures.images import show_image
from ...figures.labels import TITLES
from ...figures.style import METHODS, subplots
from ...generators import Generator
from ...properties import nearest, triangle
from ...training.zoo import pretrained

__all__ = ["far_explorer", "interpolation_explorer"]

HERE = Path(__file__).parent
MODELS = {"ae": "ae-mnist-8", "vae": "vae-mnist-8", "wgan": "wgan-mnist-8"}
CORNERS = (1, 2, 7)  # digits at the corners of the triangle
N_TRAIN, N_DIRECTIONS = 10_000, 20
TRIANGLE_ALT = (
    "Left: a triangle whose corners are the test digits 1, 2 and 7, with a dot for the weights. Right of it the images "
    "of the autoencoder, the variational autoencoder and the GAN at that place between their three latent vectors."
)
FAR_ALT = (
    "For each of AE, VAE and GAN: on top the image of a random latent vector of the chosen length, below it the "
    "nearest training digit, with the distance between them in units of that of a typical test digit."
)


@functools.cache
def _models() -> dict[str, Generator]:
    return {family: pretrained(name, verbose=False) for family, name in MODELS.items()}


@functools.cache
def _corners() -> dict[str, Tensor]:
    """Latent vectors (3, 8) of one test digit of each corner, for each generator."""
    data = load("mnist")
    digits = torch.stack([data.test[data.test_labels == k][3] for k in CORNERS])
    return {family: encodings(G, digits) for family, G in _models().items()}


def _fixed(figure):
    """Lay out once: doing it again for every move would double the time."""
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.1)  # room for titles that change
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    plt.close(figure)  # the explorer shows it; pyplot must not


def interpolation_explorer() -> Explorer:
    """Explorer "interpolation": G(z1 + alpha1 (z2 - z1) + alpha2 (z3 - z1)) of three generators.

    Source
    ------
    Paper, Sect. 4.3.5, Fig. 6.
    """
    codes = _corners()
    figure, axes = subplots(1, 4, size=(8.4, 2.5), alt=TRIANGLE_ALT)
    axes[0].plot([0, 1, 0, 0], [0, 0, 1, 0], color="0.5", linestyle="-", linewidth=1)
    for (x, y), digit in zip(((0, 0), (1, 0), (0, 1)), CORNERS, strict=True):
        axes[0].text(x, y, f" {digit}", fontsize=12, va="bottom")
    (dot,) = axes[0].plot([0], [0], marker="o", markersize=9, linestyle="")
    axes[0].set(xlim=(-0.1, 1.2), ylim=(-0.1, 1.2), xlabel="α1", ylabel="α2", aspect="equal", title="place")
    images = {f: show_image(ax, torch.zeros(28, 28)) for f, ax in zip(MODELS, axes[1:], strict=True)}
    for ax in axes[1:]:
        ax.set_title("‖z‖")
    _fixed(figure)

    @torch.no_grad()
    def draw(alpha1: float, alpha2: float):
        dot.set_data([alpha1], [alpha2])
        for family, G in _models().items():
            z = triangle(codes[family], torch.tensor([alpha1]), torch.tensor([alpha2]))[0]
            images[family].set_data(G(z)[0, 0].numpy())
            images[family].axes.set_title(f"{TITLES[family]}: ‖z‖ = {float(z.norm()):.1f}")
        return figure

    def slider(name: str, corner: int) -> ipywidgets.FloatSlider:
        return widgets.FloatSlider(
            0.3, min=0.0, max=1.0, step=0.05, description=f"{name} → {corner}", tooltip=f"way from 1 towards {corner}"
        )

    controls = {"alpha1": slider("α1", CORNERS[1]), "alpha2": slider("α2", CORNERS[2])}
    explorer = Explorer("interpolation", controls, draw, alt=TRIANGLE_ALT, live=lambda: _triangle_page(explorer))
    return explorer


def _triangle_page(explorer: Explorer) -> str:
    """The explorer with its three generators in the page."""
    data, blocks = stored_generators(_models())
    blocks["corners"] = floats(torch.cat(list(_corners().values())))  # (9, 8)
    data |= {"d": 8, "digits": list(CORNERS)}
    note = "Computed in this page, while you move the sliders or drag the dot."
    return live_page(explorer, HERE / "interpolation.js", data, blocks, note=note)


@functools.cache
def _usual_distance() -> float:
    """Median distance of test digits to the nearest training digit."""
    data = load("mnist")
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))[:300]
    return float(nearest(data.test[order], data.train[:N_TRAIN])[0].median())


@functools.cache
def _directions() -> Tensor:
    """Unit vectors, one a seed: (N_DIRECTIONS, 8)."""
    seeded = (torch.Generator().manual_seed(seed) for seed in range(N_DIRECTIONS))
    drawn = torch.cat([torch.randn(1, 8, generator=one) for one in seeded])
    return drawn / drawn.norm(dim=1, keepdim=True)


def far_explorer() -> Explorer:
    """Explorer "far-from-prior": G(z) with ||z|| = r sqrt(d), and the training digit nearest to it.

    Source
    ------
    Paper, Sect. 4.3.4, Fig. 5.
    """
    train, usual = load("mnist").train[:N_TRAIN], _usual_distance()
    figure, axes = subplots(2, 3, size=(6.2, 4.3), alt=FAR_ALT)
    shown = {f: [show_image(ax, torch.zeros(28, 28)) for ax in axes[:, k]] for k, f in enumerate(MODELS)}
    axes[0, 0].set_ylabel("G(z)")
    axes[1, 0].set_ylabel("nearest\ntraining digit")
    for k, family in enumerate(MODELS):
        axes[0, k].set_title(TITLES[family], color=METHODS[family]["color"])
        axes[1, k].set_title("distance 00.0")
    _fixed(figure)

    @torch.no_grad()
    def draw(radius: float, direction: int):
        z = radius * 8**0.5 * _directions()[direction : direction + 1]
        x = torch.cat([G(z) for G in _models().values()])
        for k, (family, distance, index) in enumerate(zip(MODELS, *nearest(x, train), strict=True)):
            shown[family][0].set_data(x[k, 0].numpy())
            shown[family][1].set_data(train[index, 0].numpy())
            axes[1, k].set_title(f"distance {float(distance) / usual:.1f}")
        return figure

    controls = {
        "radius": widgets.FloatLogSlider(
            10**0.3, base=10, min=-0.5, max=1.7, step=0.05, description="r = ‖z‖/√d",
            tooltip="length of z; draws from the prior have r near 1", readout_format=".2f",
        ),
        "direction": widgets.IntSlider(
            0, min=0, max=N_DIRECTIONS - 1, description="direction", tooltip="seed of the direction"
        ),
    }  # fmt: skip
    explorer = Explorer("far-from-prior", controls, draw, alt=FAR_ALT, live=lambda: _far_page(explorer, train))
    return explorer


@torch.no_grad()
def _far_page(explorer: Explorer, train: Tensor) -> str:
    """The explorer with its generators in the page, and of the training digits those that are nearest to something."""
    data, blocks = stored_generators(_models())
    radii = torch.tensor(control_values(explorer.controls["radius"]))
    z = (radii[:, None, None] * 8**0.5 * _directions()).flatten(0, 1)
    index = torch.stack(
        [nearest(G(z), train)[1] for G in _models().values()], dim=1
    )  # (radii x directions, generators)
    needed, place = index.unique(return_inverse=True)
    blocks |= {
        "directions": floats(_directions()),
        "nearest": place.numpy().astype("<u2").tobytes(),
        "nearest digits": grey_bytes(train[needed]),
    }
    note = (
        f"G(z) and the distances are computed in this page; which of {N_TRAIN} training digits is nearest was looked "
        "up beforehand."
    )
    return live_page(explorer, HERE / "far.js", data | {"d": 8, "usual": _usual_distance()}, blocks, note=note)
