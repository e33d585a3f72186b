"""Measured k-space: two coils, fully sampled, shipped whole; ``data_scripts/fetch_kspace.py`` made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .._check import default
from .._files import write_npz
from .archive import find_archive

__all__ = ["KSpace", "load_kspace"]


KSPACE_LICENCE = "MIT, Copyright 2021 Philipp Ehses (kspace-LICENSE.txt)"

KSPACE_SHAPE = (2, 160, 160)  # coils, rows, columns

AIR = (slice(None, 16), slice(-16, None))  # first and last pixels: in the corners of the image there is only noise


@dataclass(frozen=True)
class KSpace:
    """A measured, fully sampled k-space.

    Attributes
    ----------
    kspace : (coils, H, W) complex tensor
        The zero frequency at [0, 0]; ``operators.inverse_fourier`` gives the coil images, the object in the middle.
        Divided by one number, so that the 99.9th percentile of the root sum of squares of those images is 1.
    sigma : float
        Standard deviation of the noise in the real part of a sample, and as much in the imaginary part: measured in the
        air of the coil images.
    source, licence : str
    """

    kspace: torch.Tensor
    sigma: float
    source: str
    licence: str

    def __repr__(self) -> str:
        coils, height, width = self.kspace.shape
        return (
            f"k-space: {coils} coils, {height}x{width}, sigma {self.sigma:.3f}"
            f"\n  source:  {self.source}\n  licence: {self.licence}"
        )


def load_kspace() -> KSpace:
    """A measurement by two coils of a 3 T scanner: gradient echo, one slice of a water phantom, every line of 160.

    Not simulated, unlike data computed from magnitude images: coil sensitivities, the phase of the object and the noise
    are those of the machine.  The scanner's twofold oversampling along a line has been removed.

    Raises
    ------
    FileNotFoundError, IntegrityError

    Source
    ------
    Example data of the package twixtools.

    Example
    -------
    >>> load_kspace()
    k-space: 2 coils, 160x160, sigma 0.044
      source:  shipped with the course (kspace.npz)
      licence: MIT, Copyright 2021 Philipp Ehses (kspace-LICENSE.txt)
    """
    path, source = find_archive("kspace", False, "fetch_kspace")
    with np.load(path, allow_pickle=False) as archive:
        kspace = default(torch.from_numpy(archive["kspace"]))
    images = torch.fft.ifft2(kspace, norm="ortho")
    corners = torch.stack([images[:, rows, columns] for rows in AIR for columns in AIR])
    sigma = float(torch.view_as_real(corners).square().mean().sqrt())  # the mean of the noise is 0
    return KSpace(kspace, sigma, source, KSPACE_LICENCE)


def prepare_kspace(measured: np.ndarray, target: str | Path) -> None:
    """Store a k-space with its zero frequency moved from the middle to [0, 0], atomically.

    Parameters
    ----------
    measured : (2, 160, 160) complex array
        As the scanner counts: zero frequency at [80, 80], the object around the middle of the image.

    Raises
    ------
    ValueError
        Another shape, not complex, not finite, or 0.
    """
    if measured.shape != KSPACE_SHAPE or not np.iscomplexobj(measured):
        raise ValueError(f"'measured' must be complex of shape {KSPACE_SHAPE}, got {measured.dtype} {measured.shape}")
    axes = (1, 2)
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(measured, axes), axes=axes, norm="ortho"), axes)
    white = np.percentile(np.sqrt((np.abs(images) ** 2).sum(0)), 99.9)
    if not white > 0:
        raise ValueError("'measured' must be finite and not 0")
    write_npz(target, {"kspace": np.fft.fft2(images / white, axes=axes, norm="ortho").astype(np.complex64)})
