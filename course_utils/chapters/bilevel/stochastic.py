"""A field of experts learned a few windows at a time, against all windows at a time, at equal cost."""

from __future__ import annotations

import torch

from ...bilevel import Bilevel, isgd, learn_lbfgsb, solve_lower
from ...metrics import psnr
from ...reproduce.experiment import Experiment
from ...reproduce.setting import mean, seeded
from .experts import CG_TOL, TEST_SEED, TOL, crops, denoise, first_experts, lower_level
from .stochastic_story import stochastic_figure, stochastic_story

__all__ = ["EXPERIMENTS", "stochastic_row"]

N_TRAIN, N_TEST, SEED, BATCH = 48, 16, 3, 6
#: First steps, first accuracies and their decay; the budget counts iterations of both levels, of all windows together.
STEPS, EPS, DECAY, PASSES, COST = (1e-5, 3e-5, 1e-4), 0.05, 0.5, 8, 8_000
#: Evaluations of L-BFGS-B, enough to use up the budget; what lies beyond it is not looked at.
MOST = 18
#: How often on its way a run is looked at, and how exactly the objective is known then.
LOOKS, LOOK_TOL = 5, 1e-4

SETTINGS = {
    "data": "brain", "n_train": N_TRAIN, "n_test": N_TEST, "seed": SEED, "seed_test": TEST_SEED, "batch": BATCH,
    "steps": list(STEPS), "eps": EPS, "decay": DECAY, "passes_until_halfway": PASSES, "cost": COST,
    "evaluations_of_lbfgsb": MOST, "tol": TOL, "cg_tol": CG_TOL, "looks": LOOKS,
    "look_tol": LOOK_TOL, "psnr_data_range": 1,
}  # fmt: skip


def stochastic_tasks() -> list[dict]:
    tasks = [{"batch": batch, "step": step} for batch in (BATCH, N_TRAIN) for step in STEPS]
    return [*tasks, {"batch": N_TRAIN, "step": 0.0}]


def stochastic_row(batch: int, step: float, n_train: int = N_TRAIN, n_test: int = N_TEST, cost: int = COST) -> dict:
    """One run; "path" holds the cost, the objective of all training windows, and the mean PSNR of test windows.

    Step 0 stands for L-BFGS-B, which finds its steps.
    """
    x, y = crops("train", n_train, SEED)
    x_test, y_test = crops("test", n_test, TEST_SEED)
    problem = Bilevel(lower_level("foe", y), x)
    first = first_experts(problem.lower)
    if step == 0:
        learned = learn_lbfgsb(problem, first, None, None, TOL, CG_TOL, MOST, method="lbfgs")
    else:
        halfway = max(1, PASSES * n_train // batch)
        learned = isgd(
            problem, first, seeded(SEED), batch, eps=EPS, step=step, decay=DECAY, halfway=halfway, max_steps=10_000,
            max_cost=cost, method="lbfgs",
        )  # fmt: skip
    history = [entry for entry in learned.path() if entry["lower"] + entry["cg"] <= 1.05 * cost]
    path, known = [], None
    for share in torch.linspace(0, 1, LOOKS).tolist():
        entry = next(e for e in reversed(history) if e is history[0] or e["lower"] + e["cg"] <= 1.05 * cost * share)
        theta = x.new_tensor(entry["theta"])
        known = solve_lower(problem.lower, theta, LOOK_TOL, "lbfgs", known and known.x, 5_000)
        value = problem.between(known, theta)[0]
        after = mean(psnr(denoise("foe", theta, y_test), x_test).tolist())
        path.append([entry["lower"] + entry["cg"], round(value, 3), round(after, 3)])
    return {"path": path, "steps": len(learned.history), "message": learned.message}


EXPERIMENTS = {
    "bilevel-stochastic": Experiment(
        name="bilevel-stochastic",
        title="A field of experts learned a few windows at a time, at equal cost",
        tasks=stochastic_tasks,
        run=stochastic_row,
        settings=SETTINGS,
        figure=stochastic_figure,
        story=stochastic_story,
    )
}
