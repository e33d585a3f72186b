"""What every regulariser can do, as the text writes it: R(x), R.grad(x), R.prox(x, tau), and the problem it makes."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_entries, check_tensor, check_weights
from .._inference import with_autograd
from ..operators import LinearOperator
from .fidelity import Fidelity
from .objective import SQUARED, ImageObjective, Objective

__all__ = ["Regulariser"]


class Regulariser:
    r"""A regulariser with its weight, for the problem :math:`\min_x F(Ax, y) + \lambda R(x)`.

    A subclass that is a function of the image implements ``__call__``, says by ``smooth`` whether it has a gradient,
    and overrides ``prox`` if it has one.  With one of the two, solvers find it without being told.  A subclass with
    other variables than the image overrides ``problem``.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
        A tensor gives each problem of a batch its own weight, so that a sweep is one batch.

    Attributes
    ----------
    smooth : bool
        R has a gradient everywhere.
    channels : int
        Of the variables of the problem: 1, the image, unless R has others beside it.
    """

    smooth = False
    channels = 1

    def __init__(self, lam: float | Tensor) -> None:
        self.lam = check_weights("lam", lam)

    def __call__(self, x: Tensor) -> Tensor:
        """R(x): (B, 1, H, W) -> (B,).

        Raises
        ------
        TypeError
            R is not defined as a function of the image alone.
        """
        raise TypeError(f"{type(self).__name__} is not a function of the image alone: it has no R(x)")

    @with_autograd
    def grad(self, x: Tensor) -> Tensor:
        """The gradient of R, shaped like x.

        Raises
        ------
        TypeError
            R has none.
        """
        if not self.smooth:
            raise TypeError(f"{type(self).__name__} has no gradient at every x")
        check_batch(x)
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self(x).sum(), x)[0]

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        """argmin_v R(v) + ||v - x||^2 / (2 tau), for each image, with one ``tau`` for all or (B,) of them.

        Raises
        ------
        TypeError
            R has none.
        """
        raise TypeError(f"{type(self).__name__} has no proximal operator here")

    @property
    def proximable(self) -> bool:
        """Whether ``prox`` is there."""
        return type(self).prox is not Regulariser.prox

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        """The batch of functions that are minimised for data y.

        Raises
        ------
        TypeError
            An operator that is not linear.
        """
        check_linear(A)
        return ImageObjective(A, y, self, fidelity)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lam={self.lam})"


def check_linear(A) -> None:
    """Raise a TypeError unless A is a linear operator."""
    if not isinstance(A, LinearOperator):
        raise TypeError(f"'A' must be a LinearOperator for this problem, got {type(A).__name__}: it allows Hard only")


def check_batch(x: Tensor) -> None:
    """Raise unless ``x`` is a batch of images, or of vectors."""
    check_tensor("x", x)
    if x.ndim < 2:
        raise ValueError(f"'x' must be a batch, with two axes or more, got shape {tuple(x.shape)}")
    check_entries("x", x)


def check_prox(x: Tensor, tau: float | Tensor) -> float | Tensor:
    """``tau`` in a shape that multiplies ``x``, both checked."""
    check_batch(x)
    tau = check_weights("tau", tau)
    if not isinstance(tau, Tensor):
        return tau
    if tau.shape != (len(x),):
        raise ValueError(
            f"'tau' must be a number or have shape ({len(x)},), one for each image, got {tuple(tau.shape)}"
        )
    return tau.reshape(-1, *[1] * (x.ndim - 1))
