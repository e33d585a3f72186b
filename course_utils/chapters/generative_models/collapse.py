"""When a linear variational autoencoder switches a coordinate off: the optimum to hold trained networks against."""

from __future__ import annotations

from torch import Tensor

__all__ = ["coordinates_that_pay"]


def coordinates_that_pay(variances: Tensor, rho: float, d: int) -> int:
    """How many of d latent coordinates the best linear VAE uses (Lucas et al. 2019; Tipping and Bishop 1999).

    Parameters
    ----------
    variances : (n,) tensor
        Eigenvalues of the data covariance, falling.
    rho : float
        Noise level of the decoder.
    d : int
        Latent dimension.

    Example
    -------
    >>> import torch
    >>> coordinates_that_pay(torch.tensor([4.0, 2.0, 0.5]), rho=1.0, d=3)
    2
    """
    return int((variances[:d] > rho**2).sum())
