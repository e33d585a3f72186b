"""The second problem of this chapter: digits from random measurements, where some families can be built that have no
place in tomography."""

from __future__ import annotations

import functools

from ...data.load import load
from ...families import Trainable
from ...operators import GaussianMatrix, measure
from ...regularisers import TV, Hard, Sparse, SquaredError
from ...reproduce.methods import Method
from ...reproduce.problems import SharedProblem
from ...reproduce.setting import FIRST_TEST, SEEDS, generator_and_starts, seeded
from ...training.learned_recipes import SENSING
from ...training.zoo import available, pretrained
from .scans import HOME, turned

__all__ = ["DIGIT_NETWORKS", "DIGIT_PLACES", "DIGIT_RIVALS", "digit_network", "digit_place", "digits_present"]

#: Name -> what differs from home.
DIGIT_PLACES = {
    HOME: {},
    "turned by 45°": {"turned": True},
    "clothes": {"images": "fashion"},
    "300 measurements": {"m": 300},
    "half the noise": {"sigma": SENSING.sigma / 2},
    "twice the noise": {"sigma": SENSING.sigma * 2},
}
#: Name of a rival -> the network that it needs.
DIGIT_NETWORKS = {name: f"{name}-mnist" for name in ("automap", "post-processing", "proximal", "primal-dual", "lista")}


@functools.lru_cache(maxsize=len(DIGIT_PLACES))
def digit_place(name: str, n_val: int = 20, n_test: int = 100) -> SharedProblem:
    """Images and data of one of the ``DIGIT_PLACES``.

    Of the clothes only test images are shipped: there the validation images are digits too.

    Example
    -------
    >>> digit_place("300 measurements", n_val=2, n_test=3).y.shape
    torch.Size([3, 300])
    """
    other = DIGIT_PLACES[name]
    sigma, images = other.get("sigma", SENSING.sigma), other.get("images", "mnist")
    A = GaussianMatrix(other.get("m", SENSING.m), SENSING.size, seeded(SENSING.seed))
    x_val, x = load("mnist").val[:n_val], load(images).test[FIRST_TEST : FIRST_TEST + n_test]
    if other.get("turned"):
        x_val, x = turned(x_val), turned(x)
    y_val, y = measure(A, x_val, sigma, seeded(SEEDS["noise_val"])), measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    return SharedProblem("sensing", A, SquaredError(), x_val, y_val, x, y)


@functools.cache
def digit_network(rival: str) -> Trainable:
    """The shipped network that a rival needs."""
    return pretrained(DIGIT_NETWORKS[rival], verbose=False)


def _generative(label: str, make, **start: float) -> Method:
    return Method(
        label, "generative", lambda problem, **weights: make(generator_and_starts("vae")[0], **weights),
        {"sensing": start}, training="images", settings=lambda problem, y: {"start": generator_and_starts("vae")[1]},
    )  # fmt: skip


def _network(rival: str, label: str) -> Method:
    return Method(label, "learned", lambda problem: digit_network(rival), {"sensing": {}}, training="pairs")


DIGIT_RIVALS: dict[str, Method] = {
    "tv": Method("TV", "variational", lambda problem, lam: TV(lam), {"sensing": {"lam": 0.02}}),
    "hard": _generative("VAE, hard", Hard, lam=0.002),
    "sparse": _generative("VAE, sparse", Sparse, lam=0.1, mu=0.02),
    "automap": _network("automap", "AUTOMAP"),
    "post-processing": _network("post-processing", "pseudo-inverse and U-Net"),
    "proximal": _network("proximal", "learned proximal gradient"),
    "primal-dual": _network("primal-dual", "learned primal-dual"),
    "lista": _network("lista", "LISTA"),
}


def digits_present() -> list[str]:
    """The rivals whose network is shipped, if they need one."""
    there = set(available("network"))
    return [name for name in DIGIT_RIVALS if name not in DIGIT_NETWORKS or DIGIT_NETWORKS[name] in there]
