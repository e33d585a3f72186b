"""Derivative-free Gauss-Newton with a trust region, for residuals whose accuracy can be asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from .._check import check_callable, check_count, check_finite, check_nonnegative, check_positive, check_tensor
from .interpolation import FLOOR, Evaluation, Interpolation, wrong
from .problem import Learned
from .upper import check_bounds

__all__ = ["Evaluation", "dynamic_dfo"]

#: A step is taken from FAIR on, and is good from GOOD on; both values may be wrong by TRUST of what the model promises.
FAIR, GOOD, TRUST = 0.1, 0.7, 0.05
#: By what the trust region shrinks and grows, and the largest.
SHRINK, GROW, LARGEST = 0.5, 2.0, 1e3


def dynamic_dfo(
    residuals: Callable[[Tensor, float], Evaluation],
    theta0: Tensor,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    accuracy: float | str = "dynamic",
    radius: float = 0.1,
    radius_end: float = 1e-6,
    max_evals: int = 100,
    max_lower: int | None = None,
    critical: float = 1e-6,
    per_radius: float = 1.0,
) -> Learned:
    r"""Minimise :math:`\|r(\theta)\|^2` from values alone, each only as accurate as the next decision needs.

    Every residual is modelled by an affine function through P + 1 points, :math:`m(s)=\|r_k+Js\|^2`.  A step s that
    minimises m over the trust region and the bounds is judged by
    :math:`\rho=(\tilde f(\theta_k)-\tilde f(\theta_k+s))/(m(0)-m(s))`, after both values of :math:`f=\|r\|^2` have been
    made so accurate that neither is wrong by more than 0.05 (m(0) - m(s)).  The trust region is a box, so that the step
    is a least squares problem with bounds, which SciPy solves exactly.

    Parameters
    ----------
    residuals : callable
        (theta, delta) -> ``Evaluation`` whose errors are at most delta where it can: ``Residuals``.
    theta0 : (P,) tensor
    low, high : sequence of P numbers, optional
    accuracy : "dynamic" or float >= 0
        A number is asked for in every evaluation, and the answers are then taken for exact, as a user of a plain solver
        does; in nothing else do the two modes differ.
    radius, radius_end : float > 0
        First half-width of the trust region, and the one that ends the search.
    max_evals : int
        Calls of ``residuals``, those included that improve the accuracy at a known theta.
    max_lower : int, optional
        Lower-level iterations after which no step is begun.
    critical : float > 0
        Below this norm of the model's gradient the trust region shrinks to that norm (criticality phase).
    per_radius : float > 0
        Residuals at the model's points may be wrong by this times the squared radius.

    Returns
    -------
    Learned

    Raises
    ------
    TypeError, ValueError
        Numbers out of range, residuals that are not finite.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Algorithm 1, whose lines the comments name; for exact values:
    Cartis and Roberts, Math. Prog. Comput. 11 (2019).

    Example
    -------
    >>> import numpy as np, torch
    >>> def rosenbrock(theta, delta):
    ...     a, b = theta.tolist()
    ...     return Evaluation(np.array([10 * (b - a**2), 1 - a]), np.zeros(2), 1)
    >>> found = dynamic_dfo(rosenbrock, torch.tensor([-1.2, 1.0], dtype=torch.float64))
    >>> [round(t, 3) for t in found.theta.tolist()], found.converged
    ([1.0, 1.0], True)
    """
    check_callable("residuals", residuals)
    check_tensor("theta0", theta0, (None,))
    check_finite("theta0", theta0)
    low, high = check_bounds(theta0, low, high)
    if not isinstance(accuracy, str):
        accuracy = float(check_nonnegative("accuracy", accuracy))
    elif accuracy != "dynamic":
        raise ValueError(f"'accuracy' must be 'dynamic' or a number, got {accuracy!r}")
    radius, end = float(check_positive("radius", radius)), float(check_positive("radius_end", radius_end))
    max_evals = check_count("max_evals", max_evals, minimum=len(theta0) + 1)
    budget = math.inf if max_lower is None else check_count("max_lower", max_lower)
    critical, per_radius = check_positive("critical", critical), check_positive("per_radius", per_radius)

    model = Interpolation(residuals, theta0, low, high, accuracy, per_radius, max_evals)
    model.begin(radius)  # line 1
    message = ""
    while not message:
        radius, message = _iterate(model, radius, end, critical)
        if not message and (model.spent or model.ledger.lower >= budget):
            message = "the budget of evaluations or of iterations is spent"
    theta, r = model.theta[model.k], model.r[model.k]
    return Learned(
        theta0.new_tensor(theta.tolist()), float(r @ r), message.startswith("converged"), message, model.ledger.history
    )


def _iterate(model: Interpolation, radius: float, end: float, critical: float) -> tuple[float, str]:
    """One iteration: the next radius, and why it is the last one if it is."""
    while True:  # lines 3 to 9: a step, and a value at theta_k that is accurate enough to judge it
        s, promised, slope = model.step(radius)
        if slope <= critical:  # lines 5 to 7
            while radius > end and not (radius <= slope and model.fully_linear(radius)):
                radius *= SHRINK
                model.repair(max(radius, end))
                slope = model.step(radius)[2]
            s, promised, slope = model.step(radius)
        if radius <= end:
            return radius, "converged: the trust region has shrunk to radius_end"
        enough = TRUST * promised
        if model.spent or promised <= 0 or wrong(model.r[model.k], model.error[model.k]) <= enough:
            break
        if model.error[model.k].max() <= FLOOR * (1 + 1e-9):
            return radius, "converged: the model promises less than the finest accuracy can tell"
        if not model.refine(model.k, model.accurate_to(model.r[model.k], model.error[model.k], enough)):
            return radius, "stopped: the lower level does not reach the accuracy that the next decision needs"
    if model.spent:
        return radius, ""
    if promised <= 0:
        rho, new = -1.0, None
    else:  # line 10: a value at theta_k + s that is as accurate
        new = model.theta[model.k] + s
        expected = model.r[model.k] + model.jacobian() @ s
        r, error = model.evaluate(new, model.accurate_to(expected, model.error[model.k], enough))
        while wrong(r, error) > enough and not model.spent and error.max() > FLOOR * (1 + 1e-9):
            before = error.max()
            r, error = model.evaluate(new, model.accurate_to(r, error, enough))
            if error.max() >= before:
                break
        judged = wrong(r, error) <= enough * (1 + 1e-9)
        rho = float(model.r[model.k] @ model.r[model.k] - r @ r) / promised if judged else -1.0
    # lines 11 and 12
    good = model.fully_linear(radius)
    accept = rho >= GOOD or (rho >= FAIR and good)
    if new is not None:  # a rejected point joins the set as well: its value is paid
        i = model.leaving(new, radius, None if accept else model.k)
        model.put(i, new, r, error)
        if accept:
            model.k = i
            model.ledger.history[-1]["accepted"] = True
    if rho >= GOOD:
        # the region grows only where a step used all of it: the accuracy of the model is measured by its radius
        radius = min(max(GROW * float(abs(s).max()), SHRINK * radius), LARGEST)
    elif good:
        radius *= SHRINK
    if not accept and not good:
        model.repair(radius)
        if new is None and not model.fully_linear(radius):
            radius *= SHRINK
    return radius, ""
