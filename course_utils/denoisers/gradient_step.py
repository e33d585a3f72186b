"""The gradient-step denoiser: a step down a learned potential, so that its Jacobian is symmetric by construction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..families import family
from .base import Denoiser, DenoiserConfig
from .residual import NoiseEstimate

__all__ = ["GradientStepDenoiser"]


@family("gradient-step denoiser", config=DenoiserConfig)
class GradientStepDenoiser(Denoiser):
    r"""One gradient step down a learned potential, :math:`D(x,\sigma) = x - \nabla_x g(x,\sigma)`.

    Here :math:`g(x,\sigma) = \tfrac12\|x - N(x,\sigma)\|^2`; the network gives :math:`x - N(x,\sigma)`, an estimate of
    the noise.  The Jacobian of D is :math:`I - \nabla^2 g`, which is symmetric; that makes :math:`x - D(x,\sigma)`,
    which plug-and-play and RED use, the gradient of g.

    Source
    ------
    Hurault, Leclaire, Papadakis, Gradient Step Denoiser for Convergent Plug-and-Play, ICLR 2022; Cohen, Blau, Freedman,
    Rivlin, It Has Potential, NeurIPS 2021.

    Example
    -------
    >>> D = GradientStepDenoiser(DenoiserConfig("gradient-step denoiser", size=28, filters=8, layers=3))
    >>> D(torch.zeros(2, 1, 28, 28), 0.1).shape, D.potential(torch.zeros(2, 1, 28, 28), 0.1).shape
    (torch.Size([2, 1, 28, 28]), torch.Size([2]))
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        # smooth, because training differentiates the gradient
        self.noise = NoiseEstimate(config.filters, config.layers, nn.ELU())

    def potential(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """g(x, sigma): (B, 1, H, W) -> (B,)."""
        return self._potential(*self.checked(x, sigma))

    def _potential(self, x: Tensor, sigma: Tensor) -> Tensor:
        return 0.5 * self.noise(x, sigma).pow(2).flatten(1).sum(1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        wanted = self.differentiated(x)
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self._potential(at, sigma).sum(), at, create_graph=wanted)
        return x - slope
