"""A U-Net that repairs what an inversion formula gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..families import family
from ..operators import LinearOperator
from .home import HomeConfig, HomeNetwork
from .layers import inversion
from .unet import UNet

__all__ = ["PostProcessing", "PostProcessingConfig"]

FAMILY = "post-processing"


@dataclass(frozen=True)
class PostProcessingConfig(HomeConfig):
    """Everything that is needed to build a ``PostProcessing`` again.

    Parameters
    ----------
    home : Home
    channels, levels : int
        Of the U-Net.
    """

    channels: int = 16
    levels: int = 3
    family: str = FAMILY

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.home.size
        most = (size & -size).bit_length()  # the side can be halved so often
        if self.levels > most:
            raise ValueError(f"'levels' must be at most {most} for images of side {size}, got {self.levels}")


@family(FAMILY, config=PostProcessingConfig)
class PostProcessing(HomeNetwork):
    r"""Filtered back-projection (Hann window), or the pseudo-inverse, and a U-Net that adds a correction.

    .. math:: x = A^\dagger y + U_\theta(A^\dagger y)

    The data are seen once: nothing makes A x agree with them.  Other views are taken too, because the formula knows
    them.

    Parameters
    ----------
    config : PostProcessingConfig
    seed : int

    Source
    ------
    Jin, McCann, Froustey, Unser, IEEE Trans. Image Process. 26 (2017); lectures, part I.2.

    Example
    -------
    >>> import torch
    >>> from course_utils.reconstructors import Home
    >>> network = PostProcessing(PostProcessingConfig(Home(28, sigma=0.1, views=10), channels=4))
    >>> network(torch.zeros(3, 10, 41)).shape
    torch.Size([3, 1, 28, 28])
    """

    Config = PostProcessingConfig

    def _build(self, config: PostProcessingConfig, A: LinearOperator) -> None:
        self.unet = UNet(channels=config.channels, levels=config.levels)

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        x = inversion(y, A)
        return x + self.unet(x)
