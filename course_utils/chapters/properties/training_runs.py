"""Several training runs of each main generator, and four laws for its latent vectors."""

from __future__ import annotations

from torch import Tensor

from ...data.load import load
from ...generators import VAE
from ...properties import (
    emd,
    frechet_distance,
    judge,
    latent_draws,
    latent_spread,
    latents_of,
    lipschitz,
    range_errors,
    subset,
    two_shapes,
)
from ...properties.batches import images_of
from ...properties.latent_laws import LAWS
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded, seeded
from ...training.zoo import pretrained, shipped_seeds
from . import laws_story
from .experiments import SEEDS, test_images
from .story import FAMILIES, MAIN, name_of

__all__ = ["EXPERIMENTS"]

SETTINGS = {
    "n": 2_000, "n_search": 300, "n_search_wgan": 100, "codes": 10_000, "codes_wgan": 1_000,
    "laws": list(LAWS), "seeds": SEEDS,
    "good": "MNIST: a classifier gives one digit more than 0.9; Shapes: exactly one rectangle and one circle",
}  # fmt: skip


def laws_tasks() -> list[dict]:
    models = [
        {"data": data, "family": family, "d": d, "seed": seed}
        for data, d in MAIN.items()
        for family in FAMILIES
        for seed in shipped_seeds(name_of(family, data, d))
    ]
    return [{"data": data, "family": "real", "d": 0, "seed": 0} for data in MAIN] + models


def good(data: str, x: Tensor) -> float:
    """The share of images that are surely a digit, or exactly a rectangle and a circle."""
    return judge(x).sure if data == "mnist" else float(two_shapes(x).double().mean())


def scores(data: str, x: Tensor, drawn: Tensor) -> dict:
    """Distance of drawn images from test images ``x``, and the share of good ones."""
    found = {
        "emd": round(emd(x, drawn).value, 2),
        "frechet": round(frechet_distance(x, drawn), 3),
        "good": round(good(data, drawn), 4),
    }
    if data == "mnist":
        found["classes"] = rounded(judge(drawn).classes, 3)
    return found


def laws_row(
    data: str, family: str, d: int, seed: int, n: int = SETTINGS["n"], codes: int | None = None,
    n_search: int | None = None,
) -> dict:  # fmt: skip
    """A1, A3, B1 and B2 of one training run, and A3 under each law of z; for "real" what other real images score."""
    x, train = test_images(data, n), load(data).train
    if family == "real":
        return scores(data, x, subset(train, n, seeded(SEEDS["samples"])))
    G = pretrained(name_of(family, data, d), seed=seed, verbose=False)
    of = "" if G.has_encoder else "_wgan"
    codes, n_search = codes or SETTINGS[f"codes{of}"], n_search or SETTINGS[f"n_search{of}"]
    seen = subset(train, codes, seeded(SEEDS["images"]))
    z = latents_of(G, seen, seeded(SEEDS["starts"]))
    found = range_errors(G, x[:n_search], seeded(SEEDS["starts"]))
    spread = latent_spread(found.z, seeded(SEEDS["samples"]))
    draws = latent_draws(z, n, seeded(SEEDS["samples"]))
    steep = lipschitz(G, found.z[:50])
    return {
        "nrmse": round(float(found.nrmse.median()), 4),
        "psnr": round(float(found.psnr.mean()), 2),
        "rho": round(float(G.config.rho), 4) if isinstance(G, VAE) else None,
        "energy": round(spread.energy.statistic, 4), "critical": round(spread.energy.critical, 4),
        "radius": round(spread.radius, 3),
        "mean_norm": round(float(z.mean(0).norm()), 3),
        "slope": round(float(steep.median()), 3),
        "slope_scaled": round(float(steep.median()) * spread.radius, 3),
        "laws": {law: scores(data, x, images_of(G, v)) for law, v in draws.items()},
    }  # fmt: skip


EXPERIMENTS = {
    "laws": Experiment(
        "laws", "A3 under four laws of z, and A1 to B2 for each training run of the main generators", laws_tasks,
        laws_row, SETTINGS, figure=laws_story.figure, story=laws_story.story,
    ),
}  # fmt: skip
