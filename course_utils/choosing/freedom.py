"""How many degrees of freedom a reconstruction has: the trace of the influence matrix, which GCV and SURE need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_generator, check_kind, check_positive
from ..regularisers.objective import spread, sum_of_squares
from ..regularisers.tikhonov import TikhonovObjective
from .path import SolutionPath

__all__ = ["DegreesOfFreedom", "check_freedom", "degrees_of_freedom"]

#: The size of the perturbation, relative to the root mean square of the data: larger than what solvers leave undone,
#: smaller than what a reconstruction takes for an edge.
STEP = 0.01


@dataclass(frozen=True)
class DegreesOfFreedom:
    """The divergence of y -> A x_lam(y) for P weights and B problems.

    Attributes
    ----------
    value : (P, B) tensor
    error : (P, B) tensor
        Its standard error; 0 where it is exact, NaN where one draw does not tell.
    exact : bool
        From the singular values, not from random vectors.
    unconverged : (B,) integer tensor
        So many of the additional reconstructions did not converge.
    reconstructions : int
        Additional ones, for all problems together.
    """

    value: Tensor
    error: Tensor
    exact: bool
    unconverged: Tensor
    reconstructions: int


def degrees_of_freedom(
    solutions: SolutionPath,
    generator: torch.Generator | None = None,
    draws: int = 1,
    step: float | None = None,
) -> DegreesOfFreedom:
    r"""The divergence :math:`\mathrm{div}_y\,Ax_\lambda(y)`, for a linear reconstruction the trace of its matrix.

    Tikhonov: :math:`\sum_i\sigma_i^2/(\sigma_i^2+\lambda)`, from the spectrum of A, exactly.  Others: the mean of
    :math:`b\cdot\big(Ax_\lambda(y+\epsilon b)-Ax_\lambda(y)\big)/\epsilon` over random signs b.

    All weights and all problems share the draws: curves over lambda are smooth, and what is found for a problem does
    not depend on its neighbours.  But the errors of the problems of a batch are then alike, and their mean is not
    much better than one of them: to improve it, take more ``draws``.

    Parameters
    ----------
    solutions : SolutionPath
    generator : torch.Generator, optional
        Needed for the random signs.
    draws : int
        Of random signs, each costs as many reconstructions as the path.
    step : float > 0, optional
        epsilon, in units of the data.  Default: a hundredth of the root mean square of y, of each problem its own.
        The solver's error is divided by it, so a smaller one asks for a smaller tolerance too.

    Returns
    -------
    DegreesOfFreedom

    Raises
    ------
    TypeError, ValueError
        A missing ``generator``.

    Source
    ------
    Ramani, Blu and Unser, IEEE Trans. Image Process. 17 (2008); random signs: Hutchinson, Commun. Stat. Simul. Comput.
    18 (1989).

    Example
    -------
    >>> from course_utils.choosing import solution_path
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> path = solution_path(Identity(8), torch.ones(1, 1, 8, 8), Tikhonov, [1.0, 3.0])
    >>> degrees_of_freedom(path).value.flatten()  # of 64
    tensor([32., 16.])
    """
    check_kind("solutions", solutions, SolutionPath)
    draws = check_count("draws", draws)
    step = None if step is None else check_positive("step", step)
    if generator is not None:
        check_generator(generator)
    if _has_closed_form(solutions):
        return _of_tikhonov(solutions)
    if generator is None:
        raise TypeError("'generator' must be a torch.Generator where the divergence has no closed form, got None")
    return _of_draws(solutions, generator, draws, step)


def _has_closed_form(solutions: SolutionPath) -> bool:
    problem = solutions.make(solutions.lam[:1]).problem(solutions.A, solutions.y[:1])
    return type(problem) is TikhonovObjective and solutions.A.decomposes  # a subclass may have constraints


def _of_tikhonov(solutions: SolutionPath) -> DegreesOfFreedom:
    P, B = solutions.residual.shape
    square = solutions.A.spectrum().S.cpu().double() ** 2
    value = (square / (square + solutions.lam.cpu().double()[:, None])).sum(1).to(solutions.y)
    value = value[:, None].expand(P, B)
    none = torch.zeros(B, dtype=torch.int64, device=value.device)
    return DegreesOfFreedom(value, torch.zeros_like(value), True, none, 0)


@torch.no_grad()
def _of_draws(solutions: SolutionPath, generator: torch.Generator, draws: int, step: float | None) -> DegreesOfFreedom:
    A, y = solutions.A, solutions.y
    P, B = solutions.residual.shape
    rows = torch.arange(B, device=y.device).repeat(P)
    lam = solutions.lam.repeat_interleave(B)
    if step is None:
        size = STEP * (sum_of_squares(y) / A.m).sqrt()
        epsilon = size.where(size > 0, STEP)  # data of zeros have no size
    else:
        epsilon = torch.full_like(solutions.residual[0], step)
    before = A(solutions.result.x)
    found, unconverged = [], torch.zeros(B, dtype=torch.int64, device=y.device)
    for _ in range(draws):
        b = torch.randint(0, 2, A.shape_out, generator=generator, device=generator.device).to(y) * 2 - 1
        result, _ = solutions.run(lam, rows, (y + spread(epsilon, y) * b)[rows])
        change = (b * (A(result.x) - before)).flatten(1).sum(1)
        found.append((change / epsilon[rows]).reshape(P, B))
        unconverged += (~result.converged).reshape(P, B).sum(0)
    values = torch.stack(found)
    error = values.std(0) / draws**0.5 if draws > 1 else torch.full_like(values[0], float("nan"))
    return DegreesOfFreedom(values.mean(0), error, False, unconverged, draws * P * B)


def check_freedom(freedom: DegreesOfFreedom, solutions: SolutionPath) -> None:
    """Raise unless ``freedom`` can be of these ``solutions``."""
    check_kind("solutions", solutions, SolutionPath)
    check_kind("freedom", freedom, DegreesOfFreedom, "what degrees_of_freedom(solutions) gives")
    if freedom.value.shape != solutions.residual.shape:
        came, want = tuple(freedom.value.shape), tuple(solutions.residual.shape)
        raise ValueError(f"'freedom' must be of the same solutions, of shape {want}, got {came}")
