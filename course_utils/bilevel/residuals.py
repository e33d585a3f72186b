"""The residuals of a bilevel problem to any accuracy, for methods that see nothing else of it."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .._check import check_choice, check_count, check_kind, check_nonnegative
from .interpolation import Evaluation
from .problem import Bilevel
from .solve import METHODS, LowerSolution, solve_lower

__all__ = ["Residuals"]


class Residuals:
    r"""(theta, delta) -> :math:`r_i=\|\tilde x_i-x_i\|` within delta, :math:`\sqrt P` last; a known theta is refined.

    The lower level starts cold at every new theta, so that the cost of a theta does not depend on the path there; at
    one that was seen before it goes on from where it stopped.  The error of a residual is at most ||x_tilde - x_hat||.

    Parameters
    ----------
    problem : Bilevel
    method : {"fista", "gd", "lbfgs"}
    max_iter : int
        Of the lower level, for each example and call.  With ``dynamic_dfo(..., accuracy=0)`` every evaluation takes
        exactly these: a fixed number of iterations.

    Raises
    ------
    TypeError, ValueError
        Another problem, method or number.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 3.

    Example
    -------
    >>> import torch
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> r = Residuals(Bilevel(SmoothTV(x, nu=1e-2, xi=1e-3), x))
    >>> theta = x.new_tensor([-1.0])
    >>> rough, fine = r(theta, 0.1), r(theta, 1e-5)
    >>> bool((abs(rough.r - fine.r) <= rough.delta + fine.delta).all()), rough.iterations < fine.iterations
    (True, True)
    """

    def __init__(self, problem: Bilevel, method: str = "fista", max_iter: int = 100_000) -> None:
        self.problem = check_kind("problem", problem, Bilevel)
        self.method, self.max_iter = check_choice("method", method, METHODS), check_count("max_iter", max_iter)
        self._known: dict[tuple, LowerSolution] = {}

    def __call__(self, theta: Tensor, delta: float) -> Evaluation:
        problem, delta = self.problem, check_nonnegative("delta", delta)
        problem.lower.check_theta(theta)
        key = tuple(theta.tolist())
        known = self._known.get(key)
        if known is not None and bool((known.error <= delta).all()):
            solution, paid = known, 0
        else:
            solution = solve_lower(problem.lower, theta, delta**2, self.method, known and known.x, self.max_iter)
            paid = solution.cost
        self._known[key] = solution
        r, error = problem.loss(solution.x).sqrt(), solution.error
        penalty = [problem.penalised(theta)[0] ** 0.5] if problem.penalty else []
        return Evaluation(
            np.concatenate([r.double().cpu().numpy(), penalty]),
            np.concatenate([error.double().cpu().numpy(), np.zeros(len(penalty))]), paid,
        )  # fmt: skip
