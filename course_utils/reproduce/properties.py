"""The desired properties of AE, VAE and GAN at full size: Figs. 1 to 6, the score card, and the noise level rho."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import load
from ..generators import Generator
from ..properties import (
    ScoreCard,
    emd,
    far_from_prior,
    latent_spread,
    path_smoothness,
    plane_projections,
    range_errors,
    samples,
    score_card,
    subset,
    triangle,
)
from ..properties.batches import images_of
from ..shapes import draw_shapes
from ..zoo import available, pretrained
from .experiment import Experiment
from .pictures import pack, unpack
from .setting import TITLES, mean, rounded, seeded

__all__ = ["EXPERIMENTS", "models", "test_images"]

DIMENSIONS = {"mnist": (5, 8, 13), "shapes": (5, 10, 16)}
MAIN = {"mnist": 8, "shapes": 10}
FAMILIES = ("ae", "vae", "wgan")
DATA = {"mnist": "MNIST", "shapes": "Shapes"}
RHOS = (0.07, 0.15, 0.3, 0.6)
EDGES = [round(0.025 * k, 3) for k in range(49)]  # NRMSE 0 to 1.2; more goes into the last bin
SEEDS = {"images": 10, "starts": 2, "samples": 5, "plane": 6, "directions": 7, "card": 8}
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


@functools.cache
def test_images(data: str, n: int) -> Tensor:
    """``n`` random test images of the whole test set, 10,000: float32 (n, 1, H, W)."""
    if data == "mnist":
        whole = load("mnist").test
    else:  # the test split of load("shapes", full=True), without its 60,000 training images
        whole = torch.from_numpy(draw_shapes(10_000, np.random.default_rng([0, 2]))).float().div_(2).unsqueeze(1)
    return subset(whole, n, seeded(SEEDS["images"]))


def generator_of(family: str, data: str, d: int) -> Generator:
    return pretrained(name_of(family, data, d), verbose=False)


def found_for(G: Generator, x: Tensor):
    return range_errors(G, x, seeded(SEEDS["starts"]), batch_size=128)


def title(row: dict) -> str:
    return f"{TITLES[row['family']]}, {DATA[row['data']]}"


def small(images: Tensor) -> Tensor:
    """Averaged over blocks to the size that is stored."""
    return functional.adaptive_avg_pool2d(images.clamp(0, 1), STORED_SIDE)


# Fig. 1: can every test image be produced?


def fig1_row(family: str, data: str, d: int, n: int, n_train: int = 200) -> dict:
    """Best fit of ``n`` test and ``n_train`` training images."""
    G = generator_of(family, data, d)
    found = found_for(G, test_images(data, n))
    trained = found_for(G, subset(load(data).train, n_train, seeded(SEEDS["images"])))
    levels = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=found.nrmse.dtype)
    counts, _ = np.histogram(found.nrmse.clamp_max(EDGES[-1] - 1e-4).numpy(), bins=EDGES)
    row = {
        "quantiles": rounded(found.nrmse.quantile(levels), 4),
        "histogram": counts.tolist(),
        "psnr_mean": round(float(found.psnr.mean()), 2),
        "train_median": round(float(trained.nrmse.median()), 4),
        "converged": round(found.converged, 3),
        "ms_per_image": round(1e3 * found.seconds / n, 2),
    }
    if found.encoding is not None:
        row["encoding_quantiles"] = rounded(found.encoding.quantile(levels), 4)
    return row


def fig1_figure(record: dict):
    from ..plots_properties import error_histograms

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


# Fig. 2: examples


def fig2_row(family: str, data: str, d: int, n: int) -> dict:
    x = test_images(data, n)
    found = found_for(generator_of(family, data, d), x)
    return {"psnr": rounded(found.psnr, 2), "images": pack(found.x), "truth": pack(x)}


def fig2_figure(record: dict):
    import matplotlib.pyplot as plt

    from ..plots import figure_png, subplots
    from ..plots_properties import DATA as NAMES
    from ..plots_properties import reconstructions

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


# Fig. 3: earth mover's distance


def fig3_tasks() -> list[dict]:
    real = [{"family": "real", "data": data, "d": 0, "n": 10_000} for data in DIMENSIONS]
    return real + [model | {"n": 10_000} for model in models()]


def fig3_row(family: str, data: str, d: int, n: int) -> dict:
    """EMD of n samples, or of n training images (family "real"), to n test images."""
    if family == "real":
        other = subset(load(data).train, n, seeded(SEEDS["samples"]))
    else:
        other = samples(generator_of(family, data, d), n, seeded(SEEDS["samples"]))
    found = emd(test_images(data, n), other)
    return {"emd": round(found.value, 2), "seconds": round(found.seconds, 1), "peak_gb": round(found.peak_gb, 1)}


def _split(record: dict) -> tuple[list[dict], dict[str, float]]:
    floors = {r["data"]: r["emd"] for r in record["rows"] if r["family"] == "real"}
    return [r for r in record["rows"] if r["family"] != "real"], floors


def fig3_figure(record: dict):
    from ..plots_properties import distances

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


# Fig. 4: where the encodings are


def fig4_row(family: str, data: str, d: int, n: int, n_dots: int = 300) -> dict:
    z = found_for(generator_of(family, data, d), test_images(data, n)).z
    spread = latent_spread(z, seeded(SEEDS["samples"]))
    plane = plane_projections(d, 1, seeded(SEEDS["plane"]))[0]
    return {
        "points": [" ".join(f"{v:.2f}" for v in axis) for axis in (z[:n_dots] @ plane).T.tolist()],
        "energy": round(spread.energy.statistic, 4), "p": round(spread.energy.p, 3),
        "critical": round(spread.energy.critical, 4), "radius": round(spread.radius, 3),
        "mean_norm": round(spread.mean_norm, 3), "eigenvalues": rounded(spread.eigenvalues, 3),
    }  # fmt: skip


def fig4_figure(record: dict):
    from ..plots_properties import latent_clouds

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


# Fig. 5: far from the prior


RADII = (1.0, 2.0, 5.0, 10.0, 50.0)


def fig5_row(family: str, data: str, d: int, n: int, n_shown: int = 5) -> dict:
    sets = load(data)
    far = far_from_prior(
        generator_of(family, data, d), sets.train[:10_000], subset(sets.test, 200, seeded(SEEDS["images"])),
        seeded(SEEDS["directions"]), radii=RADII, n=n,
    )  # fmt: skip
    return {
        "radii": list(RADII), "distance_ratio": rounded(far.distance.median(1).values / far.ordinary, 3),
        "ordinary": round(far.ordinary, 3), "images": [pack(small(x[:n_shown])) for x in far.x],
    }  # fmt: skip


def fig5_figure(record: dict):
    from ..plots_properties import strip_grid

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


# Fig. 6: interpolation


def fig6_row(family: str, data: str, d: int, n_pairs: int) -> dict:
    G = generator_of(family, data, d)
    z = found_for(G, test_images(data, n_pairs)).z
    alphas = torch.linspace(0, 1, 5)
    grid = triangle(z[:3], alphas, alphas)
    path = path_smoothness(G, z, z.roll(1, 0), steps=32)
    middle = float(path.lipschitz.median())
    return {
        "images": [pack(small(images_of(G, line))) for line in grid],
        "jump_quantiles": rounded(path.jump.quantile(torch.tensor([0.5, 0.95, 1.0])), 3),
        "detour_median": round(float(path.detour.median()), 3), "lipschitz_median": round(middle, 3),
        "lipschitz_max": round(float(path.lipschitz.max()), 3),
    }  # fmt: skip


def fig6_figure(record: dict):
    from ..plots_properties import triangle_grids

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


# The noise level rho of the Shapes VAE


def rho_tasks() -> list[dict]:
    there = set(available())
    return [{"rho": rho, "n": 2_000, "n_search": 200} for rho in RHOS if f"vae-shapes-10-rho-{rho:g}" in there]


def rho_row(rho: float, n: int, n_search: int, n_shown: int = 6) -> dict:
    """A1, A3 and B2 of the Shapes VAE with noise level ``rho``, and with it the floor of A3."""
    G = pretrained(f"vae-shapes-10-rho-{rho:g}", verbose=False)
    x = test_images("shapes", n)
    found = found_for(G, x[:n_search])
    with torch.no_grad():
        codes = torch.cat([G.encode(part) for part in x.split(500)])
    drawn = samples(G, n, seeded(SEEDS["samples"]))
    root = torch.linalg.cholesky(torch.cov(codes.T))
    e = torch.randn(n, G.latent_dim, generator=seeded(SEEDS["samples"]))
    fitted = images_of(G, codes.mean(0) + e @ root.T)
    return {
        "nrmse": round(float(found.nrmse.median()), 4), "nrmse_encoding": round(float(found.encoding.median()), 4),
        "emd": round(emd(x, drawn).value, 2), "emd_fitted": round(emd(x, fitted).value, 2),
        "emd_floor": round(emd(x, subset(load("shapes").train, n, seeded(SEEDS["samples"]))).value, 2),
        "radius": round(float(codes.pow(2).mean().sqrt()), 3),
        "coordinates": rounded(codes.std(0), 2),
        "truth": pack(small(x[:n_shown])), "fits": pack(small(found.x[:n_shown])),
        "drawn": pack(small(drawn[:n_shown])),
    }  # fmt: skip


def rho_figure(record: dict):
    from ..plots_properties import trade_off

    return trade_off(record["rows"], record["rows"][0]["emd_floor"])


def rho_story(record: dict) -> str:
    rows = record["rows"]
    nrmse_best, emd_best = min(rows, key=lambda r: r["nrmse"]), min(rows, key=lambda r: r["emd"])
    words = "; ".join(
        f"rho {r['rho']:g}: NRMSE {r['nrmse']:.3f}, EMD {r['emd']:.0f} (z fitted to the encodings: "
        f"{r['emd_fitted']:.0f}), spread of encodings {r['radius']:.2f}"
        for r in rows
    )
    return (
        f"{words}. Real images: EMD {rows[0]['emd_floor']:.0f}. Reconstructions are best at "
        f"rho = {nrmse_best['rho']:g}, samples at rho = {emd_best['rho']:g}: A1 and A3 pull in different directions. "
        "The authors' code has rho = 0.07."
    )


# The score card


def card_row(family: str, data: str, d: int, n: int, n_search: int) -> dict:
    G = generator_of(family, data, d)
    foreign = load("fashion").test if data == "mnist" else None
    name = f"{TITLES[family]}, {DATA[data]}, d = {d}"
    card = score_card(G, load(data), seeded(SEEDS["card"]), n=n, n_search=n_search, name=name, foreign=foreign)
    return {"card": card.as_dict()}


def cards_of(record: dict) -> dict[str, ScoreCard]:
    """The stored score cards, by title."""
    return {title(r).replace(", ", "\n"): ScoreCard.from_dict(r["card"]) for r in record["rows"]}


def card_figure(record: dict):
    from ..plots_properties import cards

    return cards(cards_of(record))


def card_story(record: dict) -> str:
    wins: dict[str, list[str]] = {}
    for data in DATA:
        group = {r["family"]: ScoreCard.from_dict(r["card"]) for r in record["rows"] if r["data"] == data}
        for key in ("A1 test", "A2 foreign", "A3 EMD", "B1 slope", "B2 energy"):
            values = {f: card[key].value for f, card in group.items()}
            if len(values) > 1:  # one generator alone wins nothing
                pick = max if next(iter(group.values()))[key].better == "higher" else min
                wins.setdefault(DATA[data], []).append(f"{key} {TITLES[pick(values, key=values.get)]}")
    words = "; ".join(f"{data}: {', '.join(lines)}" for data, lines in wins.items())
    return (
        f"Best by measure. {words}. No generator wins everything, as the paper's Sect. 4.3.6 says of its own."
        + missing(record["rows"], main_only=True)
    )


def _each(main_only: bool, **sizes):
    """A task for each shipped generator."""
    return lambda: [model | sizes for model in models(main_only)]


def _sized() -> list[dict]:
    return [model | {"n": 300 if model["family"] == "wgan" else 1_000} for model in models()]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "fig1", "A1: best fit of test images, three latent dimensions, MNIST and Shapes", _sized, fig1_row,
            {"edges": EDGES, "seeds": SEEDS, "n": "1,000 test images, 300 for a GAN (four starts each)"},
            figure=fig1_figure, story=fig1_story,
        ),
        Experiment(
            "fig2", "A1: examples of best fits, with PSNR", _each(True, n=5), fig2_row, {"seeds": SEEDS},
            figure=fig2_figure, story=fig2_story,
        ),
        Experiment(
            "fig3", "A3: earth mover's distance, N = 10,000", fig3_tasks, fig3_row,
            {"seeds": SEEDS, "memory": "5 GB a job, so one at a time"},
            figure=fig3_figure, story=fig3_story, alone=lambda task: True,
        ),
        Experiment(
            "fig4", "B2: latent vectors of test images against N(0, I)", _each(True, n=300), fig4_row,
            {"seeds": SEEDS}, figure=fig4_figure, story=fig4_story,
        ),
        Experiment(
            "fig5", "A2: images far from the prior", _each(True, n=100), fig5_row,
            {"seeds": SEEDS, "stored_side": STORED_SIDE}, figure=fig5_figure, story=fig5_story,
        ),
        Experiment(
            "fig6", "B1: interpolation over a triangle of test images", _each(True, n_pairs=20), fig6_row,
            {"seeds": SEEDS, "stored_side": STORED_SIDE}, figure=fig6_figure, story=fig6_story,
        ),
        Experiment(
            "rho", "The noise level of the Shapes VAE: reconstructions against samples", rho_tasks, rho_row,
            {"seeds": SEEDS, "paper_rho": 0.07}, figure=rho_figure, story=rho_story,
        ),
        Experiment(
            "scorecard", "Score cards A1 to B2 of the six main generators", _each(True, n=1_000, n_search=100),
            card_row, {"seeds": SEEDS}, figure=card_figure, story=card_story,
        ),
    )
}  # fmt: skip
