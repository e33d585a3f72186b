"""How the shipped networks were made: layers, data, budget.  ``training`` follows them.

>>> RECIPES["vae-mnist-8"].train.steps
15000
"""

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
from ..classifier import ClassifierConfig
from ..generators import GeneratorConfig, StructuredConfig
from ..reconstructors import RadialConfig

__all__ = ["RECIPES", "SEEDED", "SEEDS", "Recipe", "TrainConfig"]


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
    """How one shipped network was made: a generator, a reconstructor, a classifier."""

    model: GeneratorConfig | RadialConfig | ClassifierConfig
    train: TrainConfig
    data: str = "mnist"
    full: bool = True  # all data, which must have been fetched, or the shipped part
    augmented: bool = False  # by ``augment``
    standardised: bool = False  # a VAE whose prior is afterwards fitted to its codes, by ``VAE.standardise``
    mean: str | None = None  # the generator whose mean a structured one takes over
    labelled: bool = False  # trained on images and their labels

    def __post_init__(self) -> None:
        check_kind("model", self.model, (GeneratorConfig, RadialConfig, ClassifierConfig))
        check_kind("train", self.train, TrainConfig)
        check_text("data", self.data)
        for name in ("full", "augmented", "standardised", "labelled"):
            check_flag(name, getattr(self, name))
        if self.mean is not None:
            check_text("mean", self.mean)


def _mnist(family: str, latent_dim: int) -> Recipe:
    # The paper's 30,000 steps of 64 images are 15,000 steps of 128; the GAN's are the paper's own.
    if family == "wgan":
        train = TrainConfig(steps=20_000, batch_size=64, lr=2e-4, betas=(0.0, 0.9), cosine=False)
    else:
        train = TrainConfig(steps=15_000)
    return Recipe(GeneratorConfig(family, latent_dim), train, standardised=family == "vae")


def _shapes(family: str, latent_dim: int, rho: float = 0.4, steps: int = 15_000) -> Recipe:
    # The paper's 30,000 steps of 32 images are 15,000 steps of 64.
    model = GeneratorConfig(family, latent_dim, size=56, rho=rho)
    if family == "wgan":
        # From step 3,500 on the EMD stands still, for it forgives blur, while images sharpen and NRMSE still falls.
        steps = 8_500
        train = TrainConfig(
            steps=steps, batch_size=32, lr=2e-4, betas=(0.0, 0.9), cosine=False, patience=steps, keep="last"
        )
    else:
        train = TrainConfig(steps=steps, batch_size=64)
    return Recipe(model, train, data="shapes", standardised=family == "vae")


def _brain(family: str, latent_dim: int, width: int = 1, steps: int = 16_000) -> Recipe:
    if family == "vae":
        model = GeneratorConfig("vae", latent_dim, size=128, rho=BRAIN_RHO)
        train = TrainConfig(steps=steps, batch_size=8)
        return Recipe(model, train, data="brain", full=False, augmented=True, standardised=True)
    model = StructuredConfig(family, latent_dim, size=128, rho=BRAIN_RHO, width=width)
    lr = 3e-2 if family == "identity" else 1e-3  # one number has to find its size
    train = TrainConfig(steps=steps, batch_size=8, lr=lr)
    return Recipe(model, train, "brain", full=False, augmented=True, mean=f"vae-brain-{latent_dim}")


def _variational(spokes: int, sigma: float) -> Recipe:
    train = TrainConfig(steps=2_000, batch_size=4, lr=3e-3, ema=0.99, validate_every=100, patience=20)
    return Recipe(RadialConfig(128, spokes, sigma), train, "brain", full=False, augmented=True)


FAMILIES = ("ae", "vae", "wgan")
#: The latent dimensions of Figs. 1 and 3; the paper's main experiments have 8 on MNIST and 10 on Shapes.
MNIST_DIMENSIONS, SHAPES_DIMENSIONS = (5, 8, 13), (5, 10, 16)
#: Training runs of each main generator, of which the tables show the spread.
SEEDED = tuple(f"{family}-{data}" for data in ("mnist-8", "shapes-10") for family in FAMILIES)
SEEDS = (0, 1, 2)
#: Noise levels of eq. (6) among which that of the Shapes VAE is chosen; the first is the paper's, sqrt(0.01 / 2).
RHO_SCAN = (0.07, 0.15, 0.3, 0.4, 0.6)
#: Latent dimension and noise level of the generators of brains.
BRAIN_DIMENSION, BRAIN_RHO = 64, 0.2
#: Spokes and noise levels at which variational networks of brains are trained.
NETWORK_HOMES = ((25, 0.05), (125, 0.05), (25, 0.0125))

#: Name of a shipped network -> how it is trained.
RECIPES: dict[str, Recipe] = (
    {f"{family}-mnist-{d}": _mnist(family, d) for d in MNIST_DIMENSIONS for family in FAMILIES}
    | {f"{family}-shapes-{d}": _shapes(family, d) for d in SHAPES_DIMENSIONS for family in FAMILIES}
    | {f"vae-shapes-10-rho-{rho}": _shapes("vae", 10, rho, steps=5_000) for rho in RHO_SCAN}
    | {f"vae-brain-{BRAIN_DIMENSION}": _brain("vae", BRAIN_DIMENSION)}
    | {f"identity-brain-{BRAIN_DIMENSION}": _brain("identity", BRAIN_DIMENSION, steps=2_000)}
    | {f"diagonal-brain-{BRAIN_DIMENSION}": _brain("diagonal", BRAIN_DIMENSION)}
    | {f"covariance-brain-{BRAIN_DIMENSION}": _brain("covariance", BRAIN_DIMENSION, width=3)}
    | {"judge-mnist": Recipe(ClassifierConfig(), TrainConfig(steps=4_000, validate_every=250), labelled=True)}
    | {f"vn-brain-{spokes}-{sigma}": _variational(spokes, sigma) for spokes, sigma in NETWORK_HOMES}
)
