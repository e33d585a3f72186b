"""MR images and measured k-space: brains split by person, fastMRI knees for those who hold the licence.

Brain slices are shipped.  ``data_scripts/fetch_brain.py`` brings more of them, and made the shipped ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .data import Dataset
from .scans import _archive, write_npz

__all__ = ["BRAIN_LICENCE", "HEADS", "Head", "load_brain", "prepare_brain", "resample_planes"]

BRAIN_LICENCE = "BSD-3-Clause and MNI terms (Colin27), BSD-2-Clause (S1), Apache-2.0 (ITK); see brain-LICENSE.txt"
SPLITS = ("train", "val", "test")
SIZE, PIXEL = 128, 1.75  # pixels, mm: a field of 224 mm
WHITE_MATTER = 0.7  # grey value of the 90th percentile of a head, which is white matter in a T1 image
PIVOT = 30.0  # mm in front of the centre: planes turn about this line, about 70 mm behind the forehead


@dataclass(frozen=True)
class Head:
    """Which planes of one volume are cut; millimetres from the corner of the volume, axes right, front, up.

    ``lowest`` lies above the orbits, ``highest`` at the top of the brain; both were chosen by eye.
    ``degrees`` are the angles by which planes are raised at the front.
    """

    split: str
    shape: tuple[int, int, int]
    centre: tuple[float, float]
    lowest: int
    highest: int
    degrees: tuple[int, ...] = (0,)


#: Person -> planes.  A person is in one split only.
HEADS = {
    "Colin27": Head("train", (181, 217, 181), (91.0, 110.0), 60, 154, (0, 8, 16)),
    "ITK": Head("val", (128, 62, 128), (132.0, 92.0), 128, 184),
    "S1": Head("test", (256, 256, 256), (130.0, 117.0), 124, 194),
}
STEP = {False: 2, True: 1}  # mm between planes


def load_brain(full: bool = False) -> Dataset:
    """T1-weighted brain slices of three people, 128x128: one trains, one is for validation, one for the test.

    Planes are horizontal and lie above the orbits, so that no face is seen; those of the training volume are also
    raised at the front by 8 and 16 degrees, because people lie differently in the scanner.  The front is at the top of
    an image, the subject's left at its left.  Pixels are 1.75 mm wide, the mean over nine points of the volume.  White
    matter is at about 0.7; what exceeds 1, fat of the scalp, is cut off.  ``labels`` are heights in mm above the lowest
    plane, ``subjects`` names.

    These are magnitudes of reconstructed images: a k-space computed from them has neither phase nor coil noise.
    Neighbouring slices are alike, and one person trains (an average of 27 scans of him, hence little noise): enough
    to learn from, no basis for a clinical claim.

    Parameters
    ----------
    full : bool
        False: planes 2 mm apart, shipped.  True: 1 mm apart (``data_scripts/fetch_brain.py`` must have run).

    Raises
    ------
    FileNotFoundError, IntegrityError

    Source
    ------
    Colin27 (Holmes et al. 1998), as packed with MRIcron; subject S1 of pycortex (Gao et al. 2015); example data of ITK.

    Example
    -------
    >>> d = load_brain()
    >>> d.image_shape, {split: set(names) for split, names in d.subjects.items()}
    ((1, 128, 128), {'train': {'Colin27'}, 'val': {'ITK'}, 'test': {'S1'}})
    """
    path, source = _archive("brain", full, "fetch_brain")
    return read_splits("brain", path, source, BRAIN_LICENCE)


def read_splits(name: str, path: Path, source: str, licence: str) -> Dataset:
    """The Dataset in a verified npz: per split images (uint8), ``_labels`` and ``_subjects``."""
    with np.load(path, allow_pickle=False) as archive:
        images = [torch.from_numpy(archive[s]).float().div_(255).unsqueeze(1) for s in SPLITS]
        labels = [torch.from_numpy(archive[f"{s}_labels"]).long() for s in SPLITS]
        subjects = {s: tuple(archive[f"{s}_subjects"].tolist()) for s in SPLITS}
    return Dataset(name, *images, *labels, source, licence, subjects)


def resample_planes(volume: np.ndarray, spacing, centre, heights, degrees: float = 0.0, size: int = SIZE) -> np.ndarray:
    """Planes through a volume, each pixel the mean of 3 x 3 trilinearly interpolated points.

    Parameters
    ----------
    volume : (X, Y, Z) array
        Axes point to the subject's right, front and top.
    spacing : three floats
        Voxel size in mm.
    centre : two floats
        Middle of the head, mm along the first two axes; it comes to the middle of a horizontal image.
    heights : sequence of floats
        Heights of the planes in mm, at the line about which they turn: 30 mm in front of the centre.
    degrees : float
        By how much the front is raised.  What lies in front of that line is then higher than ``heights``.
    size : int
        Pixels of 1.75 mm along each side.

    Returns
    -------
    (N, size, size) float64 array
        First row front, first column left.  0 outside the volume.

    Example
    -------
    >>> ramp = np.broadcast_to(np.arange(40.0), (40, 40, 40))  # grows upwards
    >>> resample_planes(ramp, (1, 1, 1), (20, 20), [5, 6], size=4)[:, 0, 0]
    array([5., 6.])
    """
    from scipy.ndimage import map_coordinates

    offsets = ((np.arange(3 * size) + 0.5) / 3 - size / 2) * PIXEL
    right = np.broadcast_to(centre[0] + offsets, (3 * size, 3 * size))
    along = -offsets[:, None] - PIVOT  # mm in front of the line
    angle = np.deg2rad(degrees)
    front = np.broadcast_to(centre[1] + PIVOT + along * np.cos(angle), right.shape)
    planes = []
    for height in heights:
        up = np.broadcast_to(height + along * np.sin(angle), right.shape)
        points = [axis / step for axis, step in zip((right, front, up), spacing, strict=True)]
        plane = map_coordinates(volume, points, order=1, output=np.float64)
        planes.append(plane.reshape(size, 3, size, 3).mean((1, 3)))
    return np.stack(planes)


def prepare_brain(volumes: Mapping[str, tuple[np.ndarray, tuple]], target: str | Path, step: int) -> None:
    """Cut, scale and store the planes of all heads, atomically.

    Parameters
    ----------
    volumes : dict of name -> (array (X, Y, Z), voxel size in mm)
        Axes point to the subject's right, front and top.
    step : int
        Millimetres from plane to plane.

    Raises
    ------
    ValueError
        A volume has another shape than the known one, or no finite, positive values.
    """
    arrays = {}
    for name, head in HEADS.items():
        volume, spacing = volumes[name]
        if volume.shape != head.shape:
            raise ValueError(f"'volumes[{name!r}]' must have shape {head.shape}, got {volume.shape}")
        heights = np.arange(head.lowest, head.highest, step)
        planes = np.concatenate(
            [resample_planes(volume, spacing, head.centre, heights, degrees) for degrees in head.degrees]
        )
        head_values = planes[planes > planes.mean()]
        if not (np.isfinite(planes).all() and head_values.size):
            raise ValueError(f"'volumes[{name!r}]' must be finite and not constant")
        planes = np.clip(planes * WHITE_MATTER / np.percentile(head_values, 90), 0, 1)
        arrays[head.split] = np.rint(255 * planes).astype(np.uint8)
        arrays[f"{head.split}_labels"] = np.tile(heights - head.lowest, len(head.degrees))
        arrays[f"{head.split}_subjects"] = np.array([name] * len(planes))
    write_npz(target, arrays)
