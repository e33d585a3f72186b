"""Tikhonov regularisation: the squared norm of the image (identity) or of its gradient (H1)."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..operators import LinearOperator
from .base import check_batch, check_linear, check_prox
from .composite import Composite, CompositeObjective, QuadraticComposite
from .differences import divergence, gradient
from .fidelity import Fidelity
from .objective import SQUARED, Objective

__all__ = ["H1", "Tikhonov", "TikhonovObjective"]


class TikhonovObjective(QuadraticComposite):
    """||A x - y||^2 + lam ||x||^2 in x."""


class _Quadratic(Composite):
    """||K x||^2, which has a gradient, unless there are bounds."""

    def __init__(self, lam: float | Tensor, bounds: tuple[float, float] | None = None) -> None:
        super().__init__(lam, bounds)
        self.smooth = self.bounds is None

    def size(self, k: Tensor) -> Tensor:
        return k.flatten(1).pow(2).sum(1)

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        return q * (2 * lam / (2 * lam + sigma))


class Tikhonov(_Quadratic):
    r"""Tikhonov regularisation, :math:`R(x) = \|x\|_2^2`.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Source
    ------
    Paper, Sect. 1 and 5 (its reference [88]).

    Example
    -------
    >>> R = Tikhonov(0.1)
    >>> R(torch.ones(1, 1, 2, 2)), R.prox(torch.ones(1, 1, 1, 1), tau=0.5)
    (tensor([4.]), tensor([[[[0.5000]]]]))
    """

    closed_prox = True

    def K(self, v: Tensor) -> Tensor:
        return v

    def KT(self, q: Tensor) -> Tensor:
        return q

    def grad(self, x: Tensor) -> Tensor:
        if not self.smooth:
            return super().grad(x)
        check_batch(x)
        return 2 * x

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        """x / (1 + 2 tau), then the nearest image within the bounds: each pixel is a problem of its own."""
        return self.nearest(x / (1 + 2 * check_prox(x, tau)))

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        kind = TikhonovObjective if fidelity.squared and self.bounds is None else CompositeObjective
        return kind(A, y, self, fidelity)


@functools.lru_cache(maxsize=16)
def _vibrations(n: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of the second difference of n pixels in a row, free at both ends: (n,), (n, n)."""
    D = torch.diff(torch.eye(n, dtype=torch.float64), dim=0)
    return torch.linalg.eigh(D.T @ D)


class H1(_Quadratic):
    r"""Tikhonov regularisation of the gradient, :math:`R(x) = \|\nabla x\|_2^2`: smooth images.

    Forward differences, as for ``TV``.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Source
    ------
    Tikhonov, Soviet Math. Dokl. 4 (1963); lectures, part I.1, option 2.

    Example
    -------
    A step costs more than a slope between the same values:

    >>> step, slope = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.5, 1.5, 2.0]])
    >>> H1(0.1)(torch.stack([step, slope])[:, None])
    tensor([4.0000, 1.5000])
    """

    norm_squared = 8.0

    def K(self, v: Tensor) -> Tensor:
        return gradient(v)

    def KT(self, q: Tensor) -> Tensor:
        return -divergence(q)

    def grad(self, x: Tensor) -> Tensor:
        return 2 * self.KT(self.K(x)) if self.smooth else super().grad(x)

    @property
    def closed_prox(self) -> bool:
        return self.bounds is None

    def prox(self, x: Tensor, tau: float | Tensor, **settings) -> Tensor:
        """(I + 2 tau K^T K)^-1 x by the cosine transform, unless there are bounds."""
        if self.bounds is not None:
            return super().prox(x, tau, **settings)
        tau = check_prox(x, tau)
        (a, P), (b, Q) = (tuple(part.to(x) for part in _vibrations(n)) for n in x.shape[2:])
        return P @ ((P.T @ x @ Q) / (1 + 2 * tau * (a[:, None] + b))) @ Q.T

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        kind = QuadraticComposite if fidelity.squared and self.bounds is None else CompositeObjective
        return kind(A, y, self, fidelity)
