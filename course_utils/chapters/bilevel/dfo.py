"""Learning from values alone: accuracies that adapt against fixed numbers of iterations, from several starts."""

from __future__ import annotations

from ...bilevel import Residuals, dynamic_dfo
from ...reproduce.experiment import Experiment
from .problems import BOUNDS, EXAMPLES, PENALTY, SIGMA, START, as_theta, exact_value, parameters
from .story import dfo_figure, dfo_story, starts_figure

__all__ = ["DYNAMIC", "EXPERIMENTS", "dfo_row"]

#: The number of lower-level iterations of an evaluation, where it is not fixed.
DYNAMIC = 0
#: Calls of the residuals by the number of parameters, and by log10 of the first alpha where that is not 0.
EVALUATIONS = {1: 20, 3: 100}
FAR_EVALUATIONS = {1: 40, 3: 100}
#: Where ten thousand iterations an evaluation would cost minutes, fewer evaluations have to do.
FEW = {(1, "gd", 10_000): 10, (3, "fista", 2_000): 60}

SETTINGS = {
    "size": 256, "sigma": SIGMA, "seed": 0,
    "problems": {
        f"p = {p}": {
            "examples": EXAMPLES[p], "start": list(START[p]), "low": list(BOUNDS[p][0]), "high": list(BOUNDS[p][1]),
            "penalty_weight": PENALTY[p], "evaluations": EVALUATIONS[p], "evaluations_from_afar": FAR_EVALUATIONS[p],
        }
        for p in EVALUATIONS
    },
    "evaluations_of_costly_runs": {" ".join(map(str, key)): n for key, n in FEW.items()},
}  # fmt: skip


def dfo_tasks() -> list[dict]:
    """(parameters, solver of the lower level, its fixed iterations or 0 for dynamic, log10 of the first alpha)."""
    near = [
        (p, solver, n)
        for p in (1, 3)
        for solver, counts in {"fista": (DYNAMIC, 200, 2_000), "gd": (DYNAMIC, 1_000, 10_000)}.items()
        for n in counts
        if (p, solver, n) != (3, "gd", 10_000)  # six minutes, and its cost is known beforehand
    ]
    tasks = [(*task, 0.0) for task in near]
    tasks += [(1, "fista", n, alpha) for alpha in (-2.0, 2.0) for n in (DYNAMIC, 200, 2_000)]
    tasks += [(3, "fista", n, 2.0) for n in (DYNAMIC, 200)]
    return [dict(zip(("p", "solver", "iterations", "alpha"), task, strict=True)) for task in tasks]


def dfo_row(
    p: int, solver: str, iterations: int, alpha: float, evaluations: int | None = None, size: int = 256, n: int = 0
) -> dict:
    """One run, and the exact objective at every theta that it accepted.

    "path" holds pairs: lower-level iterations of all examples so far, and the exact objective at the point that was
    the best one then.  "seen" is what the run itself took the last value for, "claimed" the error that it admits.
    """
    problem = parameters(p, n or None, size)
    far = EVALUATIONS if alpha == 0 else FAR_EVALUATIONS
    most = evaluations or FEW.get((p, solver, iterations), far[p])
    residuals = Residuals(problem, solver, iterations or 100_000)
    learned = dynamic_dfo(
        residuals, as_theta((alpha, *START[p][1:]), problem.truth), *BOUNDS[p],
        accuracy="dynamic" if iterations == DYNAMIC else 0.0, max_evals=most,
    )  # fmt: skip
    path, x, known = [], None, {}
    for entry in learned.path():
        key = tuple(entry["theta"])
        if key not in known:
            value, error, x = exact_value(problem, as_theta(key, problem.truth), x, 1e-8)
            known[key] = round(value, 5), float(f"{error:.2g}")
        path.append([entry["lower"], *known[key]])
    last = learned.path()[-1]
    return {
        "evaluations": len(learned.history),
        "lower_iterations": learned.lower_iterations,
        "theta": [round(t, 5) for t in learned.theta.tolist()],
        "path": path,
        "seen": round(learned.value, 5),
        "claimed": float(f"{last['error']:.2g}"),
        "converged": learned.converged,
        "message": learned.message,
    }


EXPERIMENTS = {
    "bilevel-dfo": Experiment(
        name="bilevel-dfo",
        title="Dynamic accuracy against fixed accuracies, 1 and 3 parameters, several starts",
        tasks=dfo_tasks,
        run=dfo_row,
        settings=SETTINGS,
        figure=dfo_figure,
        more_figures={"starts": starts_figure},
        story=dfo_story,
    )
}
