"""MNIST: a part of the training set and the whole test set are shipped; fetch_mnist.py brings the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._files import write_npz
from .archive import find_archive, read_idx
from .dataset import Dataset, read_splits

__all__ = ["prepare_mnist"]


MNIST_LICENCE = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"

#: SHA-256 of the four uncompressed IDX files of MNIST.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

N_VALIDATION, N_SHIPPED_TRAIN = 2_000, 20_000


def load_mnist(full: bool) -> Dataset:
    path, source = find_archive("mnist", full, "fetch_mnist")
    return read_splits("mnist", path, source, MNIST_LICENCE)


def prepare_mnist(content: Mapping[str, bytes], target: str | Path, n_train: int | None = None) -> None:
    """Turn the four IDX files, checked before, into one npz of train, val and test, written atomically.

    The validation images are a random subset (seed 0) of the 60,000 training images: neighbouring digits
    share a writer, so a block from the end would be a biased sample.  ``n_train`` keeps only the first so
    many of the remaining 58,000, in the same random order; None keeps all.
    """
    raw = {name: read_idx(content[name]) for name in MNIST_SHA256}
    order = np.random.default_rng(0).permutation(60_000)
    val, train = order[:N_VALIDATION], order[N_VALIDATION:][:n_train]
    images, labels = raw["train-images-idx3-ubyte"], raw["train-labels-idx1-ubyte"]
    arrays = {
        "train": images[train],
        "val": images[val],
        "test": raw["t10k-images-idx3-ubyte"],
        "train_labels": labels[train],
        "val_labels": labels[val],
        "test_labels": raw["t10k-labels-idx1-ubyte"],
    }
    write_npz(target, arrays)
