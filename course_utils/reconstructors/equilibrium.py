"""Deep equilibrium: a network without end, whose answer is the fixed point of a learned proximal gradient step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._check import check_flag, check_nonnegative
from ..families import family
from ..operators import LinearOperator, measure
from ..operators.base import check_operator
from .fixed_point import FixedPoint, anderson
from .home import HomeConfig, HomeNetwork
from .layers import convolutions

__all__ = ["Equilibrium", "EquilibriumConfig"]

FAMILY = "equilibrium"
#: The first damping: the fixed point is then that of Tikhonov with the weight 1 / 0.9 - 1.
DAMPING = 0.9


@dataclass(frozen=True)
class EquilibriumConfig(HomeConfig):
    """Everything that is needed to build an ``Equilibrium`` again.

    Parameters
    ----------
    home : Home
    width : int
        Channels inside the network.
    memory, max_iter : int
    tol : float, >= 0
        Of Anderson's acceleration, for the fixed point and for its gradient.
    """

    width: int = 32
    memory: int = 5
    max_iter: int = 50
    tol: float = 1e-4
    family: str = FAMILY

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tol", float(check_nonnegative("tol", self.tol)))


class _Implicit(torch.autograd.Function):
    """The identity at f(x), x a fixed point; its gradient is led through infinitely many applications of f."""

    @staticmethod
    def forward(ctx, fx: Tensor, adjoint) -> Tensor:
        ctx.adjoint = adjoint
        return fx.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g: Tensor):
        return ctx.adjoint(g), None


@family(FAMILY, config=EquilibriumConfig)
class Equilibrium(HomeNetwork):
    r"""The fixed point of one learned step, however many iterations it takes.

    .. math:: x = f_\theta(x; y), \qquad f_\theta(x; y) = R_\theta\big(x - \tau A^\top(A x - y)\big), \qquad
              R_\theta(v) = \alpha v + c_\theta(v),

    with a chain c of three convolutions, tau > 0 and 0 < alpha < 1.  Nothing forces f to be a contraction:
    ``contraction`` of ``iterate`` tells whether it is one.  Gradients need no memory of the iterations, because of the
    implicit function theorem: from the gradient g with respect to x, w = g + (df/dx)^T w is another fixed point, and w
    goes back through a single step to theta and to y.  Both are as exact as ``tol`` and ``max_iter`` let them be.

    Parameters
    ----------
    config : EquilibriumConfig
    seed : int

    Source
    ------
    Gilton, Ongie, Willett, IEEE Trans. Comput. Imaging 7 (2021), the proximal gradient variant; Bai, Kolter, Koltun,
    NeurIPS 2019; lectures, part I.2.

    Example
    -------
    >>> from course_utils.reconstructors import Home
    >>> network = Equilibrium(EquilibriumConfig(Home(28, sigma=0.05, m=150), width=4))
    >>> found = network.run(torch.randn(2, 150, generator=torch.Generator().manual_seed(0)), network.trained_with)
    >>> found["x"].shape, found["converged"]
    (torch.Size([2, 1, 28, 28]), tensor([True, True]))
    """

    Config = EquilibriumConfig

    def _build(self, config: EquilibriumConfig, A: LinearOperator) -> None:
        self.log_tau = nn.Parameter(torch.zeros(()))
        self.logit_alpha = nn.Parameter(torch.tensor(math.log(DAMPING / (1 - DAMPING))))
        self.correction = convolutions(1, config.width, 1, calm=0.1)

    def iterate(self, x: Tensor, y: Tensor, A: LinearOperator) -> Tensor:
        """f(x; y): (B, 1, H, W), (B, ...) -> (B, 1, H, W)."""
        v = x - self.log_tau.exp() * A.T(A(x) - y)
        return self.logit_alpha.sigmoid() * v + self.correction(v)

    def solve(self, y: Tensor, A: LinearOperator | None = None) -> FixedPoint:
        """The fixed points from data of ``A``, and how they were found."""
        A, config = self.checked(y, A), self.config
        start = y.new_zeros(len(y), *self.image_shape)
        return anderson(lambda x, rows: self.iterate(x, y[rows], A), start, config.memory, config.tol, config.max_iter)

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        return self._attached(self.solve(y, A).x, y, A)

    def _attached(self, x: Tensor, y: Tensor, A: LinearOperator) -> Tensor:
        """f(x; y) at the fixed point x, with the implicit gradient."""
        fx = self.iterate(x, y, A)
        if not fx.requires_grad:
            return fx
        point = x.detach().requires_grad_()
        value = self.iterate(point, y.detach(), A)

        def adjoint(g: Tensor) -> Tensor:
            def around(w: Tensor, rows: Tensor) -> Tensor:
                whole = torch.zeros_like(g).index_copy(0, rows, w)
                return g[rows] + torch.autograd.grad(value, point, whole, retain_graph=True)[0][rows]

            return anderson(around, g, self.config.memory, self.config.tol, self.config.max_iter).x

        return _Implicit.apply(fx, adjoint)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """As of every such network; beside it the mean number of iterations, and the part of them that converged."""
        y = measure(self.trained_with, x, self.config.home.sigma, generator)
        found = self.solve(y)
        error = x - self._attached(found.x, y, self.trained_with)
        iterations, converged = found.iterations.to(x).mean(), found.converged.to(x).mean()
        return {"loss": error.pow(2).flatten(1).sum(1).mean(), "iterations": iterations, "converged": converged}

    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        """The images "x", "iterations" and "converged" of each, "warning" as all networks; traced, "residual"."""
        check_operator(A)
        found = self.solve(y, A)
        path = {"f": found.path[:, :, None]} if check_flag("trace", trace) else {}
        return {
            "x": self._attached(found.x, y, self.checked(y, A)), "iterations": found.iterations,
            "converged": found.converged, "trace": path, "warning": self._warning(A),
        }  # fmt: skip
