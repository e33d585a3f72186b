"""The lower level by a semi-smooth Newton method: total variation of signals with the function of Huber."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_kind, check_nonnegative, check_positive, check_tensor
from .halving import halved
from .lower import LowerLevel
from .smooth import Differences

__all__ = ["HuberSignals", "NewtonSolution", "semismooth_newton"]

LN10 = math.log(10)
#: Lengths of a step that are tried.
LENGTHS = 40


class HuberSignals(LowerLevel):
    r"""Denoising of signals by a total variation whose gradient is piecewise affine; log10 alpha is to be learned.

    .. math:: \Phi(x,\theta;y)=\tfrac12\|x-y\|^2+\alpha\sum_jh_\nu(x_{j+1}-x_j)+\tfrac\xi2\|x\|^2,\qquad
        h_\nu(t)=\begin{cases}t^2/(2\nu)&|t|\le\nu\\|t|-\nu/2&|t|>\nu\end{cases}

    Phi has no second derivative where a difference is nu or -nu.

    Parameters
    ----------
    y : (B, N) tensor
    nu, xi : float > 0

    Raises
    ------
    TypeError, ValueError
        Data of a wrong shape, NaN, parameters that are not positive.

    Source
    ------
    Huber, Ann. Math. Statist. 35 (1964), as a smoothing of the absolute value.

    Example
    -------
    >>> lower = HuberSignals(torch.zeros(1, 8), nu=0.1, xi=1e-3)
    >>> round(float(lower.L(torch.tensor([0.0]))), 3)
    41.001
    """

    names = ("log10 alpha",)
    parameters = 1

    def __init__(self, y: Tensor, nu: float = 1e-2, xi: float = 1e-3) -> None:
        check_tensor("y", y, (None, None))
        if 0 in y.shape:
            raise ValueError(f"'y' must have shape (B, N) without a 0, got {tuple(y.shape)}")
        check_finite("y", y)
        super().__init__(y, tuple(y.shape[1:]))
        self.nu, self.xi = (y.new_tensor(float(check_positive(n, v))) for n, v in (("nu", nu), ("xi", xi)))
        self.D = Differences(2)

    def mu(self, theta: Tensor) -> Tensor:
        return 1 + self.xi

    def L(self, theta: Tensor) -> Tensor:
        return 1 + self.xi + self.D.norm2 * 10.0 ** theta[0] / self.nu

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        t = self.D(x)
        h = torch.where(self.bent(x), t.square() / (2 * self.nu), t.abs() - self.nu / 2)
        quadratic = (x - self.y).square().sum(1) / 2 + self.xi / 2 * x.square().sum(1)
        return quadratic + 10.0 ** theta[0] * h.sum(1)

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        pull = (self.D(x) / self.nu).clamp(-1, 1)
        return (1 + self.xi) * x - self.y + 10.0 ** theta[0] * self.D.T(pull)

    def bent(self, x: Tensor) -> Tensor:
        """Where h is quadratic: (B, N - 1) bool.  It names the piece on which the gradient is affine."""
        return self.D(x).abs() <= self.nu

    def newton_matrix(self, x: Tensor, theta: Tensor) -> Tensor:
        """An element of the generalised Hessian, (1 + xi) I + alpha / nu D^T diag(bent) D: (B, N, N), tridiagonal."""
        N = x.shape[1]
        D = torch.eye(N, dtype=x.dtype, device=x.device).diff(dim=0)
        curved = D.T @ (self.bent(x).to(x.dtype)[:, :, None] * D)
        return (1 + self.xi) * torch.eye(N, dtype=x.dtype, device=x.device) + 10.0 ** theta[0] / self.nu * curved

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        # a difference moves by root 2 eps at most: only those as near to nu may change their piece
        near = (self.D(x).abs() - self.nu).abs() <= self.D.local2**0.5 * eps[:, None]
        return 10.0 ** theta[0] / self.nu * self.D.norm2**0.5 * (near * self.D(q)).norm(dim=1)

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        return LN10 * 10.0 ** theta[0] / self.nu * self.D.norm2**0.5 * eps * self.D(q).norm(dim=1)

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        field = self.D.T((self.D(x) / self.nu).clamp(-1, 1)).norm(dim=1)
        return LN10 * 10.0 ** theta[0] * (field + self.D.norm2 / self.nu * eps)


@dataclass(frozen=True)
class NewtonSolution:
    """What the semi-smooth Newton method found for B signals.

    Attributes
    ----------
    x : (B, N) tensor
    accuracy : (B,) tensor
        ||gradient||^2 / mu^2, which ||x - x_hat||^2 cannot exceed.
    steps : (B,) int64 tensor
    reached : (B,) bool tensor
    slopes : (K + 1, B) tensor
        Norms of the gradient before the first step and after each.
    lengths : (K, B) tensor
        Of the steps: 1 is a whole one, 0 none.
    moved : (K, B) int64 tensor
        How many differences changed from one piece of h to the other.
    """

    x: Tensor
    accuracy: Tensor
    steps: Tensor
    reached: Tensor
    slopes: Tensor
    lengths: Tensor
    moved: Tensor


@torch.no_grad()
def semismooth_newton(
    lower: HuberSignals, theta: Tensor, tol: float = 1e-20, x0: Tensor | None = None, max_iter: int = 50
) -> NewtonSolution:
    r"""Newton steps with an element of the generalised Hessian, halved until Phi falls enough.

    The gradient is affine where no difference changes its piece, and the Newton equation is exact there.  So a whole
    step between two points of one piece ends at the minimiser.

    Parameters
    ----------
    lower : HuberSignals
    theta : (1,) tensor
    tol : float >= 0
        On ||gradient||^2 / mu^2.
    x0 : (B, N) tensor, optional
        Default: the data.
    max_iter : int

    Returns
    -------
    NewtonSolution

    Raises
    ------
    TypeError, ValueError
        Another lower level, wrong shapes, numbers out of range.

    Source
    ------
    Qi and Sun, Math. Program. 58 (1993); lectures, part II.3: Kunisch and Pock, SIAM J. Imaging Sci. 6 (2013).

    Example
    -------
    >>> y = torch.tensor([[0.1, -0.1, 0.0, 1.0, 1.1, 0.9]], dtype=torch.float64)
    >>> found = semismooth_newton(HuberSignals(y), y.new_tensor([-1.0]))
    >>> bool(found.reached.all()), int(found.moved[-1])
    (True, 0)
    """
    check_kind("lower", lower, HuberSignals)
    lower.check_theta(theta)
    tol, max_iter = check_nonnegative("tol", tol), check_count("max_iter", max_iter)
    mu, _ = lower.constants(theta)
    x = lower.y.clone() if x0 is None else lower.check_x("x0", x0).clone()
    g = lower.grad(x, theta)
    slopes, lengths, moved = [g.norm(dim=1)], [], []
    for _ in range(max_iter):
        active = (slopes[-1] / mu).square() > tol
        if not bool(active.any()):
            break
        p = -torch.linalg.solve(lower.newton_matrix(x, theta), g)
        new, t = halved(lambda v: lower.value(v, theta), x, p, g, active, LENGTHS, lambda v: lower.grad(v, theta))
        moved.append((lower.bent(new) != lower.bent(x)).sum(1))
        x, g = new, lower.grad(new, theta)
        slopes.append(g.norm(dim=1))
        lengths.append(t)
        if not bool((t > 0).any()):
            break
    accuracy = (slopes[-1] / mu).square()
    shape = (0, len(x))
    lengths = torch.stack(lengths) if lengths else x.new_zeros(shape)
    moved = torch.stack(moved) if moved else torch.zeros(shape, dtype=torch.int64, device=x.device)
    return NewtonSolution(x, accuracy, (lengths > 0).sum(0), accuracy <= tol, torch.stack(slopes), lengths, moved)
