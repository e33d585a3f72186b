"""The other side of the story: networks and TV on digits from random measurements, with errors found and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...operators import measure
from ...regularisers import TV
from ...reproduce.experiment import Experiment
from ...reproduce.methods import FACTORS, MOST, Method, solve, tuned
from ...reproduce.problems import SharedProblem
from ...reproduce.setting import SEEDS, rounded, seeded
from ...stability import attack
from ...training.learned_recipes import SENSING
from .digits import DIGIT_NETWORKS, DIGIT_RIVALS, digit_network, digit_place
from .hallucinations_figures import digits_robust_figure, digits_robust_story
from .scans import HOME

__all__ = ["EXPERIMENTS", "LEVELS", "MANY", "robust_digits_job"]

#: Norms of the errors, as shares of the norm of the noise for which the networks were trained.
LEVELS = (0.1, 0.25, 0.5, 1.0, 2.0)
MANY = "300 measurements"
IMAGES, DRAWS, SEED = 5, 6, 9
METHODS: dict[str, Method] = {name: DIGIT_RIVALS[name] for name in ("tv", "hard", *DIGIT_NETWORKS)} | {
    "tv-bounded": Method(
        "TV, grey values in [0, 1]",
        "variational",
        lambda problem, lam: TV(lam, bounds=(0, 1)),
        {"sensing": {"lam": 0.02}},
    )
}
#: Starts and steps at each level.
SEARCHES = {name: (2, 20) for name in METHODS} | {"tv": (1, 15), "tv-bounded": (1, 15), "hard": (1, 6)}


def robust_digits_job(
    rival: str, starts: int, steps: int, place: str = HOME, again: bool = False, levels: Sequence[float] = LEVELS,
    images: int = IMAGES, n_val: int = 20,
) -> dict:  # fmt: skip
    """The relative error of a method from data with an error of each size, the worst found, and drawn at random.

    The data have no other noise.  Weights are those of ``place``, or with ``again`` those of the noise of each level.
    "without" is the error from exact data with the weights that were used last.
    """
    problem, method = digit_place(place, n_val=n_val), METHODS[rival]
    x = problem.x[:images]
    clean, size = problem.A(x), x.flatten(1).norm(dim=1)
    noise = SENSING.sigma * clean.shape[1] ** 0.5
    row = {"label": method.label, "noise": rounded(noise / clean.norm(dim=1), 4), "at": {}}
    found, made = tuned(problem, method)
    generator, first = seeded(SEED), {}
    for level in levels:
        if again:
            found, made = tuned(_with_noise(problem, level), method)
        one = attack(
            problem.A, clean, made, level * noise, generator, n_starts=starts, steps=steps, draws=DRAWS, aim="error",
            truth=x, settings=method.settings(problem, clean), **first,
        )  # fmt: skip
        first = {"first": one.e}
        row["at"][f"{level:g}"] = {
            "worst": rounded(one.value / size, 4), "believed": rounded(one.believed / size, 4),
            "drawn": rounded(one.random_mean / size, 4), "drawn_most": rounded(one.random_max / size, 4),
            "weights": {name: float(f"{value:.4g}") for name, value in found.weights.items()},
            "gradient": one.gradient,
        }  # fmt: skip
    exact = solve(problem, method, clean, made)
    row["without"] = rounded((exact.x - x).flatten(1).norm(dim=1) / size, 4)
    return row


def _with_noise(problem: SharedProblem, level: float) -> SharedProblem:
    """The same with other validation data."""
    y_val = measure(problem.A, problem.x_val, level * SENSING.sigma, seeded(SEEDS["noise_val"]))
    return replace(problem, y_val=y_val)


def robust_digits_tasks() -> list[dict]:
    """Every method at home, TV also with weights for each level, then what takes more measurements."""
    tasks = [{"rival": name, "starts": starts, "steps": steps} for name, (starts, steps) in SEARCHES.items()]
    tasks += [task | {"again": True} for task in tasks if task["rival"] == "tv"]
    more = [name for name in METHODS if name not in DIGIT_NETWORKS or digit_network(name).any_data]
    return tasks + [
        {"rival": name, "starts": starts, "steps": steps, "place": MANY}
        for name, (starts, steps) in SEARCHES.items()
        if name in more and name not in ("hard", "tv-bounded")
    ]


EXPERIMENTS = {
    "robust-digits": Experiment(
        name="robust-digits",
        title="Relative error of networks and TV on digits from random measurements, errors found and drawn",
        tasks=robust_digits_tasks,
        run=robust_digits_job,
        settings={
            "levels": list(LEVELS), "images": IMAGES, "draws": DRAWS, "seed": SEED, "seeds": SEEDS, "n_val": 20,
            "sigma": SENSING.sigma, "factors": list(FACTORS), "most": MOST, "aim": "error",
        },
        figure=digits_robust_figure,
        story=digits_robust_story,
    ),
}  # fmt: skip
