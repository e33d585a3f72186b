"""Denoising by Tikhonov and by total variation: a signal on a line, or a digit."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import ipywidgets
import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.live_data import floats
from ...explore.page import control_values, live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, METHODS, RESIDUAL_CMAP, STYLE
from ...metrics import psnr
from ...regularisers import TV

__all__ = ["denoise", "denoising_explorer", "signal_on_a_line"]

HERE = Path(__file__).parent
POINTS, DIGIT, SPAN = 128, 3, 0.6
NAMES = {"Tikhonov": "tikhonov", "TV": "tv"}
ALT = (
    "Truth, noisy data and the reconstruction by the chosen method, as curves for a signal with steps and a ramp or as "
    "images for a digit; beside them the PSNR of Tikhonov and of TV against lambda, with the chosen one marked."
)


def signal_on_a_line(n: int = POINTS) -> Tensor:
    """Two steps, a ramp and a bump on a line, between 0 and 1: (1, 1, 1, n).

    Example
    -------
    >>> signal = signal_on_a_line()
    >>> signal.shape, float(signal.min()), round(float(signal.max()), 2)
    (torch.Size([1, 1, 1, 128]), 0.0, 0.89)
    """
    t = torch.linspace(0, 1, n)
    steps = 0.8 * ((t > 0.1) & (t < 0.28)) + 0.3 * ((t >= 0.28) & (t < 0.42))
    ramp = torch.where((t > 0.5) & (t < 0.72), 0.9 * (t - 0.5) / 0.22, torch.zeros(()))
    bump = 0.7 * torch.exp(-(((t - 0.87) / 0.045) ** 2)) * (t > 0.74)
    return (steps + ramp + bump).clamp(0, 1).reshape(1, 1, 1, n)


def denoise(method: str, y: Tensor, lam: Tensor) -> Tensor:
    """min ||x - y||^2 + lam R(x) for each weight: (1, 1, H, W), (B,) -> (B, 1, H, W).

    Tikhonov, R = ||x||^2, has the closed form y / (1 + lam); TV is a proximal point, with step lam / 2.

    Example
    -------
    >>> y = torch.ones(1, 1, 2, 2)
    >>> denoise("tikhonov", y, torch.tensor([0.0, 1.0]))[:, 0, 0, 0]
    tensor([1.0000, 0.5000])
    >>> denoise("tv", y, torch.tensor([3.0]))[0, 0, 0, 0]  # a constant has no variation
    tensor(1.)
    """
    if method == "tikhonov":
        return y / (1 + lam.reshape(-1, 1, 1, 1))
    return TV(1.0).prox(y.expand(len(lam), -1, -1, -1).contiguous(), lam / 2, tol=1e-6)


@cache
def _objects() -> dict[str, tuple[Tensor, Tensor]]:
    """Truth and noise of standard deviation 1, by name."""
    mnist = load("mnist")
    digit = mnist.test[int((mnist.test_labels == DIGIT).nonzero()[0])][None]
    found = {}
    for name, truth in {"signal": signal_on_a_line(), "digit": digit}.items():
        found[name] = truth, torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    return found


def _controls() -> dict[str, ipywidgets.DOMWidget]:
    buttons = {"style": {"button_width": "5.5em"}, "layout": {"width": "24em"}}
    return {
        "kind": widgets.ToggleButtons(
            options=["signal", "digit"], description="object", tooltip="what is to be denoised", **buttons
        ),
        "method": widgets.ToggleButtons(
            options=list(NAMES.items()), value="tv", description="method", tooltip="which regulariser", **buttons
        ),
        "lam": widgets.FloatLogSlider(
            10**-0.5, base=10, min=-3, max=1.5, step=0.25, description="λ", tooltip="weight of the regulariser",
            readout_format=".2g",
        ),
        "sigma": widgets.FloatSlider(
            0.1, min=0.0, max=0.3, step=0.05, description="noise σ", tooltip="standard deviation of the noise",
        ),
    }  # fmt: skip


def denoising_explorer() -> Explorer:
    """Tikhonov shrinks the noise and the signal alike; TV removes what oscillates and keeps steps.

    Example
    -------
    >>> explorer = denoising_explorer()
    >>> sorted(explorer.controls)
    ['kind', 'lam', 'method', 'sigma']
    """
    controls = _controls()
    lambdas = torch.tensor(control_values(controls["lam"]))
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 2.9))
        line = figure.add_axes((0.08, 0.17, 0.53, 0.7))
        images = [figure.add_axes((0.01 + 0.155 * k, 0.28, 0.147, 0.147 * 8.4 / 2.9)) for k in range(4)]
        quality = figure.add_axes((0.715, 0.17, 0.27, 0.7))
    truth_line = line.plot([], [], color="0.6", linewidth=3, linestyle="-", label="truth")[0]
    data_line = line.plot([], [], ".", color=COLOURS["sky"], linestyle="none", label="data")[0]
    found_line = line.plot([], [], linestyle="-", linewidth=1.6, label="reconstruction")[0]
    line.set(xlim=(0, POINTS - 1), ylim=(-0.55, 1.6), xlabel="place", ylabel="value")
    key = line.legend(loc="upper center", ncol=3, fontsize=8.5)
    shown = [
        show_image(ax, np.zeros((28, 28)), title, *(((-SPAN, SPAN), RESIDUAL_CMAP) if k == 3 else ()))
        for k, (ax, title) in enumerate(zip(images, ("truth", "data", "", f"residual, ±{SPAN}"), strict=True))
    ]
    for ax in (line, *images):
        ax.title.set_fontsize(10)
    curves = {m: quality.plot([], [], label=n, **METHODS[m] | {"marker": ""})[0] for n, m in NAMES.items()}
    chosen = quality.plot([], [], marker="o", markersize=8, linestyle="none")[0]
    quality.set(xscale="log", xlabel="λ", ylabel="PSNR (dB)", xlim=(8e-4, 40), ylim=(5, 45))
    quality.legend(loc="upper right", fontsize=8.5)

    @lru_cache(maxsize=64)
    def sweep(kind: str, method: str, sigma: float) -> Tensor:
        truth, noise = _objects()[kind]
        return denoise(method, truth + sigma * noise, lambdas)

    def draw(kind: str, method: str, lam: float, sigma: float) -> Figure:
        truth, noise = _objects()[kind]
        y, k = truth + sigma * noise, int((lambdas.log10() - np.log10(lam)).abs().argmin())
        x, colour = sweep(kind, method, sigma)[k : k + 1], METHODS[method]["color"]
        is_line = kind == "signal"
        line.set_visible(is_line)
        for ax in images:
            ax.set_visible(not is_line)
        if is_line:
            for artist, values in ((truth_line, truth), (data_line, y), (found_line, x)):
                artist.set_data(np.arange(POINTS), values.flatten().numpy())
            found_line.set_color(colour)
            key.legend_handles[2].set_color(colour)
        else:
            for picture, values in zip(shown, (truth, y, x, x - truth), strict=True):
                picture.set_data(values[0, 0].numpy())
        name = next(label for label, value in NAMES.items() if value == method)
        words = f"{name}, {float(psnr(x, truth)):.1f} dB"
        line.title.set_text(words)
        images[2].title.set_text(words)
        for m, curve in curves.items():
            found = sweep(kind, m, sigma)
            values = psnr(found, truth.expand_as(found)).clamp(5, 45)
            curve.set_data(lambdas.numpy(), values.numpy())
            if m == method:
                chosen.set(xdata=[float(lambdas[k])], ydata=[float(values[k])], color=colour)
        return figure

    explorer = Explorer("denoising", controls, draw, ALT, grid={"lam": [1e-3, 10**-0.5]}, live=lambda: _page(explorer))
    return explorer


def _page(explorer: Explorer) -> str:
    """The explorer in the page: truths and noises go along, the rest is computed."""
    objects = _objects()
    blocks = {f"{name} {part}": floats(t) for name, two in objects.items() for part, t in zip("xn", two, strict=True)}
    return live_page(explorer, HERE / "denoising.js", {"titles": {v: k for k, v in NAMES.items()}}, blocks)
