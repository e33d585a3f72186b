"""Explorer of chapter 02: the weight of five classical regularisers, with its two curves and what two rules choose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...choosing import Choice, SolutionPath, morozov, oracle, solution_path
from ...data.load import load
from ...explore import widgets
from ...explore.base import Explorer
from ...explore.page import control_values
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, STYLE
from ...metrics import psnr
from ...operators import GaussianBlur, LinearOperator, measure
from ...regularisers import H1, TGV, TV, Regulariser, Tikhonov, Wavelets

__all__ = ["METHODS", "Method", "Path", "path", "problem", "weights_explorer"]

SIZE, SLICE, SIGMA, NOISE_SEED = 64, 6, 0.05, 0
WIDTH, STD = 7, 1.0  # of the blur, in pixels
NEAR = 6  # weights around the best of the slider, among which the best is looked for; even, so that none stands twice
SPAN = 4.0  # residuals are drawn from -SPAN to SPAN standard deviations of the noise
FIT_LIMITS, PSNR_LIMITS = (0.15, 40.0), (7.0, 25.0)  # alike for all methods, so that they can be compared


@dataclass(frozen=True)
class Method:
    """A regulariser of the explorer: its name in words, ``make(lam)``, and settings for ``reconstruct``."""

    label: str
    make: Callable[[Tensor], Regulariser]
    settings: dict = field(default_factory=dict)


METHODS = {
    # a decomposition of this blur takes half a minute, conjugate gradients a few hundredths of a second
    "tikhonov": Method("Tikhonov", Tikhonov, {"solver": "cg"}),
    "h1": Method("H1", H1),
    "tv": Method("TV", TV),
    # 1e-4 takes half the time of 1e-5; against 1e-7 the PSNR is 0.2 dB off at the least weight, elsewhere at most 0.05
    "tgv": Method("TGV", TGV, {"tol": 1e-4}),
    "wavelets": Method("wavelet ℓ1", Wavelets),
}
ALT = (
    "Top: a slice of a brain, its blurred noisy data, the reconstruction with the chosen regulariser and weight, with "
    "PSNR, and its residual in units of the noise. Bottom: squared residual over its expectation, with the level 1 of "
    "the discrepancy principle, and PSNR, both against lambda; marked are the chosen weight, Morozov's and the best."
)


@cache
def problem() -> tuple[LinearOperator, Tensor, Tensor]:
    """Blur, truth and data: a test slice of the brain, averaged to 64 x 64, with noise of standard deviation 0.05.

    Example
    -------
    >>> A, truth, y = problem()
    >>> truth.shape, round(float((y - A(truth)).std()), 2)
    (torch.Size([1, 1, 64, 64]), 0.05)
    """
    A = GaussianBlur(SIZE, width=WIDTH, std=STD)
    truth = avg_pool2d(load("brain").test[SLICE : SLICE + 1], 2)
    return A, truth, measure(A, truth, SIGMA, torch.Generator().manual_seed(NOISE_SEED))


@dataclass(frozen=True)
class Path:
    """What is known of a method: its images for all weights, and two choices among the weights.

    Attributes
    ----------
    solutions : SolutionPath
        At the weights of the slider.
    lam, fit, quality : (P,) tensors
        The curves, at these and at the weights between which the best one was looked for: squared residuals over
        m sigma^2, which is what one expects of the noise, and PSNR in dB.
    morozov, oracle : Choice
    """

    solutions: SolutionPath
    lam: Tensor
    fit: Tensor
    quality: Tensor
    morozov: Choice
    oracle: Choice


@cache
def path(method: str) -> Path:
    """All weights of a method, in one batch, and in a second one those around the best of them.

    Example
    -------
    >>> found = path("h1")
    >>> found.solutions.x.shape, bool(found.oracle.lam < found.morozov.lam)
    (torch.Size([12, 1, 1, 64, 64]), True)
    """
    A, truth, y = problem()
    chosen = METHODS[method]
    solutions = solution_path(A, y, chosen.make, control_values(_lam()), **chosen.settings)
    best = int(oracle(solutions, truth).curves["psnr"][:, 0].argmax())
    around = solutions.lam[max(best - 1, 0) : best + 2].log()
    near = torch.linspace(float(around[0]), float(around[-1]), NEAR + 2)[1:-1].exp()
    finer = solution_path(A, y, chosen.make, near.tolist(), **chosen.settings)
    order = torch.cat([solutions.lam, finer.lam]).argsort()
    fit, quality = (torch.cat(pair)[order] for pair in zip(_curves(solutions), _curves(finer), strict=True))
    lam = torch.cat([solutions.lam, finer.lam])[order]
    return Path(solutions, lam, fit, quality, morozov(solutions, SIGMA), oracle(finer, truth))


def _curves(solutions: SolutionPath) -> tuple[Tensor, Tensor]:
    """Squared residual over its expectation, and PSNR, of each weight."""
    _, truth, _ = problem()
    quality = psnr(solutions.result.x, truth.expand_as(solutions.result.x))
    return solutions.residual[:, 0] / (solutions.A.m * SIGMA**2), quality


def _lam():
    return widgets.FloatLogSlider(
        10**-1.5, base=10, min=-2.5, max=0.25, step=0.25, description="λ", tooltip="weight of the regulariser",
        readout_format=".2g",
    )  # fmt: skip


class _Drawing:
    """One figure, made once; ``__call__`` changes its artists."""

    def __init__(self) -> None:
        self.lam = torch.tensor(control_values(_lam()))
        with rc_context(STYLE):
            self.figure = Figure(figsize=(8.6, 5.3))
            images = [self.figure.add_axes((0.012 + 0.247 * k, 0.555, 0.235, 0.235 * 8.6 / 5.3)) for k in range(4)]
            self.residual = self.figure.add_axes((0.075, 0.095, 0.405, 0.37))
            self.quality = self.figure.add_axes((0.575, 0.095, 0.405, 0.37))
            self._make(images)

    def _make(self, images: list) -> None:
        A, truth, y = problem()
        zeros = torch.zeros(SIZE, SIZE)
        show_image(images[0], truth, "truth")
        show_image(images[1], y, f"data, {float(psnr(y, truth)):.1f} dB")
        self.shown = [
            show_image(images[2], zeros, "reconstruction"),
            show_image(images[3], zeros, "residual", (-SPAN, SPAN), RESIDUAL_CMAP),
        ]
        marks = {
            "now": {"marker": "o", "ms": 8, "color": COLOURS["green"], "zorder": 4},
            "morozov": {"marker": "D", "ms": 7, "color": COLOURS["orange"], "zorder": 3},
            "oracle": {"marker": "*", "ms": 12, "color": COLOURS["vermilion"], "zorder": 5},
        }
        self.curves, self.marks = [], []
        for ax in (self.residual, self.quality):
            ax.set(xscale="log", xlim=(2.5e-3, 2.25), xlabel="weight λ")
            style = {"marker": "", "color": COLOURS["blue"], "lw": 1.6, "ls": "-"}
            self.curves.append(ax.plot([], [], **style)[0])
            self.marks.append({name: ax.plot([], [], ls="none", **mark)[0] for name, mark in marks.items()})
        self.residual.set(yscale="log", ylim=FIT_LIMITS, ylabel=r"$\|Ax_\lambda-y\|^2\,/\,(m\sigma^2)$")
        self.residual.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
        self.residual.yaxis.minorticks_off()
        level = self.residual.axhline(1, ls="--", lw=1.2, color=COLOURS["orange"])
        self.residual.legend([level], ["level of the discrepancy principle"], loc="upper left", fontsize=8.5)
        self.quality.set(ylim=PSNR_LIMITS, ylabel="PSNR (dB)")
        self.key = self.quality.legend(
            list(self.marks[1].values()), ["now", "Morozov", "best"], loc="lower center", fontsize=8.5
        )

    def __call__(self, method: str, lam: float) -> Figure:
        A, truth, y = problem()
        found, label = path(method), METHODS[method].label
        k = int((self.lam.log() - math.log(lam)).abs().argmin())
        x, (fit, quality) = found.solutions.x[k], (float(curve[k]) for curve in _curves(found.solutions))
        with torch.no_grad():
            residual = (A(x) - y) / SIGMA
        self.shown[0].set_data(x[0, 0].numpy())
        self.shown[1].set_data(residual[0, 0].numpy())
        done = "" if bool(found.solutions.converged[k, 0]) else ", not converged"
        self.shown[0].axes.title.set_text(f"{label}, {quality:.1f} dB{done}")
        self.shown[1].axes.title.set_text(f"residual, ±{SPAN:.0f} σ; rms {fit**0.5:.2f} σ")
        chosen = {name: (float(c.lam), *_of(c)) for name, c in (("morozov", found.morozov), ("oracle", found.oracle))}
        chosen["now"] = float(self.lam[k]), fit, quality
        for place, (curve, values) in enumerate(zip(self.curves, (found.fit, found.quality), strict=True)):
            curve.set_data(found.lam.numpy(), values.numpy())
            for name, mark in self.marks[place].items():
                mark.set_data([chosen[name][0]], [chosen[name][1 + place]])
        words = {"now": "now", "morozov": "Morozov", "oracle": "best"}
        for text, (name, word) in zip(self.key.get_texts(), words.items(), strict=True):
            unsolved = name == "morozov" and not bool(found.morozov.solved)
            text.set_text(f"{word}: λ = {chosen[name][0]:.2g}, {chosen[name][2]:.1f} dB{', not solved' * unsolved}")
        return self.figure


def _of(choice: Choice) -> tuple[float, float]:
    """Squared residual over its expectation, and PSNR, of what a rule chose."""
    A, truth, y = problem()
    with torch.no_grad():
        fit = float((A(choice.result.x) - y).pow(2).sum()) / (A.m * SIGMA**2)
    return fit, float(psnr(choice.result.x, truth))


def weights_explorer() -> Explorer:
    """Regulariser and weight: image and residual, the curve that Morozov reads and the one that only the truth gives.

    Example
    -------
    >>> weights_explorer().values["method"]
    'tv'
    """
    controls = {
        "method": widgets.Dropdown(
            options=[(method.label, name) for name, method in METHODS.items()],
            value="tv",
            description="regulariser",
            tooltip="what the image is expected to be like",
        ),
        "lam": _lam(),
    }
    frames = {"method": list(METHODS), "lam": control_values(controls["lam"])}
    return Explorer("weights", controls, _Drawing(), ALT, frames=frames)
