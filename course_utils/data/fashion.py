"""Fashion-MNIST: pictures of clothes in the format of MNIST, which a generator of digits should not be able to draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._files import write_npz
from .archive import find_archive, read_idx
from .dataset import Dataset, read_splits

__all__ = ["FASHION_LICENCE", "FASHION_SHA256", "load_fashion", "prepare_fashion"]


FASHION_LICENCE = "MIT, Copyright 2017 Zalando SE (fashion-LICENSE.txt)"

#: SHA-256 of the four uncompressed IDX files.
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

N_SHIPPED = {"train": 0, "val": 0, "test": 500}

N_VALIDATION = 2_000


def load_fashion(full: bool) -> Dataset:
    """Clothes: 500 test images are shipped, no others.

    Raises
    ------
    FileNotFoundError
        ``full=True`` and the data were not fetched; the message says how.
    IntegrityError
        A file is damaged.
    """
    path, source = find_archive("fashion", full, "fetch_fashion")
    return read_splits("fashion", path, source, FASHION_LICENCE)


def prepare_fashion(content: dict[str, bytes], target: str | Path, sizes: dict[str, int] | None = None) -> None:
    """Turn the four IDX files, checked before, into one npz of train, val and test, written atomically.

    Parameters
    ----------
    content : dict of file name -> bytes
    target : path
    sizes : dict of split -> int, optional
        Keep only so many of each, the first of a random order (seed 0); None keeps all.
    """
    rng = np.random.default_rng(0)
    order, of_test = rng.permutation(60_000), rng.permutation(10_000)
    rows = {"train": order[N_VALIDATION:], "val": order[:N_VALIDATION], "test": of_test if sizes else np.arange(10_000)}
    arrays = {}
    for split, index in rows.items():
        file = "t10k" if split == "test" else "train"
        index = index if sizes is None else index[: sizes[split]]
        arrays[split] = read_idx(content[f"{file}-images-idx3-ubyte"])[index]
        arrays[f"{split}_labels"] = read_idx(content[f"{file}-labels-idx1-ubyte"])[index]
    write_npz(target, arrays, date=(2017, 8, 28))
