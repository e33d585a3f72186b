"""What the data sets share: verified archives, shipped or fetched, the IDX format, and averages over areas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._files import SHIPPED, cache_dir, read_json, verify

__all__ = ["read_idx"]


def read_idx(content: bytes) -> np.ndarray:
    """The array, uint8, of an IDX file, the format of MNIST."""
    n_axes = content[3]
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(n_axes)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def find_archive(name: str, full: bool, script: str) -> tuple[Path, str]:
    """The verified npz, shipped or fetched, and the words for its source."""
    if not full:
        path = SHIPPED / "data" / f"{name}.npz"
        return (
            verify(path, read_json(SHIPPED / "data" / "manifest.json")[path.name]["sha256"]),
            f"shipped with the course ({path.name})",
        )
    path, manifest = cache_dir() / f"{name}-full.npz", cache_dir() / f"{name}-full.json"
    if not path.is_file() or not manifest.is_file():
        raise FileNotFoundError(
            f"the full {name} is not in {cache_dir()}: run  python data_scripts/{script}.py  once, "
            f"or leave out full=True, for which a part is shipped"
        )
    record = read_json(manifest)
    return verify(path, record["sha256"]), f"{path}, {record['source']}"


def area_average(volume: np.ndarray, size: int) -> np.ndarray:
    """Slices (N, H, W) to (N, size, size): each new pixel is the mean over the area that it covers.

    Example
    -------
    >>> area_average(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    def overlap(n: int) -> np.ndarray:
        edges = np.arange(size + 1) * n / size
        cells = np.arange(n)
        covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        return np.clip(covered, 0, None) * size / n

    rows, columns = overlap(volume.shape[1]), overlap(volume.shape[2])
    return np.stack([rows @ image @ columns.T for image in volume])
