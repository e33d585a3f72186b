r"""The smoothed absolute value, and how far its derivatives can move when their argument does.

:math:`\varphi_\nu(d)=\sqrt{|d|^2+\nu^2}` for a number or a vector d.  With :math:`s=\varphi_\nu(d)` its gradient is
d/s, and its Hessian has the eigenvalues :math:`\nu^2/s^3` along d and, for vectors, 1/s across.  The bounds are local:
they hold on the ball of radius ``reach`` about d, and far from 0 they are many orders below those at 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.differences import divergence, gradient

__all__ = ["Differences", "bend", "slope", "steepness", "twist"]


def slope(d: Tensor, nu: Tensor, vector: bool = False) -> Tensor:
    """The gradient d / s; the components of vectors are in axis 1."""
    square = d.square().sum(1, keepdim=True) if vector else d.square()
    return d * (square + nu.square()).rsqrt()


def _least(d: Tensor, reach: Tensor, vector: bool) -> Tensor:
    """The smallest |d| in the ball of radius ``reach``, one for each example; without the axis of components."""
    size = d.norm(dim=1) if vector else d.abs()
    return (size - reach.reshape(-1, *[1] * (size.ndim - 1))).clamp_min(0)


def bend(d: Tensor, nu: Tensor, reach: Tensor, vector: bool = False) -> Tensor:
    """The largest norm of the Hessian within ``reach`` (B,): the Lipschitz constant of the gradient there."""
    s = (_least(d, reach, vector).square() + nu.square()).sqrt()
    return 1 / s if vector else nu.square() / s**3


def steepness(d: Tensor, nu: Tensor, reach: Tensor, vector: bool = False) -> Tensor:
    r"""A Lipschitz constant within ``reach`` of d -> nu d(gradient)/d(nu) = -nu^2 d / s^3."""
    s = (_least(d, reach, vector).square() + nu.square()).sqrt()
    return 2 * nu.square() / s**3  # the derivative is nu^2/s^3 (I - 3 d d^T / s^2), whose norm is at most 2 nu^2/s^3


def twist(d: Tensor, nu: Tensor, reach: Tensor, vector: bool = False) -> Tensor:
    """The largest norm of the third derivative within ``reach``: a Lipschitz constant of the Hessian there.

    Of numbers it is 3 |d| nu^2 / s^5, which rises up to |d| = nu / 2 and falls after.  Of vectors it is the same up to
    |d| = nu / sqrt(2), and 2 / (sqrt(3) s^2) beyond.
    """
    size = torch.maximum(_least(d, reach, vector), nu / 2)
    # a ball that ends before the peak has its largest value at its outer end
    outer = (d.norm(dim=1) if vector else d.abs()) + reach.reshape(-1, *[1] * (size.ndim - 1))
    size = torch.minimum(size, outer.clamp_min(torch.finfo(d.dtype).tiny))
    s = (size.square() + nu.square()).sqrt()
    found = 3 * size * nu.square() / s**5
    return torch.where(size > nu / 2**0.5, 2 / 3**0.5 / s.square(), found) if vector else found


class Differences:
    """D and its adjoint: of neighbours in a signal (B, N), or the gradient of an image (B, 1, H, W) on its grid.

    Attributes
    ----------
    vector : bool
        Whether D x has two components at every pixel, in axis 1.
    norm2 : float
        A bound on ||D||^2.
    local2 : float
        The same for one row of D, or the two of one pixel.
    """

    def __init__(self, ndim: int) -> None:
        self.vector = ndim == 4
        self.norm2, self.local2 = (8.0, 3.0) if self.vector else (4.0, 2.0)

    def __call__(self, x: Tensor) -> Tensor:
        return gradient(x) if self.vector else x[:, 1:] - x[:, :-1]

    def T(self, q: Tensor) -> Tensor:
        if self.vector:
            return -divergence(q)
        pad = torch.nn.functional.pad
        return pad(q, (1, 0)) - pad(q, (0, 1))

    def value(self, x: Tensor, nu: Tensor) -> Tensor:
        """The smoothed total variation, (B,)."""
        d = self(x)
        square = d.square().sum(1) if self.vector else d.square()
        return (square + nu.square()).sqrt().flatten(1).sum(1)

    def grad(self, x: Tensor, nu: Tensor) -> Tensor:
        """Its gradient D^T (D x / s)."""
        return self.T(slope(self(x), nu, self.vector))

    # Bounds for all x' with ||x' - x|| <= eps, (B,).  The differences then move by ||D|| eps in the 2-norm, and each
    # by the norm of its rows times eps.

    def _moved(self, constant, x: Tensor, nu: Tensor, eps: Tensor) -> Tensor:
        return constant(self(x), nu, self.local2**0.5 * eps, self.vector)

    def _length(self, q: Tensor) -> Tensor:
        d = self(q)
        return d.norm(dim=1) if self.vector else d.abs()

    def hessian_change(self, x: Tensor, nu: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        """On ||(Hessian at x' - Hessian at x) q||."""
        largest = (self._moved(twist, x, nu, eps) * self._length(q)).flatten(1).amax(1)
        return self.norm2 * eps * largest

    def pairing_change(self, constant, x: Tensor, nu: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        """On <h(D x') - h(D x), D q> for a field h with this Lipschitz ``constant``."""
        product = self._moved(constant, x, nu, eps) * self._length(q)
        return self.norm2**0.5 * eps * product.flatten(1).norm(dim=1)

    def field_change(self, constant, x: Tensor, nu: Tensor, eps: Tensor) -> Tensor:
        """On ||D^T (h(D x') - h(D x))||."""
        return self.norm2 * eps * self._moved(constant, x, nu, eps).flatten(1).amax(1)
