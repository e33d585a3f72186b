"""A lower level in which every pair of lines of k-space has its own weight, to learn which ones to measure."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_finite, check_kind, check_positive
from .lower import LowerLevel
from .smooth import Differences

__all__ = ["LineSampling"]


class LineSampling(LowerLevel):
    r"""Images from lines of k-space, each pair of which has a weight between 0 (not measured) and 1.

    .. math:: \Phi(x,c;y)=\tfrac12\sum_k c_{|k|}\|(Fx)_k-y_k\|^2+\alpha\sum_j\sqrt{|(\nabla x)_j|^2+\nu^2}
        +\tfrac\xi2\|x\|^2,\qquad 0\le c\le1

    F is the unitary transform, and :math:`(Fx)_k` its row k.  Images are real, so that the rows k and -k hold the same
    numbers but for the noise; they have one weight.  mu = xi + min c, so that xi alone makes the problem strongly
    convex where a line is left out.

    Parameters
    ----------
    y : (B, 1, H, W) complex tensor
        All of k-space, H even; rows in the order of ``torch.fft``.
    alpha, nu, xi : float > 0

    Attributes
    ----------
    lines : (P,) tensor
        How many rows a weight stands for: 1 for the frequencies 0 and H/2, else 2.

    Raises
    ------
    TypeError, ValueError
        Data that are not complex, weights that are not positive or beyond [0, 1].

    Source
    ------
    After Sherry et al., IEEE Trans. Med. Imaging 39 (2020), and Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021),
    Section 4.4.

    Example
    -------
    >>> lower = LineSampling(torch.fft.fft2(torch.ones(1, 1, 8, 8), norm="ortho"))
    >>> lower.parameters, lower.lines
    (5, tensor([1., 2., 2., 2., 1.]))
    """

    def __init__(self, y: Tensor, alpha: float = 1e-3, nu: float = 1e-2, xi: float = 1e-3) -> None:
        check_kind("y", y, Tensor, "a torch.Tensor")
        if not y.is_complex():
            raise TypeError(f"'y' must be a complex tensor, got dtype {y.dtype}")
        if y.ndim != 4 or y.shape[1] != 1 or 0 in y.shape or y.shape[2] % 2:
            raise ValueError(f"'y' must have shape (B, 1, H, W) with an even H, got {tuple(y.shape)}")
        check_finite("y", torch.view_as_real(y))
        super().__init__(y, tuple(y.shape[1:]))
        self.alpha, self.nu, self.xi = (
            y.real.new_tensor(float(check_positive(name, v))) for name, v in (("alpha", alpha), ("nu", nu), ("xi", xi))
        )
        H = y.shape[2]
        self.D, self.parameters = Differences(4), H // 2 + 1
        row = torch.arange(H, device=y.device)
        self.pair = torch.minimum(row, H - row)  # |k| of every row
        self.lines = y.real.new_zeros(self.parameters).index_add(0, self.pair, y.real.new_ones(H))
        self.names = ("c",)

    def check_theta(self, theta: Tensor, name: str = "theta") -> Tensor:
        super().check_theta(theta, name)
        if not bool(((theta >= 0) & (theta <= 1)).all()):
            raise ValueError(f"'{name}' must lie in [0, 1], got {float(theta.min()):g} to {float(theta.max()):g}")
        return theta

    def mu(self, theta: Tensor) -> Tensor:
        return self.xi + theta.min()

    def L(self, theta: Tensor) -> Tensor:
        return self.xi + theta.max() + self.D.norm2 * self.alpha / self.nu

    def _misfit(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x, norm="ortho") - self.y

    def _each(self, k_space: Tensor) -> Tensor:
        """The squared norm of every pair of rows: (B, 1, H, W) -> (B, P)."""
        rows = torch.view_as_real(k_space).square().sum((1, 3, 4))
        return rows.new_zeros(len(rows), self.parameters).index_add(1, self.pair, rows)

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        square = x.flatten(1).square().sum(1)
        return self._each(self._misfit(x)) @ theta / 2 + self.alpha * self.D.value(x, self.nu) + self.xi / 2 * square

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        weighted = theta[self.pair][:, None] * self._misfit(x)
        return torch.fft.ifft2(weighted, norm="ortho").real + self.alpha * self.D.grad(x, self.nu) + self.xi * x

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        return self.alpha * self.D.hessian_change(x, self.nu, q, eps)

    # Column k of B is Re F^H of the rows k of the misfit.  The rows are disjoint, and Re F^H lengthens nothing.

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        return eps * self._each(torch.fft.fft2(q, norm="ortho")).amax(1).sqrt()

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        return self._each(self._misfit(x)).amax(1).sqrt() + eps
