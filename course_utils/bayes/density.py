"""The logarithm of a posterior density with its gradient, and the linear map that makes it rounder."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_finite, check_kind, check_positive, check_tensor
from ..operators import LinearOperator
from ..regularisers import HuberTV, Regulariser, Tikhonov
from ..regularisers.objective import sum_of_squares
from .gaussian import gradient_matrix

__all__ = ["LogPosterior", "whitening"]


class LogPosterior:
    r"""log p(x | y) with its gradient, :math:`-(\|Ax-y\|^2+\lambda R(x))/(2\sigma^2)`, up to a constant.

    Called with images it gives values and gradients, as ``mala`` takes them.

    Parameters
    ----------
    A : LinearOperator
    y : (1, *A.shape_out) tensor
        The data of one problem; all chains share it.
    R : Regulariser
        Smooth and a function of the image, such as ``HuberTV`` or ``Tikhonov``, with one weight.  lambda is that of
        ``reconstruct``, which finds the maximum; the prior is proportional to exp(-lam R(x) / (2 sigma^2)).
    sigma : float > 0
        Noise standard deviation in data units.

    Raises
    ------
    TypeError
        R is not smooth: TV is not, and Langevin's method needs a gradient.
    ValueError

    Source
    ------
    Kaipio and Somersalo, Statistical and Computational Inverse Problems (2005), Chapter 3; lectures, part I.1,
    option 4.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> posterior = LogPosterior(Identity(2), torch.zeros(1, 1, 2, 2), Tikhonov(3.0), sigma=1.0)
    >>> posterior(torch.ones(1, 1, 2, 2))
    (tensor([-8.]), tensor([[[[-4., -4.],
              [-4., -4.]]]]))
    """

    def __init__(self, A: LinearOperator, y: Tensor, R: Regulariser, sigma: float) -> None:
        check_kind("A", A, LinearOperator)
        check_tensor("y", y, (1, *A.shape_out), like=A.like)
        check_finite("y", y)
        check_kind("R", R, Regulariser)
        if not R.smooth:
            raise TypeError(f"'R' must be smooth, got {type(R).__name__}: HuberTV is a smooth total variation")
        if isinstance(R.lam, Tensor) and R.lam.numel() != 1:
            raise ValueError(f"'R' must have one weight, got {R.lam.numel()}")
        self.A, self.y, self.R, self.sigma = A, y, R, float(check_positive("sigma", sigma))

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Values (C,) and gradients (C, 1, H, W) at C images."""
        residual = self.A(x) - self.y
        R = self.R.value_and_grad(x) if hasattr(self.R, "value_and_grad") else (self.R(x), self.R.grad(x))
        value = sum_of_squares(residual) + self.R.lam * R[0]
        grad = 2 * self.A.T(residual) + self.R.lam * R[1]
        return value / (-2 * self.sigma**2), grad / (-2 * self.sigma**2)

    def __repr__(self) -> str:
        return f"LogPosterior({self.A!r}, {self.R!r}, sigma={self.sigma})"


@torch.no_grad()
def whitening(posterior: LogPosterior, x: Tensor) -> Tensor:
    r"""A matrix L for which the posterior of u, x = L u, is about as wide in every direction.

    :math:`LL^T=\big(A^*A+\tfrac\lambda2 M\big)^{-1}\sigma^2`, where :math:`M` is the matrix of the quadratic that
    touches R from above at the given images, averaged over them.  For ``Tikhonov`` it is exact; for ``HuberTV`` draws
    of a short run serve better than the MAP image, whose flat regions are flatter than those of any draw.

    Parameters
    ----------
    posterior : LogPosterior
        Of ``Tikhonov`` or ``HuberTV``.
    x : (N, 1, H, W) tensor
        Where the quadratic touches; the average of N.

    Returns
    -------
    (n, n) tensor

    Raises
    ------
    TypeError, ValueError
        Another regulariser, or an operator that is too large for dense matrices.

    Source
    ------
    Preconditioned Langevin: Roberts and Stramer, Methodol. Comput. Appl. Probab. 4 (2002).

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> posterior = LogPosterior(Identity(1), torch.zeros(1, 1, 1, 1), Tikhonov(3.0), sigma=1.0)
    >>> whitening(posterior, torch.zeros(1, 1, 1, 1))
    tensor([[0.5000]])
    """
    check_kind("posterior", posterior, LogPosterior)
    A, R = posterior.A, posterior.R
    check_tensor("x", x, (None, *A.shape_in), like=A.like)
    check_finite("x", x)
    if not A.decomposes:
        raise ValueError(f"'posterior' must be of an operator small enough for dense matrices, got {A.m} x {A.n}")
    matrix = A.double_matrix()
    eye = torch.eye(A.n, dtype=matrix.dtype, device=matrix.device)
    if isinstance(R, Tikhonov):
        quadratic = 2 * eye
    elif isinstance(R, HuberTV):
        D, w = gradient_matrix(A), R.weights(x).to(matrix).mean(0).flatten()
        quadratic = D.T @ (torch.cat([w, w])[:, None] * D)
    else:
        raise TypeError(f"'posterior' must be of Tikhonov or HuberTV, got {type(R).__name__}")
    precision = (matrix.T @ matrix + R.lam / 2 * quadratic) / posterior.sigma**2
    # a direction that neither A nor R sees has no width: a trace of the identity keeps the matrix invertible
    precision = precision + 1e-9 * precision.diagonal().mean() * eye
    lower = torch.linalg.cholesky(precision)
    return torch.linalg.solve_triangular(lower, eye, upper=False).T.contiguous().to(A.like)
