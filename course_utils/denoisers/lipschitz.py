"""A denoiser that is firmly nonexpansive by construction: plug-and-play with it converges."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_count
from ..families import family
from .base import Denoiser, DenoiserConfig
from .torus import torus_bound, torus_norm

__all__ = ["LipschitzDenoiser"]

#: Beyond the bound on the norm, for round-off.
MARGIN = 1 + 1e-5


def _max_min(v: Tensor) -> Tensor:
    """Sorts pairs of channels: of Lipschitz constant 1, and it shortens no gradient, unlike the ReLU."""
    a, b = v.chunk(2, 1)
    return torch.cat([torch.maximum(a, b), torch.minimum(a, b)], 1)


@family("lipschitz denoiser", config=DenoiserConfig)
class LipschitzDenoiser(Denoiser):
    r"""The average of the identity and a nonexpansive network, :math:`D(x,\sigma) = \tfrac12(x + Q(x,\sigma))`.

    Each convolution of Q has a periodic border and is divided by a bound on its norm (``torus_bound``; in training mode
    by one that looks at every second frequency); its biases depend linearly on sigma; the activation sorts pairs of
    channels.  So :math:`\|Q(x)-Q(v)\|\le\|x-v\|`, and D is
    firmly nonexpansive: :math:`\|D(x)-D(v)\|^2\le\langle D(x)-D(v), x-v\rangle`.

    Source
    ------
    Ryu et al., ICML 2019, and Pesquet et al., SIAM J. Imaging Sci. 14 (2021), on such denoisers in plug-and-play;
    Anil, Lucas, Grosse, ICML 2019, for the activation.

    Example
    -------
    >>> D = LipschitzDenoiser(DenoiserConfig("lipschitz denoiser", size=28, filters=8, layers=3))
    >>> D(torch.zeros(2, 1, 28, 28), 0.1).shape, 0.9 < D.lipschitz_bound(28) <= 1
    (torch.Size([2, 1, 28, 28]), True)
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        widths = [4, *[config.filters] * (config.layers - 1), 4]
        shapes = list(zip(widths[1:], widths, strict=False))
        self.kernels = nn.ParameterList(nn.Parameter(_near_isometry(out, into)) for out, into in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(2, out)) for out, _ in shapes)
        self._kept: tuple = (None, None)

    def normalised(self, size: tuple[int, int]) -> list[Tensor]:
        """The kernels, each of norm at most 1 on images of that many pixels at half the resolution."""
        if self.training and torch.is_grad_enabled():
            # every second frequency is enough while it learns: the norm varies little between, and it takes a quarter
            return [K / torus_bound(K, tuple(max(4, side // 2) for side in size), steps=4) for K in self.kernels]
        key = (size, *((K._version, K.data_ptr(), K.dtype, K.device) for K in self.kernels))
        if self._kept[0] != key:
            with torch.no_grad():
                self._kept = key, [K / (MARGIN * torus_bound(K, size, steps=8)) for K in self.kernels]
        return self._kept[1]

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        v = functional.pixel_unshuffle(x, 2)  # (B, 4, H/2, W/2)
        kernels = self.normalised(tuple(v.shape[2:]))
        for k, (K, b) in enumerate(zip(kernels, self.biases, strict=True)):
            shift = b[0].reshape(1, -1, 1, 1) + sigma * b[1].reshape(1, -1, 1, 1)  # (B, out, 1, 1)
            v = functional.conv2d(functional.pad(v, (1, 1, 1, 1), mode="circular"), K) + shift
            if k < len(kernels) - 1:
                v = _max_min(v)  # (B, filters, H/2, W/2)
        return 0.5 * (x + functional.pixel_shuffle(v, 2))

    @torch.no_grad()
    def lipschitz_bound(self, size: int) -> float:
        """A bound on the Lipschitz constant of D(., sigma), for all sigma: (1 + the product of all norms) / 2.

        Parameters
        ----------
        size : int, even
            Side of the images.
        """
        size = check_count("size", size, minimum=6)
        if size % 2:
            raise ValueError(f"'size' must be even, got {size}")
        half = (size // 2, size // 2)
        return (1 + math.prod(float(torus_norm(K, half)) for K in self.normalised(half))) / 2


def _near_isometry(out: int, into: int) -> Tensor:
    """A kernel (out, in, 3, 3) that mixes channels without loss of length, and a little of the neighbours."""
    kernel = 0.02 * torch.randn(out, into, 3, 3)
    kernel[:, :, 1, 1] += nn.init.orthogonal_(torch.empty(out, into))
    return kernel
