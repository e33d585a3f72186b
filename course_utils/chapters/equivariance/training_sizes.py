"""How many pairs a reconstruction has to see: learned proximal gradient, ordinary or equivariant, upright and turned.

All networks see the same pairs of image and data, take the same number of steps of the same size, and keep the weights
that are best on the same validation pairs, which are upright.  The noise of a pair is drawn once, as in a measurement:
drawn anew in every step it would make many pairs of one image, which only a simulation can.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...data.load import load
from ...equivariance import (
    Group,
    LearnedProximalGradient,
    ProximalConfig,
    act_on_data,
    equal_weights,
    reconstruction_error,
)
from ...metrics import psnr, ssim
from ...operators import ParallelBeam, measure
from ...regularisers import TV
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, rounded, seeded
from ...solvers import reconstruct
from ...training.recipe import TrainConfig
from ...training.trainer import evenly_spaced, train
from ...tuning import geometric, tuned_run
from .sizes_figures import longer_figure, longer_story, sizes_figure, sizes_story
from .turning import turned_image

__all__ = ["EXPERIMENTS", "NETWORKS", "SIZES", "TRAIN", "scan", "test_data", "turned"]

SIZE, VIEWS, SIGMA, N_TEST, N_VAL = 28, 20, 0.05, 48, 50
#: The ordinary network; every other one differs from it in one thing.
ORDINARY = ProximalConfig(SIZE, VIEWS, SIGMA, channels=32, blocks=5, memory=3)
#: Name -> configuration, whether the training pairs are turned.
NETWORKS = {
    "ordinary": (ORDINARY, False),
    "augmented": (ORDINARY, True),
    "equivariant": (replace(ORDINARY, group="C4"), False),
    "ordinary, fewer weights": (replace(ORDINARY, channels=15), False),
    "equivariant, as many weights": (equal_weights(ORDINARY, "C4"), False),
}
#: One pair a step, as the authors, who take 100,000 steps.
TRAIN = TrainConfig(2_500, 1, 1e-3, ema=0.99, validate_every=125, patience=20)
LONGER = replace(TRAIN, steps=5_000, validate_every=250)
#: Data -> numbers of training pairs; the scan has 50 slices of one patient, and another patient is the test.
SIZES = {"shapes": (10, 30, 100, 300, 1000), "ct": (10, 50)}
#: The networks that tell weights from symmetry have fewer sizes, on shapes.
CONTROLS = {"ordinary, fewer weights": (10, 100), "equivariant, as many weights": (10,)}
TRAINING_SEEDS = (0, 1, 2)
#: Angles of the test images in degrees: as in training, a quarter turn, and between the two.
ANGLES = (0, 90, 45)

SETTINGS = {
    "size": SIZE, "views": VIEWS, "sigma": SIGMA, "channels": ORDINARY.channels, "blocks": ORDINARY.blocks,
    "memory": ORDINARY.memory, "steps": TRAIN.steps, "batch_size": TRAIN.batch_size, "lr": TRAIN.lr, "n_test": N_TEST,
    "n_val": N_VAL, "seeds": list(TRAINING_SEEDS), "angles": list(ANGLES), "psnr_data_range": 1,
}  # fmt: skip


class OnPairs(LearnedProximalGradient):
    """The same network, trained on pairs that are there: ``losses`` takes (images, numbers of the pairs).

    Attributes
    ----------
    data : dict of Tensor
        "train" and "val": y of each pair.
    turned : bool
        Each training pair (x, y) becomes (g x, g y) with a random element g of C4.
    """

    data: dict[str, Tensor]
    turned = False

    def losses(self, x: tuple[Tensor, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """||x - network(y)||^2, the mean over the pairs."""
        images, pairs = x
        y = self.data["train" if self.training else "val"][pairs]
        if self.training and self.turned:
            g = int(torch.randint(4, (1,), generator=generator))
            images, y = Group("C4").act(images, g), act_on_data(scan(), y, "C4", g)
        return {"loss": (images - self(y)).pow(2).flatten(1).sum(1).mean()}


def images_of(data: str, split: str) -> Tensor:
    """Images of 28 x 28 pixels, each the mean of four."""
    return avg_pool2d(getattr(load(data), split), 2)


def turned(x: Tensor, degrees: int) -> Tensor:
    """Images turned counter-clockwise: exactly by quarter turns, else by interpolation, grey values in [0, 1]."""
    return turned_image(x, degrees).clamp(0, 1)


@functools.lru_cache(maxsize=1)
def scan() -> ParallelBeam:
    """20 views of 28 x 28 pixels."""
    return ParallelBeam.full(SIZE, n_angles=VIEWS)


def test_data(data: str, degrees: int, n_test: int = N_TEST) -> tuple[Tensor, Tensor]:
    """Turned test images and their data, (n, 1, 28, 28) and (n, views, detectors)."""
    x = turned(evenly_spaced(images_of(data, "test"), n_test), degrees)
    return x, measure(scan(), x, SIGMA, seeded(SEEDS["noise_test"] + degrees))


def validation_data(data: str) -> tuple[Tensor, Tensor]:
    """Validation images, at most 50 of them, and their data."""
    images = images_of(data, "val")
    x = evenly_spaced(images, min(N_VAL, len(images)))
    return x, measure(scan(), x, SIGMA, seeded(SEEDS["noise_val"]))


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
    images, runs = images_of(data, "train"), len(TRAINING_SEEDS)
    return evenly_spaced(images[seed::runs] if runs * n <= len(images) else images, n)


def size_row(
    data: str, network: str, images: int, seed: int, train_config: TrainConfig = TRAIN, n_test: int = N_TEST
) -> dict:
    """Train one network, or tune TV, and reconstruct upright and turned test images of others."""
    if network == "TV":
        return _tv_row(data, n_test)
    config, turns = NETWORKS[network]
    x, (x_val, y_val) = training_images(data, images, seed), validation_data(data)
    y = measure(scan(), x, SIGMA, seeded(10 + seed))
    model = OnPairs.drawn(config, seed)
    model.data, model.turned = {"train": y, "val": y_val}, turns
    numbers = torch.arange(len(x)), torch.arange(len(x_val))
    report = train(model, x, x_val, replace(train_config, seed=seed), progress=False, labels=numbers)
    model.freeze()
    return {
        "weights": config.n_weights,
        "best_step": report["best_step"],
        "scores": rounded([record["score"] for record in report["history"]]),
        "psnr_train": round(float(psnr(model(y[:N_VAL]), x[:N_VAL]).mean()), 3),
        "error": round(float(_error(model, data, n_test)), 7),
        **_quality(model, data, n_test),
    }


def _tv_row(data: str, n_test: int) -> dict:
    """TV with non-negativity, its weight tuned on the same validation pairs."""
    A, tv = scan(), functools.partial(TV, bounds=(0, math.inf))
    x_val, y_val = validation_data(data)
    chosen, _ = tuned_run(A, (x_val, y_val), y_val, tv, geometric(0.0025, 0.16, 2**0.5))
    found = {"converged": True}

    def solve(y: Tensor) -> Tensor:
        result = reconstruct(A, y, tv(chosen["lam"]))
        found["converged"] &= bool(result.converged.all())
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


def longer_tasks() -> list[dict]:
    """The scan with ten pairs."""
    return [{"network": n, "seed": seed} for seed in TRAINING_SEEDS for n in ("ordinary", "augmented", "equivariant")]


def longer_row(network: str, seed: int, train_config: TrainConfig = LONGER, n_test: int = N_TEST) -> dict:
    """As ``size_row``, with twice the steps: is what is seen there a matter of patience?"""
    return {"images": 10} | size_row("ct", network, 10, seed, train_config, n_test)


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
} | {
    "equivariance-longer": Experiment(
        name="equivariance-longer",
        title="Learned proximal gradient, ordinary and equivariant, ten CT slices and twice the steps",
        tasks=longer_tasks,
        run=longer_row,
        settings=SETTINGS | {"data": "ct", "steps": LONGER.steps},
        figure=longer_figure,
        story=longer_story,
    )
}
