"""Figures and tables of the wider family: bars, table, and S-REC against m."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure

from ...figures.labels import TITLES
from ...figures.style import METHODS, subplots
from ...figures.tables import markdown_table

__all__ = ["srec_curves", "variant_bars", "variant_table"]


def variant_bars(rows: Sequence[Mapping], words: Mapping[str, str], alt: str = "") -> Figure:
    """Mean PSNR of every variant, with its standard error, one panel a generator; a line marks plain hard.

    Parameters
    ----------
    rows : stored rows of the experiment "variants"
    words : dict of variant -> label
    alt : str

    Example
    -------
    >>> from matplotlib.pyplot import close
    >>> row = {"generator": "vae", "variant": "hard", "psnr": [19.0, 20.0, 21.0]}
    >>> figure = variant_bars([row], {"hard": "hard"})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['hard']
    >>> close(figure)
    """
    generators = list(dict.fromkeys(r["generator"] for r in rows))
    shown = [name for name in words if any(r["variant"] == name for r in rows)]
    default = "Mean PSNR of each variant for each generator, with a line at that of the hard method."
    figure, axes = subplots(
        1, len(generators), size=(2.4 + 2.3 * len(generators), 0.9 + 0.27 * len(shown)), alt=alt or default,
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    for ax, generator in zip(axes[0], generators, strict=True):
        style = METHODS[generator]
        for r in rows:
            if r["generator"] != generator:
                continue
            db, height = np.asarray(r["psnr"]), -shown.index(r["variant"])
            error = db.std(ddof=1) / len(db) ** 0.5
            ax.errorbar(db.mean(), height, xerr=error, color=style["color"], marker=style["marker"], capsize=2.5)
            if r["variant"] == "hard":
                ax.axvline(db.mean(), color=style["color"], linestyle=":", linewidth=1.2)
        ax.set(title=TITLES[generator], xlabel="PSNR (dB)")
        ax.grid(axis="y", visible=False)
    axes[0, 0].set_yticks([-k for k in range(len(shown))], [words[name] for name in shown])
    return figure


def variant_table(rows: Sequence[Mapping], words: Mapping[str, str]) -> Markdown:
    """Mean PSNR of each variant and generator, and evaluations of G for the VAE.

    Example
    -------
    >>> row = {"generator": "vae", "variant": "hard", "psnr": [19.0, 21.0], "evaluations": 22.0, "lam": 0.008}
    >>> print(variant_table([row], {"hard": "hard"}).data)
    | variant | VAE | λ (VAE) | evaluations of G (VAE) |
    |:---|---:|---:|---:|
    | hard | 20.0 | 0.008 | 22 |
    """
    generators = list(dict.fromkeys(r["generator"] for r in rows))
    table = {(r["generator"], r["variant"]): r for r in rows}
    lines = []
    for name, label in words.items():
        found = [table.get((g, name)) for g in generators]
        if not any(found):
            continue
        first = table.get(("vae", name)) or next(filter(None, found))
        psnr = [f"{np.mean(r['psnr']):.1f}" if r else "" for r in found]
        lam = f"{first['lam']:.2g}" if "val_psnr" in first or first["lam"] else ""
        lines.append([label, *psnr, lam, f"{first['evaluations']:.0f}"])
    titles = [TITLES[g] for g in generators]
    return markdown_table(["variant", *titles, "λ (VAE)", "evaluations of G (VAE)"], lines)


def srec_curves(rows: Sequence[Mapping], alt: str = "") -> Figure:
    """The least ratio ||A(x1 - x2)|| / ||x1 - x2|| against m: random pairs (thin), after descent (thick), digits.

    Parameters
    ----------
    rows : stored rows of the experiment "srec"
    alt : str

    Example
    -------
    >>> from matplotlib.pyplot import close
    >>> row = {"generator": "vae", "m": 10, "gamma": 0.1, "gamma_of_random_pairs": 0.4, "gamma_of_digit_pairs": 0.3}
    >>> figure = srec_curves([row, row | {"m": 20}])
    >>> figure.axes[0].get_ylabel()
    'least ratio found'
    >>> close(figure)
    """
    default = "Least ratio of distances after and before A against m, for pairs of images of three generators."
    figure, ax = subplots(size=(6.6, 3.6), alt=alt or default)
    digits = {r["m"]: r["gamma_of_digit_pairs"] for r in rows}
    for generator in dict.fromkeys(r["generator"] for r in rows):
        part = sorted((r for r in rows if r["generator"] == generator), key=lambda r: r["m"])
        m = [r["m"] for r in part]
        name, style = TITLES[generator], METHODS[generator]
        ax.plot(m, [r["gamma"] for r in part], label=f"{name}, after descent", **style)
        faint = style | {"linewidth": 1.0, "alpha": 0.6, "markerfacecolor": "none"}
        ax.plot(m, [r["gamma_of_random_pairs"] for r in part], label=f"{name}, random pairs", **faint)
    ax.plot(sorted(digits), [digits[m] for m in sorted(digits)], color="black", linestyle=":", label="pairs of digits")
    ax.axvline(16, color="0.6", linewidth=1.0, zorder=0)
    ax.text(16.5, 0.93, "m = 2d", color="0.4", fontsize=9)
    ax.set(xscale="log", xlabel="measurements m", ylabel="least ratio found", ylim=(-0.03, 1.05))
    ticks = sorted(set(digits) - {12, 20})
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    figure.legend(loc="outside right upper")
    return figure
