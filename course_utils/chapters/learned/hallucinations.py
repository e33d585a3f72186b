"""Details that a small error of the data invents or hides, and changes of the image that a reconstruction ignores."""

from __future__ import annotations

import torch
from torch import Tensor

from ...metrics import contrast_recovery
from ...operators import measure
from ...regularisers import Regulariser
from ...reproduce.experiment import Experiment
from ...reproduce.methods import FACTORS, MOST, solve
from ...reproduce.pictures import pack
from ...reproduce.problems import SharedProblem
from ...reproduce.setting import SEEDS, rounded, seeded
from ...stability import erase, hallucinate
from ...training.learned_recipes import SCAN
from .hallucinations_figures import hallucinations_figure, hallucinations_story
from .robust import BOUNDED, METHODS, SEED, made_at_home, norm_of_noise
from .scans import place

__all__ = ["EXPERIMENTS", "hallucinations_job", "without_spots"]

#: Norms of the errors of the data, as multiples of what the spot itself changes in them.
SIZES = (1.0, 3.0)
#: Of what replaces the spot, the least cosine of the angle to it.
ALIGNMENT = 0.9
#: Random errors in the comparison with each search, and fresh noise for the spot that nobody attacks.
DRAWS, SCANS = 6, 10
#: Starts, steps and images.
SEARCHES = {
    "fbp": (2, 15, 3), "tikhonov": (2, 15, 3), "tv": (1, 12, 2), BOUNDED: (1, 12, 2), "hard": (1, 6, 2),
    "post-processing": (2, 15, 3), "proximal": (2, 15, 3), "primal-dual": (2, 15, 3),
}  # fmt: skip


def without_spots(problem: SharedProblem) -> Tensor:
    """The test images of a problem with their bright spots removed: the grey of the circle goes on.

    Example
    -------
    >>> problem = place("bright spot", n_val=1, n_test=2)
    >>> float(without_spots(problem).amax()), bool((without_spots(problem) <= problem.x).all())
    (0.5, True)
    """
    rest = problem.x.masked_fill(problem.lesions, 0.0).amax((1, 2, 3), keepdim=True)
    return torch.where(problem.lesions, rest, problem.x)


def hallucinations_job(rival: str, starts: int, steps: int, images: int, n_val: int = 20) -> dict:
    """One method with the weights of home: spots that are invented, hidden, and replaced by what is not shown."""
    problem, method = place("bright spot", n_val=n_val), METHODS[rival]
    _, made = made_at_home(rival, n_val)
    A, spots, around = problem.A, problem.lesions[:images], problem.around()[:images]
    x, plain = problem.x[:images], without_spots(problem)[:images]
    noise = problem.y[:images] - A(x)
    y, y_plain = A(x) + noise, A(plain) + noise
    settings = method.settings(problem, y)
    search = {"n_starts": starts, "steps": steps, "draws": DRAWS, "settings": settings}
    seen = A(x - plain)
    budget = float(seen.flatten(1).norm(dim=1).mean())

    def made_of(data: Tensor) -> Tensor:
        return solve(problem, method, data, made).x

    def contrast(data: Tensor) -> Tensor:
        return contrast_recovery(made_of(data), x, spots, around)

    row = {
        "label": method.label, "by_chance": _by_chance(problem, made_of, images), "at": {},
        "spot_data_change": round(budget / norm_of_noise(y), 4),
    }  # fmt: skip
    for size in SIZES:
        invented = hallucinate(
            A, y_plain, made, x, spots, around, size * budget, seeded(SEED), of="data", **search
        )  # fmt: skip
        # as much darker as the spot is brighter: the contrast that is looked for has the other sign
        hidden = hallucinate(
            A, y, made, 2 * plain - x, spots, around, size * budget, seeded(SEED), of="data", **search
        )  # fmt: skip
        row["at"][f"{size:g}"] = {
            "invented": rounded(invented.contrast, 3), "invented_before": rounded(invented.before, 3),
            "invented_random": rounded(invented.random.amax(0), 3),
            "left": rounded(-hidden.contrast, 3), "left_before": rounded(-hidden.before, 3),
            "left_random": rounded(-hidden.random.amax(0), 3), "gradient": invented.gradient,
            # the same share of the data changed as a spot, or its absence, changes them
            "as_a_spot": rounded(contrast(y_plain + size * seen), 3), "as_none": rounded(contrast(y - size * seen), 3),
        }  # fmt: skip
    shown = [made_of(y_plain[:1]), invented.x[:1], made_of(y[:1]), hidden.x[:1]]
    return row | {"example": pack(torch.cat(shown)), "erased": _erased(A, y_plain, made, x - plain, made_of, search)}


def _by_chance(problem: SharedProblem, made_of, images: int) -> dict:
    """What fresh noise, and none, leaves of the spots, and makes of images without: contrasts, image by image."""
    A, x, plain = problem.A, problem.x[:images], without_spots(problem)[:images]
    masks = problem.x[:images], problem.lesions[:images], problem.around()[:images]
    generator, found = seeded(SEEDS["noise_test"] + SEED), {}
    for name, truth in (("left", x), ("invented", plain)):
        draws = [contrast_recovery(made_of(measure(A, truth, SCAN.sigma, generator)), *masks) for _ in range(SCANS)]
        found[name] = rounded(torch.stack(draws).T, 3)
    return found | {"left_without_noise": rounded(contrast_recovery(made_of(A(x)), *masks), 3)}


def _erased(A, y: Tensor, made: Regulariser, spot: Tensor, made_of, search: dict) -> dict:
    """A change of the image that resembles the spot and is shown least, and the spot itself; ratios to the change."""
    before, after, erased = made_of(y), made_of(y + A(spot)), []
    where = torch.nn.functional.max_pool2d((spot > 0).float(), 3, 1, 1) > 0
    for k in range(len(spot)):  # each has a size of its own
        one = slice(k, k + 1)
        erased.append(
            erase(
                A, y[one], made, where[one], float(spot[one].norm()), seeded(SEED), template=spot[one],
                alignment=ALIGNMENT, **search,
            )
        )  # fmt: skip
    size = spot.flatten(1).norm(dim=1)
    return {
        "ratio": [round(float(e.ratio), 3) for e in erased],
        "random": [round(float(e.random.amin()), 3) for e in erased],
        "spot": rounded((after - before).flatten(1).norm(dim=1) / size, 3),
        "data_change": [round(float(e.data_change) / norm_of_noise(y), 3) for e in erased],
    }


EXPERIMENTS = {
    "hallucinations": Experiment(
        name="hallucinations",
        title="Bright spots that small errors of the data invent and hide, and changes that are not shown",
        tasks=lambda: [
            {"rival": name} | dict(zip(("starts", "steps", "images"), search, strict=True))
            for name, search in SEARCHES.items()
        ],
        run=hallucinations_job,
        settings={
            "sizes": list(SIZES), "draws": DRAWS, "scans": SCANS, "alignment": ALIGNMENT, "seed": SEED, "seeds": SEEDS,
            "n_val": 20, "sigma": SCAN.sigma, "factors": list(FACTORS), "most": MOST,
        },
        figure=hallucinations_figure,
        story=hallucinations_story,
    ),
}  # fmt: skip
