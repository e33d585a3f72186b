"""The field of experts: a smoothed absolute value of the answers of filters, all of which are learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from .._check import check_count, check_finite, check_positive, check_tensor
from .lower import LowerLevel
from .smooth import slope

__all__ = ["FieldOfExperts"]

LN10 = math.log(10)
#: The largest third derivative of sqrt(t^2 + nu^2), times nu^2; it is at t = nu / 2.
THIRD = 1.5 / 1.25**2.5
#: Frequencies on each axis at which the filters are looked at for a bound on their norm.
GRID = 64


class FieldOfExperts(LowerLevel):
    r"""Denoising with K learned filters of s x s pixels, each with its weight and its smoothing.

    .. math:: \Phi(x,\theta;y)=\tfrac12\|x-y\|^2+\sum_{k=1}^K w_k\sum_j\sqrt{(c_k*x)_j^2+\nu_k^2}+\tfrac\xi2\|x\|^2

    theta holds :math:`\log_{10}w_k`, then :math:`\log_{10}\nu_k`, then the filters: K (2 + s^2) numbers.  Beyond the
    border x is 0.  Weights are powers of 10 and therefore positive, which keeps the problem convex whatever is learned.

    Parameters
    ----------
    y : (B, 1, H, W) tensor
    filters : int
        K.
    size : int, odd
        s, below 16.
    xi : float > 0

    Raises
    ------
    TypeError, ValueError
        Data of a wrong shape, NaN, an even ``size``.

    Source
    ------
    Roth and Black, Int. J. Comput. Vis. 82 (2009); as a bilevel problem: Chen, Ranftl and Pock, IEEE Trans. Image
    Process. 23 (2014).

    Example
    -------
    >>> lower = FieldOfExperts(torch.zeros(2, 1, 16, 16), filters=8, size=5)
    >>> lower.parameters, lower.initial().shape
    (216, torch.Size([216]))
    """

    def __init__(self, y: Tensor, filters: int = 8, size: int = 5, xi: float = 1e-3) -> None:
        check_tensor("y", y, (None, 1, None, None))
        check_finite("y", y)
        super().__init__(y, tuple(y.shape[1:]))
        self.K, self.size = check_count("filters", filters), check_count("size", size)
        if self.size % 2 == 0 or self.size > 15:
            raise ValueError(f"'size' must be odd and below 16, got {self.size}")
        self.xi = y.new_tensor(float(check_positive("xi", xi)))
        self.parameters = self.K * (2 + self.size**2)
        self.names = ("log10 w", "log10 nu", "filters")

    def initial(self, weight: float = 0.02, nu: float = 0.02) -> Tensor:
        """A theta to start from: filters of the discrete cosine transform without the constant, low frequencies first.

        Raises
        ------
        ValueError
            Numbers that are not positive, or more filters than the transform has.
        """
        weight, nu, s = check_positive("weight", weight), check_positive("nu", nu), self.size
        if self.K > s * s - 1:
            raise ValueError(f"'filters' must be at most {s * s - 1} for this start, got {self.K}")
        k = torch.arange(s, dtype=self.y.dtype, device=self.y.device)
        waves = torch.cos(math.pi * k[:, None] * (k + 0.5) / s) * (2 / s) ** 0.5
        waves[0] /= 2**0.5
        order = sorted((i + j, i, j) for i in range(s) for j in range(s))[1 : self.K + 1]
        filters = torch.stack([waves[i][:, None] * waves[j] for _, i, j in order])
        ones = torch.ones(self.K, dtype=self.y.dtype, device=self.y.device)
        return torch.cat([math.log10(weight) * ones, math.log10(nu) * ones, filters.flatten()])

    def parts(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (K,), smoothings (K,) and filters (K, 1, s, s)."""
        w, nu, filters = theta.split([self.K, self.K, self.K * self.size**2])
        return 10.0**w, 10.0**nu, filters.reshape(self.K, 1, self.size, self.size)

    def answers(self, x: Tensor, filters: Tensor) -> Tensor:
        """c_k * x: (B, 1, H, W) -> (B, K, H, W)."""
        return conv2d(x, filters, padding=self.size // 2)

    def mu(self, theta: Tensor) -> Tensor:
        return 1 + self.xi

    def L(self, theta: Tensor) -> Tensor:
        w, nu, filters = self.parts(theta)
        return 1 + self.xi + _peak((w / nu)[:, None, None] * _power(filters), self.size - 1)

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        w, nu, filters = self.parts(theta)
        potential = (self.answers(x, filters).square() + nu[:, None, None].square()).sqrt()
        data = (x - self.y).flatten(1).square().sum(1) + self.xi * x.flatten(1).square().sum(1)
        return data / 2 + potential.sum((2, 3)) @ w

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        w, nu, filters = self.parts(theta)
        pull = w[:, None, None] * slope(self.answers(x, filters), nu[:, None, None])
        return (1 + self.xi) * x - self.y + conv_transpose2d(pull, filters, padding=self.size // 2)

    # For every filter: the norm of the convolution, that of one of its rows, and Lipschitz constants of slope.

    def _sizes(self, theta: Tensor) -> tuple[Tensor, ...]:
        w, nu, filters = self.parts(theta)
        norm = torch.stack([_peak(power[None], self.size - 1) for power in _power(filters)]).sqrt()
        return w, nu, norm, filters.flatten(1).norm(dim=1)

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        w, nu, norm, _ = self._sizes(theta)
        # |change of the curvature| at a pixel <= THIRD / nu^2 |change of the answer|, and that times |c_k * q| there
        answer = self.answers(q, self.parts(theta)[2]).flatten(2).abs().amax(2)  # (B, K)
        return eps * (answer * (THIRD * w * norm**2 / nu**2)).sum(1)

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        w, nu, norm, row = self._sizes(theta)
        answer = self.answers(q, self.parts(theta)[2]).flatten(2).norm(dim=2)  # (B, K)
        e, X, Q = eps[:, None], x.flatten(1).norm(dim=1)[:, None], q.flatten(1).norm(dim=1)[:, None]
        by_weight = LN10 * w * norm / nu * e * answer
        by_nu = 2 * by_weight
        # <curvature(c*x) c*q, S x> + <slope(c*x), S q> for each of the s^2 shifts S
        shift = w * (THIRD / nu**2 * row * e * answer * (X + e) + e * answer / nu + norm / nu * e * Q)
        return torch.cat([by_weight, by_nu, self.size * shift], 1).norm(dim=1)

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        w, nu, norm, _ = self._sizes(theta)
        answers = self.answers(x, self.parts(theta)[2])
        h = slope(answers, nu[:, None, None])
        e, X = eps[:, None], x.flatten(1).norm(dim=1)[:, None]
        length = h.flatten(2).norm(dim=2) + norm / nu * e  # (B, K)
        by_nu = (h - h**3).flatten(2).norm(dim=2) + 2 * norm / nu * e
        curved = (1 / nu) * norm * (X + e)
        columns = torch.cat([LN10 * w * norm * length, LN10 * w * norm * by_nu, self.size * w * (curved + length)], 1)
        return columns.norm(dim=1)


def _power(filters: Tensor) -> Tensor:
    """|filter|^2 at the frequencies of the grid: (K, 1, s, s) -> (K, GRID, GRID)."""
    return torch.fft.fft2(filters[:, 0], s=(GRID, GRID)).abs().square()


def _peak(power: Tensor, degree: int) -> Tensor:
    """A bound on the sum of these trigonometric polynomials between the frequencies of the grid too.

    One of degree d in one variable is at most its largest value at n points over cos(pi d / n) (Ehlich and Zeller
    1964).  A convolution that is cut off at the border has no larger norm than one that is not.
    """
    return power.sum(0).max() / math.cos(math.pi * degree / GRID) ** 2
