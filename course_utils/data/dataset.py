"""What a data set of the course is: images in three splits, with source and licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .._check import default

__all__ = ["Dataset"]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Dataset:
    """Images (N, 1, H, W), of torch's default dtype in [0, 1], with integer labels (N,), in three splits.

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


def unit_range(pixels: np.ndarray, white: int = 255) -> torch.Tensor:
    """uint8 (N, H, W) with values up to ``white`` -> (N, 1, H, W) in [0, 1]."""
    return default(torch.from_numpy(pixels)).div_(white).unsqueeze(1)


def read_splits(name: str, path: Path, source: str, licence: str) -> Dataset:
    """The Dataset in a verified npz: uint8 images of each split, ``_labels`` and, of people, ``_subjects``."""
    with np.load(path, allow_pickle=False) as archive:
        images = [unit_range(archive[s]) for s in SPLITS]
        labels = [torch.from_numpy(archive[f"{s}_labels"]).long() for s in SPLITS]
        subjects = {s: tuple(archive[f"{s}_subjects"].tolist()) for s in SPLITS if f"{s}_subjects" in archive}
    return Dataset(name, *images, *labels, source, licence, subjects)
