"""Checks of the exercises of chapter 10: actions, averages, layers, and the filters of a regular convolution."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine
from ...reproduce.setting import seeded
from .checks_layers import invariant_filter, lifting, smallest_side
from .checks_symmetry import averaged, moved_function, turned_data

__all__ = [
    "averaged", "invariant_filter", "lifting", "moved_function", "regular_filters", "smallest_side", "turned_data",
]  # fmt: skip


def regular_filters(filters: Callable[[Tensor], Tensor]) -> Verdict:
    """Is ``filters(k)[h, j]`` the filter from feature j to feature h of a regular convolution for C4?

    Parameters
    ----------
    filters : callable
        k (4, w, w), k[i] being the free filter for :math:`h^{-1}j = i` -> (4, 4, w, w).

    Example
    -------
    >>> def filters(k):
    ...     return torch.stack([torch.stack([torch.rot90(k[(j - h) % 4], h) for j in range(4)]) for h in range(4)])
    >>> bool(regular_filters(filters))
    ✓ Right: the array of filters agrees...
    True
    """
    cases = [(torch.randn(4, w, w, generator=seeded(43 + w), dtype=torch.float64),) for w in (3, 5)]

    def of(which: Callable[[int, int], int], turns: Callable[[int, int], int]) -> Callable[[Tensor], Tensor]:
        """Filter number ``which(h, j)``, turned ``turns(h, j)`` times."""
        return lambda k: torch.stack(
            [torch.stack([torch.rot90(k[which(h, j) % 4], turns(h, j)) for j in range(4)]) for h in range(4)]
        )

    return examine(
        filters,
        cases,
        of(lambda h, j: j - h, lambda h, j: h),
        "the array of filters",
        rtol=1e-6,
        mistakes={
            "the right filters stand in the right places, and none of them is turned": of(
                lambda h, j: j - h, lambda h, j: 0
            ),
            "all are turned rightly, but the features of the turned image have also changed places": of(
                lambda h, j: j, lambda h, j: h
            ),
            "the right filters, turned clockwise": of(lambda h, j: j - h, lambda h, j: -h),
            "that is h j^-1, the inverse of the element that is wanted": of(lambda h, j: h - j, lambda h, j: h),
            "that is h j: one of the two has to be inverted": of(lambda h, j: j + h, lambda h, j: h),
            "turned by the feature that comes in; it is the one that goes out": of(lambda h, j: j - h, lambda h, j: j),
            "turned by the element of the group that names the filter, not by the feature that goes out": of(
                lambda h, j: j - h, lambda h, j: j - h
            ),
            "rows and columns are exchanged: the feature that goes out comes first": lambda k: of(
                lambda h, j: j - h, lambda h, j: h
            )(k).transpose(0, 1),
        },
    )
