"""Generators and a network of brains among all methods of the course."""

from __future__ import annotations

import functools

from torch import Tensor

from ...regularisers import Hard, LearnedCovariance, Relaxed
from ...reproduce.methods import Method, method_row, rows
from ...reproduce.problems import SharedProblem, shared_problem
from ...training.zoo import pretrained
from .brains import VAE, brain_generator, first_z, generator_name
from .experiments import IN_TURN

__all__ = ["EXPERIMENTS", "METHODS", "methods_job"]

NETWORK = "vn-brain-25-0.05"


@functools.lru_cache(maxsize=8)
def _first(problem: SharedProblem, y: Tensor, name: str) -> Tensor:
    return first_z(problem.A, y, name)


def generative(label: str, make, name: str, start: dict[str, float], near: bool = True, **budget) -> Method:
    """A method with a shipped generator of brains; ``near`` starts from what hard finds."""

    def settings(problem: SharedProblem, y: Tensor) -> dict:
        return {"start": _first(problem, y, name) if near else brain_generator(name)[1]} | budget

    return Method(
        label, "generative", lambda problem, **weights: make(brain_generator(name)[0], **weights), {"mri": start},
        training="images", settings=settings,
    )  # fmt: skip


PICTURED = ("learned-covariance", "variational-network")
METHODS = {
    "brain-vae-hard": generative("VAE of brains, hard", Hard, VAE, {"lam": 0.1}, near=False, max_iter=300),
    "brain-vae-relaxed": generative("VAE of brains, relaxed", Relaxed, VAE, {"lam": 0.04, "mu": 0.01}, max_iter=300),
    "learned-covariance": generative(
        "learned covariance", LearnedCovariance, generator_name("covariance"), {"lam": 0.005}, **IN_TURN
    ),
    "variational-network": Method(
        "variational network", "learned", lambda problem: pretrained(NETWORK, verbose=False), {"mri": {}},
        training="pairs",
    ),
}  # fmt: skip


def methods_job(problem: str, method: str) -> dict:
    """A method with what was learned of brains on one of the shared problems."""
    return method_row(shared_problem(problem), METHODS[method], example=method in PICTURED)


EXPERIMENTS = {"methods": rows(METHODS, methods_job)}
