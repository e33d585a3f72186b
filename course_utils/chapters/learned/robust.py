"""How far a small error of the data moves each reconstruction: the worst one that a search finds, and a random one."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ...metrics import psnr
from ...operators import LinearOperator
from ...reconstructors import Reconstructor
from ...regularisers import TV, Regulariser
from ...reproduce.experiment import Experiment
from ...reproduce.methods import FACTORS, MOST, Method, solve, tuned
from ...reproduce.pictures import pack
from ...reproduce.setting import SEEDS, rounded, seeded
from ...solvers import PnPForwardBackward
from ...solvers.denoising import Problem
from ...stability import Attack, attack, sweep_budgets, transfer
from ...training.learned_recipes import SCAN
from .rivals import GROUPS, RIVALS
from .robust_figures import (
    harm_figure,
    pictures_figure,
    robust_figure,
    robust_story,
    transfer_figure,
    transfer_story,
)
from .scans import home

__all__ = ["EXPERIMENTS", "METHODS", "SIZES", "family_of", "norm_of_noise", "robust_job", "transfer_job"]

#: Norms of the perturbations, as shares of the norm of the noise.
SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
#: Random perturbations of each size for each image.
DRAWS = 6
SEED = 9
#: The size at which a pair of pictures is kept.
PICTURED = 0.3
BOUNDED = "tv-bounded"
#: Name -> method: the rivals, and TV with a constraint that the networks have learned: no grey value beyond [0, 1].
METHODS: dict[str, Method] = RIVALS | {
    BOUNDED: Method(
        "TV, grey values in [0, 1]", "variational", lambda problem, lam: TV(lam, bounds=(0, 1)),
        {"tomography": {"lam": 0.06}},
    )
}  # fmt: skip
#: Starts, steps and images of the search at each size.  Where a method iterates and is differentiated at its solution a
#: step is dear, so that those searches are smaller.  Each size begins with what the one before has found.
SEARCHES = {
    "fbp": (2, 20, 3), "tikhonov": (2, 20, 3), "tv": (1, 15, 3), BOUNDED: (1, 15, 3), "hard": (1, 6, 2),
    "post-processing": (2, 20, 3), "proximal": (2, 20, 3), "primal-dual": (2, 20, 3), "equilibrium": (1, 12, 2),
    "ridge": (1, 5, 2), "pnp-lipschitz": (1, 8, 2),
}  # fmt: skip
#: The control: more starts and more steps.
LONGER, LONGER_SIZES = (3, 25, 1), (0.1, 1.0)
#: Whose perturbations are tried on whom, and at which sizes.
SHARED = ("fbp", "tikhonov", "tv", BOUNDED, "hard", "post-processing", "proximal", "primal-dual")
SHARED_SIZES = (0.1, 1.0)
RANDOM = "random noise"


def family_of(name: str) -> str:
    """The family of a method of this section.

    Example
    -------
    >>> family_of("tv-bounded"), family_of("equilibrium")
    ('variational', 'end to end')
    """
    if name == BOUNDED:
        return "variational"
    return next(group for group, methods in GROUPS.items() if name in methods)


def norm_of_noise(y: Tensor) -> float:
    """The root mean square norm of the noise in data y (B, ...) of the scan.

    Example
    -------
    >>> round(norm_of_noise(torch.zeros(1, 30, 81)), 2)
    4.93
    """
    return SCAN.sigma * y[0].numel() ** 0.5


@functools.cache
def made_at_home(name: str, n_val: int = 20) -> tuple[dict[str, float], Regulariser | Reconstructor]:
    """The weights of a method of highest mean PSNR on the validation images at home, and the method with them."""
    found, made = tuned(home(n_val), METHODS[name])
    return {key: float(f"{value:.4g}") for key, value in found.weights.items()}, made


class Steps(Reconstructor):
    """So many steps of plug-and-play forward-backward: a map with a derivative that is near the limit."""

    def __init__(self, method: PnPForwardBackward, n: int) -> None:
        self.method, self.n = method, n

    def __call__(self, y: Tensor, A: LinearOperator) -> Tensor:
        problem = Problem(A, y, self.method.denoiser, self.method.weights())
        at = A.T(y)
        for k in range(self.n):
            at, _ = self.method.advance(at, problem, k)
        return at

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        return {"x": self(y, A)}


def _stand_in(A: LinearOperator, y: Tensor, name: str, made) -> tuple[str, Regulariser | Reconstructor] | None:
    """A map with a derivative, near that of a method that has none: what it is, and the map."""
    if isinstance(made, PnPForwardBackward):
        n = int(made.run(y, A)["iterations"].max())
        return f"through {n} steps", Steps(made, n)
    if name == "sparse-tv":  # far from the range of G it is TV
        return "that of TV", TV(made.lam)
    return None


def swept(
    A: LinearOperator, y: Tensor, name: str, made, budgets: list[float], settings: dict, **search
) -> tuple[str, list[Attack]]:
    """Attacks of growing budget, and whose derivative they followed.

    A method without a derivative is attacked with what a search finds for a map near it, then by comparing values; what
    is reported is always what the method itself makes of the data.
    """
    generator, near = seeded(SEED), _stand_in(A, y, name, made)
    if near is None:
        found = sweep_budgets(A, y, made, budgets, generator, settings=settings, **search)
        return found[0].gradient, found
    words, other = near
    others = {key: value for key, value in search.items() if key != "truth"}
    proposed = sweep_budgets(A, y, other, budgets, generator, **others)
    by_value = search | {"gradient": "none", "settings": settings, "n_starts": 1}
    found: list[Attack] = []
    for budget, proposal in zip(budgets, proposed, strict=True):
        one = attack(A, y, made, budget, generator, first=proposal.e, **by_value | {"steps": 2})
        if found:  # what was enough for more with less is allowed too
            weaker = (found[-1].value > one.value).reshape(-1, *[1] * (y.ndim - 1))
            if bool(weaker.any()):
                both = torch.where(weaker, found[-1].e, one.e)
                one = attack(A, y, made, budget, generator, first=both, **by_value | {"steps": 0})
        found.append(one)
    return words, found


def _drawn(y: Tensor) -> Tensor:
    """Random perturbations of norm 1, of the seed of the searches."""
    drawn = torch.randn(y.shape, generator=seeded(SEED))
    return drawn / drawn.flatten(1).norm(dim=1)[:, None, None]


def robust_job(
    rival: str, starts: int, steps: int, images: int, sizes: Sequence[float] = SIZES, n_val: int = 20
) -> dict:
    """One method: what perturbations of growing size do to the first test images of home."""
    problem, method = home(n_val), METHODS[rival]
    weights, made = made_at_home(rival, n_val)
    x, y, A = problem.x[:images], problem.y[:images], problem.A
    noise = norm_of_noise(y)
    settings = method.settings(problem, y)
    budgets = [size * noise for size in sizes]
    gradient, found = swept(A, y, rival, made, budgets, settings, n_starts=starts, steps=steps, draws=DRAWS, truth=x)
    before = solve(problem, method, y, made)
    drawn = _drawn(y)
    row = {
        "label": method.label, "family": family_of(rival), "weights": weights, "gradient": gradient,
        "converged": round(float(before.converged.float().mean()), 3), "psnr_before": rounded(psnr(before.x, x), 2),
        "noise": round(noise, 4), "at": {},
    }  # fmt: skip
    for size, one in zip(sizes, found, strict=True):
        after = solve(problem, method, y + one.e, made)
        by_chance = solve(problem, method, y + size * noise * drawn, made).x
        row["at"][f"{size:g}"] = _measured(one, before.x, after, size * noise) | {
            "psnr_random": rounded(psnr(by_chance, x), 2)
        }
        if size == PICTURED:
            row["example"] = pack(torch.cat([before.x[:1], after.x[:1]]))
    return row


def _measured(one: Attack, before: Tensor, after, budget: float) -> dict:
    """What is kept of an attack; changes in sizes of the perturbation."""
    clamped = (after.x.clamp(0, 1) - before.clamp(0, 1)).flatten(1).norm(dim=1)
    return {
        "effect": rounded(one.effect / budget, 4), "believed": rounded(one.believed / budget, 4),
        "random_mean": rounded(one.random_mean / budget, 4), "random_max": rounded(one.random_max / budget, 4),
        "clamped": rounded(clamped / budget, 4), "psnr_after": rounded(one.psnr_after, 2),
        "converged": round(float(after.converged.float().mean()), 3), "evaluations": round(one.evaluations, 1),
    }  # fmt: skip


def transfer_job(size: float, images: int, names: Sequence[str] = SHARED, n_val: int = 20) -> dict:
    """The perturbations that were found for each of some methods, and a random one, tried on all of them."""
    problem = home(n_val)
    y, A = problem.y[:images], problem.A
    budget = size * norm_of_noise(y)
    methods = {name: made_at_home(name, n_val)[1] for name in names}
    settings = {name: METHODS[name].settings(problem, y) for name in names}
    found, generator = {}, seeded(SEED)
    for name, made in methods.items():
        starts, steps, _ = SEARCHES[name]
        found[name] = attack(
            A, y, made, budget, generator, n_starts=starts, steps=steps, draws=DRAWS, settings=settings[name]
        ).e
    found[RANDOM] = budget * _drawn(y)
    table = transfer(A, y, methods, found, settings=settings)
    return {
        "sources": table.sources, "targets": table.targets,
        "labels": {name: METHODS[name].label for name in names} | {RANDOM: RANDOM},
        "effect": [[rounded(cell / budget, 4) for cell in line] for line in table.effect],
    }  # fmt: skip


def robust_tasks() -> list[dict]:
    """Every method, then the control: TV with a longer search."""

    def task(name: str, search: tuple[int, int, int]) -> dict:
        return {"rival": name} | dict(zip(("starts", "steps", "images"), search, strict=True))

    tasks = [task(name, search) for name, search in SEARCHES.items()]
    return tasks + [task(name, LONGER) | {"sizes": list(LONGER_SIZES)} for name in ("tv", BOUNDED)]


SETTINGS = {
    "n_val": 20, "draws": DRAWS, "seed": SEED, "seeds": SEEDS, "sigma": SCAN.sigma, "factors": list(FACTORS),
    "most": MOST, "psnr_data_range": 1,
}  # fmt: skip

EXPERIMENTS = {
    "robust": Experiment(
        name="robust",
        title="Worst-case and random perturbations of the data of a scan, by size, for every family",
        tasks=robust_tasks,
        run=robust_job,
        settings=SETTINGS | {"sizes": list(SIZES), "pictured": PICTURED},
        figure=robust_figure,
        more_figures={"robust-harm": harm_figure, "robust-pictures": pictures_figure},
        story=robust_story,
    ),
    "robust-transfer": Experiment(
        name="robust-transfer",
        title="The worst perturbation of one method, tried on the others",
        tasks=lambda: [{"size": size, "images": 2} for size in SHARED_SIZES],
        run=transfer_job,
        settings=SETTINGS,
        figure=transfer_figure,
        story=transfer_story,
    ),
}
