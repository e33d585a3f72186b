"""The images of the course.  ``load`` gives train, validation and test, and says where they came from.

MNIST is shipped (a part of the training set, the whole test set); Shapes and shapes+ are drawn on the spot
from a seed.  Nothing here needs a network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .._check import check_choice, check_flag, check_seed
from .brain import load_brain, load_fastmri, load_knee
from .dataset import Dataset, unit_range
from .fashion import load_fashion
from .mnist import load_mnist
from .scans import load_ct
from .shapes import draw_shapes

__all__ = ["load"]


#: Name -> what reads it from a file, shipped or fetched.
FILES: dict[str, Callable[[bool], Dataset]] = {
    "mnist": load_mnist,
    "fashion": load_fashion,
    "ct": load_ct,
    "brain": load_brain,
    "fastmri": lambda full: load_fastmri(),
    "knee": lambda full: load_knee(),
}
NAMES = (*FILES, "shapes", "shapes+")

SHAPES_SIZES = {False: (10_000, 1_000, 2_000), True: (60_000, 2_000, 10_000)}  # train, val, test


def load(name: str, full: bool = False, seed: int = 0) -> Dataset:
    """Load a data set of the course.

    Parameters
    ----------
    name : {"mnist", "fashion", "shapes", "shapes+", "ct", "brain", "fastmri", "knee"}
        MNIST: 28x28 digits.  Shapes: 56x56, a grey circle and a grey rectangle; shapes+ adds a bright spot.
        Fashion: 28x28 clothes; what is shipped is 500 test images and no others, for a generator that should fail.
        CT: chest slices of two patients, one for training, one for testing (``data.scans``).
        Brain: 128x128 T1 slices of three people, one for each split (``data.brain``).
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
    full, seed = check_flag("full", full), check_seed("seed", seed)
    if name in FILES:
        return FILES[name](full)
    images, labels = [], []
    for split, n in enumerate(SHAPES_SIZES[full]):
        images.append(draw_shapes(n, np.random.default_rng([seed, split]), bright_spot=name == "shapes+"))
        labels.append(torch.zeros(n, dtype=torch.int64))
    splits = [unit_range(pixels, white=2) for pixels in images]
    return Dataset(name, *splits, *labels, f"drawn from seed {seed}", "CC0 (generated)")
