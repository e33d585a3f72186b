"""The best of all filters for images of known mean energy in each singular direction."""

from __future__ import annotations

from torch import Tensor

__all__ = ["wiener_filter"]


def wiener_filter(s: Tensor, b: Tensor, sigma: float) -> Tensor:
    r"""The filter with the least expected squared error, :math:`\varphi_k=s_k^2b_k/(s_k^2b_k+\sigma^2)`.

    Parameters
    ----------
    s : (r,) tensor, > 0
        Singular values.
    b : (r,) tensor, >= 0
        Mean energy of the images in each direction, :math:`b_k=\mathbb E(v_k^Tx)^2`.
    sigma : float, > 0
        Standard deviation of the white noise.

    Returns
    -------
    (r,) tensor, the factors of :math:`u_k^Ty/s_k`

    Source
    ------
    Derived in chapter 01, exercise 5.

    Example
    -------
    With the same energy in all directions it is Tikhonov's filter with lambda = sigma^2 / b:

    >>> import torch
    >>> from course_utils.filters import tikhonov_filter
    >>> s = torch.tensor([1.0, 0.1, 0.01])
    >>> wiener_filter(s, torch.full((3,), 2.0), 0.1)
    tensor([0.9950, 0.6667, 0.0196])
    >>> tikhonov_filter(s, 0.1**2 / 2.0)
    tensor([0.9950, 0.6667, 0.0196])
    """
    return s.pow(2) * b / (s.pow(2) * b + sigma**2)
