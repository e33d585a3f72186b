"""Filters as functions of the singular values, and their application through the spectrum of an operator."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import (
    check_count,
    check_finite,
    check_kind,
    check_nonnegative_entries,
    check_positive,
    check_tensor,
    check_weights,
)
from ..operators import LinearOperator

__all__ = ["cg_filter", "check_decomposes", "filtered", "landweber_filter", "tikhonov_filter", "truncated_filter"]


def _check_values(S: Tensor) -> None:
    check_tensor("S", S, (None,))
    check_nonnegative_entries("S", S)


def check_decomposes(A) -> None:
    """Raise unless A is an operator whose spectrum is within reach."""
    check_kind("A", A, LinearOperator)
    if not A.decomposes:
        raise ValueError(f"'A' must be small enough for its singular values to be found, got {A.m} x {A.n}")


def _beside(name: str, weights: float | Tensor, S: Tensor) -> float | Tensor:
    """Weights that multiply S: a number, or (P,) as (P, 1)."""
    weights = check_weights(name, weights)
    if not isinstance(weights, Tensor):
        return weights
    check_tensor(name, weights, (None,), like=S)
    return weights[:, None]


def tikhonov_filter(S: Tensor, lam: float | Tensor) -> Tensor:
    r"""Tikhonov, :math:`\min\|Ax-y\|^2+\lambda\|x\|^2`: :math:`\varphi(\sigma)=\sigma^2/(\sigma^2+\lambda)`.

    Parameters
    ----------
    S : (K,) tensor, >= 0
        Singular values.
    lam : float or (P,) tensor, >= 0

    Returns
    -------
    (K,) tensor, or (P, K) for several weights

    Source
    ------
    Hansen, Discrete Inverse Problems (2010), Chapter 4.

    Example
    -------
    >>> tikhonov_filter(torch.tensor([1.0, 0.1]), torch.tensor([0.01, 1.0]))
    tensor([[0.9901, 0.5000],
            [0.5000, 0.0099]])
    """
    _check_values(S)
    square = S**2
    return square / (square + _beside("lam", lam, S)).clamp_min(torch.finfo(S.dtype).tiny)


def truncated_filter(S: Tensor, level: float | Tensor) -> Tensor:
    r"""Truncated singular value decomposition: :math:`\varphi(\sigma)=1` where :math:`\sigma\ge` ``level``, else 0.

    Parameters
    ----------
    S : (K,) tensor, >= 0
    level : float or (P,) tensor, >= 0
        To keep the k largest of falling singular values, ``level = S[k - 1]``.

    Returns
    -------
    (K,) tensor, or (P, K) for several levels

    Source
    ------
    Hansen, Discrete Inverse Problems (2010), Chapter 4.

    Example
    -------
    >>> truncated_filter(torch.tensor([1.0, 0.5, 0.25]), 0.5)
    tensor([1., 1., 0.])
    """
    _check_values(S)
    return (S >= _beside("level", level, S)).to(S)


def landweber_filter(S: Tensor, steps: int, step: float) -> Tensor:
    r"""``steps`` of Landweber's iteration from 0: :math:`\varphi(\sigma)=1-(1-\omega\sigma^2)^k`.

    A step is :math:`x\leftarrow x+\omega A^*(y-Ax)`.

    Parameters
    ----------
    S : (K,) tensor, >= 0
    steps : int >= 0
        k, which takes the part of 1 / lambda.
    step : float in (0, 2 / max(S)^2)
        omega.  In terms of the gradient of ||A x - y||^2, which is 2 A^*(A x - y), it is twice the step size.

    Returns
    -------
    (K,) tensor

    Raises
    ------
    ValueError
        A step for which the iteration diverges.

    Source
    ------
    Landweber, Amer. J. Math. 73 (1951); Engl, Hanke and Neubauer, Regularization of Inverse Problems (1996), Chapter 6.

    Example
    -------
    >>> landweber_filter(torch.tensor([1.0, 0.5]), steps=2, step=1.0)
    tensor([1.0000, 0.4375])
    """
    _check_values(S)
    steps, step = check_count("steps", steps, minimum=0), check_positive("step", step)
    largest = float(S.max()) if len(S) else 0.0
    if step * largest**2 >= 2:
        raise ValueError(f"'step' must be less than 2 / ||A||^2 = {2 / largest**2:g}, got {step:g}")
    part = step * S.cpu().double() ** 2
    # by logarithms, because 1 - (1 - 1e-17)^k is 0 in floating point where it should be k 1e-17
    small = -torch.expm1(steps * torch.log1p(-part.clamp_max(0.5)))
    return torch.where(part < 0.5, small, 1 - (1 - part) ** steps).to(S)


def cg_filter(A: LinearOperator, y: Tensor, steps: int) -> Tensor:
    r"""``steps`` of conjugate gradients for :math:`A^*Ax=A^*y` from 0: :math:`1-\prod_j(1-\sigma^2/\theta_j)`.

    The theta_j are the Ritz values, the eigenvalues of A^*A restricted to the Krylov space of A^*y.  They depend on
    the data, so CG is no linear method; it finds the singular values that matter for these data first.  The product is
    the residual polynomial; it is computed by the recurrences of CG itself, on every singular value at once.

    Parameters
    ----------
    A : LinearOperator
        Small enough for its spectrum.
    y : (B, *A.shape_out) tensor
    steps : int >= 0
        A problem that is solved before makes no more steps.

    Returns
    -------
    (B, K) tensor
        Between 0 and 1 it need not stay.

    Source
    ------
    Hestenes and Stiefel, J. Research of the National Bureau of Standards 49 (1952); Hansen, Discrete Inverse Problems
    (2010), Chapter 6.

    Example
    -------
    As many steps as there are different singular values give the pseudo-inverse:

    >>> from course_utils.operators import Identity
    >>> cg_filter(Identity(2), torch.ones(1, 1, 2, 2), steps=1)
    tensor([[1., 1., 1., 1.]])
    """
    check_decomposes(A)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    steps = check_count("steps", steps, minimum=0)
    basis = A.spectrum()
    exact = torch.float32 if y.device.type == "mps" else torch.float64
    S = basis.S.to(exact)
    t, c = S**2, S * basis.of_data(y).to(exact)  # A^*A, and A^*y in the singular vectors
    rho, pi = torch.ones_like(c), torch.ones_like(c)  # polynomials of t: the residual is rho c, the direction pi c
    size = first = (c**2).sum(1, keepdim=True)
    for _ in range(steps):
        going = size > first * torch.finfo(exact).eps ** 2
        alpha = size / (t * (pi * c) ** 2).sum(1, keepdim=True)
        new = rho - alpha * t * pi
        new_size = ((new * c) ** 2).sum(1, keepdim=True)
        rho = torch.where(going, new, rho)
        pi = torch.where(going, new + new_size / size * pi, pi)
        size = torch.where(going, new_size, size)
    return (1 - rho).to(y)


def filtered(A: LinearOperator, y: Tensor, phi: Tensor) -> Tensor:
    r"""The filtered pseudo-inverse :math:`\sum_i\varphi_i\,\langle u_i,y\rangle/\sigma_i\,v_i`.

    What A does not see, sigma = 0, is left out.

    Parameters
    ----------
    A : LinearOperator
        Small enough for its spectrum.
    y : (B, *A.shape_out) tensor
    phi : (K,) or (B, K) tensor
        A filter at the singular values ``A.spectrum().S``.

    Returns
    -------
    (B, *A.shape_in) tensor

    Source
    ------
    Engl, Hanke and Neubauer, Regularization of Inverse Problems (1996), Chapter 4.

    Example
    -------
    >>> from course_utils import GaussianBlur, Tikhonov, reconstruct
    >>> A = GaussianBlur(28)
    >>> y = A(torch.ones(2, 1, 28, 28))
    >>> x = filtered(A, y, tikhonov_filter(A.spectrum().S, 0.1))
    >>> torch.allclose(x, reconstruct(A, y, Tikhonov(0.1)).x, atol=1e-5)
    True
    """
    check_decomposes(A)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    basis = A.spectrum()
    K = len(basis.S)
    check_tensor("phi", phi, None, like=y)
    if phi.shape not in ((K,), (len(y), K)):
        raise ValueError(f"'phi' must have shape ({K},) or ({len(y)}, {K}), got {tuple(phi.shape)}")
    check_finite("phi", phi)
    inverse = torch.where(basis.S > 0, phi / basis.S.clamp_min(torch.finfo(y.dtype).tiny), 0.0)
    return basis.image(basis.of_data(y) * inverse)
