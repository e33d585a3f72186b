"""Denoising diffusion of images: the noise levels of ``score``, the network of ``time_unet``."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from .._check import check_choice, check_kind
from ..families import Trainable, family
from .image_prior import ImagePriorConfig
from .score import ScoreModel, cosine_schedule
from .time_unet import TimeUNet

__all__ = ["ImageDiffusion"]


@family("image-diffusion", config=ImagePriorConfig)
class ImageDiffusion(ScoreModel, Trainable):
    r"""A diffusion of images in [0, 1], whose network guesses noise and image at once.

    With x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e the network learns

    .. math:: v = \sqrt{\bar\alpha_t}\, e - \sqrt{1-\bar\alpha_t}\, x_0, \qquad \min_\theta E\|v - v_\theta(x_t, t)\|^2,

    because then :math:`x_0 = \sqrt{\bar\alpha_t}\, x_t - \sqrt{1-\bar\alpha_t}\, v` divides by nothing: a guess of e
    alone would be divided by the root of abar_T, which multiplies its error by a hundred.  It is about the velocity
    that ``FlowMatching`` learns.

    Parameters
    ----------
    config : ImagePriorConfig

    Source
    ------
    Ho, Jain, Abbeel, NeurIPS 2020; the target v: Salimans, Ho, ICLR 2022.

    Example
    -------
    >>> model = ImageDiffusion(ImagePriorConfig("image-diffusion", widths=(8, 16), steps=4)).freeze()
    >>> model.sample(2, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, config: ImagePriorConfig) -> None:
        check_kind("config", config, ImagePriorConfig)
        check_choice("config.family", config.family, ("image-diffusion",))
        super().__init__((1, config.size, config.size), cosine_schedule(config.steps, config.spread))
        self.config, self.network = config, TimeUNet(config.widths, config.patch)

    def predict_v(self, x: Tensor, t: Tensor) -> Tensor:
        """v_theta(x_t, t): (B, 1, H, W), (B,) int64 -> (B, 1, H, W)."""
        self.check_noisy(x, t)
        a = self.level(t, x)
        size = (a * self.config.spread**2 + 1 - a).sqrt()  # about that of x_t
        return self.network(x / size, t.to(x.dtype) / self.steps)

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x], the best guess of the clean image: (B, 1, H, W), (B,) int64 -> (B, 1, H, W)."""
        v, a = self.predict_v(x, t), self.level(t, x)
        return a.sqrt() * x - (1 - a).sqrt() * v

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of v, per pixel, at random times."""
        t = torch.randint(1, self.steps + 1, (len(x),), generator=generator, device=generator.device).to(x.device)
        noisy, e = self.add_noise(x, t, generator)
        a = self.level(t, x)
        v = a.sqrt() * e - (1 - a).sqrt() * x
        return {"loss": (v - self.predict_v(noisy, t)).pow(2).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config) | {"widths": list(self.config.widths)}
