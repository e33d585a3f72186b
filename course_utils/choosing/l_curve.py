"""The corner of the L-curve."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_kind
from .choice import Choice, best_of_grid
from .path import SolutionPath

__all__ = ["l_curve"]

#: Residuals and penalties below this part of the largest are round-off, or what the solver left undone.
NOTHING = 1e-6


def l_curve(solutions: SolutionPath, window: int = 5) -> Choice:
    r"""The weight of largest curvature of :math:`(\rho,\eta)=(\log\|Ax_\lambda-y\|^2,\ \log R(x_\lambda))`.

    With derivatives by :math:`t=\log\lambda`, the curvature is
    :math:`\kappa=(\rho'\eta''-\rho''\eta')/(\rho'^2+\eta'^2)^{3/2}`, positive at the corner of an L.  The derivatives
    are those of the parabola that fits the ``window`` nearest grid points best: second differences of the points
    themselves would show what the solver left undone.  A grid point is a candidate if it has such a window around it
    on which neither the residual nor R vanishes.

    Parameters
    ----------
    solutions : SolutionPath
        On a grid of at least ``window`` weights.
    window : int, odd and at least 3

    Returns
    -------
    Choice
        With the curves "curvature" (NaN where there is no candidate), "residual" and "penalty".  ``at_edge`` tells
        that the chosen one is the first or last candidate: the corner may lie beyond.

    Raises
    ------
    TypeError
        R is not a function of the image.
    ValueError
        An even window, one that is wider than the grid, or a problem without a candidate.

    Source
    ------
    Hansen and O'Leary, SIAM J. Sci. Comput. 14 (1993); Hansen, Discrete Inverse Problems (2010), Sect. 5.3.

    Example
    -------
    >>> from course_utils.choosing import solution_path
    >>> from course_utils.operators import GaussianBlur, measure
    >>> from course_utils.regularisers import Tikhonov
    >>> A, x = GaussianBlur(28, width=9, std=2.0), torch.zeros(1, 1, 28, 28)
    >>> x[..., 8:20, 8:20] = 1
    >>> y = measure(A, x, 0.01, torch.Generator().manual_seed(0))
    >>> choice = l_curve(solution_path(A, y, Tikhonov, torch.logspace(-6, 0, 31)))
    >>> f"{float(choice.lam):.1e}", bool(choice.at_edge)
    ('1.0e-03', False)
    """
    check_kind("solutions", solutions, SolutionPath)
    window = check_count("window", window, minimum=3)
    P, B = solutions.residual.shape
    if window % 2 == 0 or window > P:
        raise ValueError(f"'window' must be odd and at most the number of weights {P}, got {window}")
    # on the CPU, because it is little and not every device has float64
    residual, penalty = solutions.residual.cpu().double(), solutions.penalty().cpu().double()
    there = (residual > NOTHING * residual.amax(0)) & (penalty > NOTHING * penalty.amax(0))
    first, second = _derivatives(solutions.lam.cpu().double().log(), window)
    rho, eta = residual.clamp_min(1e-300).log(), penalty.clamp_min(1e-300).log()
    rho_1, rho_2, eta_1, eta_2 = first @ rho, second @ rho, first @ eta, second @ eta
    curvature = (rho_1 * eta_2 - rho_2 * eta_1) / (rho_1**2 + eta_1**2).clamp_min(1e-300) ** 1.5

    candidate = torch.zeros(P, B, dtype=torch.bool)
    half = window // 2
    candidate[half : P - half] = there.unfold(0, window, 1).all(-1)
    if not bool(candidate.any(0).all()):
        lost = int((~candidate.any(0)).sum())
        raise ValueError(
            f"'solutions' must have {window} neighbouring weights for which neither the residual nor R vanishes, got "
            f"none for {lost} of {B} problems"
        )
    candidate = candidate.to(solutions.y.device)
    curvature = torch.where(candidate, curvature.to(solutions.y), torch.nan)
    best = curvature.nan_to_num(nan=-torch.inf).argmax(0)
    ends = candidate.int().argmax(0), P - 1 - candidate.flip(0).int().argmax(0)
    curves = {"curvature": curvature, "residual": solutions.residual, "penalty": penalty.to(solutions.y)}
    return best_of_grid("L-curve", solutions, best, curves, ends=ends)


def _derivatives(t: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """(P, P) matrices that take values on the grid t to first and second derivatives of the fitting parabolas.

    Rows of points without a window around them are 0.
    """
    P, half = len(t), window // 2
    first, second = t.new_zeros(P, P), t.new_zeros(P, P)
    for i in range(half, P - half):
        near = slice(i - half, i + half + 1)
        fit = torch.linalg.pinv(torch.stack([torch.ones(window).to(t), t[near] - t[i], (t[near] - t[i]) ** 2], 1))
        first[i, near], second[i, near] = fit[1], 2 * fit[2]
    return first, second
