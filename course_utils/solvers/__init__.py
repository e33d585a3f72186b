"""Solvers: ``reconstruct`` for everyday use, and the algorithms of the paper for those who want to look inside.

Each module enters its algorithms for the problems that they solve; see ``regularisers.registry``.
"""

from ..regularisers.registry import algorithms_of, solves
from ..regularisers.starts import Dictionary
from .adapted import adapt
from .admm import admm
from .alternating import alternating_gradient_descent, palm, warm_palm
from .conjugate import conjugate_gradients
from .covariance import alternate, eliminate
from .denoising import Denoising
from .descent import gradient_descent, lbfgs
from .direct import tikhonov_by_svd
from .from_range import gradient_descent_from_range, lbfgs_from_range
from .jacobian import value_and_jacobian
from .levenberg import levenberg_marquardt
from .pdhg import pdhg
from .plug_and_play import PnPADMM, PnPForwardBackward, PnPHalfQuadratic
from .projected import projected_gradient_descent
from .proximal import fista, forward_backward, proximal_gradient
from .reconstruct import Result, objective_of, reconstruct
from .red import RED
from .sparse_tv import linearised, sparse_tv_palm
from .srec import SREC, s_rec
from .staged import staged

__all__ = [
    "RED",
    "SREC",
    "Denoising",
    "Dictionary",
    "PnPADMM",
    "PnPForwardBackward",
    "PnPHalfQuadratic",
    "Result",
    "adapt",
    "admm",
    "algorithms_of",
    "alternate",
    "alternating_gradient_descent",
    "conjugate_gradients",
    "eliminate",
    "fista",
    "forward_backward",
    "gradient_descent",
    "gradient_descent_from_range",
    "lbfgs",
    "lbfgs_from_range",
    "levenberg_marquardt",
    "linearised",
    "objective_of",
    "palm",
    "pdhg",
    "projected_gradient_descent",
    "proximal_gradient",
    "reconstruct",
    "s_rec",
    "solves",
    "sparse_tv_palm",
    "staged",
    "tikhonov_by_svd",
    "value_and_jacobian",
    "warm_palm",
]
