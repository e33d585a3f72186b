"""Variational autoencoder: paper Sect. 2.4, eq. (6)."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_entries, check_generator, check_tensor
from ..families import family
from .base import Generator, GeneratorConfig
from .networks import encoder

__all__ = ["VAE", "kl_to_standard_normal", "reparametrise"]


def reparametrise(mean: Tensor, log_std: Tensor, generator: torch.Generator) -> Tensor:
    """A draw z = mean + std * e, e ~ N(0, I), through which gradients flow: all (B, d).

    Example
    -------
    >>> z = reparametrise(torch.zeros(10_000, 1), torch.zeros(10_000, 1), torch.Generator().manual_seed(0))
    >>> z.shape, abs(float(z.std()) - 1) < 0.02
    (torch.Size([10000, 1]), True)
    """
    _check_gaussians(mean, log_std)
    check_generator(generator)
    e = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype)
    return mean + log_std.exp() * e.to(mean.device)


def kl_to_standard_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(N(mean, diag(std^2)) || N(0, I)) of each row: (B, d), (B, d) -> (B,).

    Example
    -------
    >>> kl_to_standard_normal(torch.ones(1, 2), torch.zeros(1, 2))
    tensor([1.])
    """
    _check_gaussians(mean, log_std)
    return 0.5 * (mean.pow(2) + (2 * log_std).exp() - 2 * log_std - 1).sum(1)


def _check_gaussians(mean: Tensor, log_std: Tensor) -> None:
    check_tensor("mean", mean, (None, None))
    check_tensor("log_std", log_std, tuple(mean.shape), like=mean)
    check_entries("mean", mean)
    check_entries("log_std", log_std)


@family("vae", config=GeneratorConfig)
class VAE(Generator):
    """Encoder of a mean and a log standard deviation, decoder G, trained by eq. (6) with noise level rho.

    Multiplying eq. (6) by 2 rho^2 gives ||x - G(z)||^2 + k KL with k = 2 rho^2: the "KL weight" of many codes.
    The paper's runs used k = 0.05 on MNIST, so rho = sqrt(k / 2) = 0.158.
    """

    has_encoder = True

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        if config.rho == 0:
            raise ValueError("'rho' must be > 0 for a VAE: it divides the data term of eq. (6)")
        self.encoder = encoder(config.variant, config.size, 2 * config.latent_dim)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x): (B, 1, H, W) -> two (B, d)."""
        self.check_images(x)
        mean, log_std = self.encoder(x).chunk(2, dim=1)
        return mean, log_std

    def encode(self, x: Tensor) -> Tensor:
        """The mean encoding of x: (B, 1, H, W) -> (B, d)."""
        return self.posterior(x)[0]

    @torch.no_grad()
    def standardise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Change the latent variables so that draws z ~ q(z | x) have mean 0 and covariance I, as the prior has.

        Training need not bring that about: with few images the codes fill a thin part of N(0, I), and samples from
        the rest are fragments.  With mean m and covariance P of the draws over all images,

        .. math:: z = m + T z', \qquad T T^\top = P,

        T turned such that the mean covariance of q(z' | x) is diagonal.  T and m go into the first layer of the decoder
        and the last of the encoder.  G(E(x)) stays as it is; the standard deviations of q no longer depend on x.

        Parameters
        ----------
        x : (N, 1, H, W) tensor, more images than latent variables

        Returns
        -------
        m : (d,) float64 tensor
        T : (d, d) float64 tensor

        Raises
        ------
        TypeError, ValueError
        """
        self.check_images(x)
        d = self.latent_dim
        if len(x) <= d:
            raise ValueError(f"'x' must hold more images than there are latent variables, {d}, got {len(x)}")
        mean, log_std = (torch.cat(part).double() for part in zip(*map(self.posterior, x.split(512)), strict=True))
        spread = (2 * log_std).exp().mean(0)
        m = mean.mean(0)
        root = torch.linalg.cholesky(torch.cov(mean.T, correction=0) + spread.diag())
        half = torch.linalg.solve_triangular(root, spread.sqrt().diag(), upper=False)
        shares, turn = torch.linalg.eigh(half @ half.T)  # which part of the variance of each z' is that of q
        T = root @ turn
        first, last = self.decoder[0], self.encoder[-1]
        weight, bias = first.weight.double(), first.bias.double()
        first.weight.copy_(weight @ T)
        first.bias.copy_(bias + weight @ m)
        last.weight[:d] = torch.linalg.solve(T, last.weight[:d].double()).to(last.weight)
        last.bias[:d] = torch.linalg.solve(T, last.bias[:d].double() - m).to(last.bias)
        last.weight[d:] = 0
        last.bias[d:] = 0.5 * shares.log().to(last.bias)
        return m, T

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Eq. (6) on a batch, the mean over the images of a sum over pixels and latents; and its two parts."""
        mean, log_std = self.posterior(x)
        z = reparametrise(mean, log_std, generator)
        misfit = (x - self(z)).pow(2).flatten(1).sum(1).mean() / (2 * self.config.rho**2)
        kl = kl_to_standard_normal(mean, log_std).mean()
        return {"loss": misfit + kl, "misfit": misfit, "kl": kl}
