"""An object that is turned view by view, and what networks do with it: the data are turned exactly, noise included.

The views of the scan are 6 degrees apart.  An object that is turned by a multiple of that has the same views under
other numbers, and those that are then seen from the other side are mirrored: so the data of the turned object need
neither an interpolated image nor another noise.  Images are turned exactly by quarter turns, else by interpolation.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from ...data.load import load
from ...equivariance import LearnedProximalGradient, disc, rotate
from ...metrics import psnr
from ...operators import ParallelBeam, measure
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, rounded, seeded
from ...training.learned_recipes import SCAN
from ...training.trainer import evenly_spaced
from ...training.zoo import pretrained
from .layers import there_and_back
from .turn_figures import turns_figure, turns_story

__all__ = [
    "ANGLES", "EXPERIMENTS", "NETWORKS", "N_IMAGES", "SIGMAS", "STEP", "network", "objects", "relative", "scan",
    "scans", "turned_data", "turned_image", "turns_job",
]  # fmt: skip

#: Degrees between two views.
STEP = 180 // SCAN.views
ANGLES = tuple(range(-180, 181, STEP))
SIGMAS = (SCAN.sigma, 0.0)
N_IMAGES = 12
#: Name -> shipped weights.  All were trained on the same ten upright images; the augmented one saw them turned as well.
NETWORKS = {name: f"{name}-shapes" for name in ("ordinary", "augmented", "equivariant")}


@functools.cache
def network(name: str) -> LearnedProximalGradient:
    """One of the ``NETWORKS``; of the equivariant one the ordinary network with the same output, which is faster."""
    return pretrained(NETWORKS[name], verbose=False).expanded()


@functools.cache
def scan() -> ParallelBeam:
    """The scanner for which they were trained."""
    return ParallelBeam.full(SCAN.size, n_angles=SCAN.views)


@functools.cache
def objects() -> Tensor:
    """Test images whose shapes lie within the circle that every turn keeps: (12, 1, 56, 56)."""
    x = load("shapes").test
    return evenly_spaced(x[(x * ~disc(SCAN.size)).flatten(1).sum(1) == 0], N_IMAGES)


@functools.cache
def scans(sigma: float) -> Tensor:
    """Their data: (12, views, detectors)."""
    return measure(scan(), objects(), sigma, seeded(SEEDS["noise_test"]))


def turned_data(y: Tensor, degrees: int) -> Tensor:
    """The data (B, views, detectors) of the object turned counter-clockwise by a multiple of ``STEP``."""
    if degrees % STEP:
        raise ValueError(f"'degrees' must be a multiple of {STEP}, the angle between two views, got {degrees}")
    n = y.shape[1]
    old = torch.arange(n) - degrees // STEP  # the view of the object that is now seen, on the full circle
    seen = y[:, old % n]
    return torch.where((old // n % 2 == 1)[:, None], seen.flip(-1), seen)


def turned_image(x: Tensor, degrees: int) -> Tensor:
    """The image turned counter-clockwise: exactly by quarter turns, else by bicubic interpolation."""
    if degrees % 90 == 0:
        return torch.rot90(x, degrees // 90, (2, 3))
    return rotate(x, math.radians(degrees))


def relative(difference: Tensor, reconstruction: Tensor) -> Tensor:
    """Norm over norm of each image within the circle that every turn keeps: (B,)."""
    kept = disc(difference.shape[-1])
    over, under = ((image * kept).flatten(1).norm(dim=1) for image in (difference, reconstruction))
    return over / under


@torch.no_grad()
def turns_job(name: str, sigma: float, n_images: int = N_IMAGES, angles: tuple[int, ...] = ANGLES) -> dict:
    """Equivariance error and PSNR of one network for every turn: means over the objects, and their deviations.

    The turned object is interpolated and has soft edges, to which reconstructions are nearer.  How much PSNR owes to
    that is told by the reconstruction of the upright data, turned: its PSNR with the same object.
    """
    solve, x, y = network(name), objects()[:n_images], scans(sigma)[:n_images]
    upright, found = solve(y, scan()), {"error": [], "psnr": [], "psnr_turned": [], "interpolation": []}
    for degrees in angles:
        moved, wanted, truth = (
            solve(turned_data(y, degrees), scan()),
            turned_image(upright, degrees),
            turned_image(x, degrees),
        )
        found["error"].append(relative(moved - wanted, upright))
        found["psnr"].append(psnr(moved, truth))
        found["psnr_turned"].append(psnr(wanted, truth))
        found["interpolation"].append(there_and_back(upright, degrees, turn=turned_image))
    means = {what: rounded([float(v.mean()) for v in values], 7) for what, values in found.items()}
    deviations = {f"{what}_std": rounded([float(v.std()) for v in values], 4) for what, values in found.items()}
    return means | deviations


EXPERIMENTS = {
    "equivariance-turns": Experiment(
        name="equivariance-turns",
        title="Learned proximal gradients trained on ten upright images: objects turned by every angle between views",
        tasks=lambda: [{"name": name, "sigma": sigma} for sigma in SIGMAS for name in NETWORKS],
        run=turns_job,
        settings={
            "views": SCAN.views, "sigmas": list(SIGMAS), "n_images": N_IMAGES, "angles": list(ANGLES),
            "seeds": SEEDS, "within": "the circle that every turn keeps", "psnr_data_range": 1,
        },
        figure=turns_figure,
        story=turns_story,
    ),
}  # fmt: skip
