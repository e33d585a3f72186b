"""AUTOMAP: from the data to the image by dense layers, without the operator."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..families import family
from ..operators import LinearOperator
from .home import HomeConfig, HomeNetwork

__all__ = ["Automap", "AutomapConfig"]

FAMILY = "automap"


@dataclass(frozen=True)
class AutomapConfig(HomeConfig):
    """Everything that is needed to build an ``Automap`` again.

    Parameters
    ----------
    home : Home
    hidden : int
        Width of the first dense layer; as many as pixels in the original.
    channels : int
        Of the convolutions; 64 in the original.
    """

    hidden: int = 196
    channels: int = 16
    family: str = FAMILY


@family(FAMILY, config=AutomapConfig)
class Automap(HomeNetwork):
    r"""Dense, dense, convolution, convolution, deconvolution: the network learns the inversion itself.

    .. math:: x = K_3 * \mathrm{relu}(K_2 * \mathrm{relu}(K_1 * \tanh(W_2 \tanh(W_1 y))))

    with biases.  The operator is not used at all, so the matrices depend on the sizes of data and image.  For m data
    and n pixels the original has about m n + n^2 weights in the dense layers, 7.3e5 for m = 150 and n = 784, and 8e8
    for the complex k-space of 128 x 128 pixels; here the first layer is narrower, and there are about (m + n) hidden.

    Parameters
    ----------
    config : AutomapConfig
    seed : int

    Source
    ------
    Zhu, Liu, Cauley, Rosen, Rosen, Nature 555 (2018).

    Example
    -------
    >>> import torch
    >>> from course_utils.reconstructors import Home
    >>> network = Automap(AutomapConfig(Home(28, sigma=0.05, m=150)))
    >>> network(torch.zeros(3, 150)).shape, sum(p.numel() for p in network.parameters())
    (torch.Size([3, 1, 28, 28]), 191661)
    """

    Config = AutomapConfig
    any_data = False

    def _build(self, config: AutomapConfig, A: LinearOperator) -> None:
        C = config.channels
        self.dense = nn.Sequential(
            nn.Linear(A.m, config.hidden), nn.Tanh(),  # (B, hidden)
            nn.Linear(config.hidden, A.n), nn.Tanh(),  # (B, n)
        )  # fmt: skip
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, C, kernel_size=5, padding=2), nn.ReLU(),
            nn.Conv2d(C, C, kernel_size=5, padding=2), nn.ReLU(),
            nn.ConvTranspose2d(C, 1, kernel_size=7, padding=3),
        )  # fmt: skip

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        return self.convolutions(self.dense(y.flatten(1)).reshape(-1, *self.image_shape))
