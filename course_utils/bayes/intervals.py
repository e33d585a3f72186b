"""Credible intervals of pixels, and how often they hold the truth."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_between, check_finite, check_tensor

__all__ = ["coverage", "credible_interval"]

#: Entries whose quantiles are found together: ``torch.quantile`` takes no more than 2^24.
PIECE = 2**23


def credible_interval(samples: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """The central interval that holds each pixel with posterior probability ``level``, from samples.

    Its ends are the quantiles (1 - level) / 2 and (1 + level) / 2.  For a Gaussian posterior
    ``GaussianPosterior.interval`` gives them without sampling.

    Parameters
    ----------
    samples : (n, ...) tensor
        The first axis is that of the draws, of all chains together: ``chains.samples.flatten(0, 1)``.
    level : float in (0, 1)

    Returns
    -------
    low, high : tensors of one sample's shape

    Source
    ------
    Kaipio and Somersalo, Statistical and Computational Inverse Problems (2005), Chapter 3.

    Example
    -------
    >>> low, high = credible_interval(torch.arange(101.0)[:, None], 0.9)
    >>> low, high
    (tensor([5.]), tensor([95.]))
    """
    check_tensor("samples", samples)
    if samples.ndim < 2 or len(samples) < 2:
        raise ValueError(f"'samples' must have shape (n, ...) with n >= 2, got {tuple(samples.shape)}")
    check_finite("samples", samples)
    level = check_between("level", level, 0, 1)
    flat = samples.flatten(1)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=flat.dtype, device=flat.device)
    parts = [torch.quantile(part, ends, dim=0) for part in flat.split(max(1, PIECE // len(flat)), 1)]
    low, high = torch.cat(parts, 1).reshape(2, *samples.shape[1:])
    return low, high


def coverage(low: Tensor, high: Tensor, truth: Tensor) -> Tensor:
    """The share of the pixels of each image that lie in their intervals, ends included: (B, ...) -> (B,).

    The average over truths from the prior and their noise is the level of the interval, if the model is right.  The
    share of one image need not be near to it, because the pixels of an image err together; and for a truth that is no
    draw from the prior nothing is promised.

    Parameters
    ----------
    low, high, truth : (B, ...) tensors of one shape

    Source
    ------
    Gelman et al., Bayesian Data Analysis (2013), Sect. 4.4, for the promise and its limits.

    Example
    -------
    >>> coverage(torch.zeros(1, 4), torch.ones(1, 4), torch.tensor([[-1.0, 0.0, 0.5, 2.0]]))
    tensor([0.5000])
    """
    check_tensor("truth", truth)
    if truth.ndim < 2:
        raise ValueError(f"'truth' must be a batch, with two axes or more, got shape {tuple(truth.shape)}")
    for name, value in (("low", low), ("high", high)):
        check_tensor(name, value, tuple(truth.shape), like=truth)
    for name, value in (("low", low), ("high", high), ("truth", truth)):
        check_finite(name, value)
    return ((low <= truth) & (truth <= high)).flatten(1).to(truth).mean(1)
