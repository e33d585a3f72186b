"""Generalised cross-validation."""

from __future__ import annotations

import torch

from .choice import Choice, best_of_grid
from .freedom import DegreesOfFreedom, check_freedom
from .path import SolutionPath

__all__ = ["gcv"]


def gcv(solutions: SolutionPath, freedom: DegreesOfFreedom) -> Choice:
    r"""The weight that predicts left-out data best: the least :math:`\frac{\|Ax_\lambda-y\|^2/m}{(1-d_\lambda/m)^2}`.

    d is the number of degrees of freedom and m that of the data.  The noise level plays no part.  It is the score of
    leaving out one datum at a time, made independent of rotations of the data.

    Parameters
    ----------
    solutions : SolutionPath
    freedom : DegreesOfFreedom
        ``degrees_of_freedom(solutions)``.

    Returns
    -------
    Choice
        With the curves "gcv", "residual" and "freedom".  "gcv" is NaN where d is m or more, which only an estimate
        can be: there is no residual left from which to predict.

    Raises
    ------
    ValueError
        No weight of the grid leaves a problem fewer degrees of freedom than data.

    Source
    ------
    Golub, Heath and Wahba, Technometrics 21 (1979).

    Example
    -------
    >>> from course_utils.choosing import degrees_of_freedom, solution_path
    >>> from course_utils.operators import Identity, measure
    >>> from course_utils.regularisers import Tikhonov
    >>> y = measure(Identity(16), torch.zeros(1, 1, 16, 16), 1.0, torch.Generator().manual_seed(0))
    >>> path = solution_path(Identity(16), y, Tikhonov, [0.1, 1.0, 10.0])
    >>> gcv(path, degrees_of_freedom(path)).curves["gcv"].flatten()  # of noise alone: the same for all lambda
    tensor([0.8822, 0.8822, 0.8822])
    """
    check_freedom(freedom, solutions)
    m = solutions.A.m
    left = 1 - freedom.value / m
    # of an exact interpolation both residual and ``left`` are round-off, and their quotient says nothing
    usable = left > 10 * torch.finfo(left.dtype).eps
    if not bool(usable.any(0).all()):
        lost = int((~usable.any(0)).sum())
        raise ValueError(
            f"'freedom' must be less than the number of data {m} for some lambda, got none for {lost} of "
            f"{len(solutions.y)} problems: try larger lambdas, or more draws"
        )
    score = torch.where(usable, solutions.residual / m / left**2, torch.nan)
    best = score.nan_to_num(nan=torch.inf).argmin(0)
    curves = {"gcv": score, "residual": solutions.residual, "freedom": freedom.value}
    return best_of_grid("GCV", solutions, best, curves, freedom.unconverged, freedom.reconstructions)
