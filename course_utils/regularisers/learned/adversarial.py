"""The adversarial regulariser: a critic that tells true images from bad reconstructions, with slopes of at most 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._check import check_choice, check_count, check_generator, check_kind, check_nonnegative
from ...families import family
from .base import TomographyHome, TrainedOnPairs

__all__ = ["AdversarialConfig", "AdversarialRegulariser"]


@dataclass(frozen=True)
class AdversarialConfig(TomographyHome):
    """Everything that is needed to build an ``AdversarialRegulariser`` again.

    Parameters
    ----------
    size, n_angles, sigma, cutoff
        Where it is trained: tomography with few views.
    filters : int
        Channels of the first layer; they double with every halving of the resolution.
    halvings : int
    penalty : float, >= 0
        Weight of the gradient penalty.
    """

    filters: int = 16
    halvings: int = 2
    penalty: float = 10.0
    family: str = "adversarial regulariser"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("family", self.family, ("adversarial regulariser",))
        object.__setattr__(self, "filters", check_count("filters", self.filters))
        object.__setattr__(self, "halvings", check_count("halvings", self.halvings, minimum=0))
        object.__setattr__(self, "penalty", check_nonnegative("penalty", self.penalty))


class Adversarial(TrainedOnPairs):
    """What is trained to be small for true images and large for bad reconstructions, with slopes of at most 1."""

    def between(self, x: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
        """The norm of the gradient of R at a random point of each line from a true image to a bad one: (B,)."""
        t = torch.rand(len(x), 1, 1, 1, generator=generator, device=generator.device, dtype=x.dtype)
        return self._slope(torch.lerp(bad, x, t.to(x.device))).flatten(1).norm(dim=1)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        r""":math:`\mathbb E R(x) - \mathbb E R(x_{bad}) + \mu\,\mathbb E(\|\nabla R\|-1)_+^2` on images x."""
        bad = self.naive(x, generator)
        on_true, on_bad = self(torch.cat([x, bad])).chunk(2)
        distance = on_bad.mean() - on_true.mean()
        penalty = (self.between(x, bad, generator) - 1).clamp_min(0).pow(2).mean()
        return {"loss": self.config.penalty * penalty - distance, "distance": distance, "penalty": penalty}

    def lipschitz_estimate(self, x: Tensor, generator: torch.Generator, draws: int = 8) -> float:
        """The greatest slope of R that is met between true images and bad reconstructions of them; training wants 1.

        Parameters
        ----------
        x : (B, 1, H, W) tensor
            True images.
        generator : torch.Generator
        draws : int
            Points on each line between the two.
        """
        self.check_images(x)
        check_generator(generator)
        draws = check_count("draws", draws)
        with torch.no_grad():
            bad = self.naive(x, generator)
            return max(float(self.between(x, bad, generator).max()) for _ in range(draws))


@family("adversarial regulariser", config=AdversarialConfig)
class AdversarialRegulariser(Adversarial):
    r"""A small convolutional critic, :math:`R(x) = \sum_{\text{places}} r(x\text{ around the place})`.

    Trained so that R is small for true images and large for filtered back-projections, with a gradient of norm at most
    1: in the ideal case R is the distance to the true images.  It is neither convex nor bounded from below, and only
    where training has seen images does it mean anything.

    Source
    ------
    Lunz, Öktem, Schönlieb, Adversarial Regularizers in Inverse Problems, NeurIPS 2018.

    Example
    -------
    >>> R = AdversarialRegulariser(AdversarialConfig(size=28, n_angles=10, filters=4))
    >>> R(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2])
    """

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__(check_kind("config", config, AdversarialConfig))
        channels, layers = 1, []
        for halving in range(config.halvings + 1):
            out = config.filters * 2**halving
            layers += [nn.Conv2d(channels, out, 5, padding=2), nn.CELU(0.1)]
            layers += [nn.Conv2d(out, out, 5, stride=2 if halving < config.halvings else 1, padding=2), nn.CELU(0.1)]
            channels = out
        # smooth activations, because the solver descends along the gradient of R
        self.critic = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))

    def value(self, x: Tensor) -> Tensor:
        return self.critic(x).flatten(1).sum(1)
