"""The three regularisers among all methods of the course: their rows of the shared table."""

from __future__ import annotations

from ...regularisers import Hard, Relaxed, Sparse
from ...reproduce.methods import Method, method_row, rows
from ...reproduce.problems import shared_problem
from ...reproduce.setting import generator_and_starts

__all__ = ["EXPERIMENTS", "METHODS", "methods_job"]


def generative(label: str, make, start: dict[str, float], **budget) -> Method:
    """A method with the shipped VAE of digits."""
    return Method(
        label, "generative", lambda problem, **weights: make(generator_and_starts("vae")[0], **weights),
        {"deblurring": start}, training="images",
        settings=lambda problem, y: {"start": generator_and_starts("vae")[1]} | budget,
    )  # fmt: skip


METHODS = {
    "vae-hard": generative("VAE hard", Hard, {"lam": 0.02}),
    "vae-relaxed": generative("VAE relaxed", Relaxed, {"lam": 1.0, "mu": 0.01}),
    "vae-sparse": generative("VAE sparse", Sparse, {"lam": 0.3, "mu": 0.03}, max_iter=500),
}


def methods_job(problem: str, method: str) -> dict:
    """A generative method on one of the shared problems."""
    return method_row(shared_problem(problem), METHODS[method], example=method == "vae-relaxed")


EXPERIMENTS = {"methods": rows(METHODS, methods_job)}
