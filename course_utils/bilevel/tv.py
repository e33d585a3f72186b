"""Lower levels with the smoothed total variation: denoising and linear data, and weighted Fourier samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import check_finite, check_kind, check_nonnegative, check_positive, check_tensor, trusting
from ..operators import LinearOperator
from .lower import LowerLevel
from .smooth import Differences, bend, slope, steepness

__all__ = ["FourierSampling", "SmoothTV"]

LN10 = math.log(10)


class SmoothTV(LowerLevel):
    r"""Smoothed TV of signals or images, with its weight, its smoothing and its convexity to be learned.

    .. math:: \Phi(x,\theta;y)=\tfrac12\|Ax-y\|^2+\alpha\sum_j\sqrt{|(\nabla x)_j|^2+\nu^2}+\tfrac\xi2\|x\|^2,
        \qquad\theta=(\log_{10}\alpha,\log_{10}\nu,\log_{10}\xi)

    For denoising mu = 1 + xi and L = 1 + 4 alpha / nu + xi in one dimension, 8 instead of 4 in two.

    Parameters
    ----------
    y : (B, N) or (B, 1, H, W) tensor, or data of A
    A : LinearOperator, optional
        Default: the identity.
    nu, xi : float > 0, optional
        Fix the smoothing or the convexity, which then are not among the parameters.
    convexity : float, optional
        A number that no eigenvalue of A^T A is below.  Default: 1 for the identity, 0 for other A, where mu is then xi
        alone and the certificate of accuracy is pessimistic.

    Raises
    ------
    TypeError, ValueError
        Data of a wrong shape, NaN, parameters that are not positive.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 4.

    Example
    -------
    >>> lower = SmoothTV(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), nu=1e-3, xi=1e-3)
    >>> lower.names, round(float(lower.L(torch.tensor([-1.0]))), 1)
    (('log10 alpha',), 401.0)
    """

    def __init__(
        self,
        y: Tensor,
        A: LinearOperator | None = None,
        nu: float | None = None,
        xi: float | None = None,
        convexity: float | None = None,
    ) -> None:
        check_tensor("y", y)
        if A is None:
            if y.ndim not in (2, 4) or (y.ndim == 4 and y.shape[1] != 1) or 0 in y.shape:
                raise ValueError(f"'y' must have shape (B, N) or (B, 1, H, W), got {tuple(y.shape)}")
            shape = tuple(y.shape[1:])
        else:
            check_kind("A", A, LinearOperator)
            check_tensor("y", y, (None, *A.shape_out), like=A.like)
            shape = A.shape_in
        check_finite("y", y)
        super().__init__(y, shape)
        self.A, self.D = A, Differences(len(shape) + 1)
        default = 1.0 if A is None else 0.0
        self.convexity = default if convexity is None else float(check_nonnegative("convexity", convexity))
        self.data_L = 1.0 if A is None else A.norm**2
        fixed = {"nu": nu, "xi": xi}
        self.fixed = {name: float(check_positive(name, v)) for name, v in fixed.items() if v is not None}
        self.free = [k for k, name in enumerate(("alpha", "nu", "xi")) if name not in self.fixed]
        self.names = tuple(f"log10 {('alpha', 'nu', 'xi')[k]}" for k in self.free)
        self.parameters = len(self.free)

    def weights(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """alpha, nu and xi."""
        found = dict(zip(self.free, (10.0**theta).unbind(), strict=True))
        fixed = {k: theta.new_tensor(self.fixed[name]) for k, name in ((1, "nu"), (2, "xi")) if name in self.fixed}
        return tuple((found | fixed)[k] for k in range(3))

    def mu(self, theta: Tensor) -> Tensor:
        return self.convexity + self.weights(theta)[2]

    def L(self, theta: Tensor) -> Tensor:
        alpha, nu, xi = self.weights(theta)
        return self.data_L + self.D.norm2 * alpha / nu + xi

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        alpha, nu, xi = self.weights(theta)
        with trusting():
            misfit = (x if self.A is None else self.A(x)) - self.y
            tv = self.D.value(x, nu)
        return misfit.flatten(1).square().sum(1) / 2 + alpha * tv + xi / 2 * x.flatten(1).square().sum(1)

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        alpha, nu, xi = self.weights(theta)
        with trusting():
            data = x - self.y if self.A is None else self.A.T(self.A(x) - self.y)
            return data + alpha * self.D.grad(x, nu) + xi * x

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        alpha, nu, _ = self.weights(theta)
        return alpha * self.D.hessian_change(x, nu, q, eps)

    # The columns of B are ln(10) times alpha D^T slope, alpha D^T (nu d slope / d nu), and xi x.

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        alpha, nu, xi = self.weights(theta)
        columns = [
            alpha * self.D.pairing_change(bend, x, nu, q, eps),
            alpha * self.D.pairing_change(steepness, x, nu, q, eps),
            xi * eps * q.flatten(1).norm(dim=1),
        ]
        return LN10 * torch.stack([columns[k] for k in self.free]).norm(dim=0)

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        alpha, nu, xi = self.weights(theta)
        d = self.D(x)
        h = slope(d, nu, self.D.vector)
        square = d.square().sum(1, keepdim=True) if self.D.vector else d.square()
        by_nu = -h * nu.square() / (square + nu.square())
        columns = [
            alpha * (self.D.T(h).flatten(1).norm(dim=1) + self.D.field_change(bend, x, nu, eps)),
            alpha * (self.D.T(by_nu).flatten(1).norm(dim=1) + self.D.field_change(steepness, x, nu, eps)),
            xi * (x.flatten(1).norm(dim=1) + eps),
        ]
        return LN10 * torch.stack([columns[k] for k in self.free]).norm(dim=0)


class FourierSampling(LowerLevel):
    r"""Signals from Fourier samples of which each has its own weight, to learn which ones are worth measuring.

    .. math:: \Phi(x,c;y)=\tfrac12\sum_k w_k|(Fx)_k-y_k|^2+\alpha\sum_j\sqrt{|(\nabla x)_j|^2+\nu^2}
        +\tfrac\xi2\|x\|^2,\qquad w_k=\frac{c_k}{1-c_k},\ 0<c_k<1

    F is the unitary transform and x is real, so that k and -k share their weights: mu = xi + min (w_k + w_{-k}) / 2.

    Parameters
    ----------
    y : (B, N) complex tensor
    alpha, nu, xi : float > 0

    Raises
    ------
    TypeError, ValueError
        Data that are not complex, weights that are not positive.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 4.4; Sherry et al., IEEE Trans. Med. Imaging
    39 (2020).

    Example
    -------
    >>> lower = FourierSampling(torch.fft.fft(torch.ones(1, 8), norm="ortho"))
    >>> lower.parameters, round(float(lower.mu(torch.full((8,), 0.5))), 4)
    (8, 1.0001)
    """

    def __init__(self, y: Tensor, alpha: float = 1e-2, nu: float = 1e-2, xi: float = 1e-4) -> None:
        check_kind("y", y, Tensor, "a torch.Tensor")
        if not y.is_complex():
            raise TypeError(f"'y' must be a complex tensor, got dtype {y.dtype}")
        if y.ndim != 2 or 0 in y.shape:
            raise ValueError(f"'y' must have shape (B, N), got {tuple(y.shape)}")
        check_finite("y", torch.view_as_real(y))
        super().__init__(y, tuple(y.shape[1:]))
        self.alpha, self.nu, self.xi = (
            y.real.new_tensor(float(check_positive(name, v))) for name, v in (("alpha", alpha), ("nu", nu), ("xi", xi))
        )
        self.D, self.parameters = Differences(2), y.shape[1]
        self.names = tuple(f"c[{k}]" for k in range(self.parameters))

    def check_theta(self, theta: Tensor, name: str = "theta") -> Tensor:
        super().check_theta(theta, name)
        if not bool(((theta > 0) & (theta < 1)).all()):
            raise ValueError(f"'{name}' must lie in (0, 1), got {float(theta.min()):g} to {float(theta.max()):g}")
        return theta

    def _both(self, theta: Tensor) -> Tensor:
        """What one real x sees of the weights of k and -k."""
        w = theta / (1 - theta)
        return (w + w.flip(0).roll(1)) / 2

    def mu(self, theta: Tensor) -> Tensor:
        return self.xi + self._both(theta).min()

    def L(self, theta: Tensor) -> Tensor:
        return self.xi + self._both(theta).max() + self.D.norm2 * self.alpha / self.nu

    def _misfit(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x, norm="ortho") - self.y

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        data = (theta / (1 - theta) * torch.view_as_real(self._misfit(x)).square().sum(2)).sum(1)
        return data / 2 + self.alpha * self.D.value(x, self.nu) + self.xi / 2 * x.square().sum(1)

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        data = torch.fft.ifft(theta / (1 - theta) * self._misfit(x), norm="ortho").real
        return data + self.alpha * self.D.grad(x, self.nu) + self.xi * x

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        return self.alpha * self.D.hessian_change(x, self.nu, q, eps)

    # B = Re F^H diag(w' (F x - y)) with w' = 1 / (1 - c)^2; no entry of F (x' - x) is larger than eps.

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        return eps * (torch.fft.fft(q, norm="ortho").abs() / (1 - theta).square()).amax(1)

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        return ((self._misfit(x).abs() + eps[:, None]) / (1 - theta).square()).amax(1)
