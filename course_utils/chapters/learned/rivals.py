"""The families of the lectures' map on one problem: from filtered back-projection to sampling the posterior."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from ...bayes import DPS, DiffPIR, PnPFlow
from ...data.load import load
from ...families import Trainable
from ...reconstructors import FilteredBackProjection
from ...regularisers import TGV, TV, Hard, LearnedRegulariser, Relaxed, SparseTV, Tikhonov
from ...reproduce.methods import Method
from ...reproduce.setting import start_dictionary
from ...solvers import RED, PnPForwardBackward
from ...training.learned_recipes import SCAN
from ...training.zoo import KINDS, available, pretrained

__all__ = ["GROUPS", "NETWORKS", "RIVALS", "group_of", "network"]

VAE = "vae-shapes-10"
#: Name of a rival -> the network that it needs.
NETWORKS = {
    "hard": VAE, "relaxed": VAE, "sparse-tv": VAE,
    "post-processing": "post-processing-shapes", "proximal": "proximal-shapes", "primal-dual": "primal-dual-shapes",
    "equilibrium": "equilibrium-shapes",
    "adversarial": "adversarial-shapes", "input-convex": "input-convex-shapes", "ridge": "ridge-shapes",
    "pnp": "residual-denoiser-shapes", "pnp-lipschitz": "lipschitz-denoiser-shapes",
    "pnp-gradient-step": "gradient-step-denoiser-shapes", "red": "gradient-step-denoiser-shapes",
    "dps": "diffusion-shapes", "diffpir": "diffusion-shapes", "pnp-flow": "flow-shapes",
}  # fmt: skip


@functools.cache
def network(rival: str) -> Trainable:
    """The shipped network that a rival needs."""
    return pretrained(NETWORKS[rival], verbose=False)


@functools.cache
def starts(rival: str):
    """Where a generative method begins: the shared dictionary of its generator."""
    return start_dictionary(network(rival), load("shapes").train)


def _at(**start: float) -> dict[str, dict[str, float]]:
    """Where the search for the weights begins."""
    return {"tomography": start}


def _generative(rival: str, label: str, make: Callable, **start: float) -> Method:
    return Method(
        label, "generative", lambda problem, **weights: make(network(rival), **weights), _at(**start),
        training="images", settings=lambda problem, y: {"start": starts(rival)},
    )  # fmt: skip


def _end_to_end(rival: str, label: str) -> Method:
    return Method(label, "learned", lambda problem: network(rival), _at(), training="pairs")


def _regulariser(rival: str, label: str, lam: float, training: str = "images") -> Method:
    return Method(
        label, "learned", lambda problem, lam: LearnedRegulariser(network(rival), lam), _at(lam=lam), training=training
    )


def _denoiser(rival: str, label: str, make: Callable, limits: Mapping | None = None, **start: float) -> Method:
    return Method(
        label, "learned", lambda problem, **weights: make(network(rival), **weights), _at(**start),
        limits=limits or {}, training="images",
    )  # fmt: skip


#: Of a denoiser: the noise for which it was trained, up to 0.3.
TOLD = {"sigma": (0.003, 0.3)}
STEP = {"step": (0.0625, 1.9)}

#: Family of the lectures' map -> name -> method.  What the trained ones have seen stands in their recipes.
GROUPS: dict[str, dict[str, Method]] = {
    "formula": {
        "fbp": Method(
            "FBP, Hann window", "formula", lambda problem, cutoff: FilteredBackProjection("hann", cutoff),
            _at(cutoff=0.4), limits={"cutoff": (0.02, 1.0)},
        ),
    },
    "variational": {
        "tikhonov": Method("Tikhonov", "variational", lambda problem, lam: Tikhonov(lam), _at(lam=0.06)),
        "tv": Method("TV", "variational", lambda problem, lam: TV(lam), _at(lam=0.06)),
        "tgv": Method(
            "TGV", "variational", lambda problem, lam, beta: TGV(lam, beta), _at(lam=0.06, beta=2.0),
            limits={"beta": (0.25, 8.0)},
        ),
    },
    "generator": {
        "hard": _generative("hard", "VAE, hard", Hard, lam=0.006),
        "relaxed": _generative("relaxed", "VAE, relaxed", Relaxed, lam=1.0, mu=0.001),
        "sparse-tv": _generative("sparse-tv", "VAE, sparse-TV", SparseTV, lam=0.06, mu=0.1),
    },
    "end to end": {
        "post-processing": _end_to_end("post-processing", "FBP and U-Net"),
        "proximal": _end_to_end("proximal", "learned proximal gradient"),
        "primal-dual": _end_to_end("primal-dual", "learned primal-dual"),
        "equilibrium": _end_to_end("equilibrium", "deep equilibrium"),
    },
    "learned regulariser": {
        "adversarial": _regulariser("adversarial", "adversarial", 0.1),
        "input-convex": _regulariser("input-convex", "input-convex", 0.1),
        "ridge": _regulariser("ridge", "convex ridge", 0.1),
    },
    "denoiser": {
        "pnp": _denoiser(
            "pnp", "PnP, residual denoiser", PnPForwardBackward, TOLD | STEP, sigma=0.05, step=1.0
        ),
        "pnp-lipschitz": _denoiser(
            "pnp-lipschitz", "PnP, 1-Lipschitz denoiser", PnPForwardBackward, TOLD | STEP, sigma=0.05, step=1.0
        ),
        "pnp-gradient-step": _denoiser(
            "pnp-gradient-step", "PnP, gradient-step denoiser", PnPForwardBackward, TOLD | STEP, sigma=0.05, step=1.0
        ),
        "red": _denoiser("red", "RED, gradient-step denoiser", RED, TOLD, sigma=0.05, lam=0.2),
    },
    "posterior": {
        "dps": Method(
            "DPS", "learned", lambda problem, step: DPS(network("dps"), step, sigma=SCAN.sigma, draws=DRAWS),
            _at(step=1.0), training="images",
        ),
        "diffpir": Method(
            "DiffPIR", "learned", lambda problem, lam: DiffPIR(network("diffpir"), SCAN.sigma, lam, draws=DRAWS),
            _at(lam=8.0), training="images",
        ),
        "pnp-flow": Method(
            "PnP-Flow", "learned", lambda problem, step, alpha: PnPFlow(network("pnp-flow"), step, alpha),
            _at(step=1.0, alpha=1.0), limits={"step": (0.0625, 1.9), "alpha": (0.0625, 4.0)}, training="images",
        ),
    },
}  # fmt: skip
#: Samples whose mean is the reconstruction of a sampler.
DRAWS = 4

RIVALS: dict[str, Method] = {name: method for group in GROUPS.values() for name, method in group.items()}


def group_of(rival: str) -> str:
    """The family of a rival.

    Example
    -------
    >>> group_of("primal-dual"), group_of("pnp")
    ('end to end', 'denoiser')
    """
    return next(group for group, methods in GROUPS.items() if rival in methods)


def present() -> list[str]:
    """The rivals whose network is shipped, if they need one."""
    there = {name for kind in KINDS for name in available(kind)}
    return [name for name in RIVALS if name not in NETWORKS or NETWORKS[name] in there]
