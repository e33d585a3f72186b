"""The images of the course.  ``load`` gives train, validation and test, and says where they came from.

MNIST is shipped (a part of the training set, the whole test set); Shapes and shapes+ are drawn on the spot
from a seed.  Nothing here needs a network: ``data_scripts/fetch_mnist.py`` brings the full training set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ._check import check_choice, check_count
from ._files import SHIPPED, IntegrityError, cache_dir, read_json, verify, write_npz
from .clothes import FASHION_LICENCE, load_fashion, read_idx
from .shapes import draw_shapes

__all__ = ["Dataset", "load", "prepare_mnist"]

MNIST_LICENCE = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"
#: SHA-256 of the four uncompressed IDX files of MNIST.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
NAMES = ("mnist", "fashion", "shapes", "shapes+", "ct", "brain", "fastmri", "knee")
N_VALIDATION, N_SHIPPED_TRAIN = 2_000, 20_000
SHAPES_SIZES = {False: (10_000, 1_000, 2_000), True: (60_000, 2_000, 10_000)}  # train, val, test


@dataclass(frozen=True)
class Dataset:
    """Images (N, 1, H, W), float32 in [0, 1], with integer labels (N,), in three splits.

    ``source`` says which file or recipe they came from, ``licence`` under which terms.
    ``subjects`` names, per split, the person in each image; it is empty where no person is shown.
    Tune on ``val``, report on ``test``.
    """

    name: str
    train: torch.Tensor
    val: torch.Tensor
    test: torch.Tensor
    train_labels: torch.Tensor
    val_labels: torch.Tensor
    test_labels: torch.Tensor
    source: str
    licence: str
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (1, H, W) of one image."""
        return tuple(self.test.shape[1:])

    def __repr__(self) -> str:
        h, w = self.image_shape[1:]
        return (
            f"{self.name}: {len(self.train)} train / {len(self.val)} val / {len(self.test)} test images of {h}x{w}"
            f"\n  source:  {self.source}\n  licence: {self.licence}"
        )


def load(name: str, full: bool = False, seed: int = 0) -> Dataset:
    """Load a data set of the course.

    Parameters
    ----------
    name : {"mnist", "fashion", "shapes", "shapes+", "ct", "brain", "fastmri", "knee"}
        MNIST: 28x28 digits.  Shapes: 56x56, a grey circle and a grey rectangle; shapes+ adds a bright spot.
        Fashion: 28x28 clothes; what is shipped is 500 test images and no others, for a generator that should fail.
        CT: chest slices of two patients, one for training, one for testing (``course_utils.scans``).
        Brain: 128x128 T1 slices of three people, one for each split (``course_utils.mri_data``).
        fastMRI, knee: 128x128 knees, once ``data_scripts/prepare_fastmri.py`` (with the licence) or
        ``data_scripts/fetch_knee.py`` has put them into the cache.
    full : bool
        False: the shipped 20,000 training digits (10,000 shapes), quick to load.  True: all training images
        (MNIST must have been fetched by ``data_scripts/fetch_mnist.py``).  The MNIST validation and test
        images are the same in both.  CT: False gives 56x56, shipped; True 128x128, fetched.
        Brain: False gives planes 2 mm apart, shipped; True 1 mm apart, fetched.  For the knees it has no meaning.
    seed : int
        For the drawn sets only: which random shapes.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        Unknown name.
    FileNotFoundError
        ``full=True`` and the data were not fetched; the message says how.
    IntegrityError
        A file is damaged.

    Source
    ------
    Paper, Sect. 4.3; the sizes of the shapes are those of the authors' code.

    Example
    -------
    >>> load("mnist")
    mnist: 20000 train / 2000 val / 10000 test images of 28x28
      source:  shipped with the course (mnist.npz)
      licence: CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)
    """
    check_choice("name", name, NAMES)
    if name == "mnist":
        return _load_mnist(full)
    if name == "fashion":
        arrays, source = load_fashion(full)
        return _dataset("fashion", arrays, source, FASHION_LICENCE)
    if name == "ct":
        from .scans import load_ct  # scans makes a Dataset, so it imports this module

        return load_ct(full)
    if name in ("brain", "fastmri", "knee"):
        from . import mri_data

        if name == "brain":
            return mri_data.load_brain(full)
        return mri_data.load_fastmri() if name == "fastmri" else mri_data.load_knee()
    check_count("seed", seed, minimum=0)
    images, labels = [], []
    for split, n in enumerate(SHAPES_SIZES[full]):
        images.append(draw_shapes(n, np.random.default_rng([seed, split]), bright_spot=name == "shapes+"))
        labels.append(torch.zeros(n, dtype=torch.int64))
    splits = [_unit_range(pixels, white=2) for pixels in images]
    return Dataset(name, *splits, *labels, f"drawn from seed {seed}", "CC0 (generated)")


def _unit_range(pixels: np.ndarray, white: int = 255) -> torch.Tensor:
    """uint8 (N, H, W) with values up to ``white`` -> float32 (N, 1, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).float().div_(white).unsqueeze(1)


def _load_mnist(full: bool) -> Dataset:
    if full:
        path, manifest = cache_dir() / "mnist-full.npz", cache_dir() / "mnist-full.json"
        if not path.is_file() or not manifest.is_file():
            raise FileNotFoundError(
                f"the full MNIST is not in {cache_dir()}: run  python data_scripts/fetch_mnist.py  once, "
                "or use load('mnist'), which ships 20,000 training images"
            )
        verify(path, read_json(manifest)["sha256"])
        source = f"full MNIST ({path}, {read_json(manifest)['source']})"
    else:
        path = SHIPPED / "data" / "mnist.npz"
        verify(path, read_json(SHIPPED / "data" / "manifest.json")["mnist.npz"]["sha256"])
        source = "shipped with the course (mnist.npz)"
    with np.load(path, allow_pickle=False) as archive:
        return _dataset("mnist", archive, source, MNIST_LICENCE)


def _dataset(name: str, arrays: Mapping[str, np.ndarray], source: str, licence: str) -> Dataset:
    """From uint8 images (N, H, W) and labels (N,) of the three splits."""
    images = [_unit_range(arrays[split]) for split in ("train", "val", "test")]
    labels = [torch.from_numpy(arrays[f"{split}_labels"]).long() for split in ("train", "val", "test")]
    return Dataset(name, *images, *labels, source, licence)


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


# Re-exported so that callers can catch it beside FileNotFoundError.
__all__.append(IntegrityError.__name__)
