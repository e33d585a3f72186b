"""B2: where in latent space are the images?  The latent vectors found for test images, against N(0, I)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_tensor
from .two_sample import EnergyTest, energy_test

__all__ = ["LatentSpread", "latent_spread", "plane_projections"]


@dataclass(frozen=True)
class LatentSpread:
    """How N latent vectors compare with N(0, I).

    Attributes
    ----------
    energy : EnergyTest
        Against as many draws from N(0, I).  With thousands of vectors the slightest difference is "significant":
        look at the size of the statistic, not only at p.
    radius : float
        Root mean square of ||z||, divided by sqrt(d).  1 for the prior.
    mean_norm : float
        Norm of the mean, divided by sqrt(d).  0 for the prior.
    eigenvalues : (d,) of the covariance, rising.  All 1 for the prior (up to about 1 +- 2 sqrt(d / N)).
    """

    energy: EnergyTest
    radius: float
    mean_norm: float
    eigenvalues: Tensor


def latent_spread(z: Tensor, generator: torch.Generator, permutations: int = 199) -> LatentSpread:
    """Compare latent vectors with the prior N(0, I).

    Parameters
    ----------
    z : (N, d) tensor, N <= 2,000
        From ``range_errors`` or an encoder.
    generator : torch.Generator
    permutations : int

    Returns
    -------
    LatentSpread

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Paper, Sect. 4.3.3, Fig. 4, which shows 2-D projections; the numbers are ours.

    Example
    -------
    >>> z = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    >>> found = latent_spread(2 * z, torch.Generator().manual_seed(1))
    >>> found.energy.p < 0.05, round(found.radius)
    (True, 2)
    """
    check_generator(generator)
    check_tensor("z", z, (None, None))
    check_finite("z", z)
    if not 2 <= len(z) <= 2_000:
        raise ValueError(f"'z' must hold 2 to 2,000 vectors, got {len(z)}: take a random subset")
    prior = torch.randn(z.shape, generator=generator, device=generator.device, dtype=z.dtype).to(z.device)
    d = z.shape[1]
    covariance = torch.cov(z.double().T).reshape(d, d)
    return LatentSpread(
        energy=energy_test(z, prior, generator, permutations),
        radius=float((z.double().pow(2).sum(1).mean() / d).sqrt()),
        mean_norm=float(z.double().mean(0).norm() / d**0.5),
        eigenvalues=torch.linalg.eigvalsh(covariance),
    )


def plane_projections(d: int, n: int, generator: torch.Generator) -> Tensor:
    """``n`` random planes: (n, d, 2) with orthonormal columns; z @ planes[k] are coordinates in the plane.

    An orthonormal projection of N(0, I) is N(0, I) in the plane, so a circle of radius 2.45 holds 95 % of it.

    Example
    -------
    >>> P = plane_projections(8, 1, torch.Generator().manual_seed(0))[0]
    >>> torch.allclose(P.T @ P, torch.eye(2), atol=1e-6)
    True
    """
    check_generator(generator)
    d, n = check_count("d", d, minimum=2), check_count("n", n)
    return torch.linalg.qr(torch.randn(n, d, 2, generator=generator, device=generator.device).cpu())[0]
