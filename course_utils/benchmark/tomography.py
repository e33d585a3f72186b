"""Tomography of Shapes, 125 views x 81 bins, sigma = 0.1: every solver on one batch, and the paper's algorithms.

Algorithms 1 and 2 and Algorithm 3 with a TV step run by the paper's rule from one random start each, on the first
problems of the same batch; the others start from the shared dictionary.
"""

from __future__ import annotations

import time

from ..data.load import load
from ..metrics import psnr
from ..operators import ParallelBeam, measure
from ..regularisers import TV, Hard, Relaxed, Sparse, SparseTV, Tikhonov
from ..solvers import Dictionary, objective_of, reconstruct
from ..training.zoo import pretrained
from .timing import best_of, gradient_cost, seeded

__all__ = ["tomography"]

BATCH, N_PAPER, SIGMA = 128, 16, 0.1
#: near the weights that Fig. 10 tunes
WEIGHTS = {
    "tikhonov": (0.25,), "tv": (0.05,), "hard": (0.025,), "relaxed": (4.0, 1e-4), "sparse": (0.8, 0.025),
    "sparse-tv": (0.05, 0.5),
}  # fmt: skip
SOLVERS = {
    "tikhonov": ("direct",), "hard": ("lbfgs", "lm"), "relaxed": ("lbfgs", "lm"), "sparse": ("warm",),
    "sparse-tv": ("linearised",),
}  # fmt: skip
RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def tomography(log) -> dict:
    """Rows: milliseconds, objective and PSNR by method and solver; for TV by step sizes and relaxation."""
    G = pretrained("vae-shapes-10", verbose=False)
    x = load("shapes").test[:BATCH]
    A = ParallelBeam.full(56)
    y = measure(A, x, SIGMA, seeded(1))
    started = time.perf_counter()
    A.svd()
    svd_seconds = time.perf_counter() - started
    dictionary = Dictionary(G, seeded(3))
    makers = {"hard": Hard, "relaxed": Relaxed, "sparse": Sparse, "sparse-tv": SparseTV}
    started = time.perf_counter()
    dictionary.best(objective_of(A, y[:1], Hard(G, *WEIGHTS["hard"])))
    dictionary.best(objective_of(A, y[:1], Relaxed(G, *WEIGHTS["relaxed"])))
    dictionary_seconds = time.perf_counter() - started
    rows = []

    def run(method: str, solver: str, batch: int, repeats: int = 1, **settings) -> None:
        weights = WEIGHTS[method]
        if method in makers:
            R = makers[method](G, *weights)
            settings = {"start": dictionary, "batch_size": BATCH} | settings
        else:
            R = (Tikhonov if method == "tikhonov" else TV)(*weights)
        seconds, result = best_of(repeats, lambda: reconstruct(A, y[:batch], R, solver, **settings))
        rows.append({
            "method": method, "solver": solver, "batch": batch,
            "ms_per_reconstruction": round(1e3 * seconds / batch, 2),
            "mean_objective_of_first": round(float(result.objective[:N_PAPER].mean()), 4),
            "mean_psnr": round(float(psnr(result.x, x[:batch]).mean()), 2),
            "mean_iterations": round(float(result.iterations.double().mean()), 1),
            "converged": round(float(result.converged.double().mean()), 3),
        } | {name: settings[name] for name in ("ratio", "relaxation") if name in settings})  # fmt: skip
        log(
            f"{method:9s} {solver:10s} B={batch:4d}: {rows[-1]['ms_per_reconstruction']:8.2f} ms, objective "
            f"{rows[-1]['mean_objective_of_first']:.4f}, {rows[-1]['mean_iterations']:.0f} iterations"
            + (f", ratio {settings['ratio']:g}, relaxation {settings['relaxation']:g}" if "ratio" in settings else "")
        )

    for method, solvers in SOLVERS.items():
        for solver in solvers:
            run(method, solver, BATCH, repeats=2)
    run("tv", "paper", BATCH, repeats=2)
    for relaxation in (1.0, 1.9):
        for ratio in RATIOS:
            run("tv", "paper", BATCH, ratio=ratio, relaxation=relaxation)
    for batch in (1, 16):
        run("hard", "lbfgs", batch)
        run("relaxed", "lbfgs", batch)
    for method in ("tikhonov", "hard", "relaxed", "sparse", "sparse-tv"):
        random = {"start": "random", "generator": seeded(4)} if method in makers else {}
        run(method, "paper", N_PAPER, **random)
    settings = {
        "views": 125, "bins": 81, "sigma": SIGMA, "weights": WEIGHTS, "n_paper": N_PAPER,
        "seeds": {"noise": 1, "dictionary": 3, "random_start": 4},
    }  # fmt: skip
    summary = {
        "svd_seconds_once": round(svd_seconds, 1), "dictionary_seconds_once": round(dictionary_seconds, 1),
        **gradient_cost(G), "against_paper": _against_paper(rows),
    }  # fmt: skip
    return {"settings": settings, "rows": rows, "summary": summary}


def _against_paper(rows: list[dict]) -> dict:
    """Method -> fastest solver whose objective is at most that of the paper's algorithm, and how many times faster."""
    found = {}
    for paper in (r for r in rows if r["solver"] == "paper" and r["batch"] == N_PAPER):
        allowed = paper["mean_objective_of_first"] * (1 + 1e-4)
        fair = [
            r for r in rows
            if r["method"] == paper["method"] and r["solver"] != "paper" and r["batch"] == BATCH
            and r["mean_objective_of_first"] <= allowed
        ]  # fmt: skip
        best = min(fair, key=lambda r: r["ms_per_reconstruction"], default=None)
        found[paper["method"]] = best and {
            "solver": best["solver"],
            "ms": best["ms_per_reconstruction"],
            "paper_ms": paper["ms_per_reconstruction"],
            "times_less": round(paper["ms_per_reconstruction"] / best["ms_per_reconstruction"], 1),
        }
    return found
