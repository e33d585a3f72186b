"""Gradient descent on the upper level with inexact hypergradients: accuracies that adapt, or follow a schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_kind, check_positive
from .hypergradient import Hypergradient, hypergradient
from .problem import Bilevel, Learned, Ledger
from .solve import LowerSolution, solve_lower
from .upper import check_bounds

__all__ = ["hoag", "maid"]

#: No accuracy beyond these is asked for: they are near the round-off of float64.
FLOOR = 1e-12
#: The error of a hypergradient may be 1 - SURE of it at most; a step has to bring DECREASE of what its slope promises.
SURE, DECREASE = 1e-4, 1e-4
#: After a failure accuracies are multiplied by FINER, after a success by COARSER; steps by SHORTER, and divided by it.
FINER, COARSER, SHORTER = 0.5, 1.25, 0.5


def maid(
    problem: Bilevel,
    theta0: Tensor,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    eps: float = 0.1,
    delta: float = 0.1,
    step: float = 0.1,
    max_steps: int = 100,
    gtol: float = 1e-3,
    max_lower: int | None = None,
    method: str = "fista",
) -> Learned:
    r"""Inexact descent in which every accepted step provably lowers the exact objective.

    A hypergradient z of lower-level accuracy eps and residual delta is made more accurate until its error bound is
    below ||z||, so that -z is a direction of descent.  A step :math:`\theta_+=P(\theta-tz)` is accepted when

    .. math:: \overline f(\theta_+)\le\underline f(\theta)-10^{-4}\,\|\theta_+-\theta\|^2/t,

    where :math:`\underline f\le f\le\overline f` follow from the certificates of the lower level.  After three rejected
    steps accuracies are halved; after a success they become coarser, and the next step longer if the first was good.

    Parameters
    ----------
    problem : Bilevel
    theta0 : (P,) tensor
    low, high : sequence of P numbers, optional
        Bounds, kept by projection P.
    eps, delta : float > 0
        First bounds on ||x - x_hat|| and on the residual of the linear system, of each example.
    step : float > 0
        First t.
    max_steps : int
        Accepted steps at most.
    gtol : float > 0
        Converged when the exact projected gradient is at most this, by the bound: ||z|| + bound <= gtol.
    max_lower : int, optional
        Lower-level iterations after which no step is begun.
    method : str
        Of the lower level.

    Returns
    -------
    Learned
        Entries of the history have ``low``, ``high``, ``bound``, ``eps``, ``delta`` and ``step`` too.

    Raises
    ------
    TypeError, ValueError
        Numbers out of range, a lower level that knows no bounds on its second derivatives.

    Source
    ------
    Salehi, Mukherjee, Roberts and Ehrhardt, arXiv 2308.10098: MAID.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    >>> learned = maid(Bilevel(SmoothTV(y, nu=0.05, xi=1e-3), x), x.new_tensor([-2.0]), max_steps=4)
    >>> path = learned.path()
    >>> all(b["high"] < a["high"] for a, b in zip(path, path[1:]))
    True
    """
    check_kind("problem", problem, Bilevel)
    lower = problem.lower
    lower.check_theta(theta0, "theta0")
    low, high = check_bounds(theta0, low, high)
    eps, delta, t = (float(check_positive(n, v)) for n, v in (("eps", eps), ("delta", delta), ("step", step)))
    max_steps, gtol = check_count("max_steps", max_steps), check_positive("gtol", gtol)
    budget = math.inf if max_lower is None else check_count("max_lower", max_lower)

    ledger, theta = Ledger(), theta0.detach().clone()
    x: LowerSolution | Tensor | None = None
    q, taken, tries, message = None, 0, 3, ""
    while not message:
        z = hypergradient(problem, theta, eps**2, delta, method, x, q)
        ledger.pay(z.lower_iterations, z.cg_iterations)
        x, q = z.solution, z.q
        if math.isinf(z.bound):
            raise ValueError("'problem' must have a lower level with bounds on how its second derivatives change")
        _entry(ledger, theta, z, eps, delta, t, not ledger.history)
        size = float((_project(theta - z.gradient, low, high) - theta).norm())
        if size + z.bound <= gtol:
            message = "converged: the exact gradient is at most gtol"
        elif ledger.lower >= budget:
            message = "the budget of iterations is spent"
        elif z.bound > (1 - SURE) * size:  # perhaps no direction of descent
            eps, delta = FINER * eps, FINER * delta
        else:
            found, first = None, t
            for _ in range(tries):
                trial = _project(theta - t * z.gradient, low, high)
                moved = float((trial - theta).square().sum())
                solution = solve_lower(lower, trial, eps**2, method, x.x)
                ledger.pay(solution.cost)
                value, least, most = problem.between(solution, trial)
                if most <= z.low - DECREASE * moved / t and moved > 0:
                    found = solution
                    break
                t *= SHORTER
            if found is None:
                eps, delta, tries, t = FINER * eps, FINER * delta, tries + 1, first
            else:
                theta, x, taken = trial, found, taken + 1
                ledger.write(theta, value, most - value, True, low=least, high=most, eps=eps, delta=delta, step=t)
                eps, delta, tries = COARSER * eps, COARSER * delta, 3
                t = t / SHORTER if t == first else t
                if taken >= max_steps:
                    message = "the budget of steps is spent"
        if eps < FLOOR or delta < FLOOR:
            message = "stopped: the bounds would need accuracies below round-off"
    return Learned(theta, ledger.history[-1]["value"], message.startswith("converged"), message, ledger.history)


def hoag(
    problem: Bilevel,
    theta0: Tensor,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    schedule: str = "quadratic",
    eps: float = 0.1,
    step: float = 0.1,
    max_steps: int = 100,
    gtol: float = 1e-3,
    max_lower: int | None = None,
    method: str = "fista",
) -> Learned:
    r"""Gradient descent whose accuracies follow a schedule that is fixed beforehand.

    By default :math:`\varepsilon_k=\varepsilon_0k^{-2}`, for both levels.  The step becomes 5 % longer where the seen
    objective fell, and half as long where it rose by more than its accuracy; steps are never taken back, and nothing is
    promised of any one of them.

    Parameters
    ----------
    problem, theta0, low, high, max_steps, max_lower, method
        As in ``maid``.
    schedule : {"quadratic", "cubic", "exponential"}
        k^-2, k^-3 or 0.9^k.
    eps, step : float > 0
    gtol : float > 0
        It stops when the hypergradient that it sees is below this; ``converged`` says that its error bound, where the
        lower level has one, is below too.

    Returns
    -------
    Learned

    Raises
    ------
    TypeError, ValueError
        Numbers out of range, an unknown schedule.

    Source
    ------
    Pedregosa, ICML (2016): HOAG.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    >>> learned = hoag(Bilevel(SmoothTV(y, nu=0.05, xi=1e-3), x), x.new_tensor([-2.0]), max_steps=4)
    >>> learned.history[-1]["value"] < learned.history[0]["value"]
    True
    """
    check_kind("problem", problem, Bilevel)
    problem.lower.check_theta(theta0, "theta0")
    low, high = check_bounds(theta0, low, high)
    rate = SCHEDULES[check_choice("schedule", schedule, SCHEDULES)]
    eps, t = float(check_positive("eps", eps)), float(check_positive("step", step))
    max_steps, gtol = check_count("max_steps", max_steps), check_positive("gtol", gtol)
    budget = math.inf if max_lower is None else check_count("max_lower", max_lower)

    ledger, theta, x, q, before = Ledger(), theta0.detach().clone(), None, None, math.inf
    message, sure = "the budget of steps is spent", False
    for k in range(1, max_steps + 2):
        now = max(eps * rate(k), FLOOR)
        z = hypergradient(problem, theta, now**2, now, method, x, q)
        ledger.pay(z.lower_iterations, z.cg_iterations)
        x, q = z.solution.x, z.q
        _entry(ledger, theta, z, now, now, t, True)
        size = float((_project(theta - z.gradient, low, high) - theta).norm())
        if size <= gtol:
            message, sure = "the gradient that is seen is at most gtol", size + z.bound <= gtol
            break
        if ledger.lower >= budget:
            message = "the budget of iterations is spent"
            break
        t = t * 1.05 if z.value <= before else t / 2 if z.low > before else t
        before = z.value
        if k <= max_steps:
            theta = _project(theta - t * z.gradient, low, high)
    return Learned(theta, ledger.history[-1]["value"], sure, message, ledger.history)


#: What ``schedule`` of ``hoag`` may be: the share of the first accuracy in step k = 1, 2, ...
SCHEDULES = {"quadratic": lambda k: k**-2.0, "cubic": lambda k: k**-3.0, "exponential": lambda k: 0.9**k}


def _project(theta: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(theta, low), high)


def _entry(ledger: Ledger, theta: Tensor, z: Hypergradient, eps: float, delta: float, t: float, accepted: bool) -> dict:
    return ledger.write(
        theta, z.value, z.high - z.value, accepted, low=z.low, high=z.high, bound=z.bound,
        gradient=float(z.gradient.norm()), eps=eps, delta=delta, step=t,
    )  # fmt: skip
