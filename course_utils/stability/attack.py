"""The worst perturbation of the data: how far can an error of a given size move the reconstruction?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_finite, check_generator, check_numbers, check_tensor
from .._inference import with_autograd
from ..metrics import psnr
from ..operators import LinearOperator
from ..reconstructors import Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.objective import SQUARED, per_problem, spread, sum_of_squares
from .ascent import on_sphere
from .derivatives import solution_map
from .search import search

__all__ = ["Attack", "attack", "sweep_budgets"]

#: What is made as large as possible: the distance of the new image to the old one, or to the true one.
AIMS = ("change", "error")


@dataclass(frozen=True)
class Attack:
    """The worst perturbation that was found, for each of B problems: a lower bound of what is possible.

    Attributes
    ----------
    e : (B, *A.shape_out) perturbation
    budget : (B,) bound of its Euclidean norm
    value : (B,) what was maximised: ``effect``, or the distance to the truth
    effect : (B,) ||Phi(y + e) - Phi(y)||, computed by the method as its users call it
    random : (draws, B) the value for random perturbations of norm ``budget``; none exceeds ``value``
    believed : (B,) the value of e by the map that the search followed; far from ``value`` where that map is another
        branch of a problem that is not convex, or has not settled
    psnr_before, psnr_after : (B,) of Phi(y) and Phi(y + e), where the truth was given
    gradient : str
        How the derivative was computed: "autograd", "frozen", "implicit", "fixed point" or "none"; see ``stability``.
    steps, n_starts, seed : int
        Of the search; the seed is that of the generator as it was made.
    evaluations : float
        Images that the method made for one problem, those of the random perturbations among them.
    trace : (steps + 1, starts, B) the best value on the way, as the search believed it; ``first`` is the last start
    """

    e: Tensor
    budget: Tensor
    value: Tensor
    effect: Tensor
    random: Tensor
    believed: Tensor
    psnr_before: Tensor | None
    psnr_after: Tensor | None
    gradient: str
    steps: int
    n_starts: int
    seed: int
    evaluations: float
    trace: Tensor

    @property
    def random_mean(self) -> Tensor:
        """The mean value over the random perturbations, (B,)."""
        return self.random.mean(0)

    @property
    def random_max(self) -> Tensor:
        """The largest value of a random perturbation, (B,)."""
        return self.random.amax(0)


def _in_ball(e: Tensor, budget: Tensor) -> Tensor:
    return e * spread((budget / sum_of_squares(e).sqrt().clamp_min(torch.finfo(e.dtype).tiny)).clamp_max(1), e)


def _check_perturbation(name: str, e: Tensor, y: Tensor, budget: Tensor) -> None:
    check_tensor(name, e, tuple(y.shape), like=y)
    check_finite(name, e)
    if bool((sum_of_squares(e).sqrt() > budget * (1 + 1e-4)).any()):
        raise ValueError(f"'{name}' must not be larger than 'budget'")


@with_autograd
def attack(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    budget: float | Tensor,
    generator: torch.Generator,
    n_starts: int = 3,
    steps: int = 30,
    draws: int = 10,
    aim: str = "change",
    truth: Tensor | None = None,
    first: Tensor | None = None,
    gradient: str = "auto",
    solver: str = "auto",
    fidelity: Fidelity = SQUARED,
    settings: dict | None = None,
) -> Attack:
    r"""Maximise :math:`\|\Phi(y + e) - \Phi(y)\|_2` over :math:`\|e\|_2\le` ``budget``, for each problem of a batch.

    Gradient ascent, for all problems and starts at once; the starts are those of the random perturbations that do most.
    Where the search ends, and where it began, the method itself is evaluated, as ``reconstruct`` calls it, and the best
    is kept: an attack is at least as strong as every random perturbation that it was compared with.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    method : Regulariser or Reconstructor
    budget : float or (B,) tensor, >= 0
        In the norm of the data: white noise of standard deviation sigma has about sigma times the root of m.
    generator : torch.Generator
    n_starts : int
    steps : int
    draws : int
        Random perturbations; at least ``n_starts``.
    aim : {"change", "error"}
        "error" maximises the distance to ``truth`` instead, which an error in the data may also lessen.
    truth : (B, 1, H, W) tensor, optional
        For the PSNR before and after, and for "error".
    first : (B, *A.shape_out) tensor, optional
        A perturbation within the budget; it competes as it is, and scaled to the budget it is one more start.
    gradient : {"auto", "none"}
        "none" asks for a search by values alone, for methods that cannot be differentiated.
    solver, fidelity, settings
        For ``reconstruct``; of the settings, ``start`` should be a ``Dictionary`` or a tensor rather than random.

    Returns
    -------
    Attack

    Raises
    ------
    TypeError, ValueError
        A negative budget, no starts, NaN, a method that cannot be differentiated unless ``gradient`` is "none".

    Source
    ------
    Antun, Renna, Poon, Adcock, Hansen, PNAS 117 (2020); Genzel, Macdonald, März, IEEE Trans. Pattern Anal. Mach.
    Intell. 45 (2023).

    Example
    -------
    For A = I, Tikhonov divides the data by 1 + lam, and every perturbation is the worst one:

    >>> from course_utils import Identity, Tikhonov
    >>> y = torch.ones(2, 1, 4, 4)
    >>> found = attack(Identity(4), y, Tikhonov(1.0), budget=0.5, generator=torch.Generator().manual_seed(0))
    >>> found.effect, found.gradient
    (tensor([0.2500, 0.2500]), 'implicit')
    """
    phi = solution_map(A, y, method, solver, fidelity, settings, gradient)
    y = y.detach()
    budget = per_problem("budget", budget, y)
    check_generator(generator)
    n_starts, steps = check_count("n_starts", n_starts), check_count("steps", steps, minimum=0)
    draws = max(check_count("draws", draws), n_starts)
    check_choice("aim", aim, AIMS)
    if truth is not None:
        check_tensor("truth", truth, (len(y), *A.shape_in), like=y)
        check_finite("truth", truth)
    elif aim == "error":
        raise ValueError("'truth' is needed for aim='error'")
    if first is not None:
        _check_perturbation("first", first, y, budget)

    x = phi.images(y)
    reference = x if aim == "change" else truth

    def score_of(times: int):
        to = reference.repeat_interleave(times, 0)
        return lambda x, e: sum_of_squares(x - to)

    def project_of(times: int):
        bound = budget.repeat_interleave(times)
        return lambda e: _in_ball(e, bound)

    drawn = [on_sphere(y.shape, budget, generator) for _ in range(draws)]
    found = search(phi, y, drawn, score_of, project_of, n_starts, steps, generator, first=first)
    after = found.x
    return Attack(
        e=found.r, budget=budget, value=found.value.sqrt(), effect=sum_of_squares(after - x).sqrt(),
        random=found.random.sqrt(), believed=found.believed.sqrt(),
        psnr_before=None if truth is None else psnr(x, truth), psnr_after=None if truth is None else psnr(after, truth),
        gradient=phi.gradient, steps=steps, n_starts=n_starts, seed=generator.initial_seed(),
        evaluations=found.evaluations, trace=found.trace.sqrt(),
    )  # fmt: skip


def sweep_budgets(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    budgets: Sequence[float],
    generator: torch.Generator,
    **others,
) -> list[Attack]:
    """Attacks of growing budget, each from the one before: their values never fall.

    The perturbation of a smaller budget is allowed within a larger one, and competes there as it is; scaled, it is a
    start.

    Parameters
    ----------
    A, y, method, generator
        As for ``attack``.
    budgets : sequence of floats, ascending
        For example 0.01 to 1 times sigma times the root of m, the norm of the noise.
    **others
        For ``attack``.

    Source
    ------
    Genzel, Macdonald, März, IEEE Trans. Pattern Anal. Mach. Intell. 45 (2023).

    Example
    -------
    >>> from course_utils import Identity, Tikhonov
    >>> y = torch.ones(1, 1, 4, 4)
    >>> found = sweep_budgets(Identity(4), y, Tikhonov(1.0), [0.1, 0.2], torch.Generator().manual_seed(0))
    >>> [round(float(one.effect), 3) for one in found]
    [0.05, 0.1]
    """
    budgets = check_numbers("budgets", budgets)
    if budgets[0] < 0 or any(b < a for a, b in zip(budgets, budgets[1:], strict=False)):
        raise ValueError(f"'budgets' must ascend from 0 or more, got {budgets}")
    found: list[Attack] = []
    for budget in budgets:
        given = {"first": found[-1].e} | others if found else others
        found.append(attack(A, y, method, budget, generator, **given))
    return found
