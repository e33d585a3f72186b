"""A classical detector for Shapes images: does one hold exactly one rectangle and one circle?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._check import check_between, check_finite, check_tensor

__all__ = ["two_shapes"]

LEVEL = 0.25  # half of the grey value of both shapes
SPECK = 5  # pixels: what is smaller is noise


def two_shapes(x: Tensor, overlap: float = 0.9) -> Tensor:
    """Which images hold exactly one axis-parallel rectangle and one circle, and nothing else.

    The image is cut at half the grey value of the shapes and falls into connected parts; parts of fewer than five
    pixels are left out.  There must be two: one fills its bounding box, the other the disc with its centre of mass and
    its area and not its box, each to ``overlap`` (area of the intersection over that of the union).  Of real images one
    in a thousand is refused, because its shapes touch.

    Parameters
    ----------
    x : (N, 1, 56, 56) tensor
    overlap : float in (0, 1]

    Returns
    -------
    (N,) bool tensor

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    What a Shapes image is: paper, Sect. 4.3.

    Example
    -------
    >>> from course_utils import load
    >>> x = load("shapes").test[:1]
    >>> two_shapes(torch.cat([x, x.flip(3), x.clamp_max(0.2), 0.5 - x])).tolist()
    [True, True, False, False]
    """
    from skimage.measure import label, regionprops

    check_tensor("x", x, (None, 1, 56, 56))
    check_finite("x", x)
    overlap = check_between("overlap", overlap, 0, 1, "(]")
    found = []
    for grey in (x[:, 0] > LEVEL).cpu().numpy():
        parts = [part for part in regionprops(label(grey, connectivity=1)) if part.area >= SPECK]
        rectangles = [part.extent >= overlap for part in parts]
        discs = [part.extent < overlap and _fills_disc(part, grey.shape) >= overlap for part in parts]
        found.append(len(parts) == 2 and any(rectangles) and any(discs))
    return torch.tensor(found, device=x.device)


def _fills_disc(part, shape: tuple[int, int]) -> float:
    """Intersection over union of a part and the disc with its centre of mass and its area."""
    row, column = np.indices(shape)
    disc = (row - part.centroid[0]) ** 2 + (column - part.centroid[1]) ** 2 <= part.area / np.pi
    inside = np.zeros(shape, bool)
    inside[tuple(part.coords.T)] = True
    return float((disc & inside).sum() / (disc | inside).sum())
