"""How fast a reconstruction changes with its data: the local Lipschitz constant of the map y -> x."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_generator, check_nonnegative
from .._inference import with_autograd
from ..operators import LinearOperator
from ..reconstructors import Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.objective import SQUARED, spread, sum_of_squares
from .ascent import on_sphere
from .derivatives import solution_map

__all__ = ["LocalLipschitz", "local_lipschitz"]


@dataclass(frozen=True)
class LocalLipschitz:
    """The largest singular value of the derivative at each of B data, from below.

    Attributes
    ----------
    constant : (B,) norm of the image of ``direction``
    direction : (B, *A.shape_out) tensor of norm 1
    steps : int
        Of the power iteration, for the slowest problem.
    converged : (B,) bool
        The last step changed the constant by less than ``tol``, relatively.
    gradient : str
        How the derivative was computed: "autograd", "frozen", "implicit" or "fixed point"; see ``stability``.
    """

    constant: Tensor
    direction: Tensor
    steps: int
    converged: Tensor
    gradient: str


@with_autograd
def local_lipschitz(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    generator: torch.Generator,
    steps: int = 100,
    tol: float = 1e-5,
    solver: str = "auto",
    fidelity: Fidelity = SQUARED,
    settings: dict | None = None,
) -> LocalLipschitz:
    r"""The norm of :math:`J = \Phi'(y)`, by the power iteration on :math:`J^TJ`.

    A perturbation of a small norm b changes the reconstruction by about b times this at most; ``attack`` says what
    larger ones do.  For a linear method it is the largest singular value, and holds for perturbations of every size.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    method : Regulariser or Reconstructor
        One that can be differentiated.
    generator : torch.Generator
    steps : int
        At most.
    tol : float
        Where the singular values lie close together the constant still rises a little when it moves by less than this.
    solver, fidelity, settings
        For ``reconstruct``.

    Returns
    -------
    LocalLipschitz

    Raises
    ------
    TypeError, ValueError
        A method that cannot be differentiated; see ``attack``.

    Source
    ------
    Golub and Van Loan, Matrix Computations, Sect. 8.2.

    Example
    -------
    >>> from course_utils import Identity, Tikhonov
    >>> y = torch.ones(2, 1, 4, 4)
    >>> local_lipschitz(Identity(4), y, Tikhonov(1.0), torch.Generator().manual_seed(0)).constant
    tensor([0.5000, 0.5000])
    """
    phi = solution_map(A, y, method, solver, fidelity, settings, "auto")
    check_generator(generator)
    steps, tol = check_count("steps", steps), check_nonnegative("tol", tol)
    point = phi.at(y.detach())
    one, tiny = torch.ones(len(y), dtype=y.dtype, device=y.device), torch.finfo(y.dtype).tiny
    v = best = on_sphere(y.shape, one, generator)
    constant, before = torch.zeros_like(one), -one
    for k in range(1, steps + 1):  # noqa: B007
        moved = point.jvp(v).detach()
        now = sum_of_squares(moved).sqrt()
        best, constant = torch.where(spread(now > constant, v), v, best), torch.maximum(now, constant)
        converged = (now - before).abs() <= tol * now
        if bool(converged.all()):
            break
        before, back = now, point.vjp(moved).detach()
        size = sum_of_squares(back).sqrt()
        v = torch.where(spread(size > 0, v), back / spread(size.clamp_min(tiny), v), v)
    return LocalLipschitz(constant, best, k, converged, phi.gradient)
