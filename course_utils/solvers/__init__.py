"""Solvers: ``reconstruct`` for everyday use, and the algorithms of the paper for those who want to look inside."""

from .alternating import alternating_gradient_descent, palm
from .conjugate import conjugate_gradients
from .covariance import CovarianceObjective
from .descent import gradient_descent, lbfgs
from .jacobian import value_and_jacobian
from .levenberg import levenberg_marquardt
from .objectives import (
    HardObjective,
    Objective,
    ReducedObjective,
    RelaxedObjective,
    SparseObjective,
    TikhonovObjective,
)
from .pdhg import TVObjective, pdhg
from .projected import projected_gradient_descent
from .proximal import LassoObjective, fista, proximal_gradient
from .reconstruct import Result, objective_of, reconstruct
from .sparse_tv import SparseTVObjective, linearised, sparse_tv_palm
from .srec import SREC, s_rec
from .starts import Dictionary

__all__ = [
    "CovarianceObjective",
    "Dictionary",
    "HardObjective",
    "LassoObjective",
    "Objective",
    "ReducedObjective",
    "RelaxedObjective",
    "Result",
    "SREC",
    "SparseObjective",
    "SparseTVObjective",
    "TVObjective",
    "TikhonovObjective",
    "alternating_gradient_descent",
    "conjugate_gradients",
    "fista",
    "gradient_descent",
    "lbfgs",
    "levenberg_marquardt",
    "linearised",
    "objective_of",
    "palm",
    "pdhg",
    "projected_gradient_descent",
    "proximal_gradient",
    "reconstruct",
    "s_rec",
    "sparse_tv_palm",
    "value_and_jacobian",
]
