"""A field of experts learned on brain slices, against TV that is learned in the same way."""

from __future__ import annotations

import torch
from torch import Tensor

from ...bilevel import Bilevel, FieldOfExperts, SmoothTV, learn_lbfgsb, solve_lower
from ...data.load import load
from ...metrics import psnr
from ...operators import add_noise
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded, seeded
from .experts_story import experts_figure, experts_story

__all__ = ["EXPERIMENTS", "N_TEST", "TEST_SEED", "crops", "denoise", "expert_row", "first_experts", "lower_level"]

SIGMA, XI, FILTERS, SIZE = 0.1, 1e-3, 8, 5
CROP, N_TRAIN, N_TEST, SEEDS, TEST_SEED = 32, 24, 32, (0, 1, 2), 7
#: Accuracies of both levels while learning, evaluations, and the accuracy of a reconstruction of test images.
TOL, CG_TOL, EVALUATIONS, TEST_TOL = 1e-4, 1e-2, 80, 1e-4
#: log10 of the first weights of the two differences and of the other filters, and of all smoothings.
FIRST = {"differences": -1.2, "others": -2.0, "nu": -1.5}

SETTINGS = {
    "data": "brain", "sigma": SIGMA, "xi": XI, "filters": FILTERS, "filter_size": SIZE, "crop": CROP,
    "n_train": N_TRAIN, "n_test": N_TEST, "seed_test": TEST_SEED, "tol": TOL, "cg_tol": CG_TOL,
    "evaluations": EVALUATIONS, "first": FIRST,
    "psnr_data_range": 1,
}  # fmt: skip


def crops(split: str, n: int, seed: int, size: int = CROP) -> tuple[Tensor, Tensor]:
    """Random windows of brain slices, most of which is brain, and the same with noise: (n, 1, size, size), float64."""
    generator, slices, found = seeded(seed), getattr(load("brain"), split).double(), []
    while len(found) < n:
        k = int(torch.randint(len(slices), (1,), generator=generator))
        i, j = torch.randint(slices.shape[-1] - size + 1, (2,), generator=generator).tolist()
        window = slices[k, :, i : i + size, j : j + size]
        if float((window > 0.1).double().mean()) > 0.6:
            found.append(window)
    x = torch.stack(found)
    return x, add_noise(x, SIGMA, generator)


def lower_level(method: str, y: Tensor):
    """The lower level of "tv" or "foe"."""
    return SmoothTV(y, xi=XI) if method == "tv" else FieldOfExperts(y, FILTERS, SIZE, XI)


def first_experts(lower: FieldOfExperts) -> Tensor:
    """Two differences of neighbours, as in anisotropic TV, and beside them light waves: the search begins near TV."""
    theta, K, s = lower.initial(), lower.K, lower.size
    theta[:K], theta[K : 2 * K] = FIRST["others"], FIRST["nu"]
    theta[:2] = FIRST["differences"]
    filters = theta[2 * K :].view(K, s, s)
    filters[:2] = 0
    filters[:2, s // 2, s // 2] = -1
    filters[0, s // 2, s // 2 + 1] = filters[1, s // 2 + 1, s // 2] = 1
    return theta


def denoise(method: str, theta: Tensor, y: Tensor) -> Tensor:
    """Reconstructions with what was learned."""
    found = solve_lower(lower_level(method, y), theta, TEST_TOL, "lbfgs", max_iter=5_000)
    if not bool(found.reached.all()):
        raise ValueError(f"'theta' of {method} gives a lower level that 5000 iterations do not solve")
    return found.x


def expert_tasks() -> list[dict]:
    return [{"method": method, "seed": seed} for seed in SEEDS for method in ("tv", "foe")]


def expert_row(
    method: str, seed: int, n_train: int = N_TRAIN, n_test: int = N_TEST, evaluations: int = EVALUATIONS
) -> dict:
    """One regulariser with parameters from the windows of one seed; PSNR on windows of another person's brain."""
    x, y = crops("train", n_train, seed)
    x_test, y_test = crops("test", n_test, TEST_SEED)
    problem = Bilevel(lower_level(method, y), x)
    first = x.new_tensor([-1.3, -2.0]) if method == "tv" else first_experts(problem.lower)
    bounds = ([-4.0, -4.0], [1.0, 0.0]) if method == "tv" else (None, None)
    learned = learn_lbfgsb(problem, first, *bounds, TOL, CG_TOL, evaluations, method="lbfgs")
    found = [denoise(method, learned.theta, data) for data in (y, y_test)]
    return {
        "theta": rounded(learned.theta, 5),
        "converged": learned.converged,
        "message": learned.message,
        "lower_iterations": learned.lower_iterations,
        "cg_iterations": learned.cg_iterations,
        "seen": [[entry["lower"], round(entry["value"], 3)] for entry in learned.path()],
        "psnr_train": rounded(psnr(found[0], x)),
        "psnr": rounded(psnr(found[1], x_test)),
        "psnr_of_data": rounded(psnr(y_test, x_test)),
    }


EXPERIMENTS = {
    "bilevel-experts": Experiment(
        name="bilevel-experts",
        title="A learned field of experts against learned TV, denoising of brain slices",
        tasks=expert_tasks,
        run=expert_row,
        settings=SETTINGS,
        figure=experts_figure,
        story=experts_story,
    )
}
