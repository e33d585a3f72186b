"""Real scans: measured projections of an electron-microscope tilt series, CT slices split by patient, measured k-space.

A small part of each is shipped, all of the k-space.  ``data_scripts/fetch_tilt_series.py`` and
``data_scripts/fetch_ct.py`` bring the rest; they and ``fetch_kspace.py`` made the shipped part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ._files import SHIPPED, cache_dir, read_json, verify, write_npz
from .data import Dataset

__all__ = ["KSpace", "TiltSeries", "load_ct", "load_kspace", "load_tilt_series"]

TILT_LICENCE = "NIST Public License (public domain in the United States; notice: tilt-series-LICENSE.txt)"
CT_LICENCE = "BSD-3-Clause, Copyright 2017 Harvard Medical School (ct-LICENSE.txt)"
KSPACE_LICENCE = "MIT, Copyright 2021 Philipp Ehses (kspace-LICENSE.txt)"
KSPACE_SHAPE = (2, 160, 160)  # coils, rows, columns
AIR = (slice(None, 16), slice(-16, None))  # first and last pixels: in the corners of the image there is only noise
TILT_SHAPE = (77, 256, 256)  # tilts, detector, layers
TILT_LAYERS = (90, 100, 110, 120, 130, 140, 150, 158)  # shipped
#: Patient -> shape of the volume, split.  A patient is in one split family only: lung2 trains, lung1 tests.
CT_VOLUMES = {"lung1": (48, 512, 512), "lung2": (61, 512, 512)}
CT_WINDOW = (-1000.0, 400.0)  # Hounsfield units shown as 0 and 1
CT_SIZES = {False: 56, True: 128}
VALIDATION_EVERY = 6


@dataclass(frozen=True)
class TiltSeries:
    """Measured sinograms of one object, layer by layer.

    Attributes
    ----------
    sinograms : (L, n_angles, n_detectors) float32 tensor
        Detector counts over the greatest count of the whole series; white is 1.
    angles : (n_angles,) float64 tensor
        Tilt angles in radians.
    layers : tuple of int
        Which layers along the tilt axis.
    source, licence : str
    """

    sinograms: torch.Tensor
    angles: torch.Tensor
    layers: tuple[int, ...]
    source: str
    licence: str

    def __repr__(self) -> str:
        n_layers, n_angles, n_detectors = self.sinograms.shape
        low, high = (float(v) for v in torch.rad2deg(self.angles[[0, -1]]))
        return (
            f"tilt series: {n_layers} layers, {n_angles} tilts from {low:.0f} to {high:.0f} degrees, "
            f"{n_detectors} detector bins\n  source:  {self.source}\n  licence: {self.licence}"
        )


@dataclass(frozen=True)
class KSpace:
    """A measured, fully sampled k-space.

    Attributes
    ----------
    kspace : (coils, H, W) complex64 tensor
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


def _archive(name: str, full: bool, script: str) -> tuple[Path, str]:
    """The verified npz, shipped or fetched, and the words for its source."""
    if not full:
        path = SHIPPED / "data" / f"{name}.npz"
        return (
            verify(path, read_json(SHIPPED / "data" / "manifest.json")[path.name]["sha256"]),
            f"shipped with the course ({path.name})",
        )
    path, manifest = cache_dir() / f"{name}-full.npz", cache_dir() / f"{name}-full.json"
    if not path.is_file() or not manifest.is_file():
        raise FileNotFoundError(
            f"the full {name} is not in {cache_dir()}: run  python data_scripts/{script}.py  once, "
            f"or leave out full=True, for which a part is shipped"
        )
    record = read_json(manifest)
    return verify(path, record["sha256"]), f"{path}, {record['source']}"


def load_tilt_series(full: bool = False) -> TiltSeries:
    """Electron tomography of a needle: 77 tilts from -76 to 76 degrees, measured, aligned, not simulated.

    An electron microscope saw a needle of several materials in parallel projection (high-angle annular dark field:
    counts grow with the mass along the ray).  The holder blocks the view beyond 76 degrees, so 28 degrees are missing
    for ever.  Noise, drift of the intensity and what is left of the misalignment are real.

    Parameters
    ----------
    full : bool
        False: eight layers, shipped.  True: all 256 (``data_scripts/fetch_tilt_series.py`` must have run).

    Raises
    ------
    FileNotFoundError, IntegrityError

    Source
    ------
    Example data of the package ETSpy, National Institute of Standards and Technology.

    Example
    -------
    >>> load_tilt_series()
    tilt series: 8 layers, 77 tilts from -76 to 76 degrees, 256 detector bins
      source:  shipped with the course (tilt-series.npz)
      licence: NIST Public License (public domain in the United States; notice: tilt-series-LICENSE.txt)
    """
    path, source = _archive("tilt-series", full, "fetch_tilt_series")
    with np.load(path, allow_pickle=False) as archive:
        counts = torch.from_numpy(archive["counts"].astype(np.float32))
        angles = torch.deg2rad(torch.from_numpy(archive["degrees"].astype(np.float64)))
        layers, white = tuple(archive["layers"].tolist()), float(archive["white"].item())
    return TiltSeries(counts / white, angles, layers, source, TILT_LICENCE)


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
    path, source = _archive("kspace", False, "fetch_kspace")
    with np.load(path, allow_pickle=False) as archive:
        kspace = torch.from_numpy(archive["kspace"])
    images = torch.fft.ifft2(kspace, norm="ortho")
    corners = torch.stack([images[:, rows, columns] for rows in AIR for columns in AIR])
    sigma = float(torch.view_as_real(corners).square().mean().sqrt())  # the mean of the noise is 0
    return KSpace(kspace, sigma, source, KSPACE_LICENCE)


def load_ct(full: bool = False) -> Dataset:
    """CT slices of two chests, split by patient: train and val from one, test from the other.

    Grey value = (HU + 1000) / 1400, cut to [0, 1]: proportional to the attenuation, air is 0, water 0.71; dense bone is
    cut off.  ``labels`` are slice numbers in the volume.  Neighbouring slices are alike, and one patient trains: this
    is an example of real images, no basis for a clinical claim.  Every sixth slice of the training patient is for
    validation; those lie between training slices, so they do not measure how a method fares on another person.

    Parameters
    ----------
    full : bool
        False: 56 x 56, shipped.  True: 128 x 128 (``data_scripts/fetch_ct.py`` must have run).

    Raises
    ------
    FileNotFoundError, IntegrityError

    Source
    ------
    Example data of the package PyRadiomics: lung1 and lung2.

    Example
    -------
    >>> load_ct()
    ct: 50 train / 11 val / 48 test images of 56x56
      source:  shipped with the course (ct.npz)
      licence: BSD-3-Clause, Copyright 2017 Harvard Medical School (ct-LICENSE.txt)
    """
    path, source = _archive("ct", full, "fetch_ct")
    with np.load(path, allow_pickle=False) as archive:
        images = {k: torch.from_numpy(archive[k]).float().div_(255).unsqueeze(1) for k in CT_VOLUMES}
    slices = torch.arange(len(images["lung2"]))
    held_out = slices % VALIDATION_EVERY == VALIDATION_EVERY // 2
    held_out[-1] = True
    splits = images["lung2"][~held_out], images["lung2"][held_out], images["lung1"]
    labels = slices[~held_out], slices[held_out], torch.arange(len(images["lung1"]))
    names = zip(("train", "val", "test"), ("lung2", "lung2", "lung1"), splits, strict=True)
    subjects = {split: (patient,) * len(part) for split, patient, part in names}
    return Dataset("ct", *splits, *labels, source, CT_LICENCE, subjects)


def patients(split: str) -> set[str]:
    """Names of the patients whose slices are in ``split`` of the CT data.

    Example
    -------
    >>> patients("train") & patients("test")
    set()
    """
    return {"train": {"lung2"}, "val": {"lung2"}, "test": {"lung1"}}[split]


def area_average(volume: np.ndarray, size: int) -> np.ndarray:
    """Slices (N, H, W) to (N, size, size): each new pixel is the mean over the area that it covers.

    Example
    -------
    >>> area_average(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    def overlap(n: int) -> np.ndarray:
        edges = np.arange(size + 1) * n / size
        cells = np.arange(n)
        covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        return np.clip(covered, 0, None) * size / n

    rows, columns = overlap(volume.shape[1]), overlap(volume.shape[2])
    return np.stack([rows @ image @ columns.T for image in volume])


def window(hounsfield: np.ndarray) -> np.ndarray:
    """Hounsfield units to uint8 by ``CT_WINDOW``.

    Example
    -------
    >>> window(np.array([-2000.0, -1000.0, 0.0, 400.0, 3000.0]))
    array([  0,   0, 182, 255, 255], dtype=uint8)
    """
    low, high = CT_WINDOW
    return np.rint(np.clip((hounsfield - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def prepare_ct(volumes: Mapping[str, np.ndarray], target: str | Path, size: int) -> None:
    """Average, window and store both patients, one array each, atomically.

    Raises
    ------
    ValueError
        A volume of another shape than the known one.
    """
    for name, shape in CT_VOLUMES.items():
        if volumes[name].shape != shape:
            raise ValueError(f"'volumes[{name!r}]' must have shape {shape}, got {volumes[name].shape}")
    write_npz(target, {name: window(area_average(volumes[name].astype(float), size)) for name in CT_VOLUMES})


def prepare_tilt_series(counts: np.ndarray, degrees: np.ndarray, target: str | Path, layers=None) -> None:
    """Store sinograms of the given layers (default: all) as 16-bit counts, atomically.

    Parameters
    ----------
    counts : (77, 256, 256) array
        Tilts, detector, layers along the tilt axis.
    degrees : (77,) array

    Raises
    ------
    ValueError
        Another shape, or counts that do not fit into 16 bits.
    """
    if counts.shape != TILT_SHAPE or degrees.shape != TILT_SHAPE[:1]:
        raise ValueError(
            f"'counts' and 'degrees' must have shapes {TILT_SHAPE} and {TILT_SHAPE[:1]}, "
            f"got {counts.shape} and {degrees.shape}"
        )
    white = float(counts.max())
    if not (np.isfinite(counts).all() and counts.min() >= 0 and white <= 65_535):
        raise ValueError(f"'counts' must lie in 0 ... 65535, got {counts.min():g} ... {white:g}")
    layers = tuple(range(TILT_SHAPE[2])) if layers is None else layers
    arrays = {
        "counts": np.rint(counts[:, :, list(layers)].transpose(2, 0, 1)).astype(np.uint16),
        "degrees": degrees.astype(np.float32),
        "layers": np.array(layers, dtype=np.int64),
        "white": np.array(white),
    }
    write_npz(target, arrays)


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
