"""The input-convex regulariser: a network that is convex in the image because of how it is built."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..._check import check_choice, check_count, check_kind, check_nonnegative
from ...families import family
from .adversarial import Adversarial
from .base import TomographyHome

__all__ = ["InputConvexConfig", "InputConvexRegulariser"]


@dataclass(frozen=True)
class InputConvexConfig(TomographyHome):
    """Everything that is needed to build an ``InputConvexRegulariser`` again.

    Parameters
    ----------
    size, n_angles, sigma, cutoff
        Where it is trained: tomography with few views.
    filters, layers : int
        Channels and hidden layers.
    strong : float, >= 0
        Weight of the squared norm.
    penalty : float, >= 0
        Weight of the gradient penalty.
    """

    filters: int = 32
    layers: int = 4
    strong: float = 1e-3
    penalty: float = 10.0
    family: str = "input-convex regulariser"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("family", self.family, ("input-convex regulariser",))
        for name in ("filters", "layers"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        for name in ("strong", "penalty"):
            object.__setattr__(self, name, check_nonnegative(name, getattr(self, name)))


@family("input-convex regulariser", config=InputConvexConfig)
class InputConvexRegulariser(Adversarial):
    r"""A network that is convex in x, trained as the adversarial regulariser.

    .. math:: z_1 = s(W_1x+b_1), \qquad z_{k+1} = s(V_kz_k + W_{k+1}x + b_{k+1}), \qquad R(x) = \langle v, z_K\rangle +
        \nu\|x\|^2

    with convolutions W, which halve the resolution, and V, and with weights v; no entry of V and v is negative
    (softplus of what is learned), and the activation s is convex and does not fall, max(t, 0) with its kink rounded.  A
    sum of convex functions with weights that are not negative is convex, and so is s of a convex function; hence R is,
    and strongly so if :math:`\nu>0`.

    Source
    ------
    Amos, Xu, Kolter, Input Convex Neural Networks, ICML 2017; Mukherjee et al., Learned Convex Regularizers for Inverse
    Problems, arXiv 2008.02839 (2020).

    Example
    -------
    >>> R = InputConvexRegulariser(InputConvexConfig(size=28, n_angles=10, filters=4))
    >>> x, v = torch.rand(2, 5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    >>> bool((R((x + v) / 2) <= (R(x) + R(v)) / 2).all())
    True
    """

    def __init__(self, config: InputConvexConfig) -> None:
        super().__init__(check_kind("config", config, InputConvexConfig))
        n, K = config.filters, config.layers
        self.from_image = nn.ModuleList(nn.Conv2d(1, n, 5, stride=2, padding=2) for _ in range(K))
        # softplus of these is about 1 / (number of terms of a sum), so that layers neither grow nor vanish
        self.onwards = nn.ParameterList(nn.Parameter(_raw(n, n, 5)) for _ in range(K - 1))
        self.last = nn.Parameter(_raw(1, n, 1))

    def value(self, x: Tensor) -> Tensor:
        z = _rounded(self.from_image[0](x))  # (B, filters, H/2, W/2)
        for V, from_image in zip(self.onwards, self.from_image[1:], strict=True):
            z = _rounded(functional.conv2d(z, functional.softplus(V), padding=2) + from_image(x))
        R = functional.conv2d(z, functional.softplus(self.last)).flatten(1).sum(1)
        return R + self.config.strong * x.flatten(1).pow(2).sum(1)


def _rounded(t: Tensor) -> Tensor:
    """max(t, 0), rounded between 0 and 0.1: convex, with a continuous slope from 0 to 1."""
    return t.clamp(0, 0.1).pow(2) / 0.2 + (t - 0.1).clamp_min(0)


def _raw(out: int, into: int, width: int) -> nn.Parameter:
    """A kernel whose softplus is near 1 / (in * width^2)."""
    mean = 1 / (into * width**2)
    return torch.full((out, into, width, width), mean).expm1().log() + 0.5 * torch.randn(out, into, width, width)
