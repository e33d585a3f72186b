"""Learned primal-dual: the primal-dual algorithm, unrolled, with networks in place of both proximal maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..families import family
from ..operators import LinearOperator
from .home import HomeConfig, HomeNetwork
from .layers import convolutions

__all__ = ["LearnedPrimalDual", "LearnedPrimalDualConfig"]

FAMILY = "learned primal-dual"


@dataclass(frozen=True)
class LearnedPrimalDualConfig(HomeConfig):
    """Everything that is needed to build a ``LearnedPrimalDual`` again.

    Parameters
    ----------
    home : Home
    steps : int
        Iterations that are unrolled, each with weights of its own; 10 in the original.
    memory : int
        Images, and data sets, that are carried from step to step; 5 in the original.
    width : int
        Channels inside each network; 32 in the original.
    """

    steps: int = 6
    memory: int = 5
    width: int = 16
    family: str = FAMILY


@family(FAMILY, config=LearnedPrimalDualConfig)
class LearnedPrimalDual(HomeNetwork):
    r"""T steps between images and data, each of which learns what to do with what it is given.

    .. math::

       h_{k+1} &= h_k + \Gamma_{\theta_k}\big(h_k,\, A f_k^{(2)},\, y\big), \\
       f_{k+1} &= f_k + \Lambda_{\theta_k}\big(f_k,\, A^\top h_{k+1}^{(1)}\big), \qquad f_0 = h_0 = 0, \quad
       x = f_T^{(1)}.

    f holds several images and h several data sets, the memory; Gamma and Lambda are chains of three convolutions.
    Gamma convolves in the plane of views and detectors; random measurements have no neighbours, so there it works on
    each measurement by itself.

    Parameters
    ----------
    config : LearnedPrimalDualConfig
    seed : int

    Source
    ------
    Adler and Öktem, IEEE Trans. Med. Imaging 37 (2018); lectures, part I.2.

    Example
    -------
    >>> from course_utils.reconstructors import Home
    >>> network = LearnedPrimalDual(LearnedPrimalDualConfig(Home(28, sigma=0.1, views=10), steps=2, width=4))
    >>> network(torch.zeros(3, 10, 41)).shape
    torch.Size([3, 1, 28, 28])
    """

    Config = LearnedPrimalDualConfig

    def _build(self, config: LearnedPrimalDualConfig, A: LinearOperator) -> None:
        M, steps, kernel = config.memory, range(config.steps), 3 if len(A.shape_out) > 1 else 1
        self.dual = nn.ModuleList(convolutions(M + 2, config.width, M, kernel) for _ in steps)
        self.primal = nn.ModuleList(convolutions(M + 1, config.width, M) for _ in steps)

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        B, M, last = len(y), self.config.memory, A.shape_out[-1] if len(A.shape_out) > 1 else 1
        plane = (B, 1, A.m // last, last)  # (B, 1, views, detectors) or (B, 1, m, 1)
        f = y.new_zeros(B, M, *self.image_shape[1:])
        h = y.new_zeros(B, M, *plane[2:])
        for dual, primal in zip(self.dual, self.primal, strict=True):
            seen = A(f[:, min(1, M - 1)].unsqueeze(1)).reshape(plane)
            h = h + dual(torch.cat([h, seen, y.reshape(plane)], dim=1))
            back = A.T(h[:, 0].reshape(B, *A.shape_out))
            f = f + primal(torch.cat([f, back], dim=1))
        return f[:, :1]
