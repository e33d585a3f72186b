"""The whole family on one compressed sensing problem: other R_Z, other F, eq. (8), intermediate layers."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ...data.load import load
from ...figures.labels import TITLES
from ...generators import Generator
from ...operators import GaussianMatrix, Identity
from ...regularisers import (
    Box,
    CriticLoss,
    EncoderDistance,
    GaussianMixture,
    Hard,
    ImageTV,
    Intermediate,
    Relaxed,
    Sphere,
)
from ...reproduce.experiment import Experiment
from ...reproduce.setting import GENERATORS, SEEDS, Problem, generator_and_starts, mean, seeded, tuned_row
from ...solvers import Dictionary, reconstruct
from ...tuning import geometric

__all__ = ["EXPERIMENTS", "VARIANTS", "latents_of_training_images"]

LATENT = geometric(0.5, 1e-5, 0.25)
#: name -> words for tables, grid of lambda, grid of mu, settings of ``reconstruct``
VARIANTS: dict[str, tuple[str, list[float], list[float] | None, dict]] = {
    "hard": ("hard, ‖z‖²", LATENT, None, {}),
    "free": ("hard, no R_Z", [0.0], None, {}),
    "eq8": ("hard by eq. (8)", LATENT[2:7], None, {"solver": "projected", "eta": 16.0}),
    "box1": ("box [-1, 1]^d", [0.0], None, {}),
    "box2": ("box [-2, 2]^d", [0.0], None, {}),
    "sphere": ("sphere of radius √d", [0.0], None, {}),
    "gaussian": ("learned prior, one Gaussian", LATENT, None, {}),
    "mixture": ("learned prior, 10 Gaussians", LATENT, None, {}),
    "image-tv": ("TV(G(z))", geometric(0.016, 1e-5, 0.25), None, {}),
    "critic": ("critic, -D(G(z))", geometric(4.0, 1e-3, 0.25), None, {}),
    "relaxed": ("relaxed", geometric(2.0, 5e-4, 0.25), geometric(0.25, 3e-6, 0.0625), {}),
    "encoder": ("‖x - G(E(x))‖²", geometric(4.0, 1e-2, 0.25), None, {}),
    "layer3": ("intermediate layer 7 x 7", geometric(0.5, 5e-3, 0.5), [1.0, 0.1, 0.01, 0.001], {}),
    "layer5": ("intermediate layer 14 x 14", geometric(0.5, 5e-3, 0.5), [1.0, 0.1, 0.01, 0.001], {}),
}
SETTINGS = {
    "m": 150, "sigma": 0.05, "n_val": 20, "n_test": 100, "seeds": SEEDS | {"mixture": 5},
    "variants": {name: {"label": v[0], "lambda_grid": v[1], "mu_grid": v[2]} for name, v in VARIANTS.items()},
    "prior_fitted_to": 4_000, "prior_fitted_to_wgan": 1_000, "psnr_data_range": 1,
}  # fmt: skip


def latents_of_training_images(G: Generator, starts: Dictionary, n: int) -> Tensor:
    """Encodings of ``n`` training images; for a GAN, which has no encoder, the z that fit them best."""
    images = load("mnist").train[:n]
    if G.has_encoder:
        return G.encode(images)
    return reconstruct(Identity(28), images, Hard(G, 1e-3), start=starts, max_iter=50).z


def _maker(variant: str, G: Generator, starts: Dictionary, n_prior: int | None):
    """Weights -> regulariser, for one variant."""
    if variant in ("gaussian", "mixture"):
        n = n_prior or SETTINGS["prior_fitted_to" if G.has_encoder else "prior_fitted_to_wgan"]
        components = 1 if variant == "gaussian" else 10
        prior = GaussianMixture.fit(latents_of_training_images(G, starts, n), components, seeded(5))
    makers = {
        "hard": partial(Hard, G),
        "free": partial(Hard, G),
        "eq8": partial(Hard, G),
        "box1": lambda lam: Hard(G, lam, Box()),
        "box2": lambda lam: Hard(G, lam, Box(2.0)),
        "sphere": lambda lam: Hard(G, lam, Sphere()),
        "gaussian": lambda lam: Hard(G, lam, prior),
        "mixture": lambda lam: Hard(G, lam, prior),
        "image-tv": lambda lam: Hard(G, lam, ImageTV()),
        "critic": lambda lam: Hard(G, lam, CriticLoss(G)),
        "relaxed": partial(Relaxed, G),
        "encoder": partial(EncoderDistance, G),
        "layer3": lambda lam, mu: Intermediate(G, lam, mu, layer=3),
        "layer5": lambda lam, mu: Intermediate(G, lam, mu, layer=5),
    }
    return makers[variant]


def variant_tasks() -> list[dict]:
    """Every variant that a generator allows: a critic needs a GAN, E an encoder."""
    forbidden = {("ae", "critic"), ("vae", "critic"), ("wgan", "encoder")}
    return [{"generator": g, "variant": v} for g in GENERATORS for v in VARIANTS if (g, v) not in forbidden]


def variant_row(
    generator: str,
    variant: str,
    m: int = SETTINGS["m"],
    sigma: float = SETTINGS["sigma"],
    n_val: int = SETTINGS["n_val"],
    n_test: int = SETTINGS["n_test"],
    n_prior: int | None = None,
) -> dict:
    """One variant with one generator: tuned on validation images, evaluated on the test images of Fig. 9."""
    problem = Problem(GaussianMatrix(m, 28, seeded(SEEDS["A"])), sigma, n_val, n_test)
    G, starts = generator_and_starts(generator)
    _, lam, mu, settings = VARIANTS[variant]
    make = _maker(variant, G, starts, n_prior)
    budget = {"max_iter": 60} if variant in ("encoder", "layer3", "layer5") else None
    row, _ = tuned_row(problem, make, lam, mu, budget, start=starts, **settings)
    del row["objective"], row["iterations"]
    return row


def variants_figure(record: dict):
    """Mean PSNR of every variant, one panel a generator."""
    from .figures import variant_bars

    words = {name: v["label"] for name, v in record["settings"]["variants"].items()}
    return variant_bars(record["rows"], words)


def variants_story(record: dict) -> str:
    """What R_Z changes, what F changes, and the cost of eq. (8)."""
    db = {(r["generator"], r["variant"]): mean(r["psnr"]) for r in record["rows"]}
    cost = {(r["generator"], r["variant"]): r["evaluations"] for r in record["rows"]}
    priors = ("free", "gaussian", "mixture", "image-tv", "sphere", "box1", "box2", "critic")
    said = []
    for g in GENERATORS:
        here = {v: db[g, v] - db[g, "hard"] for v in priors if (g, v) in db}
        best, worst = max(here, key=here.get), min(here, key=here.get)
        layer = max(db[g, v] for v in ("layer3", "layer5"))
        label = record["settings"]["variants"]
        said.append(
            f"{TITLES[g]}: hard {db[g, 'hard']:.1f} dB; of the other R_Z the best is {label[best]['label']} "
            f"({here[best]:+.1f} dB), the worst {label[worst]['label']} ({here[worst]:+.1f} dB); an intermediate layer "
            f"{layer - db[g, 'hard']:+.1f} dB."
        )
    ratio = cost["vae", "eq8"] / cost["vae", "hard"]
    return (
        " ".join(said)
        + f" Eq. (8) differs from L-BFGS by {db['vae', 'eq8'] - db['vae', 'hard']:+.2f} dB on the VAE, at "
        f"{ratio:.0f} times the evaluations of G."
    )


EXPERIMENTS = {
    "variants": Experiment(
        name="variants",
        title="All variants of R_Z and F on the problem of Fig. 9",
        tasks=variant_tasks,
        run=variant_row,
        settings=SETTINGS,
        figure=variants_figure,
        story=variants_story,
    )
}
