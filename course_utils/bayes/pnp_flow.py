"""Plug-and-play with a flow: a step to the data, back onto the path of the flow, and its denoiser."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_between, check_count, check_nonnegative
from ..generators.velocity import VelocityModel
from ..operators import LinearOperator
from .sampler import Noise, PosteriorSampler

__all__ = ["PnPFlow"]


class PnPFlow(PosteriorSampler):
    r"""Forward-backward splitting with the denoiser D_t of a flow, t = 0, 1/N, ..., (N - 1)/N.

    .. math:: z = x - \tau\,(1-t)^\alpha A^*(Ax-y),\qquad \tilde z = (1-t)\, n + t\, z,\qquad
              x \leftarrow D_t(\tilde z) = \tilde z + (1-t)\, v(\tilde z, t).

    D_t knows images only as they lie on the path from noise to data, so noise n is put in before it; several draws of n
    are averaged.  At t = 0 there is noise alone, so the start plays no part.  Neither a gradient through the network
    nor the ODE is needed.

    It seeks a point, and is no sampler of the posterior; another noise gives another point all the same, and
    ``samples`` shows how much they differ.

    Parameters
    ----------
    model : VelocityModel
    step : float in (0, 2)
        tau, in units of 1 / ||A||^2.
    alpha : float >= 0
        How fast the step falls; large trusts the prior.
    average : int
        Draws of n at each step.
    steps, draws, seed
        See ``PosteriorSampler``; ``steps`` is N, default 100.

    Source
    ------
    Martin, Gagneux, Hagemann, Steidl, ICLR 2025.

    Example
    -------
    >>> from course_utils import GaussianBlur, reconstruct
    >>> from course_utils.generators import FlowMatching, ImagePriorConfig
    >>> model = FlowMatching(ImagePriorConfig("flow-matching", widths=(8, 16))).freeze()
    >>> A = GaussianBlur(28)
    >>> reconstruct(A, A(torch.ones(2, 1, 28, 28)), PnPFlow(model, steps=5)).x.shape
    torch.Size([2, 1, 28, 28])
    """

    kind = VelocityModel

    def __init__(
        self,
        model: VelocityModel,
        step: float = 1.0,
        alpha: float = 1.0,
        average: int = 5,
        steps: int = 100,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(model, check_count("steps", steps), draws, seed)
        self.step = check_between("step", step, 0, 2)
        self.alpha, self.average = check_nonnegative("alpha", alpha), check_count("average", average)

    def walk(self, y: Tensor, A: LinearOperator, noise: Noise) -> Tensor:
        x, tau = y.new_zeros(len(y), *A.shape_in), self.step / (A.norm or 1.0) ** 2
        for k in range(self.steps):
            t = k / self.steps
            z = x - tau * (1 - t) ** self.alpha * A.T(A(x) - y)
            when = torch.full((len(y),), t, dtype=y.dtype, device=y.device)
            found = [self.model.denoise((1 - t) * noise() + t * z, when) for _ in range(self.average)]
            x = torch.stack(found).mean(0)
        return x
