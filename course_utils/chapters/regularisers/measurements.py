"""Error against the number of measurements, with the crossover to TV and the Lasso."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...figures.labels import TITLES
from ...metrics import psnr
from ...operators import GaussianMatrix
from ...regularisers import L1, TV, Hard, Relaxed, Sparse
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, Problem, generator_and_starts, mean, rounded, seeded, tuned_row
from ...tuning import geometric

__all__ = ["EXPERIMENTS", "SECOND_HAND", "crossover"]


COUNTS = (10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750)

#: What is tried for each method; the last values of a list are for little noise and many data.
LAMBDAS = {
    "hard": geometric(0.1, 1e-6, 0.1),
    "relaxed": geometric(1.0, 1e-5, 0.1),
    "sparse": geometric(0.1, 1e-4, 0.1),
    "tv": geometric(0.1, 1e-4, 10**-0.5),
    "lasso": geometric(0.1, 1e-7, 0.1),
    "lasso in [0, 1]": geometric(0.1, 1e-7, 0.1),
}

MUS = {"relaxed": [0.1, 0.01, 0.001], "sparse": [0.1, 0.01]}

#: Mean squared error a pixel; a student's independent reproduction of Bora et al. on ten digits (README of the
#: repository RenatoGallicola/Compressed-Sensing-using-Generative-Models, lambda = 0.1).  Not the paper's numbers.
SECOND_HAND = {
    "m": [10, 25, 50, 75, 100, 200, 300, 400, 500, 750],
    "Lasso, pixels": [0.1309, 0.1255, 0.1172, 0.1125, 0.1048, 0.0829, 0.0406, 0.0108, 0.0002, 0.0],
    "VAE": [0.0609, 0.0291, 0.0110, 0.0079, 0.0076, 0.0067, 0.0066, 0.0066, 0.0066, 0.0064],
}

SETTINGS = {
    "m": list(COUNTS), "n_val": 8, "n_test": 50, "seeds": SEEDS, "lambda_grid": LAMBDAS, "mu_grid": MUS,
    "noise": {
        "bora": "norm of the noise 0.1 for a matrix with entries of variance 1/m (Bora et al.), whatever m",
        "paper": "standard deviation 0.05 for a matrix of norm 1, whatever m (Duff et al.)",
    },
    "psnr_data_range": 1,
}  # fmt: skip

TITLE_OF = {"tv": "TV", "lasso": "Lasso", "lasso in [0, 1]": "Lasso in [0, 1]"}


def measurement_tasks() -> list[dict]:
    """Sparse is the slow one, so it is a job of its own; so are those that need another generator."""
    tasks = []
    for m in COUNTS:
        tasks += [{"m": m, "noise": noise, "generator": "none", "methods": ["tv", "lasso", "lasso in [0, 1]"]}
                  for noise in ("bora", "paper")]  # fmt: skip
        tasks += [{"m": m, "noise": n, "generator": "vae", "methods": ["hard", "relaxed"]} for n in ("bora", "paper")]
        tasks += [{"m": m, "noise": "bora", "generator": "vae", "methods": ["sparse"]}]
        tasks += [
            {"m": m, "noise": "bora", "generator": generator, "methods": ["hard"]} for generator in ("ae", "wgan")
        ]
    return tasks


def measurement_job(
    m: int,
    noise: str,
    generator: str,
    methods: Sequence[str],
    n_val: int = SETTINGS["n_val"],
    n_test: int = SETTINGS["n_test"],
) -> dict:
    """Some methods at one number of measurements: {"results": one row a method}."""
    A = GaussianMatrix(m, 28, seeded(SEEDS["A"]))
    # entries of variance 1/m and noise of norm 0.1: 0.1 / sqrt(m) an entry; then both are scaled so that A has norm 1
    sigma = 0.1 * A.scale / m if noise == "bora" else 0.05
    problem = Problem(A, sigma, n_val, n_test)
    settings, G = {}, None
    if generator != "none":
        G, starts = generator_and_starts(generator)
        settings = {"start": starts}
    makers = {
        "hard": lambda lam: Hard(G, lam), "relaxed": lambda lam, mu: Relaxed(G, lam, mu),
        "sparse": lambda lam, mu: Sparse(G, lam, mu), "tv": TV, "lasso": L1,
        "lasso in [0, 1]": lambda lam: L1(lam, bounds=(0.0, 1.0)),
    }  # fmt: skip
    limits = {"sparse": {"max_iter": 400}, "tv": {"tol": 1e-4}, "lasso": {"max_iter": 2_000}}
    tuning = {"sparse": {"max_iter": 100, "tol": 1e-5}}
    results = []
    for method in methods:
        row, result = tuned_row(
            problem, makers[method], LAMBDAS[method], MUS.get(method), tuning.get(method),
            **settings, **limits.get(method, {}),
        )  # fmt: skip
        x = result.x.clamp(0, 1) if method == "lasso" else result.x  # as Bora et al. do
        error = (x - problem.x).pow(2).flatten(1).mean(1)
        row |= {"psnr": rounded(psnr(x, problem.x), 2), "mse": rounded(error, 7)}
        kept = ("lam", "mu", "at_edge_of_grid", "psnr", "mse", "ms_per_image")
        results.append({"method": method, "sigma": round(sigma, 6)} | {k: row[k] for k in kept if k in row})
    return {"results": results}


def flat_rows(tasks: list[dict], outputs: list[dict]) -> dict:
    """One row for each m, noise, generator and method."""
    rows = []
    for task, output in zip(tasks, outputs, strict=True):
        shared = {name: task[name] for name in ("m", "noise", "generator")}
        rows += [shared | row for row in output["results"]]
    return {"rows": rows, "second_hand": SECOND_HAND}


def label(row: dict) -> str:
    """How a curve is called: "VAE hard", "TV"."""
    return TITLE_OF.get(row["method"]) or f"{TITLES[row['generator']]} {row['method']}"


def lines(record: dict, noise: str, quantity: str = "mse") -> dict[str, dict[int, float]]:
    """Label -> {m: mean over the test images}."""
    found: dict[str, dict[int, float]] = {}
    for row in record["rows"]:
        if row["noise"] == noise:
            found.setdefault(label(row), {})[row["m"]] = mean(row[quantity])
    return found


def crossover(first: dict[int, float], second: dict[int, float]) -> float | None:
    """The m from which on ``second`` has the lower error for good, between two counts on logarithmic scales; or None.

    Example
    -------
    >>> crossover({100: 0.01, 400: 0.01}, {100: 0.1, 400: 0.001})
    200.0
    """
    counts = sorted(set(first) & set(second))
    gaps = [math.log(max(second[m], 1e-12) / max(first[m], 1e-12)) for m in counts]
    if gaps[-1] >= 0:
        return None
    k = max((i for i, gap in enumerate(gaps) if gap >= 0), default=None)
    if k is None:
        return float(counts[0])
    a, b = math.log(counts[k]), math.log(counts[k + 1])
    return round(math.exp(a + (b - a) * gaps[k] / (gaps[k] - gaps[k + 1])), 6)


def measurements_figure(record: dict):
    """Error against m for both noises, with the second-hand numbers as open symbols."""
    from .record_figures import measurement_curves

    both = {noise: lines(record, noise) for noise in ("bora", "paper")}
    return measurement_curves(both, record["second_hand"])


def measurements_story(record: dict) -> str:
    """Where the crossovers lie, and how far the best methods fall at the largest m."""
    bora, paper = lines(record, "bora"), lines(record, "paper")
    hard, largest = bora["VAE hard"], max(bora["VAE hard"])
    crossed = {name: crossover(hard, bora[name]) for name in ("TV", "Lasso", "Lasso in [0, 1]")}
    theirs = record["second_hand"]
    student = crossover(
        dict(zip(theirs["m"], theirs["VAE"], strict=True)), dict(zip(theirs["m"], theirs["Lasso, pixels"], strict=True))
    )
    noisy = crossover(paper["VAE hard"], paper["TV"])

    def at(value):
        return "nowhere" if value is None else f"at m = {value:.0f}"

    return (
        f"With the noise of Bora et al. VAE hard stops improving: {hard[100]:.4f} a pixel at m = 100, "
        f"{hard[largest]:.4f} at {largest}. TV overtakes it {at(crossed['TV'])}, the Lasso {at(crossed['Lasso'])}, and "
        f"the Lasso with pixels in [0, 1] {at(crossed['Lasso in [0, 1]'])}; in the second-hand numbers (a student's "
        f"reproduction with another VAE) the Lasso does {at(student)}. Relaxed and sparse go on improving: "
        f"{bora['VAE relaxed'][largest]:.1e} and {bora['VAE sparse'][largest]:.1e} at m = {largest}. With the noise of "
        f"Duff et al. TV overtakes VAE hard {at(noisy)}."
    )


EXPERIMENTS = {
    "measurements": Experiment(
        name="measurements",
        title="Error against the number of measurements, crossover to TV and the Lasso",
        tasks=measurement_tasks,
        run=measurement_job,
        settings=SETTINGS,
        collect=flat_rows,
        figure=measurements_figure,
        story=measurements_story,
    ),
}
