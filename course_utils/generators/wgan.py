"""Wasserstein GAN with gradient penalty: paper Sect. 2.3, eq. (5)."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_callable, check_entries, check_generator, check_tensor
from ..families import family
from .base import Generator, GeneratorConfig
from .networks import encoder

__all__ = ["WGAN", "gradient_penalty"]


def gradient_penalty(critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Mean of (||grad D(x)||_2 - 1)^2 at random points x between real and fake images.

    The norm is that of the whole image.  (The authors' code takes it over one axis, that is of each image
    column; see chapter 03.)

    Source
    ------
    Gulrajani et al., NeurIPS 2017.

    Example
    -------
    A linear critic with a gradient of norm 3 pays (3 - 1)^2:

    >>> g = torch.Generator().manual_seed(0)
    >>> gradient_penalty(lambda x: 3 * x[:, 0, 0, 0], torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), g)
    tensor(4.)
    """
    check_callable("critic", critic)
    check_tensor("real", real, (None, None, None, None))
    check_tensor("fake", fake, tuple(real.shape), like=real)
    check_entries("real", real)
    check_entries("fake", fake)
    check_generator(generator)
    t = torch.rand(len(real), 1, 1, 1, generator=generator, device=generator.device, dtype=real.dtype)
    x = torch.lerp(fake.detach(), real, t.to(real.device)).requires_grad_()
    (grad,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (grad.flatten(1).norm(dim=1) - 1).pow(2).mean()


@family("wgan", config=GeneratorConfig)
class WGAN(Generator):
    """Generator G and critic D; D is kept near 1-Lipschitz by a gradient penalty of weight 10."""

    PENALTY = 10.0

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.critic_network = encoder(config.variant, config.size, n_out=1, dropout=0.0)

    def critic(self, x: Tensor) -> Tensor:
        """D(x): (B, 1, H, W) -> (B,).  Large where x looks real."""
        self.check_images(x)
        return self.critic_network(x).squeeze(1)

    def critic_losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """What the critic minimises: minus the inner part of eq. (5), plus the penalty."""
        with torch.no_grad():
            fake = self(self.sample_latent(len(x), generator))
        on_real, on_fake = self.critic(torch.cat([x, fake])).chunk(2)
        distance = on_real.mean() - on_fake.mean()
        penalty = gradient_penalty(self.critic, x, fake, generator)
        return {"critic": -distance + self.PENALTY * penalty, "distance": distance, "penalty": penalty}

    def trained(self):
        return {"generator": self.decoder.parameters(), "critic": self.critic_network.parameters()}

    def batches_per_step(self, config) -> int:
        return config.critic_steps

    def step(self, batch, update, config, generator):
        """``config.critic_steps`` steps of the critic, then one of the generator."""
        for i in range(config.critic_steps):
            losses = self.critic_losses(batch(i), generator)
            update("critic", losses["critic"])
        losses["generator"] = self.generator_loss(config.batch_size, generator)
        update("generator", losses["generator"])
        return losses

    def validation_score(self, val: Tensor, generator: torch.Generator) -> float:
        """The earth mover's distance, eq. (10) divided by N, between ``val`` and N samples.

        The losses of a GAN say nothing of its quality.
        """
        import ot

        fake = self.sample(len(val), generator).flatten(1).double()
        cost = torch.cdist(val.flatten(1).double(), fake, compute_mode="use_mm_for_euclid_dist").pow(2)
        return float(ot.emd2([], [], cost.cpu().numpy(), numItermax=10**8))

    def generator_loss(self, n: int, generator: torch.Generator) -> Tensor:
        """What the generator minimises: - E D(G(z)) over ``n`` draws of z."""
        return -self.critic(self(self.sample_latent(n, generator))).mean()
