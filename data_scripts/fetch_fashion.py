"""Fetch Fashion-MNIST (60,000 + 10,000 pictures of clothes, 28x28) into the course's cache.

    python data_scripts/fetch_fashion.py                 canonical download, else the Debian package
    python data_scripts/fetch_fashion.py --from FOLDER   take the four IDX files (plain or .gz) from FOLDER
    python data_scripts/fetch_fashion.py --ship          also rewrite the file shipped with the course

Every file is checked by SHA-256 before it is used; a good cached file is never overwritten by a bad one.
"""

from __future__ import annotations

import gzip
import sys
import urllib.request
from pathlib import Path

import _sources

from course_utils.data.fashion import FASHION_LICENCE, FASHION_SHA256, N_SHIPPED, prepare_fashion

CANONICAL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
DEBIAN_PACKAGE = "dataset-fashion-mnist"


def from_canonical(folder: Path) -> tuple[dict[str, bytes], str]:
    """Download the four gzip files of the authors' mirror."""
    content = {}
    for name in FASHION_SHA256:
        with urllib.request.urlopen(f"{CANONICAL}{name}.gz", timeout=60) as reply:
            content[name] = gzip.decompress(reply.read())
    return content, CANONICAL


def from_debian(folder: Path) -> tuple[dict[str, bytes], str]:
    """Take the four files out of the Debian package, which is downloaded and not installed."""
    unpacked, version = _sources.debian_download(DEBIAN_PACKAGE, folder)
    return from_folder(unpacked / "usr" / "share" / "datasets" / "fashion-mnist"), f"Debian package {version}"


def from_folder(folder: Path) -> dict[str, bytes]:
    """Read the four files, plain or compressed."""
    content = {}
    for name in FASHION_SHA256:
        plain, compressed = folder / name, folder / f"{name}.gz"
        content[name] = plain.read_bytes() if plain.is_file() else gzip.decompress(compressed.read_bytes())
    return content


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(
        arguments, __doc__, "folder that holds the four IDX files", "rewrite the file shipped with the course"
    )
    sources = (from_canonical, from_debian)
    content, source = _sources.fetch("Fashion-MNIST", options.given, from_folder, sources, FASHION_SHA256)
    _sources.store("fashion", source, FASHION_LICENCE, lambda target: prepare_fashion(content, target))
    if options.ship:
        _sources.ship("fashion", FASHION_LICENCE, lambda target: prepare_fashion(content, target, N_SHIPPED))


if __name__ == "__main__":
    sys.exit(main())
