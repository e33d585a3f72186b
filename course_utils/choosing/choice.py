"""What every rule answers, and the way from the best entries of a grid to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..solvers import Result
from .path import SolutionPath, rows_of

__all__ = ["Choice", "best_of_grid"]


@dataclass(frozen=True)
class Choice:
    """The weights that a rule chose for B problems, out of P that were tried.

    Attributes
    ----------
    rule : str
    lam : (B,) tensor
    grid : (P,) tensor
        The weights that were tried, rising.
    curves : dict of (P, B) tensors
        What the rule looked at, on the grid: all rules can be drawn over one axis.  NaN where it is not defined.
    at_edge : (B,) bool tensor
        The weight lies at an end of what was tried, or beyond: a wider grid may give another one.
    solved : (B,) bool tensor
        The rule's own equation holds (Morozov); True for a rule that takes the best of the grid.
    result : Result
        The reconstructions with these weights.
    unconverged : (B,) integer tensor
        So many of the reconstructions on which the choice for a problem rests did not converge.
    reconstructions : int
        Solved for all problems together, those of the path among them.
    """

    rule: str
    lam: Tensor
    grid: Tensor
    curves: dict[str, Tensor]
    at_edge: Tensor
    solved: Tensor
    result: Result
    unconverged: Tensor
    reconstructions: int

    def row(self) -> dict:
        """The choice in a line of a table: geometric mean and range of the weights, and what is to be said of them."""
        low, high = float(self.lam.min()), float(self.lam.max())
        return {
            "rule": self.rule, "lam": float(self.lam.log().mean().exp()), "lam_min": low, "lam_max": high,
            "at_edge_of_grid": int(self.at_edge.sum()), "unsolved": int((~self.solved).sum()),
            "unconverged": int(self.unconverged.sum()), "chosen_unconverged": int((~self.result.converged).sum()),
            "reconstructions": self.reconstructions, "problems": len(self.lam),
        }  # fmt: skip


def best_of_grid(
    rule: str,
    solutions: SolutionPath,
    best: Tensor,
    curves: dict[str, Tensor],
    unconverged: Tensor | int = 0,
    reconstructions: int = 0,
    ends: tuple[Tensor, Tensor] | None = None,
) -> Choice:
    """The choice of grid entry ``best``, (B,) integers; ``ends`` are the first and last that could have been chosen."""
    P, B = solutions.residual.shape
    first, last = ends or (torch.zeros_like(best), torch.full_like(best, P - 1))
    return Choice(
        rule=rule, lam=solutions.lam[best], grid=solutions.lam, curves=curves,
        at_edge=(best == first) | (best == last), solved=torch.ones_like(best, dtype=torch.bool),
        result=rows_of(solutions.result, best * B + torch.arange(B, device=best.device)),
        unconverged=(~solutions.converged).sum(0) + unconverged, reconstructions=P * B + reconstructions,
    )  # fmt: skip
