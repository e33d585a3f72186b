"""Learning with inexact hypergradients: MAID, HOAG and L-BFGS-B on two parameters, exact objectives beside the seen."""

from __future__ import annotations

from ...bilevel import hoag, learn_lbfgsb, maid
from ...reproduce.experiment import Experiment
from .first_order_story import first_order_figure, first_order_story
from .problems import BOUNDS, EXAMPLES, PENALTY, SIGMA, START, as_theta, exact_value, parameters

__all__ = ["EXPERIMENTS", "RUNS", "first_order_row"]

STEPS = {"max_steps": 40, "gtol": 1e-2}
#: name -> words, method, settings.  The accuracies of L-BFGS-B are of ||x - x_hat||^2 and of the linear system.
RUNS = {
    "lbfgsb fine": ("L-BFGS-B, 1e-14 and 1e-8", learn_lbfgsb, {"tol": 1e-14, "cg_tol": 1e-8}),
    "lbfgsb rough": ("L-BFGS-B, 1e-4 and 1e-2", learn_lbfgsb, {"tol": 1e-4, "cg_tol": 1e-2}),
    "maid 1": ("MAID from 1", maid, STEPS | {"eps": 1.0, "delta": 1.0}),
    "maid 0.001": ("MAID from 0.001", maid, STEPS | {"eps": 1e-3, "delta": 1e-3}),
    "hoag quadratic": ("HOAG, k^-2", hoag, STEPS | {"schedule": "quadratic"}),
    "hoag exponential": ("HOAG, 0.9^k", hoag, STEPS | {"schedule": "exponential"}),
}
SETTINGS = {
    "examples": EXAMPLES[2], "size": 256, "sigma": SIGMA, "seed": 0, "start": list(START[2]),
    "low": list(BOUNDS[2][0]), "high": list(BOUNDS[2][1]), "penalty_weight": PENALTY[2],
    "runs": {name: {"label": words} | settings for name, (words, _, settings) in RUNS.items()},
}  # fmt: skip


def first_order_tasks() -> list[dict]:
    return [{"run": name} for name in RUNS]


def first_order_row(run: str, n: int = 0, size: int = 256) -> dict:
    """One run, and the exact objective at every theta that it accepted.

    "path" holds: lower-level iterations, products with the Hessian, exact objective, bound on its error, and the
    objective as the run saw it.
    """
    problem = parameters(2, n or None, size)
    _, method, settings = RUNS[run]
    learned = method(problem, as_theta(START[2], problem.truth), *BOUNDS[2], **settings)
    path, x, known = [], None, {}
    for entry in learned.path():
        key = tuple(entry["theta"])
        if key not in known:
            value, error, x = exact_value(problem, as_theta(key, problem.truth), x, 1e-9)
            known[key] = round(value, 6), float(f"{error:.2g}")
        path.append([entry["lower"], entry["cg"], *known[key], round(entry["value"], 6)])
    return {
        "theta": [round(t, 5) for t in learned.theta.tolist()],
        "lower_iterations": learned.lower_iterations,
        "cg_iterations": learned.cg_iterations,
        "path": path,
        "converged": learned.converged,
        "message": learned.message,
    }


EXPERIMENTS = {
    "bilevel-first-order": Experiment(
        name="bilevel-first-order",
        title="Inexact hypergradients: MAID, HOAG and L-BFGS-B on two parameters",
        tasks=first_order_tasks,
        run=first_order_row,
        settings=SETTINGS,
        figure=first_order_figure,
        story=first_order_story,
    )
}
