"""Real scans: measured projections of an electron-microscope tilt series, and CT slices split by patient.

A small part of each is shipped.  ``data_scripts/fetch_tilt_series.py`` and ``data_scripts/fetch_ct.py`` bring the
rest; they made the shipped part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .._check import check_flag, default
from .._files import write_npz
from .archive import area_average, find_archive
from .dataset import Dataset, unit_range

__all__ = ["TiltSeries", "load_ct", "load_tilt_series"]


TILT_LICENCE = "NIST Public License (public domain in the United States; notice: tilt-series-LICENSE.txt)"

CT_LICENCE = "BSD-3-Clause, Copyright 2017 Harvard Medical School (ct-LICENSE.txt)"

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
    sinograms : (L, n_angles, n_detectors) tensor
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
    path, source = find_archive("tilt-series", check_flag("full", full), "fetch_tilt_series")
    with np.load(path, allow_pickle=False) as archive:
        counts = default(torch.from_numpy(archive["counts"].astype(np.float32)))
        angles = torch.deg2rad(torch.from_numpy(archive["degrees"].astype(np.float64)))
        layers, white = tuple(archive["layers"].tolist()), float(archive["white"].item())
    return TiltSeries(counts / white, angles, layers, source, TILT_LICENCE)


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
    path, source = find_archive("ct", full, "fetch_ct")
    with np.load(path, allow_pickle=False) as archive:
        images = {k: unit_range(archive[k]) for k in CT_VOLUMES}
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
