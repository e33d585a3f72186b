"""How many images a reconstruction has to see: learned proximal gradient, ordinary or equivariant, upright and turned.

All networks see the same images, take the same number of steps of the same size, and keep the weights that are best on
the same validation images, which are upright.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import torch
from torch import Tensor

from ...data.load import load
from ...equivariance import LearnedProximalGradient, ProximalConfig, equal_weights, reconstruction_error, rotate
from ...families import build
from ...metrics import psnr, ssim
from ...operators import ParallelBeam, measure
from ...regularisers import TV
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, rounded, seeded
from ...solvers import reconstruct
from ...training.augment import quarter_turns
from ...training.recipe import TrainConfig
from ...training.trainer import evenly_spaced, train
from ...tuning import geometric, tuned_run
from .sizes_figures import sizes_figure, sizes_story

__all__ = ["EXPERIMENTS", "NETWORKS", "SIZES", "TRAIN", "scan", "test_data", "turned"]

VIEWS, SIGMA, N_TEST, N_VAL = 30, 0.1, 48, 11
#: The ordinary network; every other one differs from it in one thing.
ORDINARY = ProximalConfig(56, VIEWS, SIGMA, channels=16, blocks=4, memory=3)
#: Name -> configuration, whether the training images are turned.
NETWORKS = {
    "ordinary": (ORDINARY, False),
    "augmented": (ORDINARY, True),
    "equivariant": (replace(ORDINARY, group="C4"), False),
    "ordinary, fewer weights": (replace(ORDINARY, channels=7), False),
    "equivariant, as many weights": (equal_weights(ORDINARY, "C4"), False),
}
#: As the authors, one image a step; the step size is that which all networks took at once without a plateau.
TRAIN = TrainConfig(1_500, 1, 1e-3, ema=0.99, validate_every=100, patience=20)
#: Data -> numbers of training images; the scan has 50 slices of one patient, and another patient is the test.
SIZES = {"shapes": (10, 30, 100, 300, 1000), "ct": (10, 50)}
#: The networks that tell weights from symmetry have fewer sizes, on shapes.
CONTROLS = {"ordinary, fewer weights": (10, 100, 1000), "equivariant, as many weights": (10, 100)}
TRAINING_SEEDS = (0, 1, 2)
#: Angles of the test images in degrees: as in training, a quarter turn, and between the two.
ANGLES = (0, 90, 45)

SETTINGS = {
    "views": VIEWS, "sigma": SIGMA, "channels": ORDINARY.channels, "blocks": ORDINARY.blocks, "memory": ORDINARY.memory,
    "steps": TRAIN.steps, "batch_size": TRAIN.batch_size, "lr": TRAIN.lr, "n_test": N_TEST, "n_val": N_VAL,
    "seeds": list(TRAINING_SEEDS), "angles": list(ANGLES), "psnr_data_range": 1,
}  # fmt: skip


def turned(x: Tensor, degrees: int) -> Tensor:
    """Images turned counter-clockwise: exactly by quarter turns, else by interpolation, grey values in [0, 1]."""
    if degrees % 90 == 0:
        return torch.rot90(x, degrees // 90, (2, 3))
    return rotate(x, math.radians(degrees)).clamp(0, 1)


@functools.lru_cache(maxsize=1)
def scan() -> ParallelBeam:
    """30 views of 56 x 56 pixels."""
    return ParallelBeam.full(ORDINARY.size, n_angles=VIEWS)


def test_data(data: str, degrees: int, n_test: int = N_TEST) -> tuple[Tensor, Tensor]:
    """Turned test images and their data, (n, 1, 56, 56) and (n, views, detectors)."""
    x = turned(evenly_spaced(load(data).test, n_test), degrees)
    return x, measure(scan(), x, SIGMA, seeded(SEEDS["noise_test"] + degrees))


def size_tasks(data: str) -> list[dict]:
    """TV, every network with each number of training images, and the controls."""
    sizes = {network: CONTROLS.get(network, SIZES[data]) for network in NETWORKS}
    if data != "shapes":
        sizes = {network: n for network, n in sizes.items() if network not in CONTROLS}
    return [{"data": data, "network": "TV", "images": 0, "seed": 0}] + [
        {"data": data, "network": network, "images": images, "seed": seed}
        for seed in TRAINING_SEEDS
        for network, several in sizes.items()
        for images in several
    ]


def training_images(data: str, n: int, seed: int) -> Tensor:
    """n images, evenly spaced; each seed has others where there are enough for that."""
    images, runs = load(data).train, len(TRAINING_SEEDS)
    return evenly_spaced(images[seed::runs] if runs * n <= len(images) else images, n)


def size_row(
    data: str, network: str, images: int, seed: int, train_config: TrainConfig = TRAIN, n_test: int = N_TEST
) -> dict:
    """Train one network, or tune TV, and reconstruct upright and turned test images of others."""
    if network == "TV":
        return _tv_row(data, n_test)
    config, changed = NETWORKS[network]
    model = build(config, seed)
    x_train = training_images(data, images, seed)
    report = train(
        model, x_train, evenly_spaced(load(data).val, N_VAL), replace(train_config, seed=seed), progress=False,
        change=quarter_turns if changed else None,
    )  # fmt: skip
    model.freeze()
    seen = evenly_spaced(x_train, min(images, 50))
    scores = [record["score"] for record in report["history"]]
    return {
        "weights": config.n_weights,
        "best_step": report["best_step"],
        "scores": rounded(scores),
        "psnr_train": round(float(psnr(model(measure(scan(), seen, SIGMA, seeded(seed))), seen).mean()), 3),
        "error": round(float(_error(model, data, n_test)), 7),
        **_quality(model, data, n_test),
    }


def _tv_row(data: str, n_test: int) -> dict:
    """TV with non-negativity, its weight tuned on the same validation images."""
    A = scan()
    x_val = evenly_spaced(load(data).val, N_VAL)
    y_val = measure(A, x_val, SIGMA, seeded(SEEDS["noise_val"]))
    tv = functools.partial(TV, bounds=(0, math.inf))
    chosen, _ = tuned_run(A, (x_val, y_val), y_val, tv, geometric(0.005, 0.32, 2**0.5))
    found = {}

    def solve(y: Tensor) -> Tensor:
        result = reconstruct(A, y, tv(chosen["lam"]))
        found["converged"] = found.get("converged", True) and bool(result.converged.all())
        return result.x

    return chosen | _quality(solve, data, n_test) | found


def _error(model: LearnedProximalGradient, data: str, n_test: int) -> Tensor:
    """The mean relative distance of the reconstruction of turned data from the turned reconstruction."""
    y = test_data(data, 0, n_test)[1]
    return reconstruction_error(model, y, scan(), "C4", 1).mean()


def _quality(solve, data: str, n_test: int) -> dict:
    """Mean PSNR and SSIM at each of the angles."""
    pairs = [(x, solve(y)) for x, y in (test_data(data, degrees, n_test) for degrees in ANGLES)]
    return {
        "psnr": [round(float(psnr(found, x).mean()), 3) for x, found in pairs],
        "ssim": [round(float(ssim(found, x).mean()), 4) for x, found in pairs],
    }


EXPERIMENTS = {
    f"equivariance-{data}": Experiment(
        name=f"equivariance-{data}",
        title=f"Learned proximal gradient, ordinary and equivariant, by number of training images: {data}",
        tasks=functools.partial(size_tasks, data),
        run=size_row,
        settings=SETTINGS,
        figure=sizes_figure,
        story=sizes_story,
    )
    for data in SIZES
}
