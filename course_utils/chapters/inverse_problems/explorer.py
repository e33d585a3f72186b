"""Chapter 01: noise against the number of singular values kept."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from ... import data
from ... import figures as plots
from ...explore import widgets
from ...explore.base import Explorer
from ...operators import GaussianBlur, GaussianMatrix, LinearOperator, MaskedFourier, ParallelBeam
from .truncation import Decomposition, decomposed, truncation_page

__all__ = ["data_picture", "fourier_lines", "operators", "truncated_svd_explorer", "truncation_errors"]


def fourier_lines(size: int = 28, centre: int = 3, step: int = 3) -> Tensor:
    """Mask of whole k-space columns: the frequencies up to ``centre``, and every ``step``-th positive one beyond.

    Example
    -------
    >>> mask = fourier_lines()
    >>> mask.shape, int(mask[0].sum())
    (torch.Size([28, 28]), 10)
    """
    mask = torch.zeros(size, size, dtype=torch.bool)
    columns = [*range(-centre, centre + 1), *range(2 * centre, size // 2, step)]
    mask[:, columns] = True
    return mask


@lru_cache(maxsize=1)
def operators() -> dict[str, LinearOperator]:
    """The operators of chapter 01 on 28 x 28 images, in float64 (we shall look at very small numbers).

    Tomography has 63 angles and 41 detector bins, the rule by which the paper's geometry is made.
    """
    chosen = {
        "blur": GaussianBlur(28),
        "compressed sensing": GaussianMatrix(150, 28, torch.Generator().manual_seed(0)),
        "tomography": ParallelBeam(28, n_angles=63, n_detectors=41),
        "tomography, 20 angles": ParallelBeam(28, n_angles=20, n_detectors=41),
        "masked Fourier": MaskedFourier(fourier_lines()),
    }
    return {name: A.double() for name, A in chosen.items()}


def data_picture(A: LinearOperator, y: Tensor) -> Tensor:
    """One data set as a picture: image, sinogram, k-space magnitude (centred), or a block of numbers.

    Parameters
    ----------
    A : LinearOperator
    y : (*A.shape_out) or (1, *A.shape_out) tensor

    Returns
    -------
    (H, W) tensor
    """
    y = y.reshape(A.shape_out)
    if isinstance(A, MaskedFourier):
        kspace = torch.full((A.n,), torch.nan, dtype=y.dtype)
        kspace[A.index] = torch.linalg.vector_norm(y, dim=0)
        return torch.fft.fftshift(kspace.reshape(A.shape_in[1:]))
    if y.ndim == 1:
        rows = max(r for r in range(1, math.isqrt(len(y)) + 1) if len(y) % r == 0)
        return y.reshape(rows, -1)
    return y.reshape(y.shape[-2:])


def truncation_errors(A: LinearOperator, x: Tensor, y: Tensor) -> Tensor:
    r"""Squared error of the truncated SVD for every number of singular values kept.

    With :math:`b_k = v_k^T x` and :math:`c_k = u_k^T y / s_k`, keeping K of them gives
    :math:`\|x_K - x\|^2 = \|x\|^2 + \sum_{k\le K} [(c_k - b_k)^2 - b_k^2]`: each mode kept adds its noise
    and removes what was missing.

    Parameters
    ----------
    A : LinearOperator
    x : (B, *A.shape_in) tensor
    y : (B, *A.shape_out) tensor

    Returns
    -------
    (B, r) tensor, r the rank of A; entry K - 1 is the squared error with K singular values.

    Example
    -------
    >>> A = GaussianBlur(28).double()
    >>> x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> errors = truncation_errors(A, x, A(x))  # no noise: the more, the better
    >>> errors.shape, bool((errors.diff() <= 1e-9).all()), bool(errors[0, -1] < 1e-9)
    (torch.Size([2, 784]), True, True)
    """
    U, S, V = A.svd()
    rank = int((S > 1e-10).sum())
    return _errors(x.flatten(1), y.flatten(1), U[:, :rank], S[:rank], V[:, :rank])


def _errors(x: Tensor, y: Tensor, U: Tensor, S: Tensor, V: Tensor) -> Tensor:
    b, c = x @ V, (y @ U) / S
    total = x.pow(2).sum(1, keepdim=True)
    return (total + ((c - b).pow(2) - b.pow(2)).cumsum(1)).clamp_min(0)


@cache
def _decomposition(name: str) -> Decomposition:
    return decomposed(operators()[name])


ALT = (
    "Top: truth, data, reconstruction by truncated SVD and its residual, with the PSNR. Bottom left: Picard plot, "
    "the singular values and the coefficients of clean and noisy data against the index, with the noise level and "
    "the cut. Bottom right: PSNR against the number of singular values kept, with the chosen and the best number."
)


class _Drawing:
    """One figure, made once; ``__call__`` changes its artists."""

    def __init__(self) -> None:
        self.truth = data.load("mnist").test[:1].double()
        self.noise = {
            name: torch.randn(1, *A.shape_out, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
            for name, A in operators().items()
        }
        with rc_context(plots.STYLE):
            self.figure = Figure(figsize=(8.6, 5.2))
            grid = self.figure.add_gridspec(
                2, 4, height_ratios=(1, 1.25), left=0.085, right=0.985, top=0.925, bottom=0.09, wspace=0.12, hspace=0.3
            )
            self.images = [self.figure.add_subplot(grid[0, k]) for k in range(4)]
            self.picard = self.figure.add_subplot(grid[1, :2])
            self.quality = self.figure.add_subplot(grid[1, 2:])
            # room for the labels of the right-hand axes
            box = self.quality.get_position()
            self.quality.set_position([box.x0 + 0.065, box.y0, box.width - 0.065, box.height])
            self._make()

    def _make(self) -> None:
        zeros = np.zeros((28, 28))
        self.shown = [
            plots.show_image(self.images[0], self.truth, "truth"),
            plots.show_image(self.images[1], zeros, "data"),
            plots.show_image(self.images[2], zeros, "reconstruction"),
            plots.show_image(self.images[3], zeros, "residual", (-1, 1), plots.RESIDUAL_CMAP),
        ]
        colours, ax = plots.COLOURS, self.picard
        (self.noisy,) = ax.semilogy([], [], "o", ms=2, color=colours["vermilion"], label=r"$|u_k^T y|$, noisy data")
        (self.clean,) = ax.semilogy([], [], "x", ms=2.5, mew=0.7, color=colours["blue"], label=r"$|u_k^T Ax|$, clean")
        (self.singular,) = ax.semilogy([], [], "-", color=colours["black"], label=r"$s_k$")
        self.level = ax.axhline(1, ls="--", lw=1.2, color=colours["orange"], label=r"noise level $\sigma$")
        self.cut = ax.axvline(1, ls="-", lw=1.2, color=colours["green"], label="kept, to the left")
        ax.set(xlabel="index k", ylabel="size", ylim=(1e-6, 3e1))
        ax.legend(loc="lower left", fontsize=7, ncol=2, frameon=True, framealpha=0.9, edgecolor="none")
        ax = self.quality
        (self.curve,) = ax.plot([], [], "-", color=colours["blue"])
        (self.chosen,) = ax.plot([], [], "o", ms=8, color=colours["green"], label="kept")
        (self.best,) = ax.plot([], [], "*", ms=11, color=colours["vermilion"], label="best")
        ax.set(xlabel="singular values kept", ylabel="PSNR (dB)", ylim=(-30, 50))
        ax.legend(loc="lower left", fontsize=8)

    def __call__(self, sigma: float, kept: int, operator: str) -> Figure:
        A = operators()[operator]
        U, S, V, _, _ = _decomposition(operator)
        rank = len(S)
        kept = min(kept, rank)
        clean = A(self.truth)
        y = clean + sigma * self.noise[operator]
        beta = (y.flatten(1) @ U)[0]
        x = V[:, :kept] @ (beta[:kept] / S[:kept])
        psnr = 10 * torch.log10(A.n / _errors(self.truth.flatten(1), y.flatten(1), U, S, V)[0].clamp_min(1e-12))
        residual = x.reshape(28, 28) - self.truth[0, 0]

        picture = data_picture(A, y)
        finite = picture[torch.isfinite(picture)]
        self.shown[1].set_data(picture.numpy())
        self.shown[1].set_extent((0, 28, 0, 28))
        self.shown[1].set_clim(float(finite.min()), float(finite.max()))
        self.shown[2].set_data(x.reshape(28, 28).numpy())
        self.shown[3].set_data(residual.numpy())
        self.images[1].title.set_text(f"data ({A.m} numbers)")
        self.images[2].title.set_text(f"reconstruction, {psnr[kept - 1]:.1f} dB")
        self.images[3].title.set_text(f"residual, largest {residual.abs().max():.2g}")
        k = np.arange(1, rank + 1)
        self.noisy.set_data(k, beta.abs().clamp_min(1e-12).numpy())
        self.clean.set_data(k, (clean.flatten(1) @ U)[0].abs().clamp_min(1e-12).numpy())
        self.singular.set_data(k, S.numpy())
        self.level.set_ydata([sigma, sigma])
        self.cut.set_xdata([kept, kept])
        self.curve.set_data(k, psnr.numpy())
        self.chosen.set_data([kept], [float(psnr[kept - 1].clamp(-29, 49))])
        best = int(psnr.argmax())
        self.best.set_data([best + 1], [float(psnr[best].clamp(-29, 49))])
        labels = (
            f"kept: {kept} of {rank}, {psnr[kept - 1]:.1f} dB",
            f"best: {best + 1} of {rank}, {psnr[best]:.1f} dB",
        )
        for text, label in zip(self.quality.get_legend().get_texts(), labels, strict=True):
            text.set_text(label)
        for ax in (self.picard, self.quality):
            ax.set_xlim(0, rank + 1)
        return self.figure


def truncated_svd_explorer() -> Explorer:
    """Noise level, number of singular values kept, and operator: Picard plot and reconstruction.

    Example
    -------
    >>> truncated_svd_explorer().values
    {'operator': 'blur', 'sigma': 0.01, 'kept': 784}
    """
    controls = {
        "operator": widgets.Dropdown(
            options=list(operators()), value="blur", description="operator", tooltip="what is measured"
        ),
        "sigma": widgets.FloatLogSlider(
            value=0.01,
            min=-4,
            max=-0.5,
            step=0.1,
            description="noise sigma",
            tooltip="standard deviation of the noise, in data units",
            readout_format=".2g",
        ),
        "kept": widgets.IntSlider(
            value=784, min=1, max=784, description="kept", tooltip="number of singular values kept, largest first"
        ),
    }
    drawing = _Drawing()

    def page() -> str:
        shapes = {name: tuple(data_picture(A, drawing.noise[name]).shape) for name, A in operators().items()}
        found = {name: _decomposition(name) for name in operators()}
        return truncation_page(explorer, drawing.truth, operators(), drawing.noise, found, shapes)

    grid = {"kept": [1, 150, 784]}
    explorer = Explorer("truncated-svd", controls, drawing, ALT, grid=grid, live=page)
    return explorer
