"""Prepare the knees of the fastMRI challenge, for those who hold the licence: 128 x 128 images in the course's cache.

    python data_scripts/prepare_fastmri.py FOLDER

Get the files first: sign the agreement at fastmri.med.nyu.edu and unpack knee_singlecoil_train and
knee_singlecoil_val.  FOLDER holds singlecoil_train/ and singlecoil_val/ (validation and training images are then from
the first, test images from the second), or the *.h5 files themselves (then split 8 : 1 : 1); always by patient.

As in the paper's code: proton density without fat suppression (attribute acquisition = CORPD_FBK), slices 12 to 19 of
reconstruction_rss, resized to 128 x 128; each image is scaled to [0, 1].  A file that cannot be used is skipped and
named.  Nothing is written before all files are read, and then atomically: what was prepared before stays until then.
Reading the files needs h5py (``pip install h5py``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.archive import area_average
from course_utils.data.brain import FASTMRI_LICENCE, FASTMRI_SLICES, SIZE, prepare_fastmri

ACQUISITION, KEY = "CORPD_FBK", "reconstruction_rss"
TRAIN, TEST = "singlecoil_train", "singlecoil_val"
VALIDATION_PART = 0.1


def read_volume(path: Path) -> tuple[str, np.ndarray | None]:
    """Patient and the eight images (8, 128, 128) of one file; None instead of images if they are fat-suppressed.

    Raises
    ------
    ValueError
        The file cannot be used; the message says why.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            acquisition, patient = (_text(file.attrs.get(name, "")) for name in ("acquisition", "patient_id"))
            if acquisition != ACQUISITION:
                if not acquisition:
                    raise ValueError("no attribute 'acquisition'")
                return patient or path.stem, None
            images = file.get(KEY)
            if not isinstance(images, h5py.Dataset):
                raise ValueError(f"no data set {KEY!r}")
            if images.dtype.kind != "f":
                raise ValueError(f"{KEY!r} does not hold floating-point numbers but {images.dtype}")
            if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] < SIZE:
                raise ValueError(f"{KEY!r} must have shape (slices, H, H) with H >= {SIZE}, got {images.shape}")
            if len(images) < FASTMRI_SLICES.stop:
                raise ValueError(f"{KEY!r} has {len(images)} slices, {FASTMRI_SLICES.stop} are needed")
            volume = images[FASTMRI_SLICES].astype(np.float64)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"not a readable HDF5 file ({error})") from error
    if not np.isfinite(volume).all():
        raise ValueError(f"{KEY!r} holds {int((~np.isfinite(volume)).sum())} NaN or infinite values")
    if not (volume.max((1, 2)) > volume.min((1, 2))).all():
        raise ValueError(f"{KEY!r} holds an image without contrast")
    return patient or path.stem, area_average(volume, SIZE).astype(np.float32)


def _text(value) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read_folder(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Patient -> images (N, 128, 128), and a line for each file that was skipped."""
    patients, skipped, suppressed = {}, [], 0
    for path in sorted(folder.glob("*.h5")):
        try:
            patient, images = read_volume(path)
        except ValueError as error:
            skipped.append(f"{path}: {error}")
            continue
        if images is None:
            suppressed += 1
        else:
            patients[patient] = np.concatenate([patients[patient], images]) if patient in patients else images
    print(f"{folder}: {len(patients)} patients, {suppressed} fat-suppressed files left out, {len(skipped)} skipped")
    return patients, skipped


def split_by_patient(folder: Path) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Split -> patient -> images, the patients in a random order (seed 0), and what was skipped."""
    official = (folder / TRAIN).is_dir() and (folder / TEST).is_dir()
    patients, skipped = read_folder(folder / TRAIN if official else folder)
    test, more = read_folder(folder / TEST) if official else ({}, [])
    names = sorted(set(patients) - set(test))
    names = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    held_out = max(1, round(VALIDATION_PART * len(names)))
    if not official:
        test, names = {name: patients[name] for name in names[:held_out]}, names[held_out:]
    splits = {"val": names[:held_out], "train": names[held_out:]}
    return {split: {n: patients[n] for n in chosen} for split, chosen in splits.items()} | {
        "test": test
    }, skipped + more


def files_in(folder: Path) -> list[Path]:
    """The files to read; without any, the script stops and says what is there."""
    if not folder.is_dir():
        raise SystemExit(f"'folder' must be a folder, there is none at {folder}; the cache is unchanged")
    files = [path for place in (folder, folder / TRAIN, folder / TEST) for path in place.glob("*.h5")]
    if not files:
        inside = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        raise SystemExit(
            f"'folder' must hold {TRAIN}/ and {TEST}/, or *.h5 files: {folder} holds {inside}; the cache is unchanged"
        )
    return files


def has_coils(path: Path) -> bool:
    """Whether a file is one of the multi-coil part of fastMRI, whose k-space has an axis for the coils."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            kspace = file.get("kspace")
            return isinstance(kspace, h5py.Dataset) and kspace.ndim == 4
    except OSError:
        return False


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the unpacked files are")
    folder = parser.parse_args(arguments).folder
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise SystemExit("fastMRI comes in HDF5 files, and h5py is not installed: pip install h5py") from None
    files = files_in(folder)
    splits, skipped = split_by_patient(folder)
    for line in skipped:
        print(f"skipped {line}")
    if not all(splits.values()):
        counts = ", ".join(f"{len(splits[split])} {split}" for split in ("train", "val", "test"))
        why = "each split needs one at least"
        if any(has_coils(path) for path in files):
            why += f", and there is k-space of several coils: take the single-coil files, {TRAIN} and {TEST}"
        raise SystemExit(f"too few patients in {folder} ({counts}): {why}; the cache is unchanged")
    _sources.store("fastmri", f"folder {folder}", FASTMRI_LICENCE, lambda target: prepare_fastmri(splits, target))


if __name__ == "__main__":
    sys.exit(main())
