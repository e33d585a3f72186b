"""Ridge regularisers: learned filters, and of each response a learned function that is convex, or nearly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..._check import check_choice, check_count, check_generator, check_kind, check_nonnegative, check_positive
from ...families import family
from .base import RegulariserNetwork

__all__ = ["RidgeConfig", "RidgeRegulariser"]


@dataclass(frozen=True)
class RidgeConfig:
    """Everything that is needed to build a ``RidgeRegulariser`` again.

    Parameters
    ----------
    size : int
        Side of the images on which it is trained; it takes others too.
    filters, width : int
        Number of filters and their side, odd and at most ``size``.
    nodes : int
        Of each function on the positive half of the line.
    reach : float, > 0
        The last node; beyond, the functions are straight.
    rho : float, >= 0
        0: R is convex; else R + rho / 2 ||x||^2 is.
    sigma : float, >= 0
        Noise level of the denoising problem in which it is trained.
    steps : int
        Of the minimisation through which it is trained.
    """

    size: int = 56
    filters: int = 32
    width: int = 7
    nodes: int = 8
    reach: float = 0.3
    rho: float = 0.0
    sigma: float = 0.1
    steps: int = 12
    family: str = "ridge regulariser"

    def __post_init__(self) -> None:
        check_choice("family", self.family, ("ridge regulariser",))
        for name, least in (("size", 1), ("filters", 1), ("width", 3), ("nodes", 2), ("steps", 1)):
            # a frozen dataclass has no other way to store what a check returns
            object.__setattr__(self, name, check_count(name, getattr(self, name), minimum=least))
        for name in ("rho", "sigma"):
            object.__setattr__(self, name, check_nonnegative(name, getattr(self, name)))
        object.__setattr__(self, "reach", check_positive("reach", self.reach))
        if self.width % 2 == 0 or self.width > self.size:
            raise ValueError(f"'width' must be odd and at most {self.size}, 'size', got {self.width}")


@family("ridge regulariser", config=RidgeConfig)
class RidgeRegulariser(RegulariserNetwork):
    r"""Learned filters and learned functions, :math:`R(x) = \sum_i \sum_p \psi_i\big((W_ix)_p\big)`, p a pixel.

    The :math:`W_i` are convolutions with mean-free filters (zero outside the image), scaled together so that
    :math:`\|W\|\le 1`.  :math:`\varphi_i=\psi_i'` is odd, continuous and piecewise linear; its slopes are learned and
    at least :math:`-\rho` by construction.  Then :math:`\nabla^2R = W^\top\operatorname{diag}(\varphi_i')\,W \ge -\rho
    I`: R is convex for :math:`\rho=0`, and :math:`\rho`-weakly convex else; for :math:`\rho\le1` denoising with R of
    weight 1, :math:`\tfrac12\|x-y\|^2+R(x)`, is a convex problem all the same.

    It is trained in that problem: T accelerated gradient steps are differentiated.

    Source
    ------
    Goujon, Neumayer, Bohra, Ducotterd, Unser, IEEE Trans. Comput. Imaging 9 (2023) (convex); Goujon, Neumayer, Unser,
    SIAM J. Imaging Sci. 17 (2024) (weakly convex).

    Example
    -------
    >>> R = RidgeRegulariser(RidgeConfig(size=28, filters=4, width=3)).freeze()
    >>> R(torch.zeros(1, 1, 28, 28)), R.curvature() > 0
    (tensor([0.]), True)
    """

    def __init__(self, config: RidgeConfig) -> None:
        super().__init__()
        self.config = check_kind("config", config, RidgeConfig)
        self.image_shape = (1, config.size, config.size)
        self.kernels = nn.Parameter(torch.randn(config.filters, 1, config.width, config.width))
        self.register_buffer("nodes", config.reach * 2.0 ** (torch.arange(config.nodes) - config.nodes + 1.0))
        # rising up to a few nodes, then flat: a rounded absolute value
        slopes = torch.where(torch.arange(config.nodes) < config.nodes // 2, 1.0, 0.05)
        self.raw = nn.Parameter((slopes + config.rho).expm1().log().repeat(config.filters, 1))

    def filters(self, size: tuple[int, int]) -> Tensor:
        """The filters for images of that size: (filters, 1, width, width), with mean 0, W of norm at most 1.

        Zero outside the image, a convolution is a part of the periodic one on a frame as much larger as the filters.
        """
        K = self.kernels - self.kernels.mean((2, 3), keepdim=True)
        frame = [side + self.config.width - 1 for side in size]
        # there is one input channel, so that the matrix of a frequency is a column, and its norm a length
        return K / torch.fft.rfft2(K, s=frame).abs().pow(2).sum((0, 1)).max().sqrt()

    def slopes(self) -> Tensor:
        """Of each phi between its nodes, (filters, nodes), at least -rho; beyond the last node they are 0."""
        return functional.softplus(self.raw) - self.config.rho

    def curvature(self) -> float:
        """A Lipschitz constant of the gradient of R: the greatest slope."""
        return float(self._curvature().detach())

    def _curvature(self) -> Tensor:
        return self.slopes().abs().max()

    def profile(self, t: Tensor) -> Tensor:
        """psi_i at each entry of channel i: (B, filters, H, W) -> the same shape."""
        t, total = t.abs(), 0.0
        for weight, node in zip(self._weights(), self.nodes, strict=True):
            inside = t.clamp_max(node)
            total = total + weight * inside * (t - inside / 2)
        return total

    def influence(self, t: Tensor) -> Tensor:
        """phi_i at each entry of channel i: (B, filters, H, W) -> the same shape."""
        total = 0.0
        for weight, node in zip(self._weights(), self.nodes, strict=True):
            total = total + weight * torch.minimum(torch.maximum(t, -node), node)
        return total

    def _weights(self) -> list[Tensor]:
        """phi is a sum of identities that are cut off at the nodes, with these weights: (filters, 1, 1) for each."""
        slopes = self.slopes()
        falls = slopes - functional.pad(slopes[:, 1:], (0, 1))
        return [fall[:, None, None] for fall in falls.T]

    def value(self, x: Tensor) -> Tensor:
        K = self.filters(tuple(x.shape[2:]))
        return self.profile(functional.conv2d(x, K, padding=self.config.width // 2)).flatten(1).sum(1)

    def _slope(self, x: Tensor) -> Tensor:
        return self._descent(x, self.filters(tuple(x.shape[2:])))

    def _descent(self, x: Tensor, K: Tensor) -> Tensor:
        padding = self.config.width // 2
        response = functional.conv2d(x, K, padding=padding)  # (B, filters, H, W)
        return functional.conv_transpose2d(self.influence(response), K, padding=padding)

    def denoised(self, y: Tensor) -> Tensor:
        """T accelerated gradient steps on ||v - y||^2 / 2 + R(v) from v = y: (B, 1, H, W) -> (B, 1, H, W)."""
        self.check_images(y)
        K, rate = self.filters(tuple(y.shape[2:])), 1 / (1 + self._curvature())
        v = ahead = y
        for k in range(self.config.steps):
            new = ahead - rate * (ahead - y + self._descent(ahead, K))
            v, ahead = new, new + k / (k + 3) * (new - v)
        return v

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||denoised(x + sigma e) - x||^2, the mean over the batch: (B, 1, H, W) -> 0-dim."""
        self.check_images(x)
        check_generator(generator)
        noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
        found = self.denoised(x + self.config.sigma * noise)
        return {"loss": (found - x).pow(2).flatten(1).sum(1).mean()}
