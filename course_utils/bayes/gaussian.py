"""The exact posterior for Gaussian noise and a Gaussian prior: mean, covariance, standard deviations, samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .._check import check_between, check_choice, check_count, check_finite, check_generator, check_kind, check_tensor
from ..operators import LinearOperator
from ..regularisers.differences import gradient
from ..regularisers.objective import per_problem, spread

__all__ = ["GaussianPosterior", "gaussian_posterior", "gradient_matrix"]

#: Factors of more entries, (B, n, n), are not stored.
LARGEST = 100_000_000


@dataclass(frozen=True)
class GaussianPosterior:
    """N(mean, C) for each of B problems.

    Attributes
    ----------
    mean : (B, 1, H, W) tensor
        Also the most probable image, and what ``reconstruct`` finds.
    sd : (B, 1, H, W) tensor
        Standard deviation of each pixel: the root of the diagonal of C.
    """

    mean: Tensor
    sd: Tensor
    _factors: _Spectral | _Dense = field(repr=False)

    def covariance(self, x: Tensor) -> Tensor:
        """C x, for each problem: (B, 1, H, W) -> (B, 1, H, W)."""
        check_tensor("x", x, tuple(self.mean.shape), like=self.mean)
        check_finite("x", x)
        return self._factors.root(self._factors.root(x, transposed=True))

    def samples(self, n: int, generator: torch.Generator) -> Tensor:
        """n independent draws for each problem: (n, B, 1, H, W)."""
        n = check_count("n", n)
        check_generator(generator)
        white = torch.randn(
            (n, *self.mean.shape), generator=generator, device=generator.device, dtype=self.mean.dtype
        ).to(self.mean.device)
        return torch.stack([self.mean + self._factors.root(part) for part in white])

    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        """Ends (low, high) of the interval that holds each pixel with probability ``level``; (B, 1, H, W) each."""
        level = check_between("level", level, 0, 1)
        reach = self.sd * float(torch.special.ndtri(torch.tensor((1 + level) / 2, dtype=torch.float64)))
        return self.mean - reach, self.mean + reach


def gaussian_posterior(
    A: LinearOperator,
    y: Tensor,
    lam: float | Tensor,
    sigma: float | Tensor,
    prior: str = "identity",
    epsilon: float | Tensor = 1e-4,
) -> GaussianPosterior:
    r"""The posterior N(m, C) of an image with a Gaussian prior, from data y = A x + e with e ~ N(0, sigma^2 I).

    With the prior of Tikhonov, x ~ N(0, tau^2 I),

    .. math:: C = \sigma^2(A^*A+\lambda I)^{-1},\qquad m = (A^*A+\lambda I)^{-1}A^*y,\qquad\lambda=\sigma^2/\tau^2,

    because :math:`\|Ax-y\|^2/(2\sigma^2)+\|x\|^2/(2\tau^2)=(\|Ax-y\|^2+\lambda\|x\|^2)/(2\sigma^2)`.  So lambda alone
    gives the mean, and the noise level gives the width: a lambda that was tuned for the best image says nothing about
    how sure the image is.  The prior's standard deviation is :math:`\tau=\sigma/\sqrt\lambda`; where A sees nothing,
    the posterior has it too.

    With the prior "gradient" the precision of the prior is that of H1, :math:`\lambda(D^*D+\varepsilon I)/\sigma^2`
    with forward differences D, in place of :math:`\lambda I/\sigma^2`; the small identity makes it proper.

    Parameters
    ----------
    A : LinearOperator
        "identity": small enough for its spectrum.  "gradient": for a dense (n, n) matrix for each lambda.
    y : (B, *A.shape_out) tensor
    lam : float or (B,) tensor, > 0
    sigma : float or (B,) tensor, > 0
    prior : "identity" or "gradient"
    epsilon : float or (B,) tensor, > 0
        For "gradient".

    Returns
    -------
    GaussianPosterior

    Raises
    ------
    ValueError
        A weight of 0, for which the prior is none, or an operator that is too large.

    Source
    ------
    Kaipio and Somersalo, Statistical and Computational Inverse Problems (2005), Chapter 3; lectures, part I.1,
    option 4.

    Example
    -------
    One pixel, y = 1 with noise of variance 1, prior N(0, 1/3): the precisions 1 and 3 add up.

    >>> from course_utils.operators import Identity
    >>> posterior = gaussian_posterior(Identity(1), torch.ones(1, 1, 1, 1), lam=3.0, sigma=1.0)
    >>> posterior.mean.item(), posterior.sd.item()
    (0.25, 0.5)
    """
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    weights = []
    for name, value in (("lam", lam), ("sigma", sigma), ("epsilon", epsilon)):
        weights.append(per_problem(name, value, y))
        if not bool((weights[-1] > 0).all()):
            raise ValueError(f"'{name}' must be > 0, got 0")
    lam, sigma, epsilon = weights
    check_choice("prior", prior, ("identity", "gradient"))
    with torch.no_grad():
        if prior == "identity":
            if not A.decomposes:
                raise ValueError(f"'A' must be small enough for its singular values to be found, got {A.m} x {A.n}")
            factors = _Spectral(A, lam, sigma)
        else:
            if A.n**2 * len(y) > LARGEST or not A.decomposes:
                raise ValueError(f"'A' must be small enough for {len(y)} dense matrices, got {A.n} x {A.n} each")
            factors = _Dense(A, lam, sigma, epsilon)
        right = A.T(y) / spread(sigma**2, A.T(y))
        mean = factors.root(factors.root(right, transposed=True))
        return GaussianPosterior(mean, factors.sd().reshape(mean.shape), factors)


class _Spectral:
    """C = V diag(v) V^T + tau^2 (I - V V^T), by the singular vectors of A."""

    def __init__(self, A: LinearOperator, lam: Tensor, sigma: Tensor) -> None:
        self.basis, self.n = A.spectrum(), A.n
        self.tau = sigma / lam.sqrt()
        self.roots = sigma[:, None] / (self.basis.S**2 + lam[:, None]).sqrt()  # (B, K)

    def root(self, x: Tensor, transposed: bool = False) -> Tensor:
        """The symmetric root of C times x."""
        c, tau = self.basis.of_image(x), self.tau[:, None]
        return spread(self.tau, x) * x + self.basis.image((self.roots - tau) * c)

    def sd(self) -> Tensor:
        K, variance = len(self.basis.S), self.roots**2
        square = self.tau[:, None] ** 2
        total = square.expand(-1, self.n).clone()
        for rows in torch.arange(K, device=total.device).split(256):
            unit = torch.nn.functional.one_hot(rows, K).to(total)
            vectors = self.basis.image(unit).flatten(1)  # some of the columns of V, (k, n)
            total += (variance - square)[:, rows] @ vectors**2
        return total.clamp_min(0).sqrt()


class _Dense:
    """C = L^-T L^-1 with the Cholesky factor L of the precision, one for each problem."""

    def __init__(self, A: LinearOperator, lam: Tensor, sigma: Tensor, epsilon: Tensor) -> None:
        matrix, D = A.double_matrix(), gradient_matrix(A)
        lam, sigma, epsilon = (value.to(matrix)[:, None, None] for value in (lam, sigma, epsilon))
        eye = torch.eye(A.n, dtype=matrix.dtype, device=matrix.device)
        precision = (matrix.T @ matrix + lam * (D.T @ D + epsilon * eye)) / sigma**2
        lower = torch.linalg.cholesky(precision)
        inverse = torch.linalg.solve_triangular(lower, eye.expand_as(lower), upper=False)
        self.inverse = inverse.to(A.like)  # L^-1, (B, n, n)

    def root(self, x: Tensor, transposed: bool = False) -> Tensor:
        """L^-T x, or L^-1 x if ``transposed``."""
        matrix = self.inverse if transposed else self.inverse.mT
        return (matrix @ x.flatten(1)[:, :, None]).reshape(x.shape)

    def sd(self) -> Tensor:
        return self.inverse.pow(2).sum(1).sqrt()


def gradient_matrix(A: LinearOperator) -> Tensor:
    """``gradient`` on the images of A as a (2 n, n) matrix, in float64 where the device has it."""
    exact = torch.float32 if A.like.device.type == "mps" else torch.float64
    eye = torch.eye(A.n, dtype=exact, device=A.like.device).reshape(-1, *A.shape_in)
    return gradient(eye).flatten(1).T
