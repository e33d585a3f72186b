"""Samples in place of one answer: what three samplers draw on the scan, and how far from calibrated they are."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from ...bayes import (
    DPS,
    DiffPIR,
    MixtureScore,
    MixtureVelocity,
    PnPFlow,
    PosteriorSampler,
    calibration,
    coverage,
    mixture_moments,
    mixture_posterior,
)
from ...generators import cosine_schedule
from ...metrics import psnr
from ...operators import LinearOperator, ParallelBeam, measure
from ...regularisers import GaussianMixture
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import rounded, seeded
from ...training.learned_recipes import SCAN
from .posteriors_figures import calibration_figure, samples_figure
from .posteriors_words import posteriors_story
from .rivals import network
from .scans import home

__all__ = [
    "EXPERIMENTS", "SAMPLERS", "TESTED", "edges", "gaussian_prior", "gaussian_problems", "gaussian_samplers",
    "posteriors_job", "rank_counts",
]  # fmt: skip

#: Draws for each problem.  Of 20 exchangeable numbers one is least or greatest in 2 of 20 cases, so the truth lies
#: between the least and the greatest of 19 draws from its posterior with probability 0.9, exactly.
DRAWS, LEVEL = 19, 0.9
N_TEST, N_VAL = 4, 2
#: Name -> what makes the sampler of the scan from its weights, and the weights that are tried.  The derivations of DPS
#: and of DiffPIR ask for 1.
SAMPLERS: dict[str, tuple[Callable, dict[str, tuple[float, ...]]]] = {
    "DPS": (lambda step: DPS(network("dps"), step, sigma=SCAN.sigma), {"step": (0.5, 1.0)}),
    "DiffPIR": (lambda lam: DiffPIR(network("diffpir"), SCAN.sigma, lam), {"lam": (0.5, 1.0, 2.0)}),
    "PnP-Flow": (
        lambda step, alpha: PnPFlow(network("pnp-flow"), step, alpha), {"step": (1.9,), "alpha": (0.0, 0.25, 0.5)}
    ),
}  # fmt: skip
SEED = {"tuning": 10, "samples": 11, "truth": 12, "noise": 13, "gaussian": 14}

#: The control: images of 6 x 6 pixels from a Gaussian law, of standard deviation 0.5, seen in 4 views.
SIDE, VIEWS, SIGMA, WIDTH = 6, 4, 0.2, 1.5
#: Problems of the control, draws for each of them, and draws for the first of them, whose covariance is compared.
N_GAUSSIAN, N_COVARIANCE, STEPS = 25, 400, 300
TESTED = ("exact walk", "DPS", "DPS, best step", "DiffPIR", "DiffPIR, best λ", "PnP-Flow", "PnP-Flow, averaged")
CHOICES = {"step": (0.5, 1.0), "lam": (0.5, 1.0, 2.0)}


def posteriors_job(on: str, sampler: str, **sizes: int) -> dict:
    """Draws of a sampler on the "shapes", with tuned weights, or on the "gaussian" control."""
    return _gaussian_job(sampler, **sizes) if on == "gaussian" else _shapes_job(sampler, **sizes)


# On the scan


def _shapes_job(sampler: str, n_test: int = N_TEST, n_val: int = N_VAL, draws: int = DRAWS) -> dict:
    make, grid = SAMPLERS[sampler]
    problem, chosen = home(20, n_test), _tuned(make, grid, n_val)
    x = make(**chosen).samples(problem.y, problem.A, draws, seeded(SEED["samples"]))
    return {"chosen": chosen} | _judged(x, problem.x, problem.A, problem.y)


def _tuned(make: Callable[..., PosteriorSampler], grid: dict[str, tuple[float, ...]], n_val: int) -> dict[str, float]:
    """The weights whose mean of two draws has the highest mean PSNR on validation images."""
    problem, scores = home(20, N_TEST), {}
    for values in itertools.product(*grid.values()):
        made = make(**dict(zip(grid, values, strict=True)))
        x = made.samples(problem.y_val[:n_val], problem.A, 2, seeded(SEED["tuning"])).mean(0)
        finite = bool(torch.isfinite(x).all())  # too long a step: the walk has left
        scores[values] = float(psnr(x, problem.x_val[:n_val]).mean()) if finite else -float("inf")
    return dict(zip(grid, max(scores, key=scores.get), strict=True))


def _judged(x: Tensor, truth: Tensor, A: LinearOperator, y: Tensor) -> dict:
    """What is said of (n, B, 1, H, W) draws: quality, agreement with the data, spread against error, ranks."""
    n, mean, deviation = len(x), x.mean(0), x.std(0)
    noise = (A(truth) - y).flatten(1).norm(dim=1)
    apart = torch.stack([(A(one) - y).flatten(1).norm(dim=1) / noise for one in x])
    inside = coverage(x.amin(0), x.amax(0), truth)
    near = edges(truth)
    held = (x.amin(0) <= truth) & (truth <= x.amax(0))
    # if the truth is one more draw, the expected square of its distance from the mean of n is (1 + 1/n) variances
    expected = (1 + 1 / n) * deviation.square()
    error = (mean - truth).square()
    return {
        "psnr_mean": rounded(psnr(mean, truth), 2),
        "psnr_draw": rounded(torch.stack([psnr(v, truth) for v in x]).mean(0), 2),
        "residual": rounded(apart.mean(0), 4),
        "residual_mean": rounded((A(mean) - y).flatten(1).norm(dim=1) / noise, 4),
        "spread": rounded(expected.flatten(1).mean(1).sqrt(), 4), "error": rounded(error.flatten(1).mean(1).sqrt(), 4),
        "coverage": rounded(inside, 4),
        "coverage_edges": [round(float(h[e].float().mean()), 4) for h, e in zip(held, near, strict=True)],
        "ranks": rank_counts(x, truth, near), "ranks_flat": rank_counts(x, truth, ~near),
        "truth": pack(truth[:1])[0], "mean": pack(mean[:1])[0], "draws": pack(x[:3, 0]),
        "deviation": pack(5 * deviation[:1])[0], "off": pack(5 * error[:1].sqrt())[0],
    }  # fmt: skip


def edges(x: Tensor) -> Tensor:
    """Where a pixel of the truth differs from one within two pixels of it: (B, 1, H, W) bool."""
    pool = functools.partial(torch.nn.functional.max_pool2d, kernel_size=5, stride=1, padding=2)
    return pool(x) + pool(-x) > 0.1


def rank_counts(x: Tensor, truth: Tensor, where: Tensor) -> list[int]:
    """How many pixels have 0, 1, ..., n of the n draws below the truth.

    Level, up to chance, if the truth is one more draw.

    Example
    -------
    >>> x = torch.arange(3.0).reshape(3, 1, 1, 1, 1).expand(3, 1, 1, 2, 2)
    >>> truth = torch.tensor([[-1.0, 0.5], [0.5, 9.0]]).reshape(1, 1, 2, 2)
    >>> rank_counts(x, truth, torch.ones_like(truth, dtype=torch.bool))
    [1, 2, 0, 1]
    """
    below = (x < truth).sum(0)[where]
    return torch.bincount(below, minlength=len(x) + 1).tolist()


# The control


def gaussian_prior() -> GaussianMixture:
    """The law of the control: one Gaussian, whose pixels are correlated as neighbours are.

    Example
    -------
    >>> gaussian_prior().covariances[0].diagonal().mean().sqrt().round(decimals=2)
    tensor(0.5100, dtype=torch.float64)
    """
    axis = torch.arange(float(SIDE), dtype=torch.float64)
    place = torch.cartesian_prod(axis, axis)
    C = 0.25 * torch.exp(-torch.cdist(place, place).square() / (2 * WIDTH**2)) + 0.01 * torch.eye(SIDE**2)
    return GaussianMixture(torch.ones(1), torch.full((1, SIDE**2), 0.5), C[None])


@functools.cache
def gaussian_problems(n: int = N_GAUSSIAN) -> tuple[LinearOperator, Tensor, Tensor]:
    """Operator, n truths drawn from the prior, and their data."""
    prior = gaussian_prior()
    white = torch.randn(n, SIDE**2, generator=seeded(SEED["truth"]), dtype=torch.float64)
    x = prior.means + white @ torch.linalg.cholesky(prior.covariances[0]).T
    A = ParallelBeam.full(SIDE, n_angles=VIEWS).double()
    x = x.reshape(-1, 1, SIDE, SIDE)
    return A, x, measure(A, x, SIGMA, seeded(SEED["noise"]))


def gaussian_samplers() -> dict[str, Callable[..., PosteriorSampler]]:
    """The samplers with the exact denoiser of the prior in place of a network."""
    shape = (1, SIDE, SIDE)
    score = MixtureScore(gaussian_prior(), shape, cosine_schedule(STEPS, spread=0.5))
    flow = MixtureVelocity(gaussian_prior(), shape)
    return {
        "DPS": lambda step=1.0: DPS(score, step, sigma=SIGMA),
        "DiffPIR": lambda lam=1.0: DiffPIR(score, SIGMA, lam),
        "PnP-Flow": lambda: PnPFlow(flow, average=1, steps=STEPS),
        "PnP-Flow, averaged": lambda: PnPFlow(flow, average=5, steps=STEPS),
    }  # fmt: skip


def exact_draws(A: LinearOperator, y: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """The same walk with the exact score of the posterior: (n, B, 1, H, W)."""
    alpha_bar, shape = cosine_schedule(STEPS, spread=0.5), (1, SIDE, SIDE)
    draws = [
        MixtureScore(mixture_posterior(gaussian_prior(), A, one[None], SIGMA), shape, alpha_bar).sample(n, generator)
        for one in y
    ]
    return torch.stack(draws, 1)


def _gaussian_job(sampler: str, n: int = N_GAUSSIAN, n_covariance: int = N_COVARIANCE, draws: int = DRAWS) -> dict:
    """Mean and covariance of draws against the exact ones, and how often the truth lies among 19 draws."""
    A, truth, y = gaussian_problems(n)
    moments = mixture_moments(mixture_posterior(gaussian_prior(), A, y[:1], SIGMA))
    name, best = sampler.partition(", best")[:2]

    def drawn(weights: dict, data: Tensor, count: int) -> Tensor:
        if name == "exact walk":
            return exact_draws(A, data, count, seeded(SEED["gaussian"]))
        return gaussian_samplers()[name](**weights).samples(data, A, count, seeded(SEED["gaussian"]))

    def compared(weights: dict):
        return calibration(drawn(weights, y[:1], n_covariance)[:, 0], *moments)

    options = [{}]
    if best:
        weight = {"DPS": "step", "DiffPIR": "lam"}[name]
        options = [{weight: value} for value in CHOICES[weight]]
    # the best by the exact covariance, which nobody has who needs a sampler: more than a fair chance
    found = {tuple(option.values()): compared(option) for option in options}
    chosen = min(found, key=lambda values: found[values].covariance_error)
    weights = next(option for option in options if tuple(option.values()) == chosen)
    x = drawn(weights, y, draws)
    inside = coverage(x.amin(0), x.amax(0), truth)
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    return {"chosen": weights, "calibrated": found[chosen].calibrated} | found[chosen].row() | {
        "coverage": round(float(inside.mean()), 4),
        "coverage_error": round(float(inside.std() / len(inside) ** 0.5), 4),
        "ranks": rank_counts(x, truth, everywhere),
    }  # fmt: skip


def posteriors_tasks() -> list[dict]:
    """Each sampler on the scan, then the control."""
    return [{"on": "shapes", "sampler": name} for name in SAMPLERS] + [
        {"on": "gaussian", "sampler": name} for name in TESTED
    ]


EXPERIMENTS = {
    "posteriors": Experiment(
        name="posteriors",
        title="Samples of the posterior: spread against error on the scan, and against an exact posterior",
        tasks=posteriors_tasks,
        run=posteriors_job,
        settings={
            "images": "Shapes, test", "views": SCAN.views, "noise": SCAN.sigma, "n_test": N_TEST, "n_val": N_VAL,
            "draws": DRAWS, "level": LEVEL, "seeds": SEED,
            "control": {
                "side": SIDE, "views": VIEWS, "noise": SIGMA, "problems": N_GAUSSIAN, "draws": N_COVARIANCE,
                "steps": STEPS, "choices": CHOICES,
            },
        },
        figure=samples_figure,
        more_figures={"posteriors-calibration": calibration_figure},
        story=posteriors_story,
    ),
}  # fmt: skip
