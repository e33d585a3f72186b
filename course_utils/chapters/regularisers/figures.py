"""Figures and tables of chapter 05: weights against residual and PSNR, starts, distributions of PSNR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.labels import TITLES
from ...figures.style import COLOURS, METHODS, subplots
from ...figures.tables import markdown_table

__all__ = ["cost_table", "fig9_label", "fig9_table", "psnr_distributions", "runs_of_training", "weight_sweep"]


#: Iterations (mean) and time of a compressed sensing reconstruction, as the paper's Sect. 5.2 states them.
PAPER_COST = {"tikhonov": ("32", "up to 1 s"), "hard": ("54", "up to 5 s"), "relaxed": ("325", "up to 10 s")}


def fig9_label(generator: str, method: str) -> str:
    """How a row of the stored table is called in the chapter.

    Example
    -------
    >>> fig9_label("wgan", "hard"), fig9_label("none", "tv")
    ('GAN hard', 'TV')
    """
    return {"tikhonov": "Tikhonov", "tv": "TV"}.get(method) or f"{TITLES[generator]} {method}"


def fig9_table(rows: Sequence[Mapping]) -> Markdown:
    """The table of Fig. 9 from the stored rows of ``course_utils.reproduce fig9``: weights, mean, spread, median.

    Example
    -------
    >>> print(fig9_table([{"generator": "none", "method": "tv", "lam": 0.016, "psnr": [17.0, 18.0, 22.0]}]).data)
    | method | λ | μ | PSNR (dB), mean ± std | median |
    |:---|---:|---:|---:|---:|
    | TV | 0.016 |  | 19.00 ± 2.65 | 18.00 |
    """
    lines = []
    for r in rows:
        db = torch.tensor(r["psnr"])
        mean, median = f"{db.mean():.2f} ± {db.std():.2f}", f"{db.median():.2f}"
        mu = f"{r['mu']:.3g}" if "mu" in r else ""
        lines.append([fig9_label(r["generator"], r["method"]), f"{r['lam']:.3g}", mu, mean, median])
    return markdown_table(["method", "λ", "μ", "PSNR (dB), mean ± std", "median"], lines)


def cost_table(rows: Sequence[Mapping]) -> Markdown:
    """Iterations, time and PSNR of the paper's algorithms and of the fast solvers, from stored rows of ``fig9``.

    Parameters
    ----------
    rows : sequence of dicts
        Stored rows that hold a run of the paper's algorithm too (all but TV).

    Example
    -------
    >>> row = {"generator": "vae", "method": "hard", "psnr": [20.0], "iterations": [22], "ms_per_image": 17.2}
    >>> row |= {"paper_psnr": [17.0], "paper_iterations_mean": 41.0, "paper_ms_per_image": 38.0}
    >>> cost_table([row]).data.splitlines()[-1]
    '| VAE hard | 54 | up to 5 s | 41 | 38 ms | 17.0 | 22 | 17 ms | 20.0 |'
    """

    def mean(values):
        return sum(values) / len(values)

    def milliseconds(value):
        return f"{value:.0f} ms" if value >= 10 else f"{value:.1g} ms"

    lines = []
    for r in rows:
        iterations, seconds = PAPER_COST.get(r["method"], ("not stated", "not stated"))
        by_paper = (
            f"{r['paper_iterations_mean']:.0f}",
            f"{milliseconds(r['paper_ms_per_image'])}",
            f"{mean(r['paper_psnr']):.1f}",
        )
        fast = f"{mean(r['iterations']):.0f}", f"{milliseconds(r['ms_per_image'])}", f"{mean(r['psnr']):.1f}"
        lines.append([fig9_label(r["generator"], r["method"]), iterations, seconds, *by_paper, *fast])
    header = ["method", "paper: iterations", "time", "paper's algorithm, ours: iterations", "time", "PSNR (dB)"]
    return markdown_table([*header, "fast: iterations", "time", "PSNR (dB)"], lines)


def _columns(values: Tensor | np.ndarray | Sequence[float]) -> np.ndarray:
    """(P,) or (P, K) values as a (P, K) array."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=float)
    return array.reshape(len(array), -1)


def weight_sweep(
    lam: Mapping[str, Sequence[float]],
    residual: Mapping[str, Tensor],
    quality: Mapping[str, Tensor],
    morozov: float,
    marked: Sequence[float] = (),
    alt: str = "",
) -> Figure:
    """Residual norm and PSNR against lambda, one curve a method; further values of mu as separate markers.

    Parameters
    ----------
    lam : dict of method -> (P,) weights
    residual, quality : dict of method -> (P,) or (P, K) tensors
        ||A x - y|| and PSNR.  With K columns (values of mu) the middle one is the curve, the others are markers.
    morozov : float
        The discrepancy value, drawn as a horizontal line.
    marked : sequence of float
        Values of lambda to mark by grey vertical lines.
    alt : str

    Returns
    -------
    Figure

    Example
    -------
    >>> from matplotlib.pyplot import close
    >>> figure = weight_sweep({"hard": [0.1, 1.0]}, {"hard": [2.9, 3.0]}, {"hard": [20.0, 19.0]}, morozov=2.8)
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['residual norm $\\\\|Ax-y\\\\|_2$', 'PSNR (dB)']
    >>> close(figure)
    """
    figure, axes = subplots(1, 2, size=(9.2, 3.5), alt=alt)
    for ax, values in zip(axes, (residual, quality), strict=True):
        for method, weights in lam.items():
            style = METHODS[method.lower()]
            columns = _columns(values[method])
            middle = columns.shape[1] // 2
            ax.plot(weights, columns[:, middle], label=method, zorder=3, **style)
            for k in range(columns.shape[1]):
                if k != middle:
                    ax.plot(
                        weights,
                        columns[:, k],
                        linestyle="none",
                        marker=style["marker"],
                        markersize=4 if k < middle else 7,
                        markerfacecolor="none",
                        markeredgecolor=style["color"],
                    )
        for value in marked:
            ax.axvline(value, color="0.75", linewidth=1.0, zorder=0)
        ax.set(xscale="log", xlabel=r"weight $\lambda$")
    axes[0].axhline(morozov, color="black", linewidth=1.2, label=r"Morozov $\sigma\sqrt{m}$")
    axes[0].set(yscale="log", ylabel=r"residual norm $\|Ax-y\|_2$")
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[0].yaxis.set_minor_formatter("{x:g}")
    axes[1].set(ylabel="PSNR (dB)")
    axes[0].legend()
    return figure


def psnr_distributions(rows: Mapping[str, Sequence[float]], colours: Sequence[str], alt: str = "") -> Figure:
    """PSNR of every test image, one line a method: points, a bar from quartile to quartile, a tick at the median.

    Parameters
    ----------
    rows : dict of label -> sequence of PSNR values in dB
        From top to bottom.
    colours : one key of ``METHODS`` for each row
    alt : str

    Example
    -------
    >>> from matplotlib.pyplot import close
    >>> figure = psnr_distributions({"TV": [17.0, 18.0, 22.0]}, ["tv"])
    >>> figure.axes[0].get_xlabel()
    'PSNR (dB), data range 1'
    >>> close(figure)
    """
    figure, ax = subplots(size=(6.4, 0.6 + 0.34 * len(rows)), alt=alt)
    jitter = torch.Generator().manual_seed(0)
    for k, (values, key) in enumerate(zip(rows.values(), colours, strict=True)):
        values = np.asarray(values, dtype=float)
        height = -k + 0.28 * (torch.rand(len(values), generator=jitter).numpy() - 0.5)
        colour = METHODS[key]["color"]
        ax.plot(
            values, height, linestyle="none", marker=METHODS[key]["marker"], markersize=2.5, color=colour, alpha=0.35
        )
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        ax.plot([low, high], [-k, -k], color=colour, linestyle="-", linewidth=5, solid_capstyle="butt", alpha=0.8)
        ax.plot([middle], [-k], marker="|", markersize=13, markeredgewidth=2.5, color=COLOURS["black"])
    ax.set(yticks=[-k for k in range(len(rows))], yticklabels=list(rows), xlabel="PSNR (dB), data range 1")
    ax.grid(axis="y", visible=False)
    return figure


def runs_of_training(psnr: Mapping[tuple[str, str], Sequence[float]]) -> Figure:
    """Mean PSNR of each training run: one line a generator and method, one dot a run; methods without one as a line.

    Parameters
    ----------
    psnr : dict of (generator, method) -> mean PSNR of its runs, generator "none" for methods by hand
    """
    learned = {key: values for key, values in psnr.items() if key[0] != "none"}
    by_hand = {m: values[0] for (g, m), values in psnr.items() if g == "none"}
    words = "; ".join(f"{fig9_label(*key)} " + ", ".join(f"{v:.1f}" for v in v_) for key, v_ in learned.items())
    alt = f"Mean PSNR in dB of each training run. {words}. " + "; ".join(
        f"{fig9_label('none', m)} {v:.1f}" for m, v in by_hand.items()
    )
    figure, ax = subplots(size=(6.4, 0.9 + 0.3 * len(learned)), alt=alt)
    for k, ((_, method), values) in enumerate(learned.items()):
        colour, marker = METHODS[method]["color"], METHODS[method]["marker"]
        ax.plot([min(values), max(values)], [-k, -k], color=colour, linestyle="-")
        ax.plot(values, [-k] * len(values), color=colour, marker=marker, linestyle="none")
    for method, value in by_hand.items():
        ax.axvline(value, **METHODS[method] | {"marker": ""}, label=fig9_label("none", method))
    ax.set(yticks=[-k for k in range(len(learned))], yticklabels=[fig9_label(*key) for key in learned])
    ax.set_xlabel("mean PSNR of 100 test images (dB), data range 1")
    ax.grid(axis="y", visible=False)
    ax.legend(fontsize=8)
    return figure
