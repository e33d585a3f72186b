"""The tables of the chapter: every family of the lectures' map with the weights of its home, at home and elsewhere."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping

from ...generators import n_parameters
from ...metrics import psnr, ssim
from ...reproduce.experiment import Experiment
from ...reproduce.methods import FACTORS, MOST, Method, solve, tuned
from ...reproduce.pictures import pack
from ...reproduce.problems import SharedProblem
from ...reproduce.setting import SEEDS, rounded
from ...training.zoo import card
from .digits import DIGIT_NETWORKS, DIGIT_PLACES, DIGIT_RIVALS, digit_network, digit_place, digits_present
from .rivals import DRAWS, NETWORKS, RIVALS, group_of, network, present
from .scans import HOME, PLACES, place, spot_contrast
from .tables import digits_figure, learned_figure, learned_story, retuned_figure

__all__ = ["EXPERIMENTS", "digits_job", "learned_job"]

#: Elsewhere in which a user would notice that something is different, and could tune again.
NOTICED = ("15 views", "60 views", "half the noise", "twice the noise")
#: Validation and test images: few, because some methods take seconds for each, and all should have the same.
SIZES = {"n_val": 5, "n_test": 16}
#: Rivals with an experiment of their own, because their search needs one that can fail.
APART = ("dps",)
#: Too slow to be tuned again and again.
SLOW = ("adversarial", "pnp", "pnp-lipschitz", "pnp-gradient-step", "red", "dps", "diffpir", "pnp-flow")


def learned_job(
    rival: str, again: str | None = None, n_val: int = SIZES["n_val"], n_test: int = SIZES["n_test"]
) -> dict:
    """A rival with the weights of its home everywhere, or at one place with weights that were tuned there ``again``."""
    method = RIVALS[rival]
    at = functools.partial(place, n_val=n_val, n_test=n_test)
    if again is not None:
        return _row(method, at(again), {again: at(again)})
    row = _row(method, at(HOME), {name: at(name) for name in PLACES}, pictured=True)
    return row | _network_facts(network(rival), NETWORKS[rival]) if rival in NETWORKS else row


def digits_job(rival: str, n_val: int = 20, n_test: int = 100) -> dict:
    """A rival with the weights of its home at every place that it can be used at."""
    at = functools.partial(digit_place, n_val=n_val, n_test=n_test)
    places = {name: at(name) for name in DIGIT_PLACES}
    facts = {}
    if rival in DIGIT_NETWORKS:
        N = digit_network(rival)
        facts = _network_facts(N, DIGIT_NETWORKS[rival])
        if not N.any_data:
            places = {name: problem for name, problem in places.items() if problem.A.m == at(HOME).A.m}
    return _row(DIGIT_RIVALS[rival], at(HOME), places) | facts


def _network_facts(N, name: str) -> dict:
    """The size of a network, and what its training cost."""
    report = card(name)["report"]
    return {"network": name, "n_weights": n_parameters(N), "training_minutes": round(report["seconds"] / 60, 1)}


def _row(method: Method, home: SharedProblem, places: Mapping[str, SharedProblem], pictured: bool = False) -> dict:
    """Weights by mean PSNR on the validation images of ``home``; numbers from the test images of ``places``."""
    found, made = tuned(home, method)
    row = {
        "label": method.label, "training": method.training, "tried": found.tried,
        "weights": {name: float(f"{value:.4g}") for name, value in found.weights.items()},
        "at_edge_of_grid": found.at_edge, "places": {},
    }  # fmt: skip
    for name, problem in places.items():
        started = time.process_time()  # of the processor: a neighbour on the machine does not count
        result = solve(problem, method, problem.y, made)
        seconds = time.process_time() - started
        noise = _noise(problem)
        there = {
            "psnr": rounded(psnr(result.x, problem.x), 2), "ssim": round(float(ssim(result.x, problem.x).mean()), 3),
            "residual": round(float((problem.A(result.x) - problem.y).flatten(1).norm(dim=1).mean()) / noise, 3),
            "cpu_ms": float(f"{1e3 * seconds / len(problem.y):.3g}"),
            "converged": round(float(result.converged.float().mean()), 3), "warning": bool(result.warning),
        }  # fmt: skip
        contrast = spot_contrast(result.x, problem)
        if contrast is not None:
            there["contrast"] = rounded(contrast, 3)
        if pictured and name in PICTURED:
            there["example"] = pack(result.x[PICTURED[name]][None])[0]
        row["places"][name] = there
    return row


#: Place -> the test image that is kept of it.
PICTURED = {HOME: 0, "bright spot": 0, "chest": 5}


def _noise(problem: SharedProblem) -> float:
    """The mean norm of the noise in the test data."""
    return float((problem.A(problem.x) - problem.y).flatten(1).norm(dim=1).mean())


def learned_tasks() -> list[dict]:
    """Every rival, then those with weights once more where a user would tune them again."""
    rivals = [name for name in present() if name not in APART]
    weighted = [name for name in rivals if RIVALS[name].start["tomography"] and name not in SLOW]
    return [{"rival": name} for name in rivals] + [
        {"rival": name, "again": there} for name in weighted for there in NOTICED
    ]


SETTINGS = {
    "factors": list(FACTORS), "most": MOST, "seeds": SEEDS, "psnr_data_range": 1, "pictured": PICTURED,
}  # fmt: skip

EXPERIMENTS = {
    "learned": Experiment(
        name="learned",
        title="Every family of reconstruction on tomography of shapes, at home and elsewhere",
        tasks=learned_tasks,
        run=learned_job,
        settings=SETTINGS
        | SIZES
        | {"draws": DRAWS, "places": PLACES, "groups": {name: group_of(name) for name in RIVALS}},
        figure=learned_figure,
        more_figures={"learned-again": retuned_figure},
        story=learned_story,
    ),
    "learned-digits": Experiment(
        name="learned-digits",
        title="Networks and variational methods on digits from random measurements, at home and elsewhere",
        tasks=lambda: [{"rival": name} for name in digits_present()],
        run=digits_job,
        settings=SETTINGS | {"n_val": 20, "n_test": 100, "places": DIGIT_PLACES},
        figure=digits_figure,
    ),
}  # fmt: skip
