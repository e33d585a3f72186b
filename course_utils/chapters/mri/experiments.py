"""Learned covariance against its rivals on magnetic resonance images: few spokes, much noise, and both."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from ...metrics import psnr
from ...operators import MaskedFourier, measure, radial_mask
from ...regularisers import TV, Hard, LearnedCovariance, Relaxed, Tikhonov
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import SEEDS, rounded, seeded
from ...solvers import Result, reconstruct
from ...training.recipes import NETWORK_HOMES
from ...training.zoo import check_unseen, pretrained
from ...tuning import geometric, sweep, tuned_run
from .brains import (
    EXAMPLE,
    FIRST,
    GENERATIVE,
    HEAD,
    TEST_STEP,
    VAE,
    VAL_STEP,
    WINDOW,
    at_end,
    brain_generator,
    example_truth,
    first_z,
    generator_name,
    heads,
    scaled,
    shipped,
    walk,
    window,
)
from .models import memory_row, model_row

__all__ = ["EXPERIMENTS", "LOW", "METHODS", "NOISE", "SIGMA", "SPOKES", "Problem", "covariance_job", "mri_row"]

SPOKES, SIGMA, LOW = (5, 25, 45, 65, 85, 105, 125, 145), 0.05, 0.0125
NOISE, FEW = (0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625), 25
STRUCTURED = ("identity", "diagonal", "covariance")
NETWORKS = tuple(f"vn-{spokes}-{sigma}" for spokes, sigma in NETWORK_HOMES)
METHODS = ("zero-filled", "tikhonov", "tv", "hard", "narnhofer", "relaxed", "sparse", *STRUCTURED, *NETWORKS)
#: Not in the sweep over spokes at low noise, for which nothing was published.
SLOW = ("narnhofer", "sparse")
#: Weights; those "by sigma" and "by variance" are multiples of sigma and of sigma^2.
GRIDS = {
    "tikhonov": {"lam": geometric(4.0, 1e-5, 0.5)},
    "tv": {"lam by sigma": geometric(16.0, 0.015, 0.5)},
    "hard": {"lam": geometric(4.0, 0.0009, 0.25)},
    "narnhofer": {"lam": geometric(0.25, 0.0039, 0.25), "steps": {"start": 75.0, "factor": 3.0, "most": 2}},
    "relaxed": {"lam by variance": geometric(1024.0, 1.0, 0.25), "mu": [0.01]},  # 0.1 and 0.001 are within 0.1 dB
    "sparse": {"lam by variance": geometric(64.0, 0.06, 0.25), "mu": [0.1]},  # 0.01 is within 0.1 dB
    "structured": {"lam by theory": "1, 3, 1/3, and on uphill by factors of 3", "most": 4},
}
#: The quality of sparse depends on the number of steps, not on the weight alone: tuned and run with the same budget.
PALM = {"solver": "paper", "stop": "objective", "max_iter": 150, "tol": 1e-5}
#: Of the tuning alone: a sweep need not follow every problem to its end.
BUDGET = {
    "tv": {"tol": 1e-4}, "hard": {"max_iter": 60}, "narnhofer": {"max_iter": 40}, "relaxed": {"max_iter": 40},
    "sparse": PALM, "identity": {"max_iter": 40},
}  # fmt: skip
FINAL = {
    "tv": {"tol": 1e-5}, "hard": {"max_iter": 400}, "narnhofer": {"solver": "adapted", "lr": 1e-3, "tol": 1e-3},
    "relaxed": {"max_iter": 400}, "identity": {"max_iter": 400}, "sparse": PALM,
}  # fmt: skip
IN_TURN = {"solver": "alternating", "max_iter": 5, "z_steps": 5, "tol": 1e-4}
EXAMPLES_AT = ((5, SIGMA), (FEW, SIGMA), (125, SIGMA))
PICTURED = ("tv", "hard", "narnhofer", "relaxed", "covariance", *NETWORKS[:2])


class Problem:
    """Slices of the validation and of the test head and their data: radial k-space with noise.

    ``sigma`` is the standard deviation of the real and of the imaginary part of every sample, so that
    ||A x - y||^2 / (2 sigma^2) is minus the log likelihood and lam = 2 sigma^2 the weight of the theory.
    """

    def __init__(self, spokes: int, sigma: float, val_step: int, test_step: int, test: str = HEAD) -> None:
        self.x_val, self.x = heads(val_step, test_step, test)
        self.A, self.sigma, self.test = MaskedFourier(radial_mask(self.x.shape[-1], spokes)), sigma, test
        self.y_val = measure(self.A, self.x_val, sigma, seeded(SEEDS["noise_val"]))
        self.y = measure(self.A, self.x, sigma, seeded(SEEDS["noise_test"]))
        self.start_seconds = 0.0

    def starts(self, method: str, name: str) -> tuple[dict, dict]:
        """Where to start, for the validation and for the test slices, as settings of ``reconstruct``."""
        if method == "hard":
            return ({"start": brain_generator(name)[1]},) * 2
        at_val, started = {"start": first_z(self.A, self.y_val, name)}, time.perf_counter()
        at_test = {"start": first_z(self.A, self.y, name)}
        self.start_seconds = time.perf_counter() - started
        return at_val, at_test

    def tuned(self, make, lam: list[float], mu: list[float] | None = None, **settings) -> dict:
        """Weights of highest mean PSNR on the validation slices."""
        return sweep(self.A, self.y_val, self.x_val, make, lam, mu, **settings).row()

    def validate(self, R, **settings) -> float:
        """Mean PSNR on the validation slices."""
        return float(psnr(reconstruct(self.A, self.y_val, R, **settings).x, self.x_val).mean())


def mri_row(
    method: str, spokes: int, sigma: float, val_step: int = VAL_STEP, test_step: int = TEST_STEP, test: str = HEAD
) -> dict:
    """One method at one number of spokes and one noise level, tuned on the validation head, run on the test head."""
    problem = Problem(spokes, sigma, val_step, test_step, test)
    if method == "zero-filled" or method in NETWORKS:
        row, x, seconds = _direct(problem, method)
    else:
        run = _structured if method in STRUCTURED else _narnhofer if method == "narnhofer" else _tuned
        row, result = run(problem, method)
        x, seconds = result.x, problem.start_seconds + result.seconds
        row |= {
            "iterations_mean": round(float(result.iterations.double().mean()), 1),
            "converged": round(float(result.converged.float().mean()), 2),
        }
    row |= {"psnr": rounded(psnr(x, problem.x), 2), "seconds_per_image": round(seconds / len(x), 6)}
    if method in PICTURED and (spokes, sigma) in EXAMPLES_AT:
        row["examples"] = pack(window(x[EXAMPLE : EXAMPLE + 1]))
    return row


def _direct(problem: Problem, method: str) -> tuple[dict, Tensor, float]:
    """What has nothing to be tuned: the adjoint, which is the image from the k-space filled with zeros, and VNs."""
    A, y = problem.A, problem.y
    name = f"vn-brain-{method[3:]}"
    network = None if method == "zero-filled" else pretrained(check_unseen(name, problem.test), verbose=False)
    started = time.perf_counter()
    with torch.no_grad():
        x = A.T(y) / A.scale**2 if network is None else network(y, A)
    return {}, x, time.perf_counter() - started


def _grid(method: str, sigma: float) -> tuple[list[float], list[float] | None]:
    """The weights of a method at a noise level."""
    units = {"lam": 1.0, "lam by sigma": sigma, "lam by variance": sigma**2}
    (name,) = GRIDS[method].keys() & units.keys()
    return scaled(GRIDS[method][name], units[name]), GRIDS[method].get("mu")


def _tuned(problem: Problem, method: str) -> tuple[dict, Result]:
    at_val, at_test = {}, {}
    if method in GENERATIVE:
        name = generator_name("vae", problem.test)
        G, _ = brain_generator(name)
        at_val, at_test = problem.starts(method, name)

        def make(*weights):
            return GENERATIVE[method](G, *weights)
    else:
        make = {"tikhonov": Tikhonov, "tv": TV}[method]
    tuning, running = at_val | BUDGET.get(method, {}), at_test | FINAL.get(method, {})
    validation, grid = (problem.x_val, problem.y_val), _grid(method, problem.sigma)
    return tuned_run(problem.A, validation, problem.y, make, *grid, tuning=tuning, running=running)


def _narnhofer(problem: Problem, method: str) -> tuple[dict, Result]:
    """First z, then z and the weights of G, stopped early; lam is tuned for the first, the steps for the second."""
    name, settings = generator_name("vae", problem.test), FINAL[method]
    G, _ = brain_generator(name)
    at_val, at_test = problem.starts(method, name)
    row = problem.tuned(lambda lam: Hard(G, lam), GRIDS[method]["lam"], **at_val, **BUDGET[method])
    R = Hard(G, row["lam"])
    scores = walk(
        lambda steps: problem.validate(R, max_iter=round(steps), **at_val, **settings), **GRIDS[method]["steps"]
    )
    best = max(scores, key=scores.get)
    row |= {"steps": round(best), "val_psnr": round(scores[best], 3)}
    if at_end(scores):
        row["at_edge_of_grid"] = [*row["at_edge_of_grid"], "steps"]
    return row, reconstruct(problem.A, problem.y, R, max_iter=row["steps"], **at_test, **settings)


def _structured(problem: Problem, family: str) -> tuple[dict, Result]:
    """The weight of the theory, lam = 2 sigma^2, and under "psnr" a multiple of it that was tuned."""
    name = generator_name(family, problem.test)
    G, starts = brain_generator(name)
    at_val, at_test = problem.starts(family, name)
    theory = 2 * problem.sigma**2

    def regulariser(factor: float):
        if family != "identity":
            return LearnedCovariance(G, factor * theory)
        # With Sigma = s^2 I it is the relaxed method, whose x is found without iterations.
        variance = float((-2 * G.covariance(starts.z[:1]).log_diagonal[0, 0, 0, 0]).exp())
        return Relaxed(G, factor * theory / (2 * variance), variance)

    def score(factor: float) -> float:
        return problem.validate(regulariser(factor), **at_val, **BUDGET.get(family, IN_TURN))

    def solve(factor: float) -> Result:
        return reconstruct(problem.A, problem.y, regulariser(factor), **at_test, **FINAL.get(family, IN_TURN))

    scores = walk(score, 1.0, 3.0, GRIDS["structured"]["most"])
    best, plain = max(scores, key=scores.get), solve(1.0)
    found = plain if best == 1.0 else solve(best)
    row = {
        "lam": best * theory, "factor": round(best, 4), "val_psnr": round(scores[best], 3),
        "at_edge_of_grid": ["lam"] if at_end(scores) else [],
        "theory": {"lam": theory, "val_psnr": round(scores[1.0], 3), "psnr": rounded(psnr(plain.x, problem.x), 2)},
    }  # fmt: skip
    return row, found


def needed(method: str) -> str | None:
    """The shipped weights that a method needs."""
    if method in NETWORKS:
        return f"vn-brain-{method[3:]}"
    if method in STRUCTURED:
        return generator_name(method)
    return VAE if method in (*GENERATIVE, "narnhofer") else None


def covariance_tasks() -> list[dict]:
    """All settings by all methods whose weights are shipped."""
    places = [(spokes, SIGMA) for spokes in SPOKES] + [(FEW, sigma) for sigma in NOISE]
    low = [(spokes, LOW) for spokes in SPOKES]
    rows = [
        {"kind": "row", "method": m, "spokes": spokes, "sigma": sigma}
        for m in METHODS
        if needed(m) is None or shipped(needed(m))
        for spokes, sigma in dict.fromkeys(places if m in SLOW else places + low)
    ]
    models = [{"kind": "model", "family": f} for f in STRUCTURED if shipped(generator_name(f))]
    return rows + models + ([{"kind": "memory"}] if shipped(VAE) else [])


def covariance_job(kind: str, **task) -> dict:
    """A method at a setting, pictures of a model, or what gradients need in memory."""
    return {"row": mri_row, "model": model_row, "memory": memory_row}[kind](**task)


def covariance_figure(record: dict):
    """PSNR against spokes and noise: the models of the covariance, the other methods, the published curves."""
    from .covariance_figures import sweep_figure

    return sweep_figure(record)


def examples_figure(record: dict):
    """One test slice by several methods at several settings."""
    from .covariance_figures import examples_figure as draw

    return draw(record, example_truth(record))


def model_figure(record: dict):
    """What each model of the covariance says of the residual."""
    from .covariance_figures import model_figure as draw

    return draw(record)


def covariance_story(record: dict) -> str:
    """Each claim of the publication with what our numbers say of it."""
    from .claims import covariance_words

    return covariance_words(record)


SETTINGS = {
    "images": "brain slices of 128 x 128 pixels; validation and test heads, every so many-th slice",
    "val_step": VAL_STEP, "test_step": TEST_STEP, "spokes": list(SPOKES), "sigma": SIGMA, "low": LOW,
    "noise": list(NOISE), "noise_spokes": FEW, "noise_of": "real and imaginary part of every sample",
    "methods": list(METHODS), "generator": VAE, "grids": GRIDS, "first": FIRST, "budget": BUDGET,
    "final": FINAL, "in_turn": IN_TURN,
    "seeds": SEEDS, "psnr_data_range": 1, "example": EXAMPLE, "examples_at": [list(at) for at in EXAMPLES_AT],
    "window": WINDOW,
}  # fmt: skip

EXPERIMENTS = {
    "covariance": Experiment(
        name="covariance",
        title="MRI of brains: learned covariance, generative and other rivals, over spokes and noise",
        tasks=covariance_tasks,
        run=covariance_job,
        settings=SETTINGS,
        figure=covariance_figure,
        more_figures={"examples": examples_figure, "models": model_figure},
        story=covariance_story,
    ),
}
