"""How much a set of Markov chains knows: effective sample size and the agreement of the chains, for each pixel."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .._check import check_finite, check_tensor

__all__ = ["effective_sample_size", "split_rhat"]

#: Pixels that are looked at together, times draws and chains.
CHUNK = 4_000_000


def _halves(samples: Tensor) -> Tensor:
    """Every chain as two: (n, C, ...) -> (n // 2, 2 C, pixels)."""
    check_tensor("samples", samples)
    if samples.ndim < 3 or len(samples) < 4 or samples.shape[1] < 1:
        raise ValueError(f"'samples' must have shape (n, chains, ...) with n >= 4, got {tuple(samples.shape)}")
    check_finite("samples", samples)
    half = len(samples) // 2
    flat = samples.flatten(2)
    return torch.cat([flat[:half], flat[len(flat) - half :]], 1)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance within the chains, and that of the posterior as estimated from within and between: (pixels,) each."""
    n = len(x)
    within = x.var(0).mean(0)
    return within, (n - 1) / n * within + x.mean(0).var(0)


def split_rhat(samples: Tensor) -> Tensor:
    r"""Split R-hat of each pixel: how much wider all chains together are than one of them.

    Each chain is cut in two halves; :math:`\hat R^2` is the variance of all draws over the mean variance within a
    half.  It is near 1 for chains that have forgotten where they started, about :math:`1+1/(2e)` if e of the draws in a
    half are effective: many short chains can have enough draws together and R-hat 1.05.  Above 1.1 it is no result.

    Parameters
    ----------
    samples : (n, C, ...) tensor
        n draws of each of C chains of one posterior.

    Returns
    -------
    tensor of one sample's shape
        1 for a pixel that never changes.

    Source
    ------
    Gelman et al., Bayesian Data Analysis (2013), Sect. 11.4.

    Example
    -------
    >>> x = torch.randn(1000, 4, 1, generator=torch.Generator().manual_seed(0))
    >>> split_rhat(x).round(decimals=2), (split_rhat(x + torch.arange(4.0)[:, None]) > 1.5)
    (tensor([1.]), tensor([True]))
    """
    return _of_each_pixel(_rhat, samples)


def _of_each_pixel(measure: Callable, samples: Tensor) -> Tensor:
    """``measure`` of split chains (n, C, pixels), some pixels at a time: many draws of an image are large."""
    flat = _halves(samples)
    parts = flat.split(max(1, CHUNK // flat[..., 0].numel()), 2)
    return torch.cat([measure(_exact(part)) for part in parts]).to(samples).reshape(samples.shape[2:])


def _rhat(x: Tensor) -> Tensor:
    within, total = _moments(x)
    still = torch.where(total > 0, torch.inf, 1.0)
    return torch.where(within > 0, total / within.where(within > 0, 1.0), still).sqrt()


def _exact(x: Tensor) -> Tensor:
    """In float64 where the device has it."""
    return x if x.device.type == "mps" else x.double()


def effective_sample_size(samples: Tensor) -> Tensor:
    r"""Of how many independent draws the mean would be as sure, for each pixel: :math:`nC/(1+2\sum_t\rho_t)`.

    rho_t is the autocorrelation at lag t, estimated from all split chains together so that chains that disagree count
    as correlated.  The sum ends by Geyer's rule: sums of two neighbours, which are positive and falling for a
    reversible chain such as MALA, are added while they are positive, and made to fall (initial monotone sequence).

    Parameters
    ----------
    samples : (n, C, ...) tensor
        n draws of each of C chains of one posterior.

    Returns
    -------
    tensor of one sample's shape
        At most n C log10(n C), for chains whose draws are negatively correlated; n C for a pixel that never changes.

    Source
    ------
    Geyer, Statist. Sci. 7 (1992); for several chains Vehtari, Gelman, Simpson, Carpenter and Bürkner, Bayesian Anal.
    16 (2021).

    Example
    -------
    >>> x = torch.randn(1000, 4, 1, generator=torch.Generator().manual_seed(0))
    >>> 3200 < float(effective_sample_size(x)) < 5000
    True
    """
    return _of_each_pixel(_ess, samples)


def _ess(x: Tensor) -> Tensor:
    n, C = x.shape[:2]
    within, total = _moments(x)
    centred = x - x.mean(0)
    spectrum = torch.fft.rfft(centred, n=2 * n, dim=0)
    covariance = torch.fft.irfft(spectrum.abs() ** 2, n=2 * n, dim=0)[:n].mean(1) / n  # (n, pixels)
    constant = total <= 0
    safe = total.where(~constant, 1.0)
    rho = 1 - (within - covariance * (n / (n - 1))) / safe
    rho[0] = 1
    pairs = rho[: n // 2 * 2].reshape(n // 2, 2, -1).sum(1)
    positive = (pairs > 0).long().cummin(0).values > 0
    falling = torch.where(positive, pairs, 0.0).cummin(0).values
    time = (2 * falling.sum(0) - 1).clamp_min(1 / math.log10(n * C))
    return torch.where(constant, float(n * C), n * C / time)
