"""Which derivative a method has, and the checks that every function of this room makes of its arguments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._check import check_choice, check_finite, check_kind, check_tensor
from ..generators.base import DROPS, LOOKS_AROUND
from ..operators.base import check_operator
from ..reconstructors import Iterative, Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.composite import CompositeObjective
from ..regularisers.hard import HardObjective, PenalisedObjective
from ..regularisers.objective import ImageObjective
from ..regularisers.relaxed import ReducedObjective
from ..solvers import objective_of
from .implicit import FixedPoint, Stationary
from .maps import Frozen, SolutionMap, Traceable

__all__ = ["GRADIENTS", "solution_map"]

#: Whether the search may use a derivative.
GRADIENTS = ("auto", "none")


def solution_map(
    A, y: Tensor, method, solver: str, fidelity: Fidelity, settings: dict | None, gradient: str
) -> SolutionMap:
    """The map of a method, with the best derivative that there is for it.

    Raises
    ------
    TypeError, ValueError
        What is no method, data that do not belong to A, settings of another kind; a method without a derivative unless
        ``gradient`` is "none"; a network that draws, or that looks at the other images of a batch.
    """
    check_operator(A)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    if len(y) == 0:
        raise ValueError("'y' must hold at least one problem, got an empty batch")
    check_kind("method", method, (Regulariser, Reconstructor), "a Regulariser or a Reconstructor")
    check_kind("fidelity", fidelity, Fidelity)
    settings = {} if settings is None else dict(check_kind("settings", settings, dict, "a dict"))
    check_choice("gradient", gradient, GRADIENTS)
    _check_still(method)
    given = (A, method, solver, fidelity, settings)
    kind = _kind_of_reconstructor(method) if isinstance(method, Reconstructor) else _kind_of_regulariser(*given, y)
    if gradient == "none":
        return SolutionMap(*given)
    if kind is not None and not issubclass(kind, Traceable):
        return kind(*given)
    if kind is None or not _flows(kind(*given), y):
        raise TypeError(
            f"'method' ({type(method).__name__}) cannot be differentiated here: gradient='none' asks for a search "
            "that compares values, which finds weaker perturbations"
        )
    return kind(*given)


def _check_still(method) -> None:
    """Raise if the method is not one function, or not one of each problem alone."""
    for part in (method, getattr(method, "G", None)):
        if isinstance(part, nn.Module):
            restless = [m for m in part.modules() if isinstance(m, (*DROPS, *LOOKS_AROUND)) and m.training]
            if any(isinstance(m, LOOKS_AROUND) or m.p > 0 for m in restless):
                raise ValueError(
                    f"'method' has a {type(restless[0]).__name__} in training mode, so that it is not one function: "
                    "call eval()"
                )


def _kind_of_reconstructor(method: Reconstructor) -> type[SolutionMap]:
    return Frozen if isinstance(method, Iterative) else Traceable


def _kind_of_regulariser(A, method, solver, fidelity, settings, y) -> type[SolutionMap] | None:
    objective = objective_of(A, y, method, solver, fidelity)
    latent = isinstance(objective, (HardObjective, PenalisedObjective, ReducedObjective))
    if latent or (isinstance(objective, ImageObjective) and method.smooth):
        return Stationary
    return FixedPoint if isinstance(objective, CompositeObjective) else None


def _flows(map: SolutionMap, y: Tensor) -> bool:
    """Whether a derivative comes back from the image to the data."""
    try:
        point = map.at(y[:1])
        found = point.vjp(torch.ones_like(point.x))
    except (RuntimeError, NotImplementedError):
        return False
    return bool(torch.isfinite(found).all())
