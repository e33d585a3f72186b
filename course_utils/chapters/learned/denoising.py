"""Plug-and-play and RED with three denoisers: where the iteration settles, how good it is on the way, when it stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...denoisers import Denoiser, jacobian_asymmetry, lipschitz_estimate
from ...metrics import psnr
from ...operators import LinearOperator
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded, seeded
from ...solvers import RED, PnPADMM, PnPForwardBackward, PnPHalfQuadratic
from ...solvers.denoising import Denoising, Problem
from ...training.learned_recipes import SCAN
from .denoising_figures import denoising_figure, stopping_figure, ways_figure
from .denoising_words import denoising_story
from .rivals import network
from .scans import home

__all__ = ["DENOISERS", "EXPERIMENTS", "SCHEMES", "Way", "denoising_job", "follow", "how_it_ends"]

#: Name -> the rival whose network it is.
DENOISERS = {"residual": "pnp", "1-Lipschitz": "pnp-lipschitz", "gradient-step": "pnp-gradient-step"}
#: Name -> what makes the method from a denoiser, its strength and a weight, and the weights that are tried.
SCHEMES: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "forward-backward": (PnPForwardBackward, (0.5, 1.0, 1.9)),
    "half-quadratic": (PnPHalfQuadratic, (1.0, 4.0, 16.0)),
    "ADMM": (PnPADMM, (1.0, 4.0, 16.0)),
    "RED": (lambda D, sigma, lam: RED(D, sigma, lam, step=1.9), (0.2, 0.8, 3.2)),
}
STRENGTHS = (0.025, 0.05, 0.1)
#: Iterations of every run; those that are stored; those at whose images the Jacobian is looked at, 0 for A*y.
ITERATIONS = 200
STORED = (1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 70, 100, 130, 160, 200)
LOOKED_AT = (0, 10, 200)
N_TEST, N_JACOBIAN = 2, 2
#: Settled: a last step below this part of the length of what is iterated.  Still falling: the mean step of the last
#: hundred iterations is below this part of that of the hundred before.
SETTLED, FALLING = 1e-4, 0.9
#: A run is given up when its iterate is so many times as long as A*y.
GONE = 1e3


@dataclass(frozen=True)
class Way:
    """What was noted of B runs; NaN after a run was given up.

    Attributes
    ----------
    step : (n, B) tensor
        ||w_{k+1} - w_k|| of the variable that is iterated.
    length : (n, B) tensor
        ||w_{k+1}||.
    misfit : (n, B) tensor
        ||A x - y||^2.
    psnr : (n, B) tensor
    images : dict of iteration -> (B, 1, H, W) tensor
        Those that were asked for.
    """

    step: Tensor
    length: Tensor
    misfit: Tensor
    psnr: Tensor
    images: dict[int, Tensor]


@torch.no_grad()
def follow(method: Denoising, A: LinearOperator, y: Tensor, truth: Tensor, n: int, keep: Sequence[int] = ()) -> Way:
    """Iterate n times from A*y, whatever happens: nothing stops the method here.

    Parameters
    ----------
    method : Denoising
        ``PnPForwardBackward``, ``PnPHalfQuadratic``, ``PnPADMM`` or ``RED``.
    A : LinearOperator
    y : ``(B, *A.shape_out)`` tensor
    truth : (B, 1, H, W) tensor
    n : int
    keep : iterations after which the image is kept; 0 is A*y
    """
    problem, at = Problem(A, y, method.denoiser, method.weights()), A.T(y)
    images, notes = {0: at} if 0 in keep else {}, []
    limit, gone = GONE * at.flatten(1).norm(dim=1), torch.zeros(len(y), dtype=torch.bool)
    for k in range(n):
        new, x = method.advance(at, problem, k)
        length = new.flatten(1).norm(dim=1)
        gone = gone | ~(length < limit)
        noted = [(new - at).flatten(1).norm(dim=1), length, (A(x) - y).flatten(1).square().sum(1), psnr(x, truth)]
        notes.append(torch.stack(noted).masked_fill(gone, float("nan")))
        at = torch.where(gone[:, None, None, None], at, new)  # a run that was given up stays where it was
        if k + 1 in keep:
            images[k + 1] = x
    return Way(*torch.stack(notes, 1), images)


def how_it_ends(step: Tensor, length: Tensor) -> list[str]:
    """In a word for each run, from steps and lengths, (n, B), n >= 200.

    "settles": the last step is at most 1e-4 of the length. "falls": not yet, but the steps become shorter. "moves":
    they do not. "leaves": the run was given up, because what is iterated became a thousand times as long as at first.
    """
    relative = step[-1] / length[-1]
    shrink = step[-100:].mean(0) / step[-200:-100].mean(0)
    return [
        "leaves" if r != r else "settles" if r <= SETTLED else "falls" if s < FALLING else "moves"
        for r, s in zip(relative.tolist(), shrink.tolist(), strict=True)
    ]


def denoising_job(
    denoiser: str, scheme: str, sigma: float, n_test: int = N_TEST, n_iter: int = ITERATIONS, n_power: int = 20
) -> dict:
    """One denoiser at one strength in one scheme, with every weight of the scheme on the same test images."""
    problem, D = home(20, n_test), network(DENOISERS[denoiser])
    make, weights = SCHEMES[scheme]
    S = len(weights)
    y, x = problem.y.repeat(S, 1, 1), problem.x.repeat(S, 1, 1, 1)
    method = make(D, sigma, torch.tensor(weights).repeat_interleave(n_test))
    looked_at = [k for k in LOOKED_AT if k <= n_iter] if scheme == "forward-backward" else []
    way = follow(method, problem.A, y, x, n_iter, keep=looked_at)
    ends = how_it_ends(way.step, way.length)
    stored = [k - 1 for k in STORED if k <= n_iter]
    level = problem.A.m * SCAN.sigma**2
    runs = []
    for s, weight in enumerate(weights):
        rows = slice(s * n_test, (s + 1) * n_test)
        quality, misfit = way.psnr[:, rows], way.misfit[:, rows]
        best = quality.nan_to_num(-1e3).max(0)
        # the first image of a run whose misfit is below the level of the noise, or none
        below = misfit < level
        fires = [int(column.float().argmax()) + 1 if bool(column.any()) else None for column in below.T]
        relative = way.step[:, rows] / way.length[:, rows]
        runs.append({
            "weight": weight, "ends": ends[rows],
            "step": _numbers(relative[stored].log().mean(1).exp()), "last_step": _numbers(relative[-1]),
            "psnr": _numbers(quality[stored].mean(1), 4), "last": _numbers(quality[-1], 4),
            "best": _numbers(best.values, 4), "best_at": (best.indices + 1).tolist(),
            "fires_at": fires,
            "fires": [None if k is None else _number(float(quality[k - 1, b]), 4) for b, k in enumerate(fires)],
            "misfit": _numbers(misfit[-1] / level, 4), "growth": _numbers(_largest_growth(way.step[:, rows], relative)),
        })  # fmt: skip
    return {"runs": runs} | ({"jacobian": _jacobians(D, sigma, way, weights, n_test, n_power)} if looked_at else {})


def _largest_growth(step: Tensor, relative: Tensor) -> Tensor:
    """The largest factor by which a step is longer than the one before, while steps are well above round-off: (B,)."""
    growth = step[1:] / step[:-1]
    return growth.masked_fill(~(relative[:-1] > 1e-5), 0.0).amax(0)


def _jacobians(D: Denoiser, sigma: float, way: Way, weights: Sequence[float], n_test: int, n_power: int) -> list[dict]:
    """Of the denoiser at some images of the run with the middle step."""
    first, rows = len(weights) // 2 * n_test, []
    for k, images in way.images.items():
        x = images[first : first + min(N_JACOBIAN, n_test)]
        rows.append({
            "iteration": k,
            "lipschitz": rounded(lipschitz_estimate(lambda v: D(v, sigma), x, seeded(0), n_power), 4),
            "rest": rounded(lipschitz_estimate(lambda v: v - D(v, sigma), x, seeded(0), n_power), 4),
            "asymmetry": _numbers(jacobian_asymmetry(lambda v: D(v, sigma), x, seeded(1), draws=8)),
        })  # fmt: skip
    return rows


def _number(value: float, digits: int = 3) -> float | None:
    """To some significant digits; None for what is not finite, which JSON cannot hold."""
    return float(f"{value:.{digits}g}") if abs(value) < float("inf") else None


def _numbers(values: Tensor, digits: int = 3) -> list[float | None]:
    return [_number(value, digits) for value in values.tolist()]


EXPERIMENTS = {
    "denoising": Experiment(
        name="denoising",
        title="Plug-and-play and RED with three denoisers: convergence, quality on the way, when to stop",
        tasks=lambda: [
            {"denoiser": D, "scheme": scheme, "sigma": sigma}
            for D in DENOISERS
            for scheme in SCHEMES
            for sigma in STRENGTHS
        ],
        run=denoising_job,
        settings={
            "images": "Shapes, test", "views": SCAN.views, "noise": SCAN.sigma, "n_test": N_TEST,
            "iterations": ITERATIONS, "stored": list(STORED), "settled": SETTLED, "falling": FALLING,
            "strengths": list(STRENGTHS), "weights": {name: list(weights) for name, (_, weights) in SCHEMES.items()},
            "level": "m sigma^2", "jacobian": {"images": N_JACOBIAN, "scheme": "forward-backward"},
        },
        figure=denoising_figure,
        more_figures={"denoising-ways": ways_figure, "denoising-stop": stopping_figure},
        story=denoising_story,
    ),
}  # fmt: skip
