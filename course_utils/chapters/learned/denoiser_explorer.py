"""Explorer of chapter 09: the strength of a denoiser and the iteration at which plug-and-play is stopped."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from ...explore import widgets
from ...explore.base import Explorer
from ...figures.images import show_image
from ...figures.style import COLOURS, STYLE
from ...solvers import PnPForwardBackward
from .denoising import DENOISERS, Way, follow
from .rivals import network
from .scans import home

__all__ = ["ITERATIONS", "STRENGTHS", "denoiser_explorer", "way"]

STRENGTHS = (0.0125, 0.025, 0.05, 0.1, 0.2)
#: At which the image can be looked at.
ITERATIONS = (1, 5, 20, 100)
STEP, IMAGE = 1.9, 0
ALT = (
    "Top: a circle and a rectangle, what plug-and-play has made of their scan after the chosen iteration, with PSNR, "
    "and the error. Bottom: the relative length of a step and the PSNR against the iteration, for the chosen strength "
    "of the denoiser in colour and for the other strengths in grey; a dot marks the chosen iteration."
)


@cache
def way(denoiser: str) -> Way:
    """The runs of a denoiser for all strengths, in one batch: forward-backward splitting with step 1.9."""
    problem, S = home(20, 2), len(STRENGTHS)
    y, x = (part[IMAGE : IMAGE + 1].repeat(S, *[1] * (part.ndim - 1)) for part in (problem.y, problem.x))
    method = PnPForwardBackward(network(DENOISERS[denoiser]), torch.tensor(STRENGTHS), step=STEP)
    return follow(method, problem.A, y, x, ITERATIONS[-1], keep=ITERATIONS)


class _Drawing:
    """One figure, made once; ``__call__`` changes its artists."""

    def __init__(self) -> None:
        with rc_context(STYLE):
            self.figure = Figure(figsize=(8.6, 5.4))
            images = [self.figure.add_axes((0.08 + 0.31 * k, 0.53, 0.26, 0.26 * 8.6 / 5.4)) for k in range(3)]
            self.step = self.figure.add_axes((0.085, 0.1, 0.395, 0.35))
            self.quality = self.figure.add_axes((0.575, 0.1, 0.395, 0.35))
            self._make(images)

    def _make(self, images: list) -> None:
        self.truth = home(20, 2).x[IMAGE]
        zeros = torch.zeros_like(self.truth)
        show_image(images[0], self.truth, "truth")
        self.image = show_image(images[1], zeros)
        self.error = show_image(images[2], zeros, "", (-0.3, 0.3), "RdBu_r")
        k = np.arange(1, ITERATIONS[-1] + 1)
        self.curves = []
        for ax in (self.step, self.quality):
            self.curves.append([ax.plot(k, k, "-", lw=1)[0] for _ in STRENGTHS])
            ax.set(xscale="log", xlim=(0.9, 1.1 * ITERATIONS[-1]), xlabel="iteration k")
            ax.set_xticks(ITERATIONS, [str(n) for n in ITERATIONS])
            ax.xaxis.minorticks_off()
        self.dots = [ax.plot([], [], "o", ms=8, color=COLOURS["green"])[0] for ax in (self.step, self.quality)]
        self.step.set(yscale="log", ylim=(1e-7, 3), ylabel=r"$\|x_{k+1}-x_k\|\,/\,\|x_k\|$")
        self.quality.set(ylim=(10, 28), ylabel="PSNR (dB)")

    def __call__(self, denoiser: str, sigma: float, k: int) -> Figure:
        found, which = way(denoiser), STRENGTHS.index(sigma)
        image = found.images[k][which, 0]
        self.image.set_data(image.numpy())
        self.error.set_data((image - self.truth[0]).numpy())
        values = ((found.step / found.length).numpy(), found.psnr.numpy())
        for curves, dot, value in zip(self.curves, self.dots, values, strict=True):
            for s, curve in enumerate(curves):
                chosen = s == which
                curve.set(
                    ydata=value[:, s], color=COLOURS["blue"] if chosen else "0.75", lw=2 if chosen else 1,
                    zorder=3 if chosen else 2,
                )  # fmt: skip
            dot.set_data([k], [value[k - 1, which]])
            dot.set_zorder(4)
        best = int(np.nanargmax(values[1][:, which])) + 1
        self.image.axes.title.set_text(f"iteration {k}: {values[1][k - 1, which]:.1f} dB")
        self.error.axes.title.set_text("error, ±0.3")
        self.quality.title.set_text(f"σ = {sigma:g}: best at k = {best}, {values[1][best - 1, which]:.1f} dB")
        return self.figure


def denoiser_explorer() -> Explorer:
    """Denoiser, its strength and the iteration: image and error, the steps, the PSNR along the way.

    Example
    -------
    >>> denoiser_explorer().values
    {'denoiser': 'residual', 'sigma': 0.05, 'k': 20}
    """
    controls = {
        "denoiser": widgets.Dropdown(
            options=list(DENOISERS), value="residual", description="denoiser",
            tooltip="which network stands in place of the proximal map",
        ),
        "sigma": widgets.SelectionSlider(
            options=[(f"{s:g}", s) for s in STRENGTHS], value=0.05, description="strength σ",
            tooltip="the noise level that the denoiser is told",
        ),
        "k": widgets.SelectionSlider(
            options=[(str(k), k) for k in ITERATIONS], value=20, description="iteration",
            tooltip="after which the image is shown",
        ),
    }  # fmt: skip
    frames = {"denoiser": list(DENOISERS), "sigma": list(STRENGTHS), "k": list(ITERATIONS)}
    return Explorer("denoiser", controls, _Drawing(), ALT, frames=frames, play="k")
