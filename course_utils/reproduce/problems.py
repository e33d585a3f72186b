"""The shared problems on which every method of the course is compared: images, operator, data, data term.

Tune on ``x_val, y_val``, report on ``x, y``: one table for all chapters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..data.load import load
from ..operators import GaussianBlur, LinearOperator, MaskedFourier, ParallelBeam, measure, radial_mask
from ..regularisers import Fidelity, KullbackLeibler, SquaredError
from .setting import FIRST_TEST, SEEDS, seeded

__all__ = ["PROBLEMS", "SETTINGS", "SharedProblem", "shared_problem"]

#: What a record says of them.
SETTINGS = {
    "deblurring": {"images": "MNIST", "sigma": 0.1, "n_val": 20, "n_test": 100},
    "tomography": {"images": "Shapes", "views": 30, "sigma": 0.1, "n_val": 20, "n_test": 50},
    "ct": {"images": "chest CT, another patient for testing", "views": 30, "sigma": 0.05, "n_val": 11, "n_test": 48},
    "pet": {"images": "shapes+", "views": 60, "mean_counts": 20.0, "background": 4.0, "n_val": 20, "n_test": 50},
    "mri": {"images": "brain, another head for testing", "spokes": 25, "sigma": 0.05, "n_val": 7, "n_test": 12},
}


@dataclass(frozen=True)
class SharedProblem:
    """A problem with known truth, for validation and for testing.

    Attributes
    ----------
    name : str
    A : LinearOperator
    fidelity : Fidelity
        The data term that fits the noise.
    x_val, x : (B, 1, H, W) tensors
    y_val, y : (B, *A.shape_out) tensors
    background : float
        Mean of the data where there is no object: methods that expect ``A x`` plus symmetric noise get
        ``y - background``.
    lesions : (B, 1, H, W) bool tensor, optional
        Where the test images have a lesion.
    """

    name: str
    A: LinearOperator
    fidelity: Fidelity
    x_val: Tensor
    y_val: Tensor
    x: Tensor
    y: Tensor
    background: float = 0.0
    lesions: Tensor | None = None

    def around(self) -> Tensor:
        """The surroundings of the lesions: what lies 2 to 4 pixels beside one and belongs to the same organ."""
        near, wide = (max_pool2d(self.lesions.float(), side, 1, side // 2) > 0 for side in (3, 9))
        return wide & ~near & (self.x > 0)


def _gaussian(name: str, A: LinearOperator, sigma: float, x_val: Tensor, x: Tensor) -> SharedProblem:
    y_val, y = measure(A, x_val, sigma, seeded(SEEDS["noise_val"])), measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    return SharedProblem(name, A, SquaredError(), x_val, y_val, x, y)


def _deblurring(sigma: float, n_val: int, n_test: int) -> SharedProblem:
    data = load("mnist")
    x_val, x = data.val[:n_val], data.test[FIRST_TEST : FIRST_TEST + n_test]
    return _gaussian("deblurring", GaussianBlur(28), sigma, x_val, x)


def _tomography(views: int, sigma: float, n_val: int, n_test: int) -> SharedProblem:
    data = load("shapes")
    A = ParallelBeam.full(56, n_angles=views)
    return _gaussian("tomography", A, sigma, data.val[:n_val], data.test[:n_test])


def _ct(views: int, sigma: float, n_val: int, n_test: int) -> SharedProblem:
    data = load("ct")
    A = ParallelBeam.full(56, n_angles=views)
    return _gaussian("ct", A, sigma, data.val[:n_val], data.test[:n_test])


def _pet(views: int, mean_counts: float, background: float, n_val: int, n_test: int) -> SharedProblem:
    data = load("shapes+")
    x_val, x = data.val[:n_val], data.test[:n_test]
    rays = ParallelBeam.full(56, n_angles=views)
    A = (mean_counts / float(rays(data.val[:20]).mean())) * rays

    def counts(images: Tensor, name: str) -> Tensor:
        return torch.poisson(A(images) + background, generator=seeded(SEEDS[name]))

    return SharedProblem(
        "pet", A, KullbackLeibler(background), x_val,
        counts(x_val, "noise_val"), x, counts(x, "noise_test"), background, lesions=x > 0.75,
    )  # fmt: skip


def _mri(spokes: int, sigma: float, n_val: int, n_test: int) -> SharedProblem:
    data = load("brain")
    A = MaskedFourier(radial_mask(data.val.shape[-1], spokes))
    x_val, x = (part[:: max(1, len(part) // n)][:n] for part, n in ((data.val, n_val), (data.test, n_test)))
    return _gaussian("mri", A, sigma, x_val, x)


#: Name -> what makes it.
PROBLEMS: dict[str, Callable[..., SharedProblem]] = {
    "deblurring": _deblurring,
    "tomography": _tomography,
    "ct": _ct,
    "pet": _pet,
    "mri": _mri,
}


@functools.lru_cache(maxsize=8)
def shared_problem(name: str, **sizes: int) -> SharedProblem:
    """One of the shared problems; fewer images with ``n_val`` and ``n_test``.

    Example
    -------
    >>> problem = shared_problem("pet", n_val=2, n_test=3)
    >>> problem.y.shape, problem.fidelity
    (torch.Size([3, 60, 81]), KullbackLeibler(background=4.0))
    """
    wanted = {key: value for key, value in SETTINGS[name].items() if key != "images"} | sizes
    return PROBLEMS[name](**wanted)
