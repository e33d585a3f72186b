"""Fetch three T1-weighted heads (Colin27, ITK, S1), and store brain slices of them in the course's cache.

    python data_scripts/fetch_brain.py                take them out of two Debian packages and a Python package
    python data_scripts/fetch_brain.py --from FOLDER  take ch2.nii.gz, KmeansTest_T1UCharRaw.nii.gz and raw.nii.gz
    python data_scripts/fetch_brain.py --ship         also rewrite the slices shipped with the course

Every file is checked by SHA-256 before it is used; a good cached file is never overwritten by a bad one.  The volumes
hold faces: they stay in a temporary folder, and only planes above the orbits are stored.
Reading them needs nibabel (``pip install nibabel``).  The source archive of pycortex runs its own set-up when pip
downloads it, which needs ``pip install numpy setuptools wheel versioneer cython`` beforehand.
"""

from __future__ import annotations

import gzip
import sys
import tarfile
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.brain import BRAIN_LICENCE, HEADS, STEP, prepare_brain

FILES = {"Colin27": "ch2.nii.gz", "ITK": "KmeansTest_T1UCharRaw.nii.gz", "S1": "raw.nii.gz"}
SHA256 = {
    "Colin27": "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
    "ITK": "e0e5975587f3f7916804bdd317c493cdb99cdb3703bf2671d458528f62510327",
    "S1": "1a480d10e8c07fbca58e069efce2a11d477e180beb43f88bdad825b750055a28",
}
DEBIAN = {
    "Colin27": ("mricron-data", "usr/share/mricron/templates"),
    "ITK": ("insighttoolkit5-examples", "usr/share/doc/insighttoolkit5-examples/examples/Data"),
}
PACKAGE = "pycortex==1.2.12"
MEMBER = "filestore/db/S1/anatomicals/raw.nii.gz"


def from_packages(folder: Path) -> tuple[dict[str, bytes], str]:
    """The files out of two Debian packages and one source archive, which are downloaded and not installed."""
    content, names = {}, []
    for name, (package, place) in DEBIAN.items():
        unpacked, version = _sources.debian_download(package, folder)
        content[name] = (unpacked / place / FILES[name]).read_bytes()
        names.append(version)
    archive = _sources.pip_download(PACKAGE, folder, ["--no-build-isolation", "--no-binary", ":all:"])
    with tarfile.open(archive) as files:
        content["S1"] = files.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{MEMBER}").read()
    return content, f"Debian packages {', '.join(names)}; Python package {PACKAGE}"


def from_folder(folder: Path) -> dict[str, bytes]:
    """The three files from a folder."""
    return {name: (folder / file).read_bytes() for name, file in FILES.items()}


def decode(content: bytes) -> tuple[np.ndarray, tuple[float, ...]]:
    """Volume with axes right, front, up, and its voxel size in mm, of a gzipped NIfTI file.

    Raises
    ------
    SystemExit
        nibabel is missing; the message says how to get it.
    """
    try:
        import nibabel
    except ImportError:
        raise SystemExit("the heads are NIfTI files, and nibabel is not installed: pip install nibabel") from None
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_bytes(gzip.decompress(content)))
    return np.asarray(image.dataobj, dtype=np.float32), tuple(float(size) for size in image.header.get_zooms()[:3])


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(
        arguments, __doc__, "folder that holds the three NIfTI files", "rewrite the slices shipped with the course"
    )
    content, source = _sources.fetch("the heads", options.given, from_folder, (from_packages,), SHA256)
    volumes = {name: decode(content[name]) for name in HEADS}
    _sources.store("brain", source, BRAIN_LICENCE, lambda target: prepare_brain(volumes, target, STEP[True]))
    if options.ship:
        _sources.ship("brain", BRAIN_LICENCE, lambda target: prepare_brain(volumes, target, STEP[False]))


if __name__ == "__main__":
    sys.exit(main())
