"""Learned proximal gradient: forward-backward splitting, unrolled, with a network in place of each proximal map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..families import family
from ..operators import LinearOperator
from .home import HomeConfig, HomeNetwork
from .layers import convolutions

__all__ = ["LearnedProximal", "LearnedProximalConfig"]

FAMILY = "learned proximal gradient"


@dataclass(frozen=True)
class LearnedProximalConfig(HomeConfig):
    """Everything that is needed to build a ``LearnedProximal`` again.

    Parameters
    ----------
    home : Home
    steps : int
        Iterations that are unrolled, each with weights of its own.
    width : int
        Channels inside each network.
    """

    steps: int = 8
    width: int = 24
    family: str = FAMILY


@family(FAMILY, config=LearnedProximalConfig)
class LearnedProximal(HomeNetwork):
    r"""T steps of proximal gradient descent in which step size and proximal map are learned.

    .. math:: x_{k+1} = \mathrm{prox}_{\theta_k}\big(x_k - \tau_k A^\top(A x_k - y)\big), \qquad x_0 = 0,

    with :math:`\mathrm{prox}_\theta(v) = v + c_\theta(v)`, where c is a chain of three convolutions, and tau_k > 0.
    Nothing makes it the proximal map of any function.

    Parameters
    ----------
    config : LearnedProximalConfig
    seed : int

    Source
    ------
    Adler and Öktem, Inverse Problems 33 (2017); Celledoni et al., Inverse Problems 37 (2021); lectures, part I.2.

    Example
    -------
    >>> from course_utils.reconstructors import Home
    >>> network = LearnedProximal(LearnedProximalConfig(Home(28, sigma=0.05, m=150), steps=2, width=4))
    >>> len(network.path(torch.zeros(3, 150))), network(torch.zeros(3, 150)).shape
    (3, torch.Size([3, 1, 28, 28]))
    """

    Config = LearnedProximalConfig

    def _build(self, config: LearnedProximalConfig, A: LinearOperator) -> None:
        self.log_tau = nn.Parameter(torch.zeros(config.steps))  # tau = 1 = 1 / ||A||^2
        self.corrections = nn.ModuleList(convolutions(1, config.width, 1, calm=0.1) for _ in range(config.steps))

    def path(self, y: Tensor, A: LinearOperator | None = None) -> list[Tensor]:
        """x_0, x_1, ..., x_T: T + 1 tensors (B, 1, H, W)."""
        A = self.checked(y, A)
        path = [y.new_zeros(len(y), *self.image_shape)]
        for log_tau, correction in zip(self.log_tau, self.corrections, strict=True):
            x = path[-1]
            v = x - log_tau.exp() * A.T(A(x) - y)
            path.append(v + correction(v))
        return path

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        return self.path(y, A)[-1]
