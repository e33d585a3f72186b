"""Does what fools one method fool the others?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_finite, check_kind, check_tensor
from .._inference import with_autograd
from ..operators import LinearOperator
from ..reconstructors import Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.objective import SQUARED, sum_of_squares
from .derivatives import solution_map

__all__ = ["Transfer", "transfer"]


@dataclass(frozen=True)
class Transfer:
    """What every perturbation does to every method.

    Attributes
    ----------
    sources : list of str
        Names of the perturbations, the first axis of ``effect``.
    targets : list of str
        Names of the methods, the second axis.
    effect : (sources, targets, B) tensor, ||Phi(y + e) - Phi(y)||
    """

    sources: list[str]
    targets: list[str]
    effect: Tensor

    def mean(self) -> Tensor:
        """Over the problems: (sources, targets)."""
        return self.effect.mean(2)


def _named(name: str, value, words: str) -> dict:
    found = dict(check_kind(name, value, Mapping, f"a dict of {words}"))
    if not found:
        raise ValueError(f"'{name}' must name at least one of {words}, got none")
    return found


@with_autograd
def transfer(
    A: LinearOperator,
    y: Tensor,
    methods: Mapping[str, Regulariser | Reconstructor],
    perturbations: Mapping[str, Tensor],
    solver: str = "auto",
    fidelity: Fidelity = SQUARED,
    settings: dict | None = None,
) -> Transfer:
    """The change of every reconstruction by every perturbation, for all problems of a batch.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    methods : dict of name -> Regulariser or Reconstructor
    perturbations : dict of name -> (B, *A.shape_out) tensor
        Those that ``attack`` found for methods, and random ones of the same size beside them for comparison.
    solver, fidelity
        For ``reconstruct``.
    settings : dict of name -> dict, optional
        Of the method of that name, for ``reconstruct``.

    Returns
    -------
    Transfer

    Raises
    ------
    TypeError, ValueError
        No methods or perturbations, or of another kind or shape; settings of a method that is not there; NaN.

    Source
    ------
    Antun, Renna, Poon, Adcock, Hansen, PNAS 117 (2020); Szegedy et al., ICLR 2014.

    Example
    -------
    >>> from course_utils import Identity, Tikhonov
    >>> methods = {"weak": Tikhonov(0.0), "strong": Tikhonov(1.0)}
    >>> y, e = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    >>> transfer(Identity(2), y, methods, {"even": e}).mean()
    tensor([[1.0000, 0.5000]])
    """
    methods = _named("methods", methods, "methods")
    perturbations = _named("perturbations", perturbations, "perturbations")
    settings = {} if settings is None else check_kind("settings", settings, dict, "a dict of settings for each method")
    for name in settings:
        if name not in methods:
            raise ValueError(f"'settings' must name methods, {', '.join(map(repr, methods))}, got {name!r}")
    for name, method in methods.items():
        check_kind(
            "methods", method, (Regulariser, Reconstructor), f"a dict of Regularisers and Reconstructors, {name!r} too"
        )
    maps = [
        solution_map(A, y, method, solver, fidelity, settings.get(name), "none") for name, method in methods.items()
    ]
    for e in perturbations.values():
        check_tensor("perturbations", e, tuple(y.shape), like=y)
        check_finite("perturbations", e)
    columns = []
    for phi in maps:
        x = phi.images(y)
        columns.append(torch.stack([sum_of_squares(phi.images(y + e) - x).sqrt() for e in perturbations.values()]))
    return Transfer(list(perturbations), list(methods), torch.stack(columns, 1))
