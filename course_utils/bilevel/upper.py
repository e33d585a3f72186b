"""Learning by SciPy's L-BFGS-B on the reduced problem, with hypergradients of a fixed accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from .._check import check_count, check_finite, check_flag, check_kind, check_nonnegative, check_numbers, check_tensor
from .hypergradient import Hypergradient, hypergradient
from .problem import Bilevel, Learned, Ledger

__all__ = ["learn_lbfgsb"]


def learn_lbfgsb(
    problem: Bilevel,
    theta0: Tensor,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    tol: float = 1e-12,
    cg_tol: float = 1e-8,
    max_evals: int = 100,
    gtol: float = 1e-5,
    method: str = "fista",
    warm: bool = True,
) -> Learned:
    r"""Minimise the reduced problem by SciPy's L-BFGS-B, as if hypergradients were exact.

    Parameters
    ----------
    problem : Bilevel
    theta0 : (P,) tensor
    low, high : sequence of P numbers, optional
        Bounds on theta.
    tol, cg_tol : float
        Of every hypergradient; L-BFGS-B knows nothing of errors, and its line search fails if they are loose.
    max_evals : int
    gtol : float
        Converged if no entry of the projected gradient is larger.
    method : str
        Of the lower level.
    warm : bool
        Start the lower level and the linear system from the last answers.

    Returns
    -------
    Learned

    Raises
    ------
    TypeError, ValueError
        Wrong shapes, bounds that cross, a start beyond them.

    Source
    ------
    Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16 (1995); for bilevel learning: Sherry et al., IEEE Trans. Med.
    Imaging 39 (2020).

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    >>> learned = learn_lbfgsb(Bilevel(SmoothTV(y, nu=0.01, xi=1e-3), x), x.new_tensor([-1.0]))
    >>> learned.converged, -1 < float(learned.theta) < 0
    (True, True)
    """
    check_kind("problem", problem, Bilevel)
    problem.lower.check_theta(theta0, "theta0")
    low, high = check_bounds(theta0, low, high)
    check_nonnegative("gtol", gtol)
    max_evals, warm = check_count("max_evals", max_evals), check_flag("warm", warm)
    ledger, last, best = Ledger(), [None], [None]

    def function(v: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.as_tensor(v, dtype=torch.float64).to(theta0)
        before: Hypergradient | None = last[0] if warm else None
        found = hypergradient(
            problem, theta, tol, cg_tol, method, before and before.solution.x, before.q if before else None
        )
        last[0] = found
        ledger.pay(found.lower_iterations, found.cg_iterations)
        better = best[0] is None or found.value < best[0][0]
        if better:
            best[0] = found.value, theta
        ledger.write(theta, found.value, found.high - found.value, better, bound=found.bound, reached=found.reached)
        return found.value, found.gradient.double().cpu().numpy()

    answer = scipy.optimize.minimize(
        function, theta0.detach().double().cpu().numpy(), jac=True, method="L-BFGS-B",
        bounds=list(zip(low.tolist(), high.tolist(), strict=True)),
        options={"maxfun": max_evals, "gtol": gtol, "ftol": 1e-14},
    )  # fmt: skip
    value, theta = best[0]
    sure = bool(answer.success) and all(entry["reached"] for entry in ledger.history)
    return Learned(theta, value, sure, str(answer.message), ledger.history)


def check_bounds(theta0: Tensor, low, high) -> tuple[Tensor, Tensor]:
    """Bounds as (P,) tensors, infinite where none are given."""
    found = []
    for name, value, default in (("low", low, -torch.inf), ("high", high, torch.inf)):
        if value is None:
            found.append(torch.full_like(theta0, default))
            continue
        if isinstance(value, Tensor):
            check_tensor(name, value, tuple(theta0.shape))
            check_finite(name, value)
        numbers = check_numbers(name, value)
        if len(numbers) != len(theta0):
            raise ValueError(f"'{name}' must hold {len(theta0)} numbers, got {len(numbers)}")
        found.append(theta0.new_tensor(numbers))
    if bool((found[0] >= found[1]).any()):
        raise ValueError("'low' must be below 'high' in every entry")
    if bool(((theta0 < found[0]) | (theta0 > found[1])).any()):
        raise ValueError("'theta0' must lie between 'low' and 'high'")
    return found[0], found[1]
