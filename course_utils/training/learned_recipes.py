"""How the networks of learned reconstruction were made: at one home, tomography of shapes, or at a second, digits.

>>> print(LEARNED["primal-dual-shapes"].model.home)
30 views of 56 x 56 pixels, noise 0.1
"""

from __future__ import annotations

from ..denoisers import DenoiserConfig
from ..equivariance import ProximalConfig
from ..generators import ImagePriorConfig
from ..reconstructors import (
    AutomapConfig,
    EquilibriumConfig,
    Home,
    LearnedPrimalDualConfig,
    LearnedProximalConfig,
    LISTAConfig,
    PostProcessingConfig,
)
from ..regularisers.learned import AdversarialConfig, InputConvexConfig, RidgeConfig
from .recipe import Recipe, TrainConfig

__all__ = ["LEARNED", "SCAN", "SENSING"]

#: Tomography of shapes with few views and much noise; compressed sensing of digits.
SCAN, SENSING = Home(56, sigma=0.1, views=30), Home(28, sigma=0.05, m=150)


def _end_to_end(model, steps: int, batch_size: int, lr: float = 1e-3) -> Recipe:
    """A reconstructor, trained on pairs whose noise is drawn anew in every step."""
    train = TrainConfig(steps, batch_size, lr, ema=0.99, validate_every=400, patience=30)
    return Recipe(model, train, "shapes" if model.home.size == 56 else "mnist")


def _of_shapes(model, steps: int, batch_size: int = 16, lr: float = 1e-3, **more) -> Recipe:
    """A denoiser or a regulariser."""
    settings = {"ema": 0.99, "validate_every": 400, "patience": 30} | more
    return Recipe(model, TrainConfig(steps, batch_size, lr, **settings), "shapes")


def _prior(family: str) -> Recipe:
    train = TrainConfig(6_000, 32, 2e-3, validate_every=400, patience=30)
    return Recipe(ImagePriorConfig(family, size=56, patch=4), train, "shapes")


def _few(group: str | None = None, turned: bool = False) -> Recipe:
    """A learned proximal gradient of equivariance that sees ten images."""
    model = ProximalConfig(SCAN.size, SCAN.views, SCAN.sigma, group, channels=16, blocks=4, memory=3)
    train = TrainConfig(1_500, 1, 1e-3, ema=0.99, validate_every=100, patience=20)
    return Recipe(model, train, "shapes", full=False, turned=turned, images=10)


#: Name -> how it is trained; ``python -m course_utils.training --list`` says what each run cost.
LEARNED: dict[str, Recipe] = {
    "proximal-shapes": _end_to_end(LearnedProximalConfig(SCAN), 2_400, 8),
    "primal-dual-shapes": _end_to_end(LearnedPrimalDualConfig(SCAN), 3_600, 8),
    "post-processing-shapes": _end_to_end(PostProcessingConfig(SCAN), 5_000, 16),
    "equilibrium-shapes": _end_to_end(EquilibriumConfig(SCAN, tol=1e-3), 1_000, 8, 2e-3),
    "automap-mnist": _end_to_end(AutomapConfig(SENSING), 8_000, 64),
    "post-processing-mnist": _end_to_end(PostProcessingConfig(SENSING), 4_000, 32),
    "proximal-mnist": _end_to_end(LearnedProximalConfig(SENSING), 3_000, 16),
    "primal-dual-mnist": _end_to_end(LearnedPrimalDualConfig(SENSING), 3_000, 32),
    "lista-mnist": _end_to_end(LISTAConfig(SENSING), 3_000, 16),
    "residual-denoiser-shapes": _of_shapes(DenoiserConfig("residual denoiser"), 2_000),
    "lipschitz-denoiser-shapes": _of_shapes(DenoiserConfig("lipschitz denoiser", filters=32, layers=6), 1_200, lr=3e-3),
    "gradient-step-denoiser-shapes": _of_shapes(DenoiserConfig("gradient-step denoiser", filters=32), 1_600),
    "adversarial-shapes": _of_shapes(AdversarialConfig(), 1_400, lr=2e-4, betas=(0.5, 0.9)),
    "input-convex-shapes": _of_shapes(InputConvexConfig(), 1_000),
    "ridge-shapes": _of_shapes(RidgeConfig(filters=48), 800, 8, 1e-2, validate_every=200),
    "ordinary-shapes": _few(),
    "augmented-shapes": _few(turned=True),
    "equivariant-shapes": _few("C4"),
    "diffusion-shapes": _prior("image-diffusion"),
    "flow-shapes": _prior("flow-matching"),
}
