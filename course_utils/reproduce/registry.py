"""All experiments, found in the modules that chapters name: fig1 to fig12 first, then the tables."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

from ..catalogue import catalogue
from .experiment import Experiment

__all__ = ["experiments"]


def experiments() -> dict[str, Experiment]:
    """Experiments by name, in the order of the paper's figures, then by name.

    Raises
    ------
    ValueError
        Two chapters use one name without joining, an experiment joins one that is not there, or is entered under a
        name that is not its own.
    AttributeError
        A module has none.
    """
    found: dict[str, Experiment] = {}
    joining: list[Experiment] = []
    modules = [f"{chapter.package}.{name}" for chapter in catalogue().values() for name in chapter.experiments]
    for module in map(importlib.import_module, modules):
        for name, experiment in module.EXPERIMENTS.items():
            if name != experiment.name:
                raise ValueError(f"{module.__name__}: {experiment.name!r} is entered as {name!r}")
            if experiment.joins:
                joining.append(experiment)
                continue
            if name in found:
                raise ValueError(f"{module.__name__}: there is another experiment {name!r}")
            found[name] = experiment
    for part in joining:
        if part.name not in found:
            raise ValueError(f"{part.run.__module__}: there is no experiment {part.name!r} to join")
        found[part.name] = replace(found[part.name], parts=(*found[part.name].parts, part))
    return {name: found[name] for name in sorted(found, key=_order)}


def _order(name: str) -> tuple:
    figure = re.fullmatch(r"fig(\d+)(.*)", name)
    return (0, int(figure[1]), figure[2]) if figure else (1, 0, name)
