"""What generators, data sets and methods are called in figures, tables and sentences: here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DATA", "METHOD_NAMES", "TITLES", "label"]

TITLES = {"ae": "AE", "vae": "VAE", "wgan": "GAN"}
DATA = {"mnist": "MNIST", "shapes": "Shapes"}
#: Methods that are not called as they are written in records.
METHOD_NAMES = {"tikhonov": "Tikhonov", "tv": "TV", "fbp": "FBP", "sparse-tv": "sparse-TV"}


def label(row: Mapping) -> str:
    """How the method of a row is called, its generator in front if it has one.

    Example
    -------
    >>> label({"generator": "vae", "method": "sparse-tv"}), label({"generator": "none", "method": "fbp"})
    ('VAE sparse-TV', 'FBP')
    """
    method = METHOD_NAMES.get(row["method"], row["method"])
    return method if row["generator"] == "none" else f"{TITLES[row['generator']]} {method}"
