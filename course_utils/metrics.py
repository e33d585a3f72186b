"""How good is a reconstruction?  One number per image; images lie in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch

from ._check import check_finite, check_positive, check_tensor

__all__ = ["contrast_recovery", "nrmse", "psnr", "ssim"]

#: Add this to our PSNR (data range 1) to compare with a code that uses data range 2, as the paper's did.
RANGE_2_OFFSET_DB = 20 * np.log10(2.0)


def _pair(x: torch.Tensor, truth: torch.Tensor) -> None:
    check_tensor("truth", truth, (None, None, None, None))
    check_tensor("x", x, tuple(truth.shape), like=truth)
    check_finite("truth", truth)
    check_finite("x", x)


def psnr(x: torch.Tensor, truth: torch.Tensor, data_range: float = 1.0) -> torch.Tensor:
    r"""Peak signal-to-noise ratio of each image, in dB: :math:`10\log_{10}(r^2 / \mathrm{mean}(x-x^\dagger)^2)`.

    Parameters
    ----------
    x, truth : (B, C, H, W) tensors
        Reconstruction and ground truth, on the scale [0, 1].
    data_range : float
        The r of the formula.  1 everywhere in this course; the paper's MNIST and Shapes code used 2,
        which adds 6.02 dB.

    Returns
    -------
    (B,) tensor

    Raises
    ------
    TypeError, ValueError
        Shapes, dtypes or devices of the two differ.

    Source
    ------
    Paper, Sect. 4.3.1 (definition 3.5 in its reference [80]).

    Example
    -------
    >>> truth = torch.zeros(2, 1, 4, 4)
    >>> psnr(truth + 0.1, truth)
    tensor([20., 20.])
    """
    _pair(x, truth)
    data_range = check_positive("data_range", data_range)
    mse = (x - truth).pow(2).flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / mse)


def nrmse(x: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    r"""Normalised root mean squared error of each image: :math:`\|x-x^\dagger\|_2 / \|x^\dagger\|_2`.

    Parameters
    ----------
    x, truth : (B, C, H, W) tensors

    Returns
    -------
    (B,) tensor, 0 for a perfect reconstruction, 1 for the zero image.

    Raises
    ------
    TypeError, ValueError
        Shapes, dtypes or devices of the two differ.

    Source
    ------
    Paper, Sect. 4.3.1 and Fig. 1.

    Example
    -------
    >>> truth = torch.ones(1, 1, 4, 4)
    >>> nrmse(0.75 * truth, truth)
    tensor([0.2500])
    """
    _pair(x, truth)
    return (x - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)


def ssim(x: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Structural similarity of each image (scikit-image, Gaussian window of width 1.5, data range 1).

    Parameters
    ----------
    x, truth : (B, 1, H, W) tensors, on the scale [0, 1]

    Returns
    -------
    (B,) float64 tensor on the CPU, 1 for identical images.

    Raises
    ------
    TypeError, ValueError
        Shapes, dtypes or devices of the two differ.

    Source
    ------
    Wang et al., IEEE Trans. Image Process. 13 (2004).

    Example
    -------
    >>> truth = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    >>> ssim(truth, truth)
    tensor([1.], dtype=torch.float64)
    """
    from skimage.metrics import structural_similarity

    _pair(x, truth)
    if truth.shape[1] != 1:
        raise ValueError(f"'truth' must hold grey images, (B, 1, H, W), got {tuple(truth.shape)}")
    values = [
        structural_similarity(b, a, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        for a, b in zip(x[:, 0].double().cpu().numpy(), truth[:, 0].double().cpu().numpy(), strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)


def contrast_recovery(x: torch.Tensor, truth: torch.Tensor, lesion: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
    r"""How much of a lesion's contrast is left: :math:`(\bar x_L - \bar x_S) / (\bar x^\dagger_L - \bar x^\dagger_S)`.

    The bars are means over the lesion L and over its surroundings S.

    Parameters
    ----------
    x, truth : (B, 1, H, W) tensors
    lesion, around : (B, 1, H, W) bool tensors
        Not empty for any image.

    Returns
    -------
    (B,) tensor, 1 if all of the contrast is there, 0 if the lesion has gone.

    Raises
    ------
    TypeError, ValueError
        Masks that are empty, not bool or of another shape; a truth without contrast.

    Source
    ------
    NEMA NU 2 (performance of PET scanners), contrast recovery of hot spheres, without its scatter correction.

    Example
    -------
    >>> truth = torch.zeros(1, 1, 8, 8)
    >>> truth[..., 3:5, 3:5] = 1
    >>> lesion = truth > 0
    >>> contrast_recovery(0.25 * truth + 0.5, truth, lesion, ~lesion)
    tensor([0.2500])
    """
    _pair(x, truth)
    for name, mask in (("lesion", lesion), ("around", around)):
        if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or mask.shape != truth.shape:
            raise ValueError(f"'{name}' must be a bool tensor of shape {tuple(truth.shape)}")
        if not bool(mask.flatten(1).any(1).all()):
            raise ValueError(f"'{name}' must mark pixels in every image, got none in some")

    def difference(image: torch.Tensor) -> torch.Tensor:
        inside, outside = ((image * mask).flatten(1).sum(1) / mask.flatten(1).sum(1) for mask in (lesion, around))
        return inside - outside

    there = difference(truth)
    if not bool((there != 0).all()):
        raise ValueError("'truth' must differ between the lesion and its surroundings in every image")
    return difference(x) / there
