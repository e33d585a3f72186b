"""Total variation with its kink rounded off: smooth, for samplers and for L-BFGS."""

from __future__ import annotations

from torch import Tensor

from .._check import check_positive
from .base import Regulariser
from .differences import divergence, gradient

__all__ = ["HuberTV"]


class HuberTV(Regulariser):
    r"""Smoothed isotropic total variation, :math:`R(x)=\sum_i h(|(\nabla x)_i|)` with Huber's function h.

    :math:`h(t)=t^2/(2\varepsilon)` for :math:`t\le\varepsilon`, and :math:`t-\varepsilon/2` beyond.  For n pixels
    :math:`0\le TV(x)-R(x)\le n\varepsilon/2`; the gradient has the Lipschitz constant :math:`8/\varepsilon`.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    epsilon : float > 0
        In grey values: differences below it are taken for noise rather than for edges.

    Source
    ------
    Huber, Ann. Math. Statist. 35 (1964); for images Chambolle and Pock, Acta Numerica 25 (2016), Sect. 2.

    Example
    -------
    >>> import torch
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., :4] = 1  # an edge of 8 pixels and height 1
    >>> HuberTV(0.1, epsilon=0.5)(x)
    tensor([6.])
    """

    smooth = True

    def __init__(self, lam: float | Tensor, epsilon: float = 0.01) -> None:
        super().__init__(lam)
        self.epsilon = check_positive("epsilon", epsilon)

    def __call__(self, x: Tensor) -> Tensor:
        return self._values(*self._lengths(gradient(x)))

    def grad(self, x: Tensor) -> Tensor:
        return self.value_and_grad(x)[1]

    def value_and_grad(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """R(x), (B,), and its gradient, for little more than the price of one of them."""
        d = gradient(x)
        square, length = self._lengths(d)
        return self._values(square, length), -divergence(d / length[:, None])

    def _lengths(self, d: Tensor) -> tuple[Tensor, Tensor]:
        """|grad x|^2 and max(|grad x|, epsilon), (B, H, W); the root has a derivative where the image is flat."""
        square = d.pow(2).sum(1)
        return square, square.clamp_min(self.epsilon**2).sqrt()

    def _values(self, square: Tensor, length: Tensor) -> Tensor:
        """Both branches of h in one: t^2 / (2 s) + (s - epsilon) / 2 with s = max(t, epsilon)."""
        return ((square / length + length - self.epsilon) / 2).flatten(1).sum(1)

    def weights(self, x: Tensor) -> Tensor:
        r"""Of the quadratic that touches R from above at x: :math:`1/\max(|\nabla x|,\varepsilon)`, (B, H, W).

        That quadratic is :math:`\tfrac12\sum_i w_i|(\nabla v)_i|^2` plus a constant.
        """
        return 1 / self._lengths(gradient(x))[1]

    def __repr__(self) -> str:
        return f"HuberTV(lam={self.lam}, epsilon={self.epsilon})"
