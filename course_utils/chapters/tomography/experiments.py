"""Tomography of Shapes: the table of Fig. 10, fewer views and a limited range, and Fig. 11 out of distribution."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from ...data.load import load
from ...generators import Generator
from ...metrics import psnr
from ...operators import ParallelBeam, fbp, measure
from ...properties import range_errors
from ...regularisers import TV, Hard, Relaxed, Sparse, SparseTV, SquaredError, Tikhonov
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.problems import SharedProblem
from ...reproduce.setting import SEEDS, rounded, seeded, start_dictionary
from ...solvers import Dictionary, reconstruct
from ...training.zoo import available, pretrained
from ...tuning import geometric
from .figures import PAPER_COST
from .searching import MOST, grown_grid
from .spots import spot_contrast
from .story import (
    SHAPES_GENERATORS,
    fig10_figure,
    fig10_story,
    fig11_figure,
    fig11_story,
    views_figure,
    views_story,
)

__all__ = ["EXPERIMENTS", "GEOMETRIES", "shapes_row"]


GENERATIVE = {"hard": Hard, "relaxed": Relaxed, "sparse": Sparse, "sparse-tv": SparseTV}

BY_HAND = {"tikhonov": Tikhonov, "tv": TV}

#: views, angular range in degrees
GEOMETRIES = {
    "125 views": (125, 180.0), "30 views": (30, 180.0), "20 views": (20, 180.0), "10 views": (10, 180.0),
    "120 degrees": (83, 120.0), "60 degrees": (42, 60.0),
}  # fmt: skip

#: TV and sparse-TV weigh the same total variation: they begin with the same values.
TV_WEIGHTS = geometric(0.2, 3e-3, 0.5)

#: Where the searches begin; a grid is continued where its best value lies at an end.
GRIDS = {
    "fbp": {"cutoff": [1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13]},
    "tikhonov": {"lam": geometric(4.0, 1e-3, 0.5)},
    "tv": {"lam": TV_WEIGHTS},
    "hard": {"lam": geometric(0.4, 2e-5, 0.25)},
    "relaxed": {"lam": geometric(256.0, 0.2, 0.25), "mu": geometric(0.1, 5e-6, 0.25)},
    "sparse": {"lam": geometric(12.8, 0.01, 0.25), "mu": geometric(0.4, 2e-5, 0.25)},
    "sparse-tv": {"lam": TV_WEIGHTS, "mu": geometric(2.0, 0.03, 0.25)},
}

#: In table-views: fewer values to begin with, for sigma = 0.1.
NARROW = {
    "relaxed": {"lam": geometric(64.0, 1.0, 0.25), "mu": geometric(0.006, 2e-5, 0.25)},
    "sparse": {"lam": geometric(0.8, 0.05, 0.25), "mu": geometric(0.1, 1e-3, 0.25)},
}

#: The paper's algorithms have their own best weights: from one random start, with steps of length 1 / L.
BY_PAPER = {
    "hard": {"lam": geometric(0.4, 2e-5, 0.25)},
    "relaxed": {"lam": geometric(4.0, 0.25, 0.25), "mu": geometric(0.16, 0.01, 0.25)},
}

EXAMPLES, N_PAPER, N_PAPER_VAL, LOW_NOISE = 3, 20, 6, 0.02

SETTINGS = {
    "n_val": 20, "n_test": 100, "n_paper": N_PAPER, "n_paper_val": N_PAPER_VAL, "seeds": SEEDS, "grids": GRIDS,
    "grids_by_paper": BY_PAPER, "most_added": MOST, "psnr_data_range": 1, "generators": SHAPES_GENERATORS,
    "examples": EXAMPLES,
}  # fmt: skip


def operator(geometry: str, size: int = 56) -> ParallelBeam:
    """The operator of a geometry of ``GEOMETRIES``."""
    views, degrees = GEOMETRIES[geometry]
    return ParallelBeam.full(size, n_angles=views, angular_range=math.radians(degrees))


@functools.cache
def shapes_generator(family: str, seed: int = 0) -> tuple[Generator, Dictionary]:
    """A shipped generator of Shapes, of a training run, and its shared dictionary of starts."""
    G = pretrained(SHAPES_GENERATORS[family], verbose=False, seed=seed)
    return G, start_dictionary(G, load("shapes").train)


def tune_fbp(A: ParallelBeam, y: Tensor, x: Tensor, cutoffs: list[float]) -> tuple[float, float]:
    """The cutoff of the Hann filter of highest mean PSNR, and that PSNR."""
    quality = {c: float(psnr(fbp(A, y, "hann", c), x).mean()) for c in cutoffs}
    best = max(quality, key=quality.get)
    return best, quality[best]


def scan_problem(geometry: str, images: str, sigma: float, n_val: int, n_test: int) -> SharedProblem:
    """Images and data of a row."""
    data, A = load(images), operator(geometry)
    x_val, x = data.val[:n_val], data.test[:n_test]
    y_val, y = measure(A, x_val, sigma, seeded(SEEDS["noise_val"])), measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    return SharedProblem(images, A, SquaredError(), x_val, y_val, x, y)


def first_grid(method: str, sigma: float, narrow: bool) -> dict[str, list[float]]:
    """Where the search for the weights begins.

    A narrow grid moves with the noise: the weight of a norm is in proportion to sigma, that of a square to its square.
    """
    if not narrow or method not in NARROW:
        return GRIDS[method]
    relative = sigma / 0.1
    power = {"relaxed": {"lam": 0, "mu": 2}, "sparse": {"lam": 1, "mu": 1}}[method]
    return {name: [value * relative ** power[name] for value in grid] for name, grid in NARROW[method].items()}


def shapes_row(
    generator: str,
    method: str,
    geometry: str = "125 views",
    images: str = "shapes",
    sigma: float = 0.1,
    narrow: bool = False,
    by_paper: bool = True,
    seed: int = 0,
    n_val: int = SETTINGS["n_val"],
    n_test: int = SETTINGS["n_test"],
) -> dict:
    """One method on one geometry: weights tuned by mean PSNR on validation images, evaluated on test images.

    On shapes+ also "contrast", the share of the spot's contrast that is left.  ``seed`` is the training run of the
    generator; ``narrow`` leaves the pictures out.  Under "paper_..." (``by_paper``, of Tikhonov and the VAE) the
    paper's algorithm from one random start, with its stopping rule and with weights tuned for it, on the first
    ``N_PAPER`` test images.
    """
    problem = scan_problem(geometry, images, sigma, n_val, n_test)
    A, x, y = problem.A, problem.x, problem.y
    grid = first_grid(method, sigma, narrow)
    if method == "fbp":
        cutoff, reached = tune_fbp(A, problem.y_val, problem.x_val, grid["cutoff"])
        found = fbp(A, y, "hann", cutoff)
        row = {"cutoff": cutoff, "val_psnr": round(reached, 3), "psnr": rounded(psnr(found, x))}
        return row | _contrast(problem, found) | ({} if narrow else {"examples": pack(found[:EXAMPLES])})
    settings = {}
    if method in GENERATIVE:
        G, starts = shapes_generator(generator, seed)
        settings = {"start": starts}

        def make(*weights):
            return GENERATIVE[method](G, *weights)
    else:
        make = BY_HAND[method]
    # A sweep need not follow a creeping method to the end.
    budget = {"sparse": {"max_iter": 150, "tol": 1e-5}, "tv": {"tol": 1e-4}}.get(method, {})
    chosen = grown_grid(A, (problem.x_val, problem.y_val), make, **grid, **settings, **budget)
    result = reconstruct(A, y, make(*_weights(chosen)), **settings)
    row = {
        **chosen,
        "psnr": rounded(psnr(result.x, x)),
        **_contrast(problem, result.x),
        "iterations_mean": round(float(result.iterations.double().mean()), 1),
        **_evaluations(result),
        "converged": round(float(result.converged.float().mean()), 2),
        "residual": round(float((A(result.x) - y).flatten(1).norm(dim=1).mean() / (sigma * A.m**0.5)), 3),
        "ms_per_image": round(1e3 * result.seconds / n_test, 2),
    }
    sparse = method.startswith("sparse")
    if sparse:
        row["deviation_norm"] = rounded(result.u.flatten(1).norm(dim=1))
    if not narrow:
        row["examples"] = pack(result.x[:EXAMPLES])
        if sparse:
            row["example_deviations"] = pack(result.u[:EXAMPLES], -1.0, 1.0)
    if by_paper and method in PAPER_COST and generator in ("none", "vae"):
        row |= _by_paper(problem, make, chosen, method)
    return row


def _weights(row: dict) -> list[float]:
    return [row[name] for name in ("lam", "mu") if name in row]


def _contrast(problem: SharedProblem, x: Tensor) -> dict:
    """The share of each spot's contrast that is left, if there are spots."""
    return {"contrast": rounded(spot_contrast(x, problem.x))} if problem.name == "shapes+" else {}


def _evaluations(result) -> dict:
    """How often G was evaluated, or A of a method without G: with a gradient and without."""
    counts = {"values_mean": result.values, "gradients_mean": result.gradients}
    return {name: round(float(count.double().mean()), 1) for name, count in counts.items()}


def _by_paper(problem: SharedProblem, make, chosen: dict, method: str) -> dict:
    """The paper's algorithm, with weights tuned for itself where it need not find the minimum."""
    A, y, x, start, weights = problem.A, problem.y[:N_PAPER], problem.x[:N_PAPER], {}, _weights(chosen)
    tuned = {}
    if method in BY_PAPER:
        start = {"start": "random", "generator": seeded(SEEDS["random_start"])}
        validation = problem.x_val[:N_PAPER_VAL], problem.y_val[:N_PAPER_VAL]
        own = grown_grid(A, validation, make, **BY_PAPER[method], solver="paper", max_iter=1000, **start)
        weights = _weights(own)
        tuned = {f"paper_{name}": own[name] for name in ("lam", "mu", "at_edge_of_grid") if name in own}
        start["generator"] = seeded(SEEDS["random_start"])
    theirs = reconstruct(A, y, make(*weights), solver="paper", **start)
    return {
        **tuned,
        "paper_psnr": rounded(psnr(theirs.x, x)),
        "paper_iterations_mean": round(float(theirs.iterations.double().mean()), 1),
        **{f"paper_{name}": value for name, value in _evaluations(theirs).items()},
        "paper_ms_per_image": round(1e3 * theirs.seconds / len(x), 1),
    }


def ceiling_row(n_test: int = SETTINGS["n_test"]) -> dict:
    """PSNR of the best fit that the range of the VAE has to each test image: no data could make *hard* better."""
    G, _ = shapes_generator("vae")
    found = range_errors(G, load("shapes").test[:n_test], seeded(SEEDS["random_start"]))
    return {"psnr": rounded(found.psnr)}


def geometry_row(geometry: str, n_points: int = 120, n_test: int = SETTINGS["n_test"]) -> dict:
    """What a geometry sees: singular values, and the share of the test images that lies where they are small."""
    A = operator(geometry)
    _, S, V = A.svd()
    x = load("shapes").test[:n_test].flatten(1)
    energy = (x @ V).pow(2)
    total = x.pow(2).sum(1)
    pick = torch.linspace(0, len(S) - 1, n_points).round().long()
    unseen = 1 - energy[:, S > 1e-2].sum(1) / total
    return {
        "views": A.shape_out[0],
        "data": A.m,
        "index": (pick + 1).tolist(),
        "singular_values": [float(f"{v:.4g}") for v in S[pick].tolist()],
        "above": {str(level): int((level < S).sum()) for level in (0.1, 0.01, 1e-3, 1e-6)},
        "share_unseen": round(float(unseen.mean()), 4),
    }


def _shipped() -> list[str]:
    return [family for family, name in SHAPES_GENERATORS.items() if name in available()]


def _pairs() -> list[tuple[str, str]]:
    pairs = [("none", "fbp"), ("none", "tikhonov"), ("none", "tv")]
    return pairs + [(g, m) for g in _shipped() for m in ("hard", "relaxed", "sparse")]


def fig10_tasks() -> list[dict]:
    return [{"generator": g, "method": m} for g, m in _pairs()]


def views_tasks() -> list[dict]:
    methods = [("none", "fbp"), ("none", "tikhonov"), ("none", "tv")]
    methods += [("vae", m) for m in ("hard", "relaxed", "sparse")]
    fewer = [geometry for geometry in GEOMETRIES if geometry != "125 views"]
    rows = [(g, m, geometry, 0.1) for geometry in fewer for g, m in methods]
    rows += [(g, m, geometry, LOW_NOISE) for geometry in fewer for g, m in (methods[2], methods[3], methods[5])]
    return (
        [{"kind": "row", "generator": g, "method": m, "geometry": geometry, "sigma": s} for g, m, geometry, s in rows]
        + [{"kind": "geometry", "geometry": geometry} for geometry in GEOMETRIES]
        + [{"kind": "ceiling"}]
    )


def views_job(kind: str, **task) -> dict:
    """A row of the table, what a geometry sees, or what the generator could reach at best."""
    if kind == "row":
        return shapes_row(narrow=True, by_paper=False, **task)
    return geometry_row(**task) if kind == "geometry" else ceiling_row(**task)


def weighted_sigma(sigma: float) -> float:
    """The noise that ``sigma`` would be in our units if the operator's norm were meant with weights for cell sizes.

    The paper's library weighs norms of data by the size of a cell, here (pi / 125) times the width of a bin; an
    operator of norm 1 in that sense gives data that are larger by the inverse root of it.
    """
    A = operator("125 views")
    return round(sigma * math.sqrt(math.pi / A.shape_out[0] * A.bin_width), 5)


def fig11_tasks() -> list[dict]:
    methods = (("none", "tv"), ("vae", "sparse-tv"), ("vae", "hard"), ("vae", "sparse"))
    tasks = [{"generator": g, "method": m, "sigma": 0.05} for g, m in methods]
    return [*tasks, {"generator": "none", "method": "tv", "sigma": weighted_sigma(0.05)}]


def fig11_row(
    generator: str, method: str, sigma: float, n_val: int = SETTINGS["n_val"], n_test: int = SETTINGS["n_test"]
) -> dict:
    """A row of Fig. 11: shapes+, a VAE that has seen Shapes only."""
    return shapes_row(generator, method, images="shapes+", sigma=sigma, by_paper=False, n_val=n_val, n_test=n_test)


EXPERIMENTS = {
    "fig10": Experiment(
        name="fig10",
        title="Tomography of Shapes: 3 generators x 3 methods, TV, Tikhonov, FBP; 100 test images",
        tasks=fig10_tasks,
        run=shapes_row,
        settings=SETTINGS | {"sigma": 0.1, "geometry": "125 views x 81 bins"},
        figure=fig10_figure,
        story=fig10_story,
    ),
    "fig11": Experiment(
        name="fig11",
        title="Out of distribution: shapes+ with sparse-TV and a VAE of Shapes, against TV",
        tasks=fig11_tasks,
        run=fig11_row,
        settings=SETTINGS | {"geometry": "125 views x 81 bins", "images": "shapes+"},
        figure=fig11_figure,
        story=fig11_story,
    ),
    "table-views": Experiment(
        name="table-views",
        title="Tomography of Shapes from few views and from a limited range",
        tasks=views_tasks,
        run=views_job,
        settings=SETTINGS
        | {"sigmas": [0.1, LOW_NOISE], "geometries": {k: list(v) for k, v in GEOMETRIES.items()}, "narrow": NARROW},
        figure=views_figure,
        story=views_story,
    ),
}
