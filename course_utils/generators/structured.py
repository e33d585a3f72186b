r"""A VAE whose decoder also knows the covariance of what its mean misses.

.. math:: p(x \mid z) = \mathcal N\big(G(z), \Sigma(z)\big), \qquad \Sigma(z)^{-1} = L(z) L(z)^\top.

Three models of Sigma, trained alike, differ in what L may be: "identity" (one learned variance for all pixels and all
z), "diagonal" (a variance for each pixel, from z) and "covariance" (a local stencil for each pixel, from z).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .._check import check_choice, check_entries, check_kind, check_tensor
from ..families import family
from .base import GeneratorConfig
from .networks import LEAN, LOCAL, decoder
from .precision import LocalPrecision, later_neighbours
from .vae import VAE, reparametrise

__all__ = ["StructuredConfig", "StructuredVAE"]

STD, SPAN = 0.05, 2.5  # standard deviations of a pixel given the later ones: 0.05 at first, within e^2.5 = 12 of it


@dataclass(frozen=True)
class StructuredConfig(GeneratorConfig):
    """A ``GeneratorConfig`` with the model of Sigma as its family; ``rho`` is that with which the mean was trained.

    ``width`` is the side k of the stencil: 1 for "identity" and "diagonal", 3 or more for "covariance".
    """

    width: int = 1

    families: ClassVar[tuple[str, ...]] = ("identity", "diagonal", "covariance")

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = (3, 5, 7) if self.family == "covariance" else (1,)
        object.__setattr__(self, "width", check_choice("width", self.width, widths))


class _Constant(nn.Module):
    """One learned number for every pixel and every z."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.value = size, nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.value.expand(len(z), 1, self.size, self.size)


def _covariance_decoder(config: StructuredConfig) -> nn.Module:
    """Network (B, d) -> (B, 1 + m, H, W), lean, or local as the mean; its last layer starts at 0."""
    if config.family == "identity":
        return _Constant(config.size)
    network = decoder(LOCAL if config.variant == LOCAL else LEAN, config.size, config.latent_dim)
    channels = 1 + len(later_neighbours(config.width))
    network[-1] = nn.Conv2d(network[-1].in_channels, channels, kernel_size=3, padding=1)
    nn.init.zeros_(network[-1].weight)
    nn.init.zeros_(network[-1].bias)
    return network


@family(*StructuredConfig.families, config=StructuredConfig)
class StructuredVAE(VAE):
    """A trained VAE, frozen, and a second decoder that learns Sigma(z) by the likelihood of the residuals.

    Everything a generator can do stays as it was: ``G(z)`` is the mean, ``G.encode(x)`` the mean encoding.

    Source
    ------
    Dorta et al., CVPR 2018 and arXiv 1804.01050; Duff, Simpson, Ehrhardt, Campbell, Phys. Med. Biol. 68 (2023), whose
    code is not public: neighbourhood, networks and training are ours.

    Example
    -------
    >>> from course_utils.generators import build
    >>> G = build(StructuredConfig("covariance", 2, rho=0.1, width=3), seed=0).freeze()
    >>> G.covariance(torch.zeros(4, 2))
    LocalPrecision(4 of 28x28 pixels, stencil 3x3)
    >>> G.sample_with_residual(4, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 1, 28, 28])
    """

    def __init__(self, config: StructuredConfig) -> None:
        super().__init__(check_kind("config", config, StructuredConfig))
        self.covariance_decoder = _covariance_decoder(config)
        for part in self._mean_parts():
            part.requires_grad_(False)

    def _mean_parts(self) -> tuple[nn.Module, nn.Module]:
        return self.encoder, self.decoder

    def train(self, mode: bool = True) -> StructuredVAE:
        """Training mode for the covariance only: the mean is what it is, without dropout."""
        super().train(mode)
        for part in self._mean_parts():
            part.eval()
        return self

    def take_mean(self, vae: VAE) -> None:
        """Copy encoder and decoder from a trained VAE.

        Raises
        ------
        ValueError
            One with other networks.
        """
        check_kind("vae", vae, VAE)
        wanted = {name: getattr(self.config, name) for name in ("latent_dim", "size", "variant", "head", "rho")}
        found = {name: getattr(vae.config, name) for name in wanted}
        if wanted != found:
            raise ValueError(f"'vae' must have {wanted}, got {found}")
        self.encoder.load_state_dict(vae.encoder.state_dict())
        self.decoder.load_state_dict(vae.decoder.state_dict())
        if self.config.variant == LOCAL and self.config.family != "identity":
            self.covariance_decoder[0].load_state_dict(vae.decoder[0].state_dict())  # the same change of variables

    def covariance(self, z: Tensor) -> LocalPrecision:
        """Sigma(z), one for each latent vector: (B, d) -> B Gaussians, differentiable.

        The log standard deviation of a pixel given the later ones is log 0.05 + s tanh(. / s), s = 2.5, so that it
        stays between 0.004 and 0.6: in the black background, where residuals vanish, the likelihood would drive it to
        minus infinity.  Untrained, Sigma = 0.05^2 I.
        """
        check_tensor("z", z, (None, self.latent_dim), like=next(self.parameters()))
        check_entries("z", z)
        raw = self.covariance_decoder(z)
        log_std = math.log(STD) + SPAN * torch.tanh(raw[:, :1] / SPAN)
        return LocalPrecision(-log_std, raw[:, 1:])

    @torch.no_grad()
    def sample_with_residual(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` images x ~ N(G(z), Sigma(z)), z ~ N(0, I): (n, 1, H, W).  ``sample`` gives the means G(z)."""
        z = self.sample_latent(n, generator)
        return self(z) + self.covariance(z).sample(generator)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """-log N(x; G(z), Sigma(z)) at a draw z from the posterior, but for a constant; mean over the batch.

        "whitened" is the mean of the squared entries of L^T (x - G(z)): 1 where Sigma is as large as the residuals.
        """
        mean, log_std = self.posterior(x)
        z = reparametrise(mean, log_std, generator)
        covariance, residual = self.covariance(z), x - self(z)
        quadratic = covariance.quadratic(residual)
        loss = 0.5 * (quadratic + covariance.log_det()).mean()
        return {"loss": loss, "whitened": quadratic.detach().mean() / residual[0].numel()}
