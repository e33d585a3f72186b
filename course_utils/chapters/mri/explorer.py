"""Explorer of chapter 08: spokes, noise, weight, model of the covariance on a brain slice; what one pixel knows."""

from __future__ import annotations

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
from ...explore.live_data import grey_bytes
from ...explore.page import live_page
from ...figures.images import show_image
from ...figures.style import COLOURS, IMAGE_CMAP, RESIDUAL_CMAP, STYLE
from ...generators import LocalPrecision, StructuredVAE
from ...metrics import psnr
from ...operators import MaskedFourier, measure, radial_mask
from ...regularisers import Hard, LearnedCovariance
from ...solvers import reconstruct
from ...training.recipes import brain_name
from ...training.zoo import pretrained

__all__ = ["mri_explorer"]

HERE = Path(__file__).parent
SIZE, SPAN, NOISE_SEED = 128, 0.2, 3
SLICES = (16, 6, 26)  # of the test head
MODELS = ("identity", "diagonal", "covariance")
HOME = {"spokes": 25, "sigma": 0.05}  # for which the page's G(z) and Sigma(z) are found
Z_STEPS = 8
REACH = 16  # pixels around the chosen one whose covariance is shown
WHITEST = 0.1  # the standard deviation that is shown white


@cache
def _model(family: str) -> StructuredVAE:
    return pretrained(brain_name(family), verbose=False)


@cache
def _truths() -> Tensor:
    return load("brain").test[list(SLICES)]


@lru_cache(maxsize=32)
def _operator(spokes: int) -> MaskedFourier:
    return MaskedFourier(radial_mask(SIZE, spokes))


def _data(spokes: int, sigma: float, image: int) -> Tensor:
    x = _truths()[image : image + 1]
    return measure(_operator(spokes), x, sigma, torch.Generator().manual_seed(NOISE_SEED))


@lru_cache(maxsize=64)
def _latent(spokes: int, sigma: float, image: int) -> Tensor:
    """A z whose G(z) fits the data, some steps from the encoding of the zero-filled image: (1, d)."""
    A, y, G = _operator(spokes), _data(spokes, sigma, image), _model("covariance")  # all models have one mean
    start = A.T(y).clamp(0, 1)
    return reconstruct(A, y, Hard(G, sigma**2), start="encoder", x0=start, max_iter=Z_STEPS).z


@lru_cache(maxsize=64)
def _prior(family: str, spokes: int, sigma: float, image: int) -> tuple[Tensor, LocalPrecision]:
    """G(z) and Sigma(z)."""
    G, z = _model(family), _latent(spokes, sigma, image)
    with torch.no_grad():
        return G(z), G.covariance(z)


@lru_cache(maxsize=256)
def _solve(family: str, spokes: int, sigma: float, factor: float, image: int) -> Tensor:
    """The exact x for that z: no round of alternation, only its x-step."""
    R = LearnedCovariance(_model(family), factor * 2 * sigma**2)
    z = _latent(spokes, sigma, image)
    return reconstruct(_operator(spokes), _data(spokes, sigma, image), R, solver="alternating", start=z, max_iter=0).x


@lru_cache(maxsize=64)
def _column(family: str, spokes: int, sigma: float, image: int, row: int, column: int) -> tuple[Tensor, float]:
    """Covariance of a pixel with all others, relative to its variance: (SIZE, SIZE); its standard deviation."""
    covariance = _prior(family, spokes, sigma, image)[1].covariance_of(row, column)[0, 0]
    variance = covariance[row, column]
    return covariance / variance, float(variance.sqrt())


def mri_explorer() -> Explorer:
    """Spokes, noise, weight, model of the covariance, and a pixel: data, G(z), reconstruction, what the pixel knows.

    z fits G(z) to the data, by a few steps; x is the exact one for it.

    Example
    -------
    >>> sorted(mri_explorer().controls)
    ['column', 'factor', 'family', 'image', 'row', 'sigma', 'spokes']
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 5.3))
        height = 0.215 * 8.4 / 5.3
        axes = [figure.add_axes((0.012 + k % 4 * 0.249, 0.555 - k // 4 * 0.45, 0.215, height)) for k in range(8)]
    titles = (
        "truth", "k-space, sampled", "zero-filled", "G(z)",
        "reconstruction x", f"x - truth, ±{SPAN}", f"conditional std, to {WHITEST}", "covariance / variance, ±1",
    )  # fmt: skip
    shown = []
    for k, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        span = {5: SPAN, 7: 1.0}.get(k)
        cmap, low = (RESIDUAL_CMAP, -span) if span else (IMAGE_CMAP, 0.0)
        high = span or {6: WHITEST}.get(k, 1.0)
        shown.append(show_image(ax, np.zeros((SIZE, SIZE)), limits=(low, high), cmap=cmap))
        ax.set_title(title, fontsize=10)
    (ring,) = axes[0].plot(
        [], [], "o", markersize=18, markerfacecolor="none", markeredgecolor=COLOURS["orange"], markeredgewidth=2.2
    )
    words = figure.text(0.012, 0.045, "", fontsize=10, va="center")

    def draw(family: str, spokes: int, sigma: float, factor: float, image: int, row: int, column: int) -> Figure:
        sigma, factor = float(sigma), float(factor)
        truth, A, y = _truths()[image : image + 1], _operator(spokes), _data(spokes, sigma, image)
        x = _solve(family, spokes, sigma, factor, image)
        g, field = _prior(family, spokes, sigma, image)
        relative, std = _column(family, spokes, sigma, image, row, column)
        given = (-field.log_diagonal).exp()
        parts = (truth, torch.fft.fftshift(A.mask).float(), A.T(y), g, x, x - truth, given, relative)
        for picture, part in zip(shown, parts, strict=True):
            picture.set_data(part.reshape(SIZE, SIZE).numpy())
        ring.set_data([column], [row])
        axes[7].set(xlim=(column - REACH - 0.5, column + REACH + 0.5), ylim=(row + REACH + 0.5, row - REACH - 0.5))
        fit = float((A(x) - y).square().mean().sqrt()) / sigma
        words.set_text(
            f"{family}, λ = {factor:.2g} · 2σ²:  x {float(psnr(x, truth)):.1f} dB, "
            f"G(z) {float(psnr(g, truth)):.1f} dB, zero-filled {float(psnr(A.T(y), truth)):.1f} dB;  "
            f"misfit {fit:.2f} of the noise;  pixel: std {std:.3f}"
        )
        return figure

    controls = {
        "family": widgets.Dropdown(
            options=list(MODELS), value="covariance", description="model of Σ",
            tooltip="what the generator says about its own errors",
        ),
        "spokes": widgets.IntSlider(
            25, 5, 145, step=20, description="spokes", tooltip="radial lines through the centre of k-space"
        ),
        "sigma": widgets.FloatLogSlider(
            0.05, base=10, min=np.log10(0.05) - 1, max=np.log10(0.05) + 0.5, step=0.25, description="noise σ",
            tooltip="noise in the real and in the imaginary part of each sample", readout_format=".2g",
        ),
        "factor": widgets.FloatLogSlider(
            1.0, base=10, min=-3, max=3, step=0.5, description="λ / 2σ²",
            tooltip="weight of the regulariser, relative to the one from Bayes' rule", readout_format=".2g",
        ),
        "image": widgets.Dropdown(
            options=list(range(len(SLICES))), description="slice", tooltip="which slice of the test head"
        ),
        "row": widgets.IntSlider(
            64, 0, SIZE - 1, description="pixel, row", tooltip="row of the pixel whose covariance is shown"
        ),
        "column": widgets.IntSlider(
            20, 0, SIZE - 1, description="pixel, column", tooltip="column of the pixel whose covariance is shown"
        ),
    }  # fmt: skip
    alt = (
        "Eight pictures of a brain slice: truth with a marked pixel, the sampled part of k-space, the zero-filled "
        "image, the generator's G(z), the reconstruction, its error, the standard deviation of each pixel given later "
        "ones, and the covariance of the marked pixel with its surroundings."
    )
    grid = {
        "spokes": [5, 145], "sigma": [0.005, 0.05], "factor": [1e-3, 1e3], "image": [1], "row": [20], "column": [64],
    }  # fmt: skip
    explorer = Explorer("mri", controls, draw, alt, grid=grid, live=lambda: _page(explorer))
    return explorer


def _halves(values: Tensor) -> bytes:
    """float16, low byte first, in reading order."""
    return values.detach().half().contiguous().numpy().astype("<f2").tobytes()


def _page(explorer: Explorer) -> str:
    """The explorer in the page: slices, and for each G(z) and Sigma(z) of one setting; data and x are made there."""
    images = range(len(SLICES))
    blocks = {"truths": grey_bytes(_truths())}
    fields = {family: [_prior(family, **HOME, image=k) for k in images] for family in MODELS}
    blocks["means"] = _halves(torch.cat([g for g, _ in fields["covariance"]]))
    for family in ("diagonal", "covariance"):
        found = [torch.cat([field.log_diagonal, field.coefficients], 1) for _, field in fields[family]]
        blocks[family] = _halves(torch.cat(found))
    data = {
        "size": SIZE,
        "noiseSeed": NOISE_SEED,
        "span": SPAN,
        "whitest": WHITEST,
        "reach": REACH,
        "identity": float(fields["identity"][0][1].log_diagonal[0, 0, 0, 0]),
    }
    return live_page(
        explorer,
        HERE / "mri.js",
        data,
        blocks,
        note="Data and x are computed in this page; a click on a picture chooses the pixel. G(z) and Σ(z) are the "
        f"notebook's for {HOME['spokes']} spokes and σ = {HOME['sigma']:g}; in the notebook z follows the data.",
    )
