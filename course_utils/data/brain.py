"""Magnetic resonance images, split by person: brains; fastMRI knees for those who hold the licence; one open knee.

Brain slices are shipped.  ``data_scripts/fetch_brain.py`` brings more of them, and made the shipped ones;
``prepare_fastmri.py`` and ``fetch_knee.py`` in the same folder put knees into the user's cache and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._check import check_choice
from .._files import cache_dir, write_npz
from .archive import area_average, find_archive
from .dataset import SPLITS, Dataset, read_splits

__all__ = [
    "BRAIN_LICENCE",
    "FASTMRI_LICENCE",
    "HEADS",
    "KNEE_LICENCE",
    "FOLDS",
    "Head",
    "brain_fold",
    "load_brain",
    "load_fastmri",
    "load_knee",
    "prepare_brain",
    "prepare_fastmri",
    "prepare_knee",
    "resample_planes",
]

FASTMRI_LICENCE = "fastMRI data sharing agreement of NYU Langone Health; images must not be passed on"
KNEE_LICENCE = "MIT (package mskt, Anthony Gatti); not shipped, the package does not say how the volunteer consented"
BRAIN_LICENCE = "BSD-3-Clause and MNI terms (Colin27), BSD-2-Clause (S1), Apache-2.0 (ITK); see brain-LICENSE.txt"
FASTMRI_SLICES = slice(12, 20)  # of a volume: the middle of the knee
KNEE_SHAPE = (8, 24, 256, 256)  # echoes, positions, rows, columns
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
#: Head that is kept for the test -> heads that train and that validate.
FOLDS = {"S1": ("Colin27", "ITK"), "Colin27": ("S1", "ITK"), "ITK": ("Colin27", "S1")}


def load_brain(full: bool = False) -> Dataset:
    """T1-weighted brain slices of three people, 128x128: one trains, one is for validation, one for the test.

    Planes are horizontal and lie above the orbits, so that no face is seen; those of the training volume are also
    raised at the front by 8 and 16 degrees, because people lie differently in the scanner.  The front is at the top of
    an image, the subject's left at its left.  Pixels are 1.75 mm wide, the mean over nine points of the volume.  White
    matter is at about 0.7; what exceeds 1, fat of the scalp, is cut off.  ``labels`` are heights in mm above the lowest
    plane, ``subjects`` names.

    The validation head was scanned more coarsely, 2 x 3 x 2 mm, and its field cuts it off in front and behind.

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
    path, source = find_archive("brain", full, "fetch_brain")
    return read_splits("brain", path, source, BRAIN_LICENCE)


def brain_fold(test: str = "S1", full: bool = False) -> Dataset:
    """The brain slices with another head kept for the test: leave one head out.

    One head trains, another validates, so that nobody stands on two sides; ``brain_fold("S1")`` is ``load_brain()``.
    For validation and test only horizontal planes are taken; Colin27 as training head has raised ones, too.

    Parameters
    ----------
    test : {"S1", "Colin27", "ITK"}
    full : bool
        As for ``load_brain``.

    Raises
    ------
    ValueError
        There is no such head.

    Example
    -------
    >>> d = brain_fold("ITK")
    >>> {split: set(names) for split, names in d.subjects.items()}
    {'train': {'Colin27'}, 'val': {'S1'}, 'test': {'ITK'}}
    """
    check_choice("test", test, FOLDS)
    whole = load_brain(full)
    of = {names[0]: split for split, names in whole.subjects.items()}
    images, labels, subjects = {}, {}, {}
    for split, name in zip(SPLITS, (*FOLDS[test], test), strict=True):
        x, heights = getattr(whole, of[name]), getattr(whole, f"{of[name]}_labels")
        n = len(x) if split == "train" else len(x) // len(HEADS[name].degrees)  # horizontal planes come first
        images[split], labels[f"{split}_labels"] = x[:n], heights[:n]
        subjects[split] = (name,) * n
    return replace(whole, **images, **labels, subjects=subjects)


def load_fastmri() -> Dataset:
    """Knee images of the fastMRI challenge, 128x128, as the paper takes them: for those who hold the licence.

    Proton density without fat suppression, slices 12 to 19 of each volume, resized, each scaled to [0, 1].  Split by
    patient: if the official folders are there, validation and training images are from ``singlecoil_train``, test
    images from ``singlecoil_val``.  ``labels`` are slice numbers, ``subjects`` patients.

    Raises
    ------
    FileNotFoundError
        ``data_scripts/prepare_fastmri.py`` has not run on this machine; the message says how to get the data.
    IntegrityError

    Source
    ------
    Paper, Sect. 5.5; Zbontar et al., arXiv 1811.08839.
    """
    return _fetched(
        "fastmri",
        "the fastMRI images are not in {cache}: sign the agreement at fastmri.med.nyu.edu, unpack the knee single-coil "
        "files, and run  python data_scripts/prepare_fastmri.py FOLDER  once",
        FASTMRI_LICENCE,
    )


def load_knee() -> Dataset:
    """One knee, 24 sagittal positions times 8 echoes, 128x128: images to test on, and none to train with.

    In the order of the positions for the first echo, then for the second, and so on: ``test[24 * e + i]``.  The first
    echo (6.3 ms) is the brightest; all are divided by the 99.5th percentile of it and cut off at 1.  ``labels`` are the
    positions.

    Raises
    ------
    FileNotFoundError
        ``data_scripts/fetch_knee.py`` has not run on this machine.
    IntegrityError

    Source
    ------
    Example data of the package mskt, anonymised: 3 T, multi-echo spin echo, 0.625 mm, slices of 3 mm.
    """
    words = "the knee is not in {cache}: run  python data_scripts/fetch_knee.py  once"
    return _fetched("knee", words, KNEE_LICENCE)


def _fetched(name: str, missing: str, licence: str) -> Dataset:
    try:
        path, source = find_archive(name, True, "")
    except FileNotFoundError:
        raise FileNotFoundError(missing.format(cache=cache_dir())) from None
    return read_splits(name, path, source, licence)


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


def prepare_fastmri(splits: Mapping[str, Mapping[str, np.ndarray]], target: str | Path) -> None:
    """Scale and store the images of all patients, atomically.

    Parameters
    ----------
    splits : dict of split -> dict of patient -> (N, 128, 128) array
        Slices 12 to 19 of one volume or more; finite.  A patient in one split only.

    Raises
    ------
    ValueError
        A split without patients, a patient in two splits.
    """
    arrays = {}
    for split in SPLITS:
        if not splits[split]:
            raise ValueError(f"'splits[{split!r}]' has no patients: each split needs one at least")
        for other in SPLITS[: SPLITS.index(split)]:
            both = sorted(set(splits[split]) & set(splits[other]))
            if both:
                raise ValueError(f"patient {both[0]} is in {other} and in {split}")
        arrays[split] = _scaled(np.concatenate(list(splits[split].values())))
        numbers = np.arange(FASTMRI_SLICES.start, FASTMRI_SLICES.stop)
        arrays[f"{split}_labels"] = np.resize(numbers, len(arrays[split]))
        arrays[f"{split}_subjects"] = np.concatenate([[name] * len(v) for name, v in splits[split].items()])
    write_npz(target, arrays)


def _scaled(images: np.ndarray) -> np.ndarray:
    """Each of (N, H, W) to uint8: its least value 0, its greatest 255."""
    images = images - images.min((1, 2), keepdims=True)
    return np.rint(255 * images / images.max((1, 2), keepdims=True).clip(1e-30)).astype(np.uint8)


def prepare_knee(volume: np.ndarray, target: str | Path) -> None:
    """Average to 128x128, scale and store the knee, atomically.

    Raises
    ------
    ValueError
        Another shape than (8, 24, 256, 256): echoes, positions, rows, columns.
    """
    if volume.shape != KNEE_SHAPE:
        raise ValueError(f"'volume' must have shape {KNEE_SHAPE}, got {volume.shape}")
    white = np.percentile(volume[0], 99.5)
    images = area_average(volume.reshape(-1, *volume.shape[2:]).astype(float), SIZE) / white
    arrays = {"test": np.rint(255 * images.clip(0, 1)).astype(np.uint8)}
    arrays["train"] = arrays["val"] = arrays["test"][:0]
    positions = np.tile(np.arange(KNEE_SHAPE[1]), KNEE_SHAPE[0])
    for split in SPLITS:
        arrays[f"{split}_labels"] = positions[: len(arrays[split])]
        arrays[f"{split}_subjects"] = np.array(["mskt"] * len(arrays[split]), dtype="<U4")
    write_npz(target, arrays)
