"""Stein's unbiased estimate of the risk."""

from __future__ import annotations

from torch import Tensor

from ..regularisers.objective import per_problem
from .choice import Choice, best_of_grid
from .freedom import DegreesOfFreedom, check_freedom
from .path import SolutionPath

__all__ = ["sure"]


def sure(solutions: SolutionPath, sigma: float | Tensor, freedom: DegreesOfFreedom) -> Choice:
    r"""The weight of least estimated risk: :math:`\|Ax_\lambda-y\|^2-m\sigma^2+2\sigma^2\,\mathrm{div}_yAx_\lambda(y)`.

    Its expectation over the noise is the risk :math:`\mathbb E\|Ax_\lambda-Ax^\dagger\|^2` of the predicted data, for
    every A and every reconstruction that has a weak derivative.  For ``Identity`` that is the risk of the image; for
    other operators the image may want another weight, because the risk of the data does not see the null space of A.

    Parameters
    ----------
    solutions : SolutionPath
    sigma : float or (B,) tensor, >= 0
        Standard deviation of the white Gaussian noise.
    freedom : DegreesOfFreedom
        ``degrees_of_freedom(solutions, generator)``.

    Returns
    -------
    Choice
        With the curves "sure", in units of ||y||^2, "residual" and "freedom".  An estimate can be negative.

    Source
    ------
    Stein, Ann. Statist. 9 (1981); by random vectors: Ramani, Blu and Unser, IEEE Trans. Image Process. 17 (2008).

    Example
    -------
    >>> import torch
    >>> from course_utils.choosing import degrees_of_freedom, solution_path
    >>> from course_utils.operators import Identity, measure
    >>> from course_utils.regularisers import Tikhonov
    >>> x = torch.ones(1, 1, 20, 20)
    >>> y = measure(Identity(20), x, 1.0, torch.Generator().manual_seed(0))
    >>> path = solution_path(Identity(20), y, Tikhonov, [0.1, 1.0, 10.0])
    >>> choice = sure(path, 1.0, degrees_of_freedom(path))
    >>> (path.x - x).pow(2).sum((1, 2, 3, 4)).round(), choice.curves["sure"].flatten().round(), choice.lam
    (tensor([318., 184., 330.]), tensor([334., 209., 363.]), tensor([1.]))
    """
    check_freedom(freedom, solutions)
    variance = per_problem("sigma", sigma, solutions.y) ** 2
    score = solutions.residual - solutions.A.m * variance + 2 * variance * freedom.value
    curves = {"sure": score, "residual": solutions.residual, "freedom": freedom.value}
    return best_of_grid("SURE", solutions, score.argmin(0), curves, freedom.unconverged, freedom.reconstructions)
