"""One table for every method of the course: tuned the same way on the shared problems, one row a method and problem.

A chapter adds rows with a dict of ``Method`` and an experiment of the name "methods", which ``rows`` makes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .._check import check_choice
from ..metrics import contrast_recovery, psnr, ssim
from ..reconstructors import Iterative, Reconstructor
from ..regularisers import Regulariser, SquaredError
from ..solvers import Result, reconstruct
from .experiment import Experiment
from .pictures import middle, pack
from .problems import SETTINGS, SharedProblem
from .setting import rounded

__all__ = ["KINDS", "TRAINING", "Method", "Tuned", "climb", "method_row", "rows", "solve", "tuned"]

#: What a method is, in the words of the lectures.
KINDS = ("formula", "variational", "iterative", "generative", "learned")
TRAINING = ("none", "images", "pairs")
#: Weights are walked by these factors, one after the other; at most so many steps a weight and factor, all together.
FACTORS, MOST = (4.0, 2.0, 2.0**0.5), 10
#: The iteration at which a method is stopped is looked for among so many.
ITERATIONS = 400
#: Side of the stored part of an example.
WINDOW = 56


@dataclass(frozen=True)
class Method:
    """A method of the course as a row of the table.

    Attributes
    ----------
    label : str
    kind : one of ``KINDS``
    make : callable
        ``make(problem, **weights)`` -> Regulariser or Reconstructor; of an ``Iterative`` the number of iterations is
        tuned too.
    start : dict of problem -> dict of weight -> float
        Where the search for the weights begins; the problems named here are those of the method.
    limits : dict of weight -> (low, high)
    linear : bool
        It expects data A x plus symmetric noise, so counts are given to it without their background.
    training : one of ``TRAINING``
        What it has to have seen.
    settings : callable
        ``settings(problem, y)`` -> settings of ``reconstruct``; what it computes, such as a start, counts in the time.
    """

    label: str
    kind: str
    make: Callable[..., Regulariser | Reconstructor]
    start: Mapping[str, Mapping[str, float]]
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    linear: bool = False
    training: str = "none"
    settings: Callable[[SharedProblem, Tensor], dict] = lambda problem, y: {}

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_choice("training", self.training, TRAINING)


@dataclass(frozen=True)
class Tuned:
    """Weights of the highest score that a search found.

    Attributes
    ----------
    weights : dict of weight -> float
    score : float
    tried : int
        Scores that were computed.
    at_edge : list of str
        Weights whose best value is the last that was allowed.
    """

    weights: dict[str, float]
    score: float
    tried: int
    at_edge: list[str]


def climb(
    score: Callable[[dict], float], start: Mapping[str, float], limits: Mapping[str, tuple[float, float]] | None = None
) -> Tuned:
    """Walk each weight uphill by factors of 4 until no step helps, then by factors of 2, then of root 2.

    The best weights have, for each of them, worse neighbours on both sides, or lie at a limit.

    Parameters
    ----------
    score : callable
        Weights -> a number, the greater the better.
    start : dict of weight -> float > 0
    limits : dict of weight -> (low, high), optional

    Example
    -------
    >>> found = climb(lambda w: -abs(w["lam"] - 8), {"lam": 1.0})
    >>> found.weights, found.tried, found.at_edge
    ({'lam': 8.0}, 6, [])
    """
    scores: dict[tuple, float] = {}

    def at(weights: dict) -> float:
        key = tuple(weights.values())
        if key not in scores:
            scores[key] = score(weights)
        return scores[key]

    best, steps, ends = dict(start), 0, {name: (limits or {}).get(name, (0.0, math.inf)) for name in start}

    def step(name: str, factor: float) -> bool:
        """Go there if it is better."""
        nonlocal best, steps
        low, high = ends[name]
        there = best | {name: min(max(best[name] * factor, low), high)}
        if there == best or steps == MOST * len(start) * len(FACTORS) or at(there) <= at(best):
            return False
        best, steps = there, steps + 1
        return True

    at(best)
    for factor in FACTORS:
        moved = True
        while moved:
            moved = False
            for name in start:
                for direction in (factor, 1 / factor):
                    while step(name, direction):
                        moved = True
    spent = steps == MOST * len(start) * len(FACTORS)
    edge = [name for name in start if spent or best[name] in ends[name]]
    return Tuned(best, at(best), len(scores), edge)


def solve(problem: SharedProblem, method: Method, y: Tensor, made: Regulariser | Reconstructor) -> Result:
    """What a method, made with its weights, gives for data of a problem."""
    settings = {}
    if isinstance(made, Regulariser):
        settings = {"fidelity": SquaredError() if method.linear else problem.fidelity} | method.settings(problem, y)
    return reconstruct(problem.A, y - problem.background if method.linear else y, made, **settings)


def _along(problem: SharedProblem, method: Method, made: Iterative) -> tuple[float, int]:
    """The highest mean PSNR of the iterates on the validation images, and which iterate has it."""
    y = problem.y_val - problem.background if method.linear else problem.y_val
    best, at = -math.inf, 0
    with torch.no_grad():
        for k, (x, _) in enumerate(made.iterates(y, problem.A)):
            quality = float(psnr(x, problem.x_val).mean())
            if quality > best:
                best, at = quality, k
            if k == ITERATIONS or k > 2 * at + 50:  # long past its best
                return best, at
    raise AssertionError("iterates have no end")


def tuned(problem: SharedProblem, method: Method) -> tuple[Tuned, Regulariser | Reconstructor]:
    """The weights of highest mean PSNR on the validation images, and the method with them.

    Without parameters there is nothing to tune, and the score is NaN.
    """
    iterations: dict[tuple, int] = {}

    def score(weights: dict) -> float:
        made = method.make(problem, **weights)
        if isinstance(made, Iterative):
            value, iterations[tuple(weights.values())] = _along(problem, method, made)
            return value
        x = solve(problem, method, problem.y_val, made).x
        # weights with which a method diverges are the worst
        return float(psnr(x, problem.x_val).mean()) if bool(torch.isfinite(x).all()) else -math.inf

    start = method.start[problem.name]
    stopped = isinstance(method.make(problem, **start), Iterative)
    found = climb(score, start, method.limits) if start or stopped else Tuned({}, math.nan, 0, [])
    made = method.make(problem, **found.weights)
    if stopped:
        made.max_iter = iterations[tuple(found.weights.values())]
        found = replace(found, at_edge=found.at_edge + ["iterations"] * (made.max_iter == ITERATIONS))
    return found, made


def method_row(problem: SharedProblem, method: Method, example: bool = False) -> dict:
    """A method on one problem: weights by mean PSNR on the validation images, numbers from the test images.

    Parameters
    ----------
    problem : SharedProblem
    method : Method
    example : bool
        Keep the middle of its first reconstruction.
    """
    found, made = tuned(problem, method)
    parameters = [*method.start[problem.name], *(["iterations"] if isinstance(made, Iterative) else [])]
    started = time.process_time()  # of the processor: a neighbour on the machine does not count
    result = solve(problem, method, problem.y, made)
    seconds = time.process_time() - started
    row = {
        "label": method.label, "kind": method.kind, "training": method.training, "parameters": parameters,
        "weights": {name: float(f"{value:.4g}") for name, value in found.weights.items()},
        "at_edge_of_grid": found.at_edge, "tried": found.tried, "psnr": rounded(psnr(result.x, problem.x), 2),
        "ssim": rounded(ssim(result.x, problem.x), 3), "cpu_ms": float(f"{1e3 * seconds / len(problem.y):.3g}"),
        "iterations_mean": round(float(result.iterations.double().mean()), 1),
        "converged": round(float(result.converged.float().mean()), 3),
    }  # fmt: skip
    if parameters:
        row["val_psnr"] = round(found.score, 2)
    if problem.lesions is not None:
        row["contrast"] = rounded(contrast_recovery(result.x, problem.x, problem.lesions, problem.around()), 3)
    if example:
        row["example"] = pack(middle(result.x[:1], WINDOW))[0]
    return row


def rows(methods: Mapping[str, Method], run: Callable[..., dict], joins: bool = True, **more) -> Experiment:
    """The experiment that adds the rows of a chapter to the table.

    Parameters
    ----------
    methods : dict of name -> Method
    run : callable
        ``run(problem, method)``, at module level of the chapter, for names of both.
    joins : bool
        False for the chapter that owns the table.
    **more
        Its figures and its story.
    """
    return Experiment(
        name="methods",
        title="Every method of the course on the shared problems, tuned the same way",
        tasks=lambda: [
            {"problem": problem, "method": name} for problem in SETTINGS for name in _named(methods, problem)
        ],
        run=run,
        settings={
            "problems": SETTINGS, "factors": list(FACTORS), "most": MOST, "iterations": ITERATIONS, "window": WINDOW,
            "psnr_data_range": 1,
        },
        joins=joins,
        **more,
    )  # fmt: skip


def _named(methods: Mapping[str, Method], problem: str) -> Sequence[str]:
    return [name for name, method in methods.items() if problem in method.start]
