"""What the stored records of chapter 04 show: Figs. 1 to 6, the score card and rho, and words beside the paper's."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...figures.labels import DATA, TITLES
from ...properties import (
    ScoreCard,
)
from ...reproduce.pictures import unpack
from ...reproduce.setting import mean
from ...training.zoo import available

__all__ = ["models"]


DIMENSIONS = {"mnist": (5, 8, 13), "shapes": (5, 10, 16)}

MAIN = {"mnist": 8, "shapes": 10}

FAMILIES = ("ae", "vae", "wgan")

EDGES = [round(0.025 * k, 3) for k in range(49)]  # NRMSE 0 to 1.2; more goes into the last bin

STORED_SIDE = 28  # pictures of Figs. 5 and 6 are stored at this size


def name_of(family: str, data: str, d: int) -> str:
    return f"{family}-{data}-{d}"


def models(main_only: bool = False) -> list[dict]:
    """The shipped generators that the figures want: {"family", "data", "d"} each."""
    there = set(available())
    return [
        {"family": family, "data": data, "d": d}
        for data, dimensions in DIMENSIONS.items()
        for family in FAMILIES
        for d in ((MAIN[data],) if main_only else dimensions)
        if name_of(family, data, d) in there
    ]


def missing(rows: list[dict], main_only: bool = False) -> str:
    """A sentence that names the generators which the figure wants and the record has not; empty if none."""
    found = {(row["family"], row["data"], row["d"]) for row in rows}
    absent = [
        name_of(f, data, d)
        for data, dimensions in DIMENSIONS.items()
        for f in FAMILIES
        for d in ((MAIN[data],) if main_only else dimensions)
        if (f, data, d) not in found
    ]
    return f" Not shipped, so not here: {', '.join(absent)}." if absent else ""


def title(row: dict) -> str:
    return f"{TITLES[row['family']]}, {DATA[row['data']]}"


def fig1_figure(record: dict):
    from .figures import error_histograms

    return error_histograms(record["rows"], record["settings"]["edges"])


def fig1_story(record: dict) -> str:
    rows = {(r["data"], r["family"], r["d"]): r for r in record["rows"]}
    parts, lag = [], {}
    for data, d in MAIN.items():
        median = {f: rows[data, f, d]["quantiles"][2] for f in FAMILIES if (data, f, d) in rows}
        words = ", ".join(f"{TITLES[f]} {value:.3f}" for f, value in median.items())
        sentence = f"{DATA[data]}, d = {d}: median NRMSE {words}"
        if len(median) == 3:
            lag[data] = median["wgan"] / min(median["ae"], median["vae"])
            sentence += f"; the GAN has {lag[data]:.2f} times the best"
        parts.append(sentence)
    left = []
    for data, dimensions in DIMENSIONS.items():
        for low, high in zip(dimensions, dimensions[1:], strict=False):
            pairs = [(rows.get((data, f, low)), rows.get((data, f, high))) for f in FAMILIES]
            parts_left = [b["quantiles"][2] / a["quantiles"][2] for a, b in pairs if a and b]
            if parts_left:
                left.append(f"{DATA[data]} {low} to {high}, {min(parts_left):.2f} to {max(parts_left):.2f}")
    gaps = [r["quantiles"][2] / r["train_median"] for r in record["rows"]]
    paper = "The paper's text: AE and VAE almost identical, the GAN worse, less starkly on Shapes"
    if len(lag) == 2:
        paper += f" (ours: {'less' if lag['shapes'] < lag['mnist'] else 'more'} starkly)"
    return (
        ". ".join(parts)
        + f". {paper}; not sensitive to small changes of d"
        + (f" (ours, share of the error that is left: {'; '.join(left)})" if left else "")
        + ". "
        f"Test against training images: {min(gaps):.2f} to {max(gaps):.2f} times the error (1: no over-fitting)."
        + missing(record["rows"])
    )


def fig2_figure(record: dict):
    import matplotlib.pyplot as plt

    from ...figures.labels import DATA as NAMES
    from ...figures.pixels import figure_png
    from ...figures.style import subplots
    from .figures import reconstructions

    groups: dict = {}
    for row in record["rows"]:
        groups.setdefault(row["data"], []).append(row)
    figures = []
    for rows in groups.values():
        side = 28 if rows[0]["data"] == "mnist" else 56
        fits = {TITLES[r["family"]]: unpack(r["images"], side) for r in rows}
        figures.append(reconstructions(unpack(rows[0]["truth"], side), fits))
    alt = " ".join(f"{NAMES[data]}: {f.alt}" for data, f in zip(groups, figures, strict=True))
    width = sum(f.get_size_inches()[0] for f in figures)
    both, axes = subplots(1, len(figures), size=(width, max(f.get_size_inches()[1] for f in figures)), alt=alt,
                          squeeze=False)  # fmt: skip
    for ax, f, data in zip(axes[0], figures, groups, strict=True):
        ax.imshow(_pixels(figure_png(f, 110)))
        ax.set_title(NAMES[data])
        ax.set_axis_off()
        plt.close(f)
    return both


def _pixels(png: bytes) -> np.ndarray:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)))


def fig2_story(record: dict) -> str:
    words = "; ".join(f"{title(r)} {mean(r['psnr']):.1f} dB" for r in record["rows"])
    return (
        f"Mean PSNR of the examples (range 1; the authors' code, with range 2, would print 6.02 dB more): {words}."
        + missing(record["rows"], main_only=True)
    )


def _split(record: dict) -> tuple[list[dict], dict[str, float]]:
    floors = {r["data"]: r["emd"] for r in record["rows"] if r["family"] == "real"}
    return [r for r in record["rows"] if r["family"] != "real"], floors


def fig3_figure(record: dict):
    from .figures import distances

    return distances(*_split(record))


def fig3_story(record: dict) -> str:
    rows, floors = _split(record)
    table = {(r["data"], r["family"], r["d"]): r["emd"] for r in rows}
    parts = []
    for data, d in MAIN.items():
        values = {f: table[data, f, d] for f in FAMILIES if (data, f, d) in table}
        if values:
            best = min(values, key=values.get)
            words = ", ".join(f"{TITLES[f]} {v:.1f}" for f, v in values.items())
            parts.append(
                f"{DATA[data]}, d = {d}: {words}, real training images {floors[data]:.1f}; lowest: {TITLES[best]}"
            )
    lowest = [
        f"{DATA[data]} " + ", ".join(TITLES[min(FAMILIES, key=lambda f: table[data, f, d])] for d in dimensions)
        for data, dimensions in DIMENSIONS.items()
        if all((data, f, d) in table for f in FAMILIES for d in dimensions)
    ]
    if lowest:
        parts.append(f"Lowest from the least d to the largest: {'; '.join(lowest)}")
    return (
        ". ".join(parts) + ". The paper's text: the VAE has the lowest EMD on both data sets and across the latent "
        "dimensions, the AE is there for comparison only, since N(0, I) is no prior of its own. "
        "(Eq. (10) divided by N.)" + missing(rows)
    )


def fig4_figure(record: dict):
    from .figures import latent_clouds

    clouds, notes = {}, {}
    for row in record["rows"]:
        points = [[float(v) for v in axis.split()] for axis in row["points"]]
        clouds[title(row)] = torch.tensor(points).T
        notes[title(row)] = f"rms {row['radius']:.2f}, energy {row['energy']:.2f} (chance {row['critical']:.2f})"
    return latent_clouds(clouds, notes)


def fig4_story(record: dict) -> str:
    words = "; ".join(
        f"{title(r)}: root mean square {r['radius']:.2f}, energy distance {r['energy']:.3f} (chance "
        f"{r['critical']:.3f}, p = {r['p']:.3f})"
        for r in record["rows"]
    )
    return (
        f"Best latent vectors of test images against N(0, I). {words}. The paper's text: VAE and GAN match the prior, "
        "the AE in lower dimensions does not. A test can refuse what the eye accepts: look at the sizes."
        + missing(record["rows"], main_only=True)
    )


RADII = (1.0, 2.0, 5.0, 10.0, 50.0)


def fig5_figure(record: dict):
    from .figures import strip_grid

    rows = record["rows"]
    grid = {title(r): [unpack(strip, STORED_SIDE) for strip in r["images"]] for r in rows}
    heads = [f"‖z‖ = {r:g} √d" for r in rows[0]["radii"]]
    return strip_grid(grid, heads, alt=f"Images far from the prior. {fig5_story(record)}")


def fig5_story(record: dict) -> str:
    at = record["rows"][0]["radii"]
    words = "; ".join(f"{title(r)} " + " / ".join(f"{v:.1f}" for v in r["distance_ratio"]) for r in record["rows"])
    return (
        f"Distance to the nearest training image at ||z|| = {' / '.join(f'{r:g}' for r in at)} sqrt(d), that of test "
        f"images = 1: {words}. The paper's text: far from the prior the images are not recognisable."
        + missing(record["rows"], main_only=True)
    )


def fig6_figure(record: dict):
    from .figures import triangle_grids

    grids = {title(r): torch.stack([unpack(line, STORED_SIDE) for line in r["images"]]) for r in record["rows"]}
    return triangle_grids(grids, alt=f"Interpolations over a triangle of three test images. {fig6_story(record)}")


def fig6_story(record: dict) -> str:
    words = "; ".join(
        f"{title(r)}: largest over mean step {r['jump_quantiles'][0]:.2f} (worst pair {r['jump_quantiles'][2]:.2f}), "
        f"local Lipschitz constant {r['lipschitz_median']:.1f}"
        for r in record["rows"]
    )
    return (
        f"Straight paths between the latent vectors of test images. {words}. The paper's text: AE and VAE smooth but "
        "blurry, the GAN sharper, with some outputs unlike the training data and some large jumps."
        + missing(record["rows"], main_only=True)
    )


def rho_figure(record: dict):
    from .figures import trade_off

    return trade_off(record["rows"], record["rows"][0]["emd_floor"])


def rho_story(record: dict) -> str:
    rows = record["rows"]
    nrmse_best, emd_best = min(rows, key=lambda r: r["nrmse"]), min(rows, key=lambda r: r["emd"])
    words = "; ".join(
        f"rho {r['rho']:g}: NRMSE {r['nrmse']:.3f}, EMD {r['emd']:.0f} (z fitted to the encodings: "
        f"{r['emd_fitted']:.0f}), spread of encodings {r['radius']:.2f}"
        for r in rows
    )
    near = [r["rho"] for r in rows if r["nrmse"] <= 1.01 * nrmse_best["nrmse"] and r is not nrmse_best]
    also = f" ({' and '.join(f'{value:g}' for value in near)} within 1 per cent)" if near else ""
    pull = ": A1 and A3 pull in different directions" if nrmse_best is not emd_best else ""
    return (
        f"{words}. Real images: EMD {rows[0]['emd_floor']:.0f}. Reconstructions are best at "
        f"rho = {nrmse_best['rho']:g}{also}, samples at rho = {emd_best['rho']:g}{pull}. "
        f"The authors' code has rho = {record['settings']['paper_rho']:g}."
    )


def cards_of(record: dict) -> dict[str, ScoreCard]:
    """The stored score cards, by title."""
    return {title(r).replace(", ", "\n"): ScoreCard.from_dict(r["card"]) for r in record["rows"]}


def card_figure(record: dict):
    from .figures import cards

    return cards(cards_of(record))


def best_of(group: dict[str, ScoreCard], key: str) -> list[str]:
    """The families that win an entry: the best one, and all that two standard errors cannot tell from it."""
    scores = {family: card[key] for family, card in group.items()}
    sign = -1 if next(iter(scores.values())).better == "higher" else 1
    first = min(scores, key=lambda f: sign * scores[f].value)
    return [
        family
        for family, score in scores.items()
        if abs(score.value - scores[first].value) <= 2 * math.hypot(score.error, scores[first].error)
    ]


def card_story(record: dict) -> str:
    wins: dict[str, list[str]] = {}
    always = set(FAMILIES)
    for data in DATA:
        group = {r["family"]: ScoreCard.from_dict(r["card"]) for r in record["rows"] if r["data"] == data}
        for key in ("A1 test", "A2 foreign", "A3 EMD", "B1 slope", "B2 energy"):
            if len(group) > 1:  # one generator alone wins nothing
                best = best_of(group, key)
                always &= set(best)
                wins.setdefault(DATA[data], []).append(f"{key} {' or '.join(TITLES[f] for f in best)}")
    words = "; ".join(f"{data}: {', '.join(lines)}" for data, lines in wins.items())
    every = f"Among the best everywhere: {' and '.join(TITLES[f] for f in FAMILIES if f in always)}"
    return (
        f"Best by measure; 'or' where two standard errors do not tell them apart. {words}. "
        f"{every if always else 'No generator wins everything'}. The paper (Sect. 4.3.6): none does."
        + missing(record["rows"], main_only=True)
    )
