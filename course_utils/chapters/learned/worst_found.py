"""The worst perturbations that a search found, for five methods and a few scans: found here, used by the explorer."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.style import COLOURS, subplots
from ...metrics import psnr
from ...reconstructors import Reconstructor
from ...regularisers import Regulariser
from ...reproduce.experiment import Experiment
from ...reproduce.methods import solve, tuned
from ...reproduce.pictures import pack
from ...reproduce.setting import SEEDS, rounded, seeded
from ...stability import sweep_budgets, transfer
from ...training.learned_recipes import SCAN
from .rivals import RIVALS
from .scans import home

__all__ = [
    "BUDGETS", "EXPERIMENTS", "N_IMAGES", "SOURCES", "found_at", "gains", "noise_norm", "random_gains", "row_of",
    "unit_perturbations", "worst_job",
]  # fmt: skip

#: The methods that are attacked, and that all perturbations are tried on.
SOURCES = ("fbp", "tv", "post-processing", "proximal", "primal-dual")
#: Sizes of the perturbations that are searched, in norms of the noise.
BUDGETS = (0.3, 1.0)
N_IMAGES = 4
SEARCH = {"n_starts": 2, "steps": 40, "draws": 10}
ATTACK_SEED = 31


def noise_norm(m: int) -> float:
    """The root of the expected squared norm of the noise in m data: sigma times the root of m."""
    return SCAN.sigma * m**0.5


@functools.cache
def _made(method: str, n_val: int) -> tuple[dict[str, float], Regulariser | Reconstructor]:
    """The weights of a method, tuned at home, and the method with them."""
    found, made = tuned(home(n_val), RIVALS[method])
    return {name: float(f"{value:.6g}") for name, value in found.weights.items()}, made


def worst_job(
    source: str,
    n_images: int = N_IMAGES,
    n_val: int = 20,
    budgets: Sequence[float] = BUDGETS,
    search: Mapping[str, int] = SEARCH,
) -> dict:
    """The worst perturbations found for one method, and what they do to all.

    They are stored with 8 bits a number; all effects are those of what is stored.
    """
    problem, (weights, made) = home(n_val), _made(source, n_val)
    A, x, y = problem.A, problem.x[:n_images], problem.y[:n_images]
    sizes = [budget * noise_norm(A.m) for budget in budgets]
    attacks = sweep_budgets(A, y, made, sizes, seeded(ATTACK_SEED), truth=x, **search)
    found = []
    for budget, size, attack in zip(budgets, sizes, attacks, strict=True):
        packed = pack(attack.e.unsqueeze(1) / attack.e.abs().amax((1, 2))[:, None, None, None], -1, 1)
        e = size * unit_perturbations(packed, A.shape_out)
        moved = transfer(A, y, {name: _made(name, n_val)[1] for name in SOURCES}, {source: e})
        after = solve(problem, RIVALS[source], y + e, made)
        found.append({
            "budget": budget, "size": round(size, 4), "e": packed, "gradient": attack.gradient,
            "effect": {name: rounded(moved.effect[0, k], 3) for k, name in enumerate(moved.targets)},
            "random_mean": rounded(attack.random_mean, 3), "random_max": rounded(attack.random_max, 3),
            "psnr_before": rounded(attack.psnr_before, 2), "psnr_after": rounded(psnr(after.x, x), 2),
            "converged": round(float(after.converged.float().mean()), 2),
        })  # fmt: skip
    return {"label": RIVALS[source].label, "weights": weights, "found": found}


def unit_perturbations(packed: Sequence[str], shape: Sequence[int]) -> Tensor:
    """Stored perturbations, each with Euclidean norm 1: (N, *shape)."""
    levels = np.stack([np.frombuffer(base64.b64decode(text), np.uint8) for text in packed]).astype(np.float32)
    e = torch.from_numpy(levels / 127.5 - 1).reshape(-1, *shape)
    return e / e.flatten(1).norm(dim=1)[:, None, None]


def row_of(record: Mapping, source: str) -> Mapping:
    """The row of one attacked method."""
    return next(row for row in record["rows"] if row["source"] == source)


def found_at(record: Mapping, source: str, budget: float) -> Mapping:
    """What was found for one method with one budget."""
    return next(found for found in row_of(record, source)["found"] if found["budget"] == budget)


def gains(record: Mapping, source: str, target: str, budget: float) -> np.ndarray:
    """‖Φ(y + e) − Φ(y)‖ / ‖e‖ of the target, for each image, with the worst e found for the source."""
    return _found(record, source, budget, lambda there: there["effect"][target])


def random_gains(record: Mapping, target: str, budget: float) -> np.ndarray:
    """The same for random e: the mean over the draws."""
    return _found(record, target, budget, lambda there: there["random_mean"])


def _found(record: Mapping, source: str, budget: float, values) -> np.ndarray:
    there = found_at(record, source, budget)
    return np.array(values(there)) / there["size"]


def worst_figure(record: Mapping) -> Figure:
    """Perturbations from top to bottom, methods from left to right, a table for each size."""
    names = [row["source"] for row in record["rows"]]
    labels = [row["label"].replace(" ", "\n") for row in record["rows"]]
    budgets = record["settings"]["budgets"]
    tables = [
        np.array(
            [[random_gains(record, target, budget).mean() for target in names]]
            + [[gains(record, source, target, budget).mean() for target in names] for source in names]
        )
        for budget in budgets
    ]
    top = max(table.max() for table in tables)
    alt = (
        "Two tables in shades of blue, for a smaller and a larger perturbation: by what factor random perturbations, "
        "in the first row, and the worst ones found for each of five methods, in the rows below, are amplified by "
        "each of the five methods, in the columns, on the mean over the images."
    )
    figure, axes = subplots(1, len(budgets), size=(11.0, 3.9), alt=alt, sharey=True, squeeze=False)
    for ax, table, budget in zip(axes[0], tables, budgets, strict=True):
        shown = ax.imshow(table, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            colour = "white" if value > 0.6 * top else COLOURS["black"]
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
        ax.set_xticks(range(len(names)), labels, fontsize=8)
        words = ["random noise"] + [f"worst found for {row['label']}" for row in record["rows"]]
        ax.set_yticks(range(len(words)), words, fontsize=8.5)
        ax.set(title=f"‖e‖ = {budget:g} of the norm of the noise", xlabel="method that is perturbed")
        ax.grid(False)
        ax.tick_params(length=0)
        for edge in ax.spines.values():
            edge.set_visible(False)
    figure.colorbar(shown, ax=list(axes[0]), label="‖Φ(y+e) − Φ(y)‖ / ‖e‖")
    return figure


def worst_story(record: Mapping) -> str:
    """By what factor each method amplifies random noise, the worst found for it, and the worst of the others."""
    budget, words = max(record["settings"]["budgets"]), []
    names = [row["source"] for row in record["rows"]]
    for row in record["rows"]:
        name = row["source"]
        own, random = gains(record, name, name, budget), random_gains(record, name, budget)
        others = {n: gains(record, n, name, budget).mean() for n in names if n != name}
        strongest = max(others, key=others.get)
        there = found_at(record, name, budget)
        loss = np.array(there["psnr_before"]) - np.array(there["psnr_after"])
        mark = "" if there["converged"] == 1 else f", {100 * (1 - there['converged']):.0f} % not converged"
        words.append(
            f"{row['label']}: random {random.mean():.2f}, worst found {own.mean():.2f} ({own.min():.2f} to "
            f"{own.max():.2f}), of the others' at most {others[strongest]:.2f} (found for "
            f"{row_of(record, strongest)['label']}), PSNR falls by {loss.mean():.1f} dB{mark}"
        )
    return f"Amplification of perturbations as large as {budget:g} times the noise. " + "; ".join(words) + "."


EXPERIMENTS = {
    "attack-explorer": Experiment(
        name="attack-explorer",
        title="The worst perturbations found for five methods on a few scans, and what they do to the other methods",
        tasks=lambda: [{"source": source} for source in SOURCES],
        run=worst_job,
        settings={
            "n_images": N_IMAGES, "n_val": 20, "budgets": list(BUDGETS),
            "search": SEARCH, "seeds": SEEDS | {"attack": ATTACK_SEED},
            "stored": "perturbations with 8 bits a number, up to their norm; effects are those of what is stored",
        },
        figure=worst_figure,
        story=worst_story,
    ),
}  # fmt: skip
