"""The two levels together, and what every method of learning returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .._check import check_callable, check_nonnegative
from .lower import LowerLevel, check_lower
from .solve import LowerSolution

__all__ = ["Bilevel", "Learned", "condition_penalty"]


class Bilevel:
    r"""Learning theta from examples: :math:`\min_\theta\sum_i\|\hat x_i(\theta)-x_i\|^2+P(\theta)`.

    A sum over the examples, as in the experiments of Ehrhardt and Roberts; the lectures divide it by their number,
    which changes no minimiser.

    Parameters
    ----------
    lower : LowerLevel
        Which gives x_hat.
    truth : (B, ...) tensor
        What the reconstructions should be.
    penalty : callable, optional
        theta -> P(theta) >= 0, a tensor without axes, differentiable.

    Raises
    ------
    TypeError, ValueError
        A truth of another shape than the reconstructions, or a penalty that cannot be called.

    Source
    ------
    Kunisch and Pock, SIAM J. Imaging Sci. 6 (2013); Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), eq. (1).

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV
    >>> x = torch.zeros(2, 16)
    >>> Bilevel(SmoothTV(x + 1), x).loss(x + 1)
    tensor([16., 16.])
    """

    def __init__(self, lower: LowerLevel, truth: Tensor, penalty: Callable | None = None) -> None:
        self.lower = check_lower("lower", lower)
        self.truth = lower.check_x("truth", truth)
        if penalty is not None:
            check_callable("penalty", penalty)
        self.penalty = penalty

    def loss(self, x: Tensor) -> Tensor:
        """||x_i - truth_i||^2, (B,)."""
        return (x - self.truth).flatten(1).square().sum(1)

    def penalised(self, theta: Tensor) -> tuple[float, Tensor]:
        """P and its gradient."""
        if self.penalty is None:
            return 0.0, torch.zeros_like(theta)
        with torch.enable_grad():
            at = theta.detach().requires_grad_()
            value = self.penalty(at)
            return float(value.detach()), torch.autograd.grad(value, at)[0]

    def between(self, solution: LowerSolution, theta: Tensor) -> tuple[float, float, float]:
        """The objective at an inexact solution, and between which two numbers the exact one lies."""
        distance, error, P = self.loss(solution.x).sqrt(), solution.error, self.penalised(theta)[0]
        low, high = (distance - error).clamp_min(0), distance + error
        return tuple(float(r.square().sum()) + P for r in (distance, low, high))


def condition_penalty(lower: LowerLevel, weight: float) -> Callable[[Tensor], Tensor]:
    r"""The penalty :math:`w\,(L/\mu)^2`, which keeps the lower level from becoming arbitrarily hard to solve.

    Parameters
    ----------
    lower : LowerLevel
    weight : float >= 0
        w; the published experiments have 1e-6, and 1e-4.

    Returns
    -------
    callable
        For ``Bilevel(..., penalty=...)``.

    Raises
    ------
    TypeError, ValueError
        Another lower level, a negative weight.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 4.2.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV
    >>> penalty = condition_penalty(SmoothTV(torch.zeros(1, 8), nu=0.1, xi=1.0), 0.5)
    >>> round(float(penalty(torch.tensor([0.0]))), 1)
    220.5
    """
    check_lower("lower", lower)
    weight = check_nonnegative("weight", weight)
    return lambda theta: weight * (lower.L(theta) / lower.mu(theta)).square()


@dataclass
class Learned:
    """What a method of learning found, and what it paid.

    Attributes
    ----------
    theta : (P,) tensor
    value : float
        The objective as the method saw it there, which an inexact lower level may falsify.
    converged : bool
        Whether it stopped by its own criterion and not by a budget; ``message`` says which.
    message : str
    history : list of dict
        One entry for each evaluation: ``theta`` (list), ``value``, ``error`` (bound on the error of the value),
        ``lower`` and ``cg`` (iterations so far, of all examples together), ``accepted``.
    """

    theta: Tensor
    value: float
    converged: bool
    message: str
    history: list[dict] = field(default_factory=list)

    @property
    def lower_iterations(self) -> int:
        """Gradients of the lower level that were computed in all."""
        return self.history[-1]["lower"] if self.history else 0

    @property
    def cg_iterations(self) -> int:
        """Products with the Hessian in all."""
        return self.history[-1]["cg"] if self.history else 0

    def path(self) -> list[dict]:
        """The accepted entries of the history, from the start on."""
        return [entry for entry in self.history if entry["accepted"]]


class Ledger:
    """Adds up the iterations and writes the history."""

    def __init__(self) -> None:
        self.lower = self.cg = 0
        self.history: list[dict] = []

    def pay(self, lower: int = 0, cg: int = 0) -> None:
        self.lower, self.cg = self.lower + lower, self.cg + cg

    def write(self, theta: Tensor, value: float, error: float, accepted: bool, **more) -> dict:
        entry = {
            "theta": theta.detach().flatten().tolist(), "value": float(value), "error": float(error),
            "lower": self.lower, "cg": self.cg, "accepted": accepted, **more,
        }  # fmt: skip
        self.history.append(entry)
        return entry
