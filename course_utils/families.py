"""Networks that can be built from a stored configuration and trained: the families, and what each of them can do.

A class enters itself with its configuration; ``build`` and ``configure`` then know it by its family's name:

    @family("ae", config=GeneratorConfig)
    class AE(Generator): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ._check import check_choice, check_kind, check_seed, check_text

__all__ = ["Trainable", "build", "configure", "family"]

#: Family -> class of the configuration, class of the network.
FAMILIES: dict[str, tuple[type, type]] = {}


def family(*names: str, config: type):
    """Enter the decorated class under these names; its instances are made from a ``config`` with that ``family``."""

    for name in names:
        check_text("names", name)
    check_kind("config", config, type, "a class")

    def enter(network: type) -> type:
        for name in names:
            there = FAMILIES.get(name, (None, network))[1]
            if (there.__module__, there.__qualname__) != (network.__module__, network.__qualname__):
                raise ValueError(f"'names' must be new, {name!r} is the family of {there.__qualname__}")
        FAMILIES.update({name: (config, network) for name in names})
        return network

    return enter


def build(config, seed: int) -> nn.Module:
    """A freshly initialised network of the family that ``config`` names; the global seed is left alone.

    Raises
    ------
    ValueError
        A family that no class has entered.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig
    >>> type(build(GeneratorConfig("vae", latent_dim=8), seed=0)).__name__
    'VAE'
    """
    if not hasattr(config, "family"):
        raise TypeError(f"'config' must be a configuration with a family, got {type(config).__name__}")
    check_choice("family", config.family, FAMILIES)
    seed = check_seed("seed", seed)
    return FAMILIES[config.family][1].drawn(config, seed)


def configure(settings: dict):
    """The configuration of the family that ``settings`` names, from what ``network.settings()`` gave.

    Raises
    ------
    ValueError
        A family that no class has entered.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig
    >>> configure({"family": "vae", "latent_dim": 8}) == GeneratorConfig("vae", 8)
    True
    """
    check_kind("settings", settings, dict, "a dictionary")
    check_choice("family", settings.get("family"), FAMILIES)
    return FAMILIES[settings["family"]][0](**settings)


class Trainable(nn.Module):
    """What the trainer asks of a network; a subclass implements ``losses`` and overrides the rest where it differs.

    Attributes
    ----------
    image_shape : (1, H, W)
        Of the images on which it is trained.
    """

    image_shape: tuple[int, int, int]

    @classmethod
    def drawn(cls, config, seed: int):
        """A network of this class with first weights drawn from ``seed``; the global seed is left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config)

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The training loss, "loss", and its parts, on true images (B, 1, H, W): 0-dim tensors."""
        raise NotImplementedError

    def settings(self) -> dict:
        """All that is needed to build it again, as plain values."""
        raise NotImplementedError

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training loss."""
        return self.losses(x, generator)["loss"]

    def trained(self) -> dict[str, Iterable[nn.Parameter]]:
        """The parameters of each optimiser, by name."""
        return {"all": [p for p in self.parameters() if p.requires_grad]}

    def batches_per_step(self, config) -> int:
        """How many batches one step takes."""
        return 1

    def step(self, batch: Callable[[int], Tensor], update: Callable[[str, Tensor], None], config, generator) -> dict:
        """One training step; returns its losses as 0-dim tensors.

        Parameters
        ----------
        batch : callable
            Number within the step -> images.
        update : callable
            ``update(name, loss)``: one step of that optimiser.
        config : TrainConfig
        generator : torch.Generator
        """
        losses = self.losses(batch(0), generator)
        update("all", losses["loss"])
        return losses

    def validation_score(self, val: Tensor, generator: torch.Generator) -> float:
        """The number, lower is better, by which training is stopped and the kept weights are chosen."""
        return self.loss(val, generator).item()

    def placed(self, device: str | torch.device):
        """On that device, its weights in the order in which it is fastest.  Returns itself."""
        return self.to(device)

    def differentiated(self, x: Tensor) -> bool:
        """Whether what is computed from x will be differentiated, so that a gradient in it has to keep its graph."""
        return torch.is_grad_enabled() and (x.requires_grad or any(p.requires_grad for p in self.parameters()))

    def freeze(self):
        """Evaluation mode, weights without gradient: what a solver wants.  Returns itself."""
        return self.eval().requires_grad_(False)
