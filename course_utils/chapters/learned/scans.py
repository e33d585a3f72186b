"""The shared problem of this chapter, tomography of shapes, and what a hospital makes of it: other objects, other data.

Weights are tuned where the networks were trained, at home, and taken along to every other place.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ...data.load import load
from ...metrics import contrast_recovery
from ...operators import ParallelBeam, measure
from ...regularisers import SquaredError
from ...reproduce.problems import SharedProblem, shared_problem
from ...reproduce.setting import SEEDS, seeded
from ...training.learned_recipes import SCAN

__all__ = ["HOME", "PLACES", "home", "place", "spot_contrast", "turned"]

HOME = "home"
#: Name -> what differs from home.
PLACES = {
    HOME: {},
    "bright spot": {"images": "shapes+"},
    "turned by 45°": {"turned": True},
    "chest": {"images": "ct"},
    "15 views": {"views": 15},
    "60 views": {"views": 60},
    "half the noise": {"sigma": SCAN.sigma / 2},
    "twice the noise": {"sigma": SCAN.sigma * 2},
}
#: Of shapes+, only the spots are brighter: circle and rectangle have 0.5, a spot 1.
BRIGHT = 0.75


def home(n_val: int = 20, n_test: int = 50) -> SharedProblem:
    """The problem at which the networks were trained, also the shared problem "tomography" of the table of methods."""
    return shared_problem("tomography", n_val=n_val, n_test=n_test)


@functools.lru_cache(maxsize=len(PLACES))
def place(name: str, n_val: int = 20, n_test: int = 50) -> SharedProblem:
    """Images and data of one of the ``PLACES``.

    The shapes that are turned are drawn as others are, and turned by 45 degrees about the centre of the image, with
    bilinear interpolation: their circles are circles still, and their rectangles stand on a corner.

    Example
    -------
    >>> place("15 views", n_val=2, n_test=3).y.shape
    torch.Size([3, 15, 81])
    """
    other = PLACES[name]
    if not other:
        return home(n_val, n_test)
    sigma, images = other.get("sigma", SCAN.sigma), other.get("images", "shapes")
    data = load(images)
    A = ParallelBeam.full(SCAN.size, n_angles=other.get("views", SCAN.views))
    x_val, x = data.val[:n_val], data.test[:n_test]
    if other.get("turned"):
        x_val, x = turned(x_val), turned(x)
    y_val, y = measure(A, x_val, sigma, seeded(SEEDS["noise_val"])), measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    lesions = x > BRIGHT if images == "shapes+" else None
    return SharedProblem("tomography", A, SquaredError(), x_val, y_val, x, y, lesions=lesions)


def turned(x: Tensor) -> Tensor:
    """Images turned by 45 degrees about their centre: (B, 1, H, W) -> (B, 1, H, W)."""
    c = 0.5**0.5
    turn = x.new_tensor([[c, -c, 0.0], [c, c, 0.0]]).expand(len(x), 2, 3)
    grid = torch.nn.functional.affine_grid(turn, list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, align_corners=False)


def spot_contrast(x: Tensor, problem: SharedProblem) -> Tensor | None:
    """The share of each bright spot's contrast that is left, (B,), where there are spots."""
    if problem.lesions is None:
        return None
    return contrast_recovery(x, problem.x, problem.lesions, problem.around())
