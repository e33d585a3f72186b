"""Which algorithm solves which problem: algorithms say so themselves, by the decorator ``solves``.

    @solves(HardObjective, "lbfgs", rank=0)
    def lbfgs(objective, v0, ...): ...

An algorithm for a class of objectives serves its subclasses too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .._check import check_callable, check_choice, check_count, check_flag, check_kind, check_text, plain, trusting
from ..operators import LinearOperator
from .objective import Objective

__all__ = ["Algorithm", "algorithms_of", "choose", "solves"]


def _always(objective: Objective) -> bool:
    return True


@dataclass(frozen=True)
class Algorithm:
    """One way to solve one kind of problem.

    Attributes
    ----------
    name : str
        As ``reconstruct(..., solver=name)``.
    kind : type
        Of the objectives that it takes.
    function : callable
        The algorithm; see ``gradient_descent`` for its arguments and results.
    first_image : bool
        It takes a first image, (B, 1, H, W) or None, after the first variables.
    rank : int
        "auto" takes the least rank that is ``fast`` for the problem.
    view : callable
        Objective -> the function that is minimised: itself, or one with a block of variables eliminated.
    needs, fast : callable
        Objective -> bool: whether it can be run at all; whether "auto" may choose it.
    general : str
        What it can do beyond linear operators and squared errors: any letter of "A" (any operator), "F" (any fidelity).
    """

    name: str
    kind: type
    function: Callable
    first_image: bool
    rank: int
    view: Callable[[Objective], Objective]
    needs: Callable[[Objective], bool]
    fast: Callable[[Objective], bool]
    general: str

    def run(self, objective: Objective, v0: Tensor, x0: Tensor | None, **settings):
        """Results and traces of the algorithm.

        Raises
        ------
        TypeError
            A setting that the algorithm does not take.
        """
        parameters = inspect.signature(self.function).parameters
        taken = [
            name for name, p in parameters.items() if p.default is not p.empty and name not in ("x0", "u0", "trace")
        ]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            if unknown := [name for name in settings if name not in (*taken, "trace")]:
                said = f"the settings {', '.join(taken)}" if taken else "no settings"
                raise TypeError(f"solver {self.name!r} takes {said}, got {', '.join(map(repr, unknown))}")
        first = (v0, x0) if self.first_image else (v0,)
        return self.function(objective, *first, **{name: plain(value) for name, value in settings.items()})


ALGORITHMS: list[Algorithm] = []


def _trusted(function: Callable) -> Callable:
    """The algorithm, within which operators do not look for NaN: a trial step that is not finite is refused there."""
    if getattr(function, "trusted", False):  # entered twice
        return function

    run = trusting()(function)
    run.trusted = True
    return run


def solves(
    kind: type,
    name: str,
    rank: int = 10,
    view: Callable[[Objective], Objective] = lambda objective: objective,
    needs: Callable[[Objective], bool] = _always,
    fast: Callable[[Objective], bool] = _always,
    general: str = "",
    first_image: bool = False,
):
    """Enter the decorated function as a solver; the attributes are those of ``Algorithm``."""

    check_kind("kind", kind, type, "a class of objectives")
    check_text("name", name)
    rank = check_count("rank", rank, minimum=0)
    for what, rule in (("view", view), ("needs", needs), ("fast", fast)):
        check_callable(what, rule)
    check_text("general", general)
    check_flag("first_image", first_image)

    def enter(function: Callable) -> Callable:
        function = _trusted(function)
        ALGORITHMS.append(Algorithm(name, kind, function, first_image, rank, view, needs, fast, general))
        return function

    return enter


def algorithms_of(objective: Objective) -> dict[str, Algorithm]:
    """What can solve a problem, by name, first what "auto" prefers."""
    check_kind("objective", objective, Objective, "an Objective")
    found: dict[str, Algorithm] = {}
    for kind in type(objective).__mro__:
        for algorithm in sorted((a for a in ALGORITHMS if a.kind is kind), key=lambda a: a.rank):
            if algorithm.name not in found and algorithm.needs(objective):
                if objective.fidelity.squared or "F" in algorithm.general:
                    found[algorithm.name] = algorithm
    return found


def choose(objective: Objective, name: str) -> Algorithm:
    """The algorithm of that name, or the one that "auto" stands for.

    Raises
    ------
    ValueError, TypeError
        Nothing of that name solves this problem, or not with this operator or data term.
    """
    found = algorithms_of(objective)
    if not found:
        raise TypeError(f"no solver for {type(objective).__name__} with {objective.fidelity!r}")
    check_choice("solver", name, ("auto", *found))
    chosen = next((a for a in found.values() if a.fast(objective)), next(iter(found.values())))
    algorithm = chosen if name == "auto" else found[name]
    if "A" not in algorithm.general and not isinstance(objective.A, LinearOperator):
        raise TypeError(
            f"'A' must be a LinearOperator for solver {algorithm.name!r}, got {type(objective.A).__name__}: "
            f"others can be had by {', '.join(repr(a.name) for a in found.values() if 'A' in a.general) or 'none'}"
        )
    return algorithm
