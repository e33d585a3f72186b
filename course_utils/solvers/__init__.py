"""Solvers: ``reconstruct`` for everyday use, and the algorithms of the paper for those who want to look inside."""

from .alternating import alternating_gradient_descent, palm
from .descent import gradient_descent, lbfgs
from .objectives import (
    HardObjective,
    Objective,
    ReducedObjective,
    RelaxedObjective,
    SparseObjective,
    TikhonovObjective,
)
from .pdhg import TVObjective, pdhg
from .reconstruct import Result, objective_of, reconstruct
from .starts import Dictionary

__all__ = [
    "Dictionary",
    "HardObjective",
    "Objective",
    "ReducedObjective",
    "RelaxedObjective",
    "Result",
    "SparseObjective",
    "TVObjective",
    "TikhonovObjective",
    "alternating_gradient_descent",
    "gradient_descent",
    "lbfgs",
    "objective_of",
    "palm",
    "pdhg",
    "reconstruct",
]
