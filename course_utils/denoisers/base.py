"""What every denoiser of the course can do: D(x, sigma) -> an image, trained on noise levels drawn from a range."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .._check import (
    check_choice,
    check_count,
    check_entries,
    check_generator,
    check_kind,
    check_nonnegative,
    check_tensor,
    check_weights,
)
from ..families import Trainable

__all__ = ["Denoiser", "DenoiserConfig"]


@dataclass(frozen=True)
class DenoiserConfig:
    """Everything that is needed to build a denoiser again.

    Parameters
    ----------
    family : str
        "residual denoiser", "lipschitz denoiser" or "gradient-step denoiser".
    size : int, even
        Side of the images on which it is trained; it takes images of other even sides too.
    filters, layers : int
        Channels, an even number, and convolutions, at least 2.
    sigma_min, sigma_max : float, >= 0
        Noise levels of training lie between them.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> DenoiserConfig("residual denoiser", sigma_max=0.2).layers
    8
    """

    family: str
    size: int = 56
    filters: int = 48
    layers: int = 8
    sigma_min: float = 0.0
    sigma_max: float = 0.3

    families: ClassVar[tuple[str, ...]] = ("residual denoiser", "lipschitz denoiser", "gradient-step denoiser")

    def __post_init__(self) -> None:
        check_choice("family", self.family, self.families)
        for name, least in (("size", 4), ("filters", 4), ("layers", 2)):
            # a frozen dataclass has no other way to store what a check returns
            object.__setattr__(self, name, check_count(name, getattr(self, name), minimum=least))
        for name in ("size", "filters"):
            if getattr(self, name) % 2:
                raise ValueError(f"'{name}' must be even, got {getattr(self, name)}")
        for name in ("sigma_min", "sigma_max"):
            object.__setattr__(self, name, check_nonnegative(name, getattr(self, name)))
        if self.sigma_min > self.sigma_max:
            raise ValueError(f"'sigma_min' must be at most {self.sigma_max:g}, 'sigma_max', got {self.sigma_min:g}")


class Denoiser(Trainable):
    """A denoiser that is told the noise level: ``D(x, sigma)``.

    A subclass implements ``denoise``.

    Attributes
    ----------
    image_shape : (1, H, W)
        Of the images on which it is trained.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = check_kind("config", config, DenoiserConfig)
        self.image_shape = (1, config.size, config.size)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x, sigma) for an ``x`` (B, 1, H, W) and a ``sigma`` (B, 1, 1, 1) that have been checked."""
        raise NotImplementedError

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The image with less noise: (B, 1, H, W) -> (B, 1, H, W).

        Parameters
        ----------
        x : (B, 1, H, W) tensor, H and W even
        sigma : float or (B,) tensor, >= 0
            Standard deviation of the noise, in grey values; one for all images or one each.

        Raises
        ------
        TypeError, ValueError
        """
        return self.denoise(*self.checked(x, sigma))

    def checked(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        """``x`` and ``sigma`` as ``denoise`` takes them."""
        check_tensor("x", x, (None, 1, None, None), like=next(self.parameters()))
        check_entries("x", x)
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"'x' must have even height and width, got {tuple(x.shape)}")
        sigma = torch.as_tensor(check_weights("sigma", sigma), dtype=x.dtype, device=x.device)
        if sigma.ndim and sigma.shape != (len(x),):
            raise ValueError(f"'sigma' must be a number or have shape ({len(x)},), got {tuple(sigma.shape)}")
        return x, sigma.expand(len(x)).reshape(-1, 1, 1, 1)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||D(x + sigma e, sigma) - x||^2, the mean over the batch; each image has a noise level of its own."""
        check_generator(generator)
        x, _ = self.checked(x, 0.0)
        draw = {"generator": generator, "device": generator.device, "dtype": x.dtype}
        low, high = self.config.sigma_min, self.config.sigma_max
        sigma = low + (high - low) * torch.rand(len(x), 1, 1, 1, **draw).to(x.device)
        noisy = x + sigma * torch.randn(x.shape, **draw).to(x.device)
        return {"loss": (self.denoise(noisy, sigma) - x).pow(2).flatten(1).sum(1).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config)
