"""The desired properties of AE, VAE and GAN at full size: Figs. 1 to 6, the score card, and the noise level rho."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...data.load import load
from ...data.shapes import draw_shapes
from ...figures.labels import DATA, TITLES
from ...generators import Generator
from ...properties import (
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
from ...properties.batches import images_of
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import rounded, seeded
from ...training.zoo import available, pretrained
from .story import (
    DIMENSIONS,
    EDGES,
    RADII,
    STORED_SIDE,
    card_figure,
    card_story,
    fig1_figure,
    fig1_story,
    fig2_figure,
    fig2_story,
    fig3_figure,
    fig3_story,
    fig4_figure,
    fig4_story,
    fig5_figure,
    fig5_story,
    fig6_figure,
    fig6_story,
    models,
    name_of,
    rho_figure,
    rho_story,
)

__all__ = ["EXPERIMENTS", "test_images"]


RHOS = (0.07, 0.15, 0.3, 0.6)

SEEDS = {"images": 10, "starts": 2, "samples": 5, "plane": 6, "directions": 7, "card": 8}


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


def small(images: Tensor) -> Tensor:
    """Averaged over blocks to the size that is stored."""
    return functional.adaptive_avg_pool2d(images.clamp(0, 1), STORED_SIDE)


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


def fig2_row(family: str, data: str, d: int, n: int) -> dict:
    x = test_images(data, n)
    found = found_for(generator_of(family, data, d), x)
    return {"psnr": rounded(found.psnr, 2), "images": pack(found.x), "truth": pack(x)}


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


def card_row(family: str, data: str, d: int, n: int, n_search: int) -> dict:
    G = generator_of(family, data, d)
    foreign = load("fashion").test if data == "mnist" else None
    name = f"{TITLES[family]}, {DATA[data]}, d = {d}"
    card = score_card(G, load(data), seeded(SEEDS["card"]), n=n, n_search=n_search, name=name, foreign=foreign)
    return {"card": card.as_dict()}


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
