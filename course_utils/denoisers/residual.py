"""A denoiser that looks for the noise and subtracts it: convolutions without biases, told the noise level."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from ..families import family
from .base import Denoiser, DenoiserConfig

__all__ = ["NoiseEstimate", "ResidualDenoiser"]


class NoiseEstimate(nn.Module):
    """The noise in an image, by convolutions at half the resolution: (B, 1, H, W), (B, 1, 1, 1) -> (B, 1, H, W).

    Four pixels become four channels, so that nothing is lost and a filter of three sees six pixels.
    """

    def __init__(self, filters: int, layers: int, activation: nn.Module) -> None:
        super().__init__()
        widths = [5, *[filters] * (layers - 1), 4]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.activation = activation
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        with torch.no_grad():
            self.layers[-1].weight *= 0.1  # so that D starts near the identity

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        v = pixel_unshuffle(x, 2)  # (B, 4, H/2, W/2)
        v = torch.cat([v, sigma.expand(-1, 1, *v.shape[2:])], 1)  # (B, 5, H/2, W/2)
        for layer in self.layers[:-1]:
            v = self.activation(layer(v))  # (B, filters, H/2, W/2)
        return pixel_shuffle(self.layers[-1](v), 2)  # (B, 1, H, W)


@family("residual denoiser", config=DenoiserConfig)
class ResidualDenoiser(Denoiser):
    r"""The noise is estimated and subtracted, :math:`D(x,\sigma) = x - N(x,\sigma)`.

    There are no biases, and the activation is the ReLU: :math:`D(tx, t\sigma) = t\,D(x,\sigma)` for :math:`t\ge 0`, so
    that it serves noise levels beyond those of training.  Nothing bounds its Lipschitz constant.

    Source
    ------
    Zhang et al., IEEE Trans. Image Process. 26 (2017) (DnCNN) and 27 (2018) (FFDNet: noise level, half resolution);
    Zhang et al., IEEE Trans. Pattern Anal. Mach. Intell. 44 (2022) (DRUNet: no biases).

    Example
    -------
    >>> D = ResidualDenoiser(DenoiserConfig("residual denoiser", size=28, filters=8, layers=3))
    >>> D(torch.zeros(2, 1, 28, 28), 0.1).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        self.noise = NoiseEstimate(config.filters, config.layers, nn.ReLU())

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x - self.noise(x, sigma)
