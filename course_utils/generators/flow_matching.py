"""Flow matching: the network of the diffusion with another target, the velocity of straight lines."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from .._check import check_choice, check_generator, check_kind, check_tensor
from ..families import Trainable, family
from .image_prior import ImagePriorConfig
from .time_unet import TimeUNet
from .velocity import VelocityModel

__all__ = ["FlowMatching"]


@family("flow-matching", config=ImagePriorConfig)
class FlowMatching(VelocityModel, Trainable):
    r"""A flow from noise to images in [0, 1] whose velocity is learned by regression.

    .. math:: \min_\theta E\|x_1 - e - v_\theta((1-t) e + t x_1, t)\|^2,\qquad t\sim U(0,1),\ e\sim N(0, I).

    Parameters
    ----------
    config : ImagePriorConfig

    Source
    ------
    Lipman, Chen, Ben-Hamu, Nickel, Le, ICLR 2023.

    Example
    -------
    >>> model = FlowMatching(ImagePriorConfig("flow-matching", widths=(8, 16), steps=4)).freeze()
    >>> model.sample(2, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, config: ImagePriorConfig) -> None:
        check_kind("config", config, ImagePriorConfig)
        check_choice("config.family", config.family, ("flow-matching",))
        super().__init__((1, config.size, config.size), config.steps)
        self.config, self.network = config, TimeUNet(config.widths, config.patch)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v_theta(x, t): (B, 1, H, W), (B,) in [0, 1] -> (B, 1, H, W)."""
        self.check_flowing(x, t)
        s = t.reshape(-1, 1, 1, 1)
        size = ((1 - s) ** 2 + (s * self.config.spread) ** 2).sqrt()  # about that of x_t
        return self.network(x / size, t)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of the velocity, per pixel, at random times."""
        check_tensor("x", x, (None, *self.image_shape), like=self.like)
        check_generator(generator)

        def draw(kind, *shape: int) -> Tensor:
            return kind(shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)

        t, e = draw(torch.rand, len(x)), draw(torch.randn, *x.shape)
        s = t.reshape(-1, 1, 1, 1)
        return {"loss": (x - e - self.velocity((1 - s) * e + s * x, t)).pow(2).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config) | {"widths": list(self.config.widths)}
