"""Explorer of chapter 06: a deviation in a layer of the network, from the first to the pixels, and its weight."""

from __future__ import annotations

from functools import cache, lru_cache

from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, STYLE
from ...metrics import psnr
from ...operators import GaussianMatrix, LinearOperator, measure
from ...regularisers import Intermediate, Relaxed
from ...reproduce.setting import SEEDS, generator_and_starts, seeded
from ...solvers import Result, reconstruct

__all__ = ["layer_explorer"]

M, SIGMA, MU, N_IMAGES = 150, 0.05, 0.1, 10
NOISE_NORM = SIGMA * M**0.5
SPAN = 0.6  # residuals and deviations from minus this (blue) to this (red)
PIXELS = 8  # G_2 = I
MAX_STEPS = 100  # so that a move takes less than half a second
LAYERS = {
    "1: 3136 numbers": 1,
    "3: 64 × 7 × 7": 3,
    "5: 32 × 14 × 14": 5,
    "7: 16 × 28 × 28": 7,
    "pixels: relaxed": PIXELS,
}


@cache
def _problem() -> tuple[LinearOperator, Tensor, Tensor]:
    """Operator, the first test image of each digit from number 100 on, and their data."""
    data = load("mnist")
    labels = data.test_labels[100:]
    x = data.test[[100 + int((labels == digit).nonzero()[0]) for digit in range(N_IMAGES)]]
    A = GaussianMatrix(M, 28, seeded(SEEDS["A"]))
    return A, x, measure(A, x, SIGMA, seeded(SEEDS["noise_test"]))


@lru_cache(maxsize=512)
def _solve(layer: int, lam: float, image: int) -> Result:
    A, _, y = _problem()
    G, starts = generator_and_starts("vae")
    R = Relaxed(G, lam, MU) if layer == PIXELS else Intermediate(G, lam, MU, layer=layer)
    return reconstruct(A, y[image : image + 1], R, start=starts, tol=1e-4, max_iter=MAX_STEPS)


def layer_explorer() -> Explorer:
    """Explorer "layer": the deviation v behind the first modules of the VAE, or in the pixels, with weight lambda.

    Shows truth, data, reconstruction, residual and what was added to G(z); PSNR; the residual norm against
    sigma sqrt(m) on a gauge.  mu is 0.1 throughout.

    Source
    ------
    Paper, Sect. 3.1.2 (references [47-49]); Daras et al., ICML 2021.

    Example
    -------
    >>> explorer = layer_explorer()
    >>> sorted(explorer.controls)
    ['image', 'lam', 'layer']
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.1))
        titles = ("truth", "data, as A*y", "reconstruction x", "x - truth", "added: x - G(z)")
        shown = []
        for k, title in enumerate(titles):
            ax = figure.add_axes((0.012 + k * 0.198, 0.37, 0.184, 0.184 * 8.4 / 3.1))
            signed = k >= 3
            limits, cmap = ((-SPAN, SPAN), RESIDUAL_CMAP) if signed else ((0.0, 1.0), "gray")
            shown.append(show_image(ax, _problem()[1][0], title, limits, cmap))
            ax.title.set_fontsize(9)
        caption = figure.text(0.012, 0.235, "", fontsize=10, va="center")
        numbers = figure.text(0.012, 0.09, "", fontsize=10, va="center", linespacing=1.4)
        gauge = figure.add_axes((0.585, 0.185, 0.4, 0.055))
    gauge.set(xscale="log", xlim=(0.008, 5), ylim=(0, 1), yticks=[], xlabel=r"$\|Ax-y\|$; dashed: $\sigma\sqrt{m}$")
    gauge.axvline(NOISE_NORM, color=COLOURS["black"], linestyle="--")
    needle = gauge.plot([1], [0.5], marker="D", markersize=8, color=COLOURS["vermilion"], clip_on=False)[0]

    def draw(layer: int, lam: float, image: int) -> Figure:
        A, x, y = _problem()
        truth, data = x[image : image + 1], y[image : image + 1]
        found = _solve(layer, round(float(lam), 9), image)
        G, _ = generator_and_starts("vae")
        back = A.T(data)
        added = found.x - G(found.z)
        for picture, part in zip(shown, (truth, back / back.max(), found.x, found.x - truth, added), strict=True):
            picture.set_data(part[0, 0].numpy())
        place = "in the pixels" if layer == PIXELS else f"behind module {layer} of {PIXELS}"
        caption.set_text(rf"deviation {place},  $\lambda = {lam:.2g}$")
        residual = float((A(found.x) - data).norm())
        fit = residual / NOISE_NORM
        verdict = "fits to the noise level"
        if not 0.9 <= fit <= 1.1:
            verdict = "fits the noise too" if fit < 1 else "fits the data less than the noise allows"
        end = "" if bool(found.converged) else f"; stopped after {MAX_STEPS} steps, still falling"
        quality = f"PSNR {float(psnr(found.x, truth)):.1f} dB     added ‖x - G(z)‖ = {float(added.norm()):.2f}"
        numbers.set_text(f"{quality}\n{verdict}{end}")
        needle.set_xdata([min(max(residual, 0.008), 5)])
        return figure

    controls = {
        "layer": widgets.Dropdown(
            options=list(LAYERS.items()), value=3, description="layer", tooltip="where the deviation is added"
        ),
        "lam": widgets.FloatLogSlider(
            value=10**-1.5, base=10, min=-3, max=1, step=0.25, description="λ", tooltip="weight of the deviation",
            readout_format=".2g",
        ),
        "image": widgets.Dropdown(
            options=list(range(N_IMAGES)), value=3, description="digit", tooltip="which test image"
        ),
    }  # fmt: skip
    alt = (
        "A handwritten digit, its 150 noisy random projections, the reconstruction with a deviation in the chosen "
        "layer of the network, its residual, and what the deviation added to the image G(z); PSNR, and a gauge that "
        "compares the residual norm with the norm of the noise."
    )
    grid = {"lam": [1e-3, 10**-1.5, 10.0], "image": [3, 8]}
    frames = {
        "layer": list(LAYERS.values()),
        "lam": [1e-3, 1e-2, 10**-1.5, 10**-0.5, 10.0],
        "image": [3, 8],
    }
    return Explorer("layer", controls, draw, alt, grid=grid, frames=frames)
