r"""Iterative regularisation: methods that run towards a bad solution and are stopped in time.

Each gives its iterates, for the whole batch at once: ``for x, misfit in method.iterates(y, A)``, from the start x_0 on,
with the data term at each; and, as a method beside others, the image where its stopping rule ends it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .._check import (
    check_between,
    check_count,
    check_finite,
    check_flag,
    check_tensor,
    check_weights,
    trusting,
)
from ..operators import LinearOperator
from ..operators.base import check_operator
from ..regularisers.composite import check_bounds
from ..regularisers.objective import per_problem, spread, sum_of_squares
from .base import Reconstructor

__all__ = ["CGLS", "Iterative", "Landweber"]


class Iterative(Reconstructor):
    """A method of which the number of iterations is the regularisation.

    Its ``Result`` has the iterations of each problem, and ``converged`` is False where ``level`` was not reached.

    Parameters
    ----------
    max_iter : int
        Without a ``level``, the number of iterations.
    level : float or (B,) tensor, optional
        The discrepancy principle: each problem stops at the first iterate whose misfit, the data term F(A x, y), is at
        most this.  For white noise, about m sigma^2.
    """

    def __init__(self, max_iter: int, level: float | Tensor | None = None) -> None:
        self.max_iter = check_count("max_iter", max_iter, minimum=0)
        self.level = None if level is None else check_weights("level", level)

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        """The iterates, from the start on and without end, each with its misfit: a tensor of images and one of (B,)."""
        raise NotImplementedError

    def check(self, y: Tensor, A: LinearOperator) -> None:
        """Raise unless ``y`` can be the data of A."""
        check_operator(A, adjoint=True)
        check_tensor("y", y, (None, *A.shape_out), like=A.like)
        check_finite("y", y)

    @torch.no_grad()
    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        self.check(y, A)
        level = None if self.level is None else per_problem("level", self.level, y)
        stopped = torch.zeros(len(y), dtype=torch.bool, device=y.device)
        iterations, misfits, found = stopped.long(), [], None
        with trusting():
            for k, (x, misfit) in enumerate(self.iterates(y, A)):
                misfits.append(misfit)
                found = x.clone() if found is None else torch.where(spread(stopped, x), found, x)
                iterations = torch.where(stopped, iterations, k)
                if level is not None:
                    stopped |= misfit <= level
                if k == self.max_iter or bool(stopped.all()):
                    break
        finite = torch.isfinite(found).flatten(1).all(1)
        done = finite & stopped if level is not None else finite
        path = {"f": torch.stack(misfits)[:, :, None]} if trace else {}
        return {"x": found, "iterations": iterations, "converged": done, "trace": path}

    def __repr__(self) -> str:
        level = "" if self.level is None else f", level={self.level}"
        return f"{type(self).__name__}({self.max_iter}{level})"


class Landweber(Iterative):
    r"""Gradient descent on the misfit, :math:`x_{k+1} = x_k + \tau A^*(y - A x_k)` from :math:`x_0 = 0`.

    Parameters
    ----------
    max_iter, level
        See ``Iterative``.
    step : float in (0, 2), optional
        :math:`\tau` in units of :math:`1/\|A\|^2`.  Default: 1.
    accelerated : bool
        Nesterov's variant: the gradient at :math:`x_k + \frac{k-1}{k+2}(x_k - x_{k-1})`; it needs about the root of the
        number of iterations, and its step is at most 1.
    bounds : (low, high), optional
        Every iterate is moved to the nearest image with such grey values: projected Landweber.

    Raises
    ------
    ValueError
        A step of 2 or more, with which the iteration diverges.

    Source
    ------
    Landweber, Amer. J. Math. 73 (1951); Engl, Hanke, Neubauer, Regularization of Inverse Problems, Ch. 6; Neubauer, J.
    Inverse Ill-Posed Probl. 25 (2017), for Nesterov's; lectures, part I.1, option 3.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> y = torch.ones(1, 1, 2, 2)
    >>> [round(float(x.mean()), 3) for (x, _), _ in zip(Landweber(9, step=0.5).iterates(y, Identity(2)), range(4))]
    [0.0, 0.5, 0.75, 0.875]
    """

    def __init__(
        self,
        max_iter: int = 100,
        level: float | Tensor | None = None,
        step: float = 1.0,
        accelerated: bool = False,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(max_iter, level)
        self.accelerated = check_flag("accelerated", accelerated)
        self.step = check_between("step", step, 0, 1 if self.accelerated else 2, "(]" if self.accelerated else "()")
        self.bounds = check_bounds(bounds)

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        self.check(y, A)
        tau = self.step / (A.norm or 1.0) ** 2
        x = before = y.new_zeros(len(y), *A.shape_in)
        x = before = x if self.bounds is None else x.clamp(*self.bounds)
        residual = A(x) - y
        k = 0
        while True:
            yield x, sum_of_squares(residual)
            k += 1
            further = (k - 1) / (k + 2) if self.accelerated else 0.0
            at = x + further * (x - before)
            slope = A.T(residual if further == 0 else A(at) - y)
            before, x = x, at - tau * slope
            x = x if self.bounds is None else x.clamp(*self.bounds)
            residual = A(x) - y


class CGLS(Iterative):
    r"""Conjugate gradients for the normal equations :math:`A^*A x = A^*y`, from 0.

    The k-th iterate has the least misfit of all that k products with A and its adjoint can make: semi-convergence comes
    soon, and so does its end.

    Parameters
    ----------
    max_iter, level
        See ``Iterative``.

    Source
    ------
    Hestenes and Stiefel, J. Research of the National Bureau of Standards 49 (1952); Hanke, Conjugate Gradient Type
    Methods for Ill-Posed Problems (1995); lectures, part I.1, option 3.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> CGLS(1)(torch.full((1, 1, 2, 2), 3.0), Identity(2)).flatten()
    tensor([3., 3., 3., 3.])
    """

    def __init__(self, max_iter: int = 30, level: float | Tensor | None = None) -> None:
        super().__init__(max_iter, level)

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        self.check(y, A)
        x, residual = y.new_zeros(len(y), *A.shape_in), y
        s = p = A.T(residual)
        slope = sum_of_squares(s)
        first = slope
        while True:
            yield x, sum_of_squares(residual)
            q = A(p)
            # at the solution, but for round-off: nothing is left to do
            going = slope > torch.finfo(y.dtype).eps ** 2 * first
            alpha = torch.where(going, slope / sum_of_squares(q).clamp_min(torch.finfo(y.dtype).tiny), 0.0)
            x, residual = x + spread(alpha, x) * p, residual - spread(alpha, q) * q
            s = A.T(residual)
            before, slope = slope, sum_of_squares(s)
            p = s + spread(torch.where(going, slope / before, 0.0), p) * p
