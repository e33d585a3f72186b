"""Samples of the posterior of a (slightly rounded) total variation, on small images."""

from __future__ import annotations

import torch
from torch import Tensor

from ...bayes import Chains, LogPosterior, mala, whitening
from ...operators import LinearOperator
from ...regularisers import TV, HuberTV
from ...solvers import reconstruct

__all__ = ["tv_posterior"]

CHAINS, SPREAD, EPSILON = 16, 0.05, 0.01
#: Steps of each of the two short runs whose draws shape the proposals of the long one.
PILOT = 300


def tv_posterior(
    A: LinearOperator, y: Tensor, lam: float, sigma: float, steps: int, generator: torch.Generator
) -> tuple[Tensor, Chains]:
    """The most probable image and chains of MALA, which start near it: (1, 1, H, W), Chains.

    The posterior is log-concave, so that chains which start near its top miss no other one.

    Parameters
    ----------
    A : LinearOperator
        Small enough for dense matrices.
    y : (1, *A.shape_out) tensor
    lam, sigma : float > 0
    steps : int
        Of each chain, after the pilot runs.
    generator : torch.Generator

    Example
    -------
    >>> from course_utils import GaussianBlur, measure
    >>> A, random = GaussianBlur(8, width=3), torch.Generator().manual_seed(0)
    >>> y = measure(A, torch.ones(1, 1, 8, 8), 0.1, random)
    >>> top, chains = tv_posterior(A, y, 0.04, 0.1, steps=50, generator=random)
    >>> top.shape, chains.samples.shape
    (torch.Size([1, 1, 8, 8]), torch.Size([10, 16, 1, 8, 8]))
    """
    top = reconstruct(A, y, TV(lam)).x
    density = LogPosterior(A, y, HuberTV(lam, EPSILON), sigma)
    start = top.expand(CHAINS, -1, -1, -1)
    start = start + SPREAD * torch.randn(start.shape, generator=generator)
    root, step = whitening(density, top), 1.0
    for _ in range(2):
        pilot = mala(density, start, step, PILOT, generator, root=root)
        root, start, step = whitening(density, pilot.samples[::20].flatten(0, 1)), pilot.last, pilot.step
    return top, mala(density, start, step, steps, generator, burn_in=steps // 10, root=root, thin=5)
