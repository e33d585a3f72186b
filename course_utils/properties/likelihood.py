"""log p_G(x) of unseen images by importance sampling, for generators with an approximate posterior (VAE)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_positive, check_tensor
from ..generators import Generator
from .adapt import as_generator
from .batches import PART

__all__ = ["LogLikelihood", "log_likelihood"]


@dataclass(frozen=True)
class LogLikelihood:
    """log p_G of each of N images.

    Attributes
    ----------
    value : (N,) nats; a density of n grey values, so its zero has no meaning: compare at the same n only
    elbo : (N,) the mean log weight, an estimate of the evidence lower bound
    ess : (N,) effective number of the K draws; near 1 the value is too low by an unknown amount
    draws : int, K
    rho : float
    """

    value: Tensor
    elbo: Tensor
    ess: Tensor
    draws: int
    rho: float


def _misfit(G: Generator, z: Tensor, x: Tensor) -> Tensor:
    """||G(z) - x||^2 of each image, summed in float64."""
    pairs = zip(z.split(PART), x.split(PART), strict=True)
    return torch.cat([(G(part) - images).double().pow(2).flatten(1).sum(1) for part, images in pairs])


@torch.no_grad()
def log_likelihood(
    G, x: Tensor, generator: torch.Generator, draws: int = 200, rho: float | None = None, widen: float = 1.0
) -> LogLikelihood:
    r"""log of :math:`p_G(x)=\int N(x; G(z), \rho^2 I)\,N(z; 0, I)\,dz`, with the encoder's Gaussian as proposal.

    With z_k from q = N(mean(x), (widen std(x))^2) the weights are w_k = p(x|z_k) p(z_k) / q(z_k), and
    log p_G(x) is about log mean w_k.  The estimate is right on the average of p_G, not of its logarithm, which it
    approaches from below; ESS = (sum w)^2 / sum w^2 says how many draws did the work.

    Parameters
    ----------
    G : generator with ``posterior(x)`` -> (mean, log_std)
        AE and GAN have none: without a noise model and a proposal their images have no density.
    x : (N, 1, H, W) tensor
    generator : torch.Generator
    draws : int
        K.
    rho : float > 0, optional
        Noise level; default: that of the VAE's training.
    widen : float > 0
        Factor on the proposal's standard deviations.

    Returns
    -------
    LogLikelihood

    Raises
    ------
    TypeError
        G has no posterior.
    ValueError

    Source
    ------
    Burda, Grosse and Salakhutdinov, ICLR 2016; Wu et al., ICLR 2017; paper, Sect. 4.2.

    Example
    -------
    >>> from course_utils import load, pretrained
    >>> G = pretrained("vae-mnist-8", verbose=False)
    >>> found = log_likelihood(G, load("mnist").test[:5], torch.Generator().manual_seed(0), draws=50)
    >>> bool((found.value >= found.elbo).all())
    True
    """
    owner = getattr(G, "inner", G)
    if not callable(getattr(owner, "posterior", None)):
        raise TypeError(
            f"'G' must have posterior(x), got a {type(owner).__name__} without: an AE or a GAN gives no density"
        )
    if rho is None:
        rho = getattr(getattr(G, "config", None), "rho", None) or getattr(owner, "rho", None)
    if rho is None:
        raise ValueError("'rho' must be given for a generator that knows no noise level of its own, got None")
    rho, widen = check_positive("rho", rho), check_positive("widen", widen)
    G = as_generator(G)
    check_generator(generator)
    draws = check_count("draws", draws)
    check_tensor("x", x, (None, *G.image_shape), like=next(G.parameters()))
    check_finite("x", x)
    if not len(x):
        raise ValueError("'x' must hold at least one image, got none")
    mean, log_std = owner.posterior(x)
    log_std = log_std + math.log(widen)
    n = x[0].numel()
    constant = -0.5 * n * math.log(2 * math.pi * rho**2)
    logs = []
    for _ in range(draws):
        e = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype).to(mean.device)
        z = mean + log_std.exp() * e
        misfit = _misfit(G, z, x)
        # the (2 pi)^(d/2) of p(z) and of q(z) cancel
        log_ratio = (log_std + 0.5 * e.pow(2) - 0.5 * z.pow(2)).double().sum(1)
        logs.append(constant - misfit / (2 * rho**2) + log_ratio)
    weights = torch.stack(logs)  # (K, N)
    total = weights.logsumexp(0)
    return LogLikelihood(
        value=total - math.log(draws), elbo=weights.mean(0), ess=(2 * total - (2 * weights).logsumexp(0)).exp(),
        draws=draws, rho=float(rho),
    )  # fmt: skip
