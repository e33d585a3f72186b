"""How far the samples of a sampler are from the posterior that they claim to come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .._check import check_finite, check_tensor

__all__ = ["Calibration", "calibration"]


@dataclass(frozen=True)
class Calibration:
    """Mean and covariance of n samples against the true ones m and C, beside what n exact draws would have.

    Attributes
    ----------
    mean_error : float
        ||sample mean - m|| in units of the posterior's width, the root of trace C.
    mean_floor : float
        What exact draws have there on average, as root mean square: 1 / sqrt(n).
    spread : float
        Trace of the sample covariance over that of C: 1 if right, less if the sampler is too sure of itself.
    spread_floor : float
        Standard deviation of that for exact draws from a Gaussian.
    covariance_error : float
        ||sample covariance - C|| over ||C||, Frobenius norms.
    covariance_floor : float
        Root mean square of that for exact draws from a Gaussian.
    distance : float
        Mean of (x - m)^T C^-1 (x - m) / d over the samples: 1 for exact draws.
    distance_floor : float
        Standard deviation of that for exact draws from a Gaussian: sqrt(2 / (n d)).
    """

    mean_error: float
    mean_floor: float
    spread: float
    spread_floor: float
    covariance_error: float
    covariance_floor: float
    distance: float
    distance_floor: float

    @property
    def calibrated(self) -> bool:
        """Whether all four lie within four times what exact draws from a Gaussian have by chance."""
        return (
            self.mean_error <= 4 * self.mean_floor
            and self.covariance_error <= 4 * self.covariance_floor
            and abs(self.spread - 1) <= 4 * self.spread_floor
            and abs(self.distance - 1) <= 4 * self.distance_floor
        )

    def row(self) -> dict:
        """The numbers for a table."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@torch.no_grad()
def calibration(samples: Tensor, mean: Tensor, covariance: Tensor) -> Calibration:
    r"""Compare samples of one problem with the posterior's mean and covariance.

    Parameters
    ----------
    samples : (n, ...) tensor, n >= 2
        Of one problem: ``samples[:, b]`` of what a ``PosteriorSampler`` draws for B of them.
    mean : (...) tensor
        m, shaped like a sample, or flat.
    covariance : (d, d) tensor, symmetric and positive definite
        C, for flattened samples.

    Returns
    -------
    Calibration

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Moments of the sample covariance: Muirhead, Aspects of Multivariate Statistical Theory (1982), Chapter 3.

    Example
    -------
    Exact draws, and draws that are too sure of themselves:

    >>> x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    >>> calibration(x, torch.zeros(3), torch.eye(3)).calibrated
    True
    >>> found = calibration(x / 2, torch.zeros(3), torch.eye(3))
    >>> found.calibrated, round(found.spread, 1), round(found.mean_error, 1)
    (False, 0.3, 0.0)
    """
    check_tensor("samples", samples)
    if samples.ndim < 2 or len(samples) < 2:
        raise ValueError(f"'samples' must have shape (n, ...) with n >= 2, got {tuple(samples.shape)}")
    n, d = len(samples), samples[0].numel()
    check_tensor("mean", mean)
    if tuple(mean.shape) not in ((d,), tuple(samples.shape[1:])):
        raise ValueError(f"'mean' must have the shape of a sample or ({d},), got {tuple(mean.shape)}")
    check_tensor("covariance", covariance, (d, d))
    for name, value in (("samples", samples), ("mean", mean), ("covariance", covariance)):
        check_finite(name, value)
    x, m, C = (value.detach().cpu().double() for value in (samples.flatten(1), mean.flatten(), covariance))
    lower, failed = torch.linalg.cholesky_ex(C)
    if failed or not torch.allclose(C, C.T, rtol=1e-4, atol=1e-6 * float(C.diagonal().mean())):
        raise ValueError("'covariance' must be symmetric and positive definite, got one that is not")
    trace, square = float(C.trace()), float(C.pow(2).sum())
    found = torch.cov(x.T).reshape(d, d)
    white = torch.linalg.solve_triangular(lower, (x - m).T, upper=False)
    return Calibration(
        mean_error=float((x.mean(0) - m).norm()) / trace**0.5,
        mean_floor=n**-0.5,
        spread=float(found.trace()) / trace,
        spread_floor=(2 * square / (n - 1)) ** 0.5 / trace,
        covariance_error=float((found - C).norm()) / square**0.5,
        covariance_floor=((trace**2 + square) / (n - 1) / square) ** 0.5,
        distance=float(white.pow(2).sum(0).mean()) / d,
        distance_floor=(2 / (n * d)) ** 0.5,
    )
