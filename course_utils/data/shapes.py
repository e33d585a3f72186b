"""The Shapes images of the paper: a grey circle and a grey rectangle on black, drawn from a seed."""

from __future__ import annotations

import numpy as np

__all__ = ["draw_shapes"]

SIZE, GREY, BRIGHT = 56, 1, 2  # pixels; grey levels in units of 1/2
SPOT_RADIUS = 2
BLOCK = 1_000  # candidates are drawn in blocks, so that the first n images do not depend on how many follow


def draw_shapes(n: int, rng: np.random.Generator, bright_spot: bool = False) -> np.ndarray:
    """Draw ``n`` images of shape (56, 56), uint8 with levels 0, 1 (grey 0.5) and 2 (white).

    Circle: centre uniform on {28..41}^2, radius on {6..13}.  Rectangle: upper-left corner on {0..13}^2,
    side offsets on {6..13}, corners inclusive.  A draw in which the two overlap is rejected, as the paper
    says that they do not (its code lets about 0.4 % of them overlap).  ``bright_spot`` adds the disc of
    value 1 and radius 2 inside the circle: these are the shapes+ images.

    Source
    ------
    Paper, Sect. 4.3 and 5.4; the ranges are those of the authors' public code.

    Example
    -------
    >>> images = draw_shapes(3, np.random.default_rng(0))
    >>> images.shape, images.dtype, np.unique(images)
    ((3, 56, 56), dtype('uint8'), array([0, 1], dtype=uint8))
    """
    images, found = [], 0
    while found < n:
        block = _draw_block(rng, bright_spot)
        images.append(block)
        found += len(block)
    return np.concatenate(images)[:n] if images else np.zeros((0, SIZE, SIZE), np.uint8)


def _draw_block(rng: np.random.Generator, bright_spot: bool) -> np.ndarray:
    """The images among ``BLOCK`` random draws in which circle and rectangle do not overlap."""
    draw = {
        "centre": rng.integers(28, 42, (BLOCK, 2)),
        "radius": rng.integers(6, 14, BLOCK),
        "corner": rng.integers(0, 14, (BLOCK, 2)),
        "sides": rng.integers(6, 14, (BLOCK, 2)),
        "offset": rng.uniform(-0.5, 0.5, (BLOCK, 2)),
    }
    row, col = np.arange(SIZE)[None, :, None], np.arange(SIZE)[None, None, :]

    def disc(centre, radius):
        cy, cx = centre[:, 0, None, None], centre[:, 1, None, None]
        return (row - cy) ** 2 + (col - cx) ** 2 <= np.asarray(radius).reshape(-1, 1, 1) ** 2

    circle = disc(draw["centre"], draw["radius"])
    low = draw["corner"][:, :, None, None]
    high = low + draw["sides"][:, :, None, None]
    rectangle = (row >= low[:, 0]) & (row <= high[:, 0]) & (col >= low[:, 1]) & (col <= high[:, 1])
    images = GREY * (circle | rectangle).astype(np.uint8)
    if bright_spot:
        spot = disc(np.rint(draw["centre"] + draw["offset"] * draw["radius"][:, None]), SPOT_RADIUS)
        images[spot & circle] = BRIGHT
    return images[~(circle & rectangle).any((1, 2))]
