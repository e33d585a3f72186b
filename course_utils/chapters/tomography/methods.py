"""Generative tomography among all methods of the course: on Shapes, where the VAE was trained, and off them."""

from __future__ import annotations

from ...regularisers import Hard, Relaxed, SparseTV
from ...reproduce.methods import Method, method_row, rows
from ...reproduce.problems import shared_problem
from .experiments import shapes_generator

__all__ = ["EXPERIMENTS", "METHODS", "methods_job"]


def generative(label: str, make, start: dict[str, dict[str, float]], **more) -> Method:
    """A method with that VAE."""
    return Method(
        label, "generative", lambda problem, **weights: make(shapes_generator("vae")[0], **weights), start,
        training="images", settings=lambda problem, y: {"start": shapes_generator("vae")[1]}, **more,
    )  # fmt: skip


PICTURED = ("shapes-vae-hard", "shapes-vae-sparse-tv")
METHODS = {
    "shapes-vae-hard": generative(
        "VAE of Shapes, hard", Hard, {"tomography": {"lam": 0.006}, "ct": {"lam": 0.006}, "pet": {"lam": 0.3}}
    ),
    "shapes-vae-relaxed": generative(
        "VAE of Shapes, relaxed", Relaxed, {"tomography": {"lam": 1.0, "mu": 0.001}, "ct": {"lam": 0.1, "mu": 0.01}}
    ),
    "shapes-vae-sparse-tv": generative(
        "VAE of Shapes, sparse-TV", SparseTV, {"tomography": {"lam": 0.06, "mu": 0.1}, "ct": {"lam": 0.01, "mu": 0.3}}
    ),
}


def methods_job(problem: str, method: str) -> dict:
    """A generative method on one of the shared problems."""
    return method_row(shared_problem(problem), METHODS[method], example=method in PICTURED)


EXPERIMENTS = {"methods": rows(METHODS, methods_job)}
