"""What a training run is told: the network to build, the data, the budget."""

from __future__ import annotations

from dataclasses import dataclass

from .._check import (
    check_between,
    check_choice,
    check_count,
    check_flag,
    check_kind,
    check_nonnegative,
    check_numbers,
    check_seed,
    check_text,
)
from ..data.brain import FOLDS
from ..families import FAMILIES

__all__ = ["Recipe", "TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run.

    ``steps`` is the budget (generator steps for a GAN, each after ``critic_steps`` critic steps).  The run
    ends earlier when the validation score has not improved for ``patience`` validations.
    """

    steps: int
    batch_size: int = 128
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    cosine: bool = True  # decay the step size to 0 along a half cosine
    ema: float = 0.999  # the weights that are kept are an exponential moving average
    critic_steps: int = 5
    validate_every: int = 500
    patience: int = 10
    keep: str = "best"  # which moving average to end with: that of the best score, or the "last"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("keep", self.keep, ("best", "last"))
        for name in ("steps", "batch_size", "critic_steps", "validate_every", "patience"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "lr", check_nonnegative("lr", self.lr))
        object.__setattr__(self, "ema", check_between("ema", self.ema, 0, 1, "[)"))
        object.__setattr__(self, "seed", check_seed("seed", self.seed))
        betas = tuple(check_numbers("betas", self.betas, least=2))
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"'betas' must be two numbers in [0, 1), got {self.betas}")
        object.__setattr__(self, "betas", betas)
        check_flag("cosine", self.cosine)


@dataclass(frozen=True)
class Recipe:
    """How one shipped network was made: the configuration of a family, and how it was trained."""

    model: object
    train: TrainConfig
    data: str = "mnist"
    full: bool = True  # all data, which must have been fetched, or the shipped part
    augmented: bool = False  # by ``augment``
    turned: bool = False  # by ``quarter_turns``
    images: int | None = None  # that many of the training images alone, evenly spaced
    standardised: bool = False  # a VAE whose prior is afterwards fitted to its codes, by ``VAE.standardise``
    mean: str | None = None  # the generator whose mean a structured one takes over
    labelled: bool = False  # trained on images and their labels
    without: str | None = None  # the head that is kept for the test, of a network of brains; None: as ``load`` splits

    def __post_init__(self) -> None:
        kinds = tuple({config for config, _ in FAMILIES.values()})
        check_kind("model", self.model, kinds, "a configuration of a family that can be trained")
        check_kind("train", self.train, TrainConfig)
        check_text("data", self.data)
        for name in ("full", "augmented", "turned", "standardised", "labelled"):
            check_flag(name, getattr(self, name))
        if self.augmented and self.turned:
            raise ValueError("'turned' and 'augmented' must not both be True: images are changed in one way")
        if self.images is not None:
            object.__setattr__(self, "images", check_count("images", self.images))
        if self.mean is not None:
            check_text("mean", self.mean)
        if self.without is not None:
            check_choice("without", self.without, FOLDS)
