"""A^T A of a projector whose views repeat when the image is mirrored, as four dense blocks.

A stored sparse matrix reaches a tenth of the speed of a dense product.  A^T A is dense, but images that are even and
images that are odd under the reflections of rows and of columns do not mix in it, so that of n^2 entries a quarter is
left: for a batch of images that takes half the time of A and its transpose, up to about 64 x 64 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["NormalBlocks", "fold", "unfold"]

#: So many images at once have to come before the blocks are worth their making, about the time of n / 4 products.
WORTH = 16
#: Multiply-adds of a dense product in the time of one with a stored entry; measured: 5 to 8, less a margin.
SPEED = 4


def fold(x: Tensor) -> Tensor:
    """Even or odd in rows, and in columns, on a quarter of the grid: (B, s, s), s even -> (4, B, s s / 4)."""
    half = x.shape[1] // 2
    top, bottom = x[:, :half], x[:, half:].flip(1)
    sides = [(rows[..., :half], rows[..., half:].flip(2)) for rows in (top + bottom, top - bottom)]
    return torch.stack([part for left, right in sides for part in (left + right, left - right)]).flatten(2)


def unfold(parts: Tensor) -> Tensor:
    """The adjoint of ``fold``, and four times its inverse."""
    half = round(parts.shape[2] ** 0.5)
    a, b, c, d = parts.unflatten(2, (half, half))
    even, odd = (torch.cat([left + right, (left - right).flip(2)], 2) for left, right in ((a, b), (c, d)))
    return torch.cat([even + odd, (even - odd).flip(1)], 1)


class NormalBlocks:
    """x -> A^T A x for (B, 1, s, s) images, s even, if A^T A commutes with both reflections.

    Parameters
    ----------
    normal : Callable
        A^T A by any other way.
    like : (1, 1, s, s) tensor
        Tells the shape, the dtype and the device.
    """

    def __init__(self, normal: Callable, like: Tensor) -> None:
        side = like.shape[-1]
        points = torch.eye(side * side, dtype=like.dtype, device=like.device).reshape(side, side, 1, side, side)
        points = points[: side // 2, : side // 2].flatten(0, 1)  # the other columns are mirrored ones
        columns = torch.cat([normal(part) for part in points.split(128)])[:, 0]
        self.matrices = fold(columns) / 4  # they are symmetric: rows are columns

    def __call__(self, x: Tensor) -> Tensor:
        return unfold(torch.bmm(fold(x[:, 0]), self.matrices))[:, None]

    @staticmethod
    def pay(side: int, entries: int) -> bool:
        """Whether the blocks take less time than twice the ``entries`` of a sparse matrix."""
        return side % 2 == 0 and side**4 / 4 <= SPEED * 2 * entries
