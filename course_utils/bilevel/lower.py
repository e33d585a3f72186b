r"""The lower level: strongly convex problems :math:`\min_x\Phi(x,\theta;y)` that share the parameters theta.

A subclass writes Phi and says how convex it is; derivatives come from automatic differentiation.  With
:math:`A=\partial_x^2\Phi` and :math:`B=\partial_\theta\partial_x\Phi` the implicit function theorem needs products with
A and with B^T alone, and the error bounds of ``hypergradient`` need how far A and B move when x does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_finite, check_kind, check_tensor

__all__ = ["Linearised", "LowerLevel"]


@dataclass(frozen=True)
class Linearised:
    """The second derivatives at one x: ``hvp(v)`` is A v, ``mixed(q)`` is B^T q summed over the examples, (P,)."""

    hvp: Callable[[Tensor], Tensor]
    mixed: Callable[[Tensor], Tensor]


class LowerLevel:
    r"""B problems :math:`\hat x_i(\theta)=\arg\min_x\Phi(x,\theta;y_i)`, strongly convex in x, with common theta.

    A subclass implements ``value``, ``mu`` and ``L``; ``grad`` too where a formula is faster than autograd.

    Attributes
    ----------
    y : (B, ...) tensor
        The data of all examples.
    shape : tuple of int
        Of one x.
    names : tuple of str
        Of the P parameters, or of their groups.
    parameters : int
        P.
    """

    names: tuple[str, ...] = ()
    parameters: int = 0

    def __init__(self, y: Tensor, shape: tuple[int, ...]) -> None:
        self.y, self.shape = y, tuple(shape)

    def value(self, x: Tensor, theta: Tensor) -> Tensor:
        """Phi of every example, (B,)."""
        raise NotImplementedError

    def mu(self, theta: Tensor) -> Tensor:
        """Constant of strong convexity: no eigenvalue of A is less."""
        raise NotImplementedError

    def L(self, theta: Tensor) -> Tensor:
        """Lipschitz constant of the gradient: no eigenvalue of A is larger."""
        raise NotImplementedError

    def grad(self, x: Tensor, theta: Tensor) -> Tensor:
        """The gradient by x, differentiable by x and theta."""
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            higher = at is x or theta.requires_grad
            return torch.autograd.grad(self.value(at, theta).sum(), at, create_graph=higher)[0]

    def linearise(self, x: Tensor, theta: Tensor) -> Linearised:
        """Products with the second derivatives, through one graph of the gradient."""
        x, theta = x.detach().requires_grad_(), theta.detach().requires_grad_()
        with torch.enable_grad():
            g = self.grad(x, theta)

        def hvp(v: Tensor) -> Tensor:
            return torch.autograd.grad(g, x, v, retain_graph=True)[0]

        def mixed(q: Tensor) -> Tensor:
            return torch.autograd.grad(g, theta, q, retain_graph=True)[0]

        return Linearised(hvp, mixed)

    def start(self) -> Tensor:
        """Where a cold solver begins: zero."""
        real = self.y.real if self.y.is_complex() else self.y
        return torch.zeros(len(self.y), *self.shape, dtype=real.dtype, device=real.device)

    def subset(self, rows: Tensor) -> LowerLevel:
        """The same problem for some examples, so that finished ones need no more work."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.y = self.y[rows]
        return part

    # Bounds for all x' with ||x' - x|| <= eps, where eps is (B,); infinite where a subclass knows none.

    def hessian_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        """On ||(A(x') - A(x)) q||, (B,)."""
        return torch.full_like(eps, math.inf)

    def mixed_change(self, x: Tensor, theta: Tensor, q: Tensor, eps: Tensor) -> Tensor:
        """On ||(B(x') - B(x))^T q||, (B,)."""
        return torch.full_like(eps, math.inf)

    def mixed_norm(self, x: Tensor, theta: Tensor, eps: Tensor) -> Tensor:
        """On ||B(x')||, (B,)."""
        return torch.full_like(eps, math.inf)

    def constants(self, theta: Tensor) -> tuple[float, float]:
        """mu and L as numbers, after a look at whether they can be believed.

        Raises
        ------
        ValueError
            The problem is not strongly convex at this theta.
        """
        with torch.no_grad():
            mu, L = float(self.mu(theta)), float(self.L(theta))
        if not (mu > 0 and math.isfinite(L)):
            raise ValueError(
                f"'theta' must give a strongly convex lower level, got mu = {mu:g}, L = {L:g} at {_few(theta)}"
            )
        return mu, max(L, mu)

    def check_theta(self, theta: Tensor, name: str = "theta") -> Tensor:
        """Raise unless ``theta`` is (P,), finite, and in the precision of the data."""
        check_tensor(name, theta, (self.parameters,), like=self.start()[:0])
        check_finite(name, theta)
        return theta

    def check_x(self, name: str, x: Tensor) -> Tensor:
        """Raise unless ``x`` is one finite x for each example."""
        check_tensor(name, x, (None, *self.shape), like=self.start()[:0])
        if len(x) != len(self.y):
            raise ValueError(f"'{name}' must hold one entry for each of the {len(self.y)} examples, got {len(x)}")
        check_finite(name, x)
        return x


def check_lower(name: str, value) -> LowerLevel:
    return check_kind(name, value, LowerLevel)


def _few(theta: Tensor) -> str:
    shown = ", ".join(f"{t:.3g}" for t in theta.detach().flatten()[:4].tolist())
    return f"({shown}{', ...' if theta.numel() > 4 else ''})"
