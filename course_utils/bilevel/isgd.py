"""Stochastic gradient descent on the upper level: inexact hypergradients of a few examples at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._check import check_count, check_generator, check_kind, check_nonnegative, check_positive
from .hypergradient import hypergradient
from .maid import FLOOR
from .problem import Bilevel, Learned, Ledger
from .upper import check_bounds

__all__ = ["isgd"]


def isgd(
    problem: Bilevel,
    theta0: Tensor,
    generator: torch.Generator,
    batch: int,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    eps: float = 0.1,
    step: float = 0.1,
    decay: float = 0.5,
    halfway: int = 100,
    max_steps: int = 1_000,
    max_cost: int | None = None,
    method: str = "fista",
) -> Learned:
    r"""Steps along inexact hypergradients of random examples, with accuracies and steps that decay.

    Step k takes ``batch`` examples S out of n, the next ones of a random order that is drawn anew when it is used up:

    .. math:: \theta_{k+1}=P\Big(\theta_k-\tau_k\,\frac n{|S|}\,z_S\Big),\qquad
        \tau_k=\tau\,(1+k/h)^{-p},\quad\varepsilon_k=\varepsilon\,(1+k/h)^{-p},

    where z_S is the hypergradient of these examples with both accuracies at most :math:`\varepsilon_k`, and P keeps
    the bounds.  The lower level of each example starts from its last solution.  There is no line search, because the
    objective of all examples is never evaluated; nothing is promised of any one step.

    Parameters
    ----------
    problem : Bilevel
        A penalty is counted once a step, as a whole.
    theta0 : (P,) tensor
    generator : torch.Generator
        Of the order.
    batch : int
        Examples a step; all of them make it gradient descent.
    low, high : sequence of P numbers, optional
    eps, step : float > 0
        The first ones.
    decay : float >= 0
        p.
    halfway : int
        h: after so many steps both are 2^-p of the first.
    max_steps : int
    max_cost : int, optional
        Lower-level iterations and products with the Hessian together, after which no step is begun.
    method : str
        Of the lower level.

    Returns
    -------
    Learned
        Its values are estimates from one batch each; ``converged`` is always False, because nothing is tested.

    Raises
    ------
    TypeError, ValueError
        Numbers out of range, a batch larger than the number of examples.

    Source
    ------
    Salehi, Mukherjee, Roberts and Ehrhardt, arXiv 2412.12049: ISGD; schedules that decay: arXiv 2511.06774.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> random = torch.Generator().manual_seed(0)
    >>> x = box_signals(8, random, 32)
    >>> y = x + 0.1 * torch.randn(x.shape, generator=random, dtype=x.dtype)
    >>> problem = Bilevel(SmoothTV(y, nu=0.05, xi=1e-3), x)
    >>> learned = isgd(problem, x.new_tensor([-2.0]), random, batch=2, step=0.3, max_steps=20)
    >>> -1.5 < float(learned.theta) < -0.2
    True
    """
    check_kind("problem", problem, Bilevel)
    lower = problem.lower
    lower.check_theta(theta0, "theta0")
    check_generator(generator)
    n, batch = len(problem.truth), check_count("batch", batch)
    if batch > n:
        raise ValueError(f"'batch' must be at most the number of examples, {n}, got {batch}")
    low, high = check_bounds(theta0, low, high)
    eps, step = float(check_positive("eps", eps)), float(check_positive("step", step))
    decay, halfway = check_nonnegative("decay", decay), check_count("halfway", halfway)
    max_steps = check_count("max_steps", max_steps)
    budget = math.inf if max_cost is None else check_count("max_cost", max_cost)

    ledger, theta = Ledger(), theta0.detach().clone()
    x, q = lower.start(), torch.zeros_like(problem.truth)
    order, message = torch.empty(0, dtype=torch.int64), "the budget of steps is spent"
    for k in range(max_steps):
        if ledger.lower + ledger.cg >= budget:
            message = "the budget of iterations is spent"
            break
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(n, generator=generator, device=generator.device).cpu()])
        rows, order = order[:batch].to(x.device), order[batch:]
        share = (1 + k / halfway) ** -decay
        now = max(eps * share, FLOOR)
        part = Bilevel(lower.subset(rows), problem.truth[rows])
        z = hypergradient(part, theta, now**2, now, method, x[rows], q[rows])
        ledger.pay(z.lower_iterations, z.cg_iterations)
        x[rows], q[rows] = z.solution.x, z.q
        penalty, by_penalty = problem.penalised(theta)
        ledger.write(theta, n / batch * z.value + penalty, math.inf, True, eps=now, step=step * share)
        theta = theta - step * share * (n / batch * z.gradient + by_penalty)
        theta = torch.minimum(torch.maximum(theta, low), high)
    ledger.write(theta, math.nan, math.inf, True, eps=now, step=0.0)
    return Learned(theta, ledger.history[-2]["value"], False, message, ledger.history)
