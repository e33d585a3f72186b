"""Total generalised variation and TV without smoothing on the windows of the field of experts, tuned as TV was."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...bilevel import Evaluation, dynamic_dfo
from ...metrics import psnr
from ...operators import Identity
from ...regularisers import TGV, TV
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded
from ...solvers import reconstruct
from .experts import CROP, N_TEST, N_TRAIN, SEEDS, SIGMA, TEST_SEED, crops
from .generalised_story import generalised_figure, generalised_story

__all__ = ["EXPERIMENTS", "generalised_row"]

#: log10 of the first weight, and of beta for TGV; between which the search stays; evaluations, where TV had up to 80.
FIRST = {"tv": (-1.0,), "tgv": (-1.0, 0.0)}
LOW, HIGH = {"tv": (-3.0,), "tgv": (-3.0, -1.5)}, {"tv": (1.0,), "tgv": (1.0, 1.5)}
EVALUATIONS = 20
MAKE = {"tv": TV, "tgv": TGV}

SETTINGS = {
    "data": "brain", "sigma": SIGMA, "crop": CROP, "n_train": N_TRAIN, "n_test": N_TEST, "seed_test": TEST_SEED,
    "first": {name: list(v) for name, v in FIRST.items()}, "low": {name: list(v) for name, v in LOW.items()},
    "high": {name: list(v) for name, v in HIGH.items()}, "evaluations": EVALUATIONS, "psnr_data_range": 1,
}  # fmt: skip


def denoised(method: str, y: Tensor, theta: list[float]) -> tuple[Tensor, bool]:
    result = reconstruct(Identity(y.shape[-1]), y, MAKE[method](*(10.0**t for t in theta)))
    return result.x, bool(result.converged.all())


def generalised_tasks() -> list[dict]:
    return [{"method": method, "seed": seed} for seed in SEEDS for method in MAKE]


def generalised_row(
    method: str, seed: int, n_train: int = N_TRAIN, n_test: int = N_TEST, evaluations: int = EVALUATIONS
) -> dict:
    """Weights from the windows of one seed by a search on values; PSNR on windows of another person's brain."""
    (x, y), (x_test, y_test) = (
        tuple(part.float() for part in crops(*which))
        for which in (("train", n_train, seed), ("test", n_test, TEST_SEED))
    )

    def residuals(theta: Tensor, delta: float) -> Evaluation:
        r = (denoised(method, y, theta.tolist())[0] - x).flatten(1).norm(dim=1).double().numpy()
        return Evaluation(r, np.zeros(len(r)), 0)

    found = dynamic_dfo(
        residuals, torch.tensor(FIRST[method], dtype=torch.float64), LOW[method], HIGH[method], accuracy=0.0,
        radius=0.3, radius_end=0.01, max_evals=evaluations,
    )  # fmt: skip
    theta = found.theta.tolist()
    (again, sure), (shown, sure_test) = (denoised(method, part, theta) for part in (y, y_test))
    return {
        "theta": [round(t, 4) for t in theta],
        "evaluations": len(found.history),
        "converged": found.converged,
        "solved": sure and sure_test,
        "psnr_train": rounded(psnr(again, x), 3),
        "psnr": rounded(psnr(shown, x_test), 3),
    }


EXPERIMENTS = {
    "bilevel-tgv": Experiment(
        name="bilevel-tgv",
        title="TGV on the windows of the field of experts",
        tasks=generalised_tasks,
        run=generalised_row,
        settings=SETTINGS,
        figure=generalised_figure,
        story=generalised_story,
    )
}
