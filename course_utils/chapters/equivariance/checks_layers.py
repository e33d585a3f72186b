"""Checks of the exercises on layers: invariant filters, a lifting convolution, the sides that strides allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ...checks import Verdict, examine
from ...reproduce.setting import seeded

__all__ = ["invariant_filter", "lifting", "smallest_side"]


def invariant_filter(count: Callable[[int], int]) -> Verdict:
    """Is ``count(width)`` how many numbers of a filter remain free if quarter turns must not change it?

    Parameters
    ----------
    count : callable
        An odd width -> number.

    Example
    -------
    >>> bool(invariant_filter(lambda width: (width**2 + 3) // 4))
    ✓ Right: the count agrees exactly
    True
    """
    return examine(
        count,
        [(3,), (5,), (11,)],
        lambda width: (width**2 + 3) // 4,
        "the count",
        mistakes={
            "the pixel in the middle is turned into itself, and has a number of its own": lambda width: (
                (width**2 - 1) // 4
            ),
            "pixels are turned in fours, except the one in the middle": lambda width: width**2 / 4,
            "these are all numbers of the filter, without any condition": lambda width: width**2,
            "that is for the half turn alone, which joins pixels in pairs": lambda width: (width**2 + 1) // 2,
            "mirrorings are not in C4: a filter may look like a windmill": lambda width: (width + 1) * (width + 3) // 8,
            "one number for each ring: a quarter turn does not take the corner of a ring to its side": lambda width: (
                (width + 1) // 2
            ),
            "one number for each distance from the middle is for turns by all angles": lambda width: len(
                {i**2 + j**2 for i in range(width // 2 + 1) for j in range(width // 2 + 1)}
            ),
        },
    )


def lifting(lift: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``lift(x, k)`` the lifting convolution for C4, one filter, zeros outside the image?

    Parameters
    ----------
    lift : callable
        x (B, 1, N, N), k (w, w), w odd -> (B, 4, N, N), feature h from the filter turned counter-clockwise h times.

    Example
    -------
    >>> def lift(x, k):
    ...     filters = torch.stack([torch.rot90(k, h) for h in range(4)])[:, None]
    ...     return torch.nn.functional.conv2d(x, filters, padding=len(k) // 2)
    >>> bool(lifting(lift))
    ✓ Right: the field agrees...
    True
    """
    random = seeded(41)
    cases = [
        (
            torch.randn(n, 1, side, side, generator=random, dtype=torch.float64),
            torch.randn(width, width, generator=random, dtype=torch.float64),
        )
        for n, side, width in ((2, 6, 3), (1, 8, 5))
    ]

    def found(x: Tensor, filters: Sequence[Tensor]) -> Tensor:
        return conv2d(x, torch.stack(list(filters))[:, None], padding=filters[0].shape[-1] // 2)

    def of(way: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """The features of filters that are ``way(k, h)``."""
        return lambda x, k: found(x, [way(k, h) for h in range(4)])

    def turned(x: Tensor, k: Tensor, image: int, back: int) -> Tensor:
        """The filter as it is, on the image turned by ``image * h``, and the features turned by ``back * h``."""
        parts = [found(torch.rot90(x, image * h, (2, 3)), [k]) for h in range(4)]
        return torch.cat([torch.rot90(part, back * h, (2, 3)) for h, part in enumerate(parts)], 1)

    return examine(
        lift,
        cases,
        of(torch.rot90),
        "the field",
        rtol=1e-6,
        mistakes={
            "the filters are turned clockwise, so that features 1 and 3 have changed places": of(
                lambda k, h: torch.rot90(k, -h)
            ),
            "all four features are those of the filter as it is: turn the filter, not nothing": of(lambda k, h: k),
            "the features of one filter are turned, and the filter is not: nothing new is found": lambda x, k: turned(
                x, k, 0, 1
            ),
            "the image is turned, and the features are not turned back": lambda x, k: turned(x, k, -1, 0),
            "turning the image by h and the features back gives the filter turned the other way": lambda x, k: turned(
                x, k, 1, -1
            ),
            "these are mirrorings; a quarter turn mirrors nothing": of(
                lambda k, h: (k, k.flip(-1), k.flip((0, 1)), k.flip(-2))[h]
            ),
            "the transpose is a mirroring, not a turn": of(lambda k, h: (k, k.T, k.flip((0, 1)), k.flip((0, 1)).T)[h]),
            "the four are averaged: that is an invariant filter, and it sees no direction": lambda x, k: found(
                x, [torch.stack([torch.rot90(k, h) for h in range(4)]).mean(0)]
            ).expand(-1, 4, -1, -1),
            "the filter is turned by half turns: 90 degrees is one step": of(lambda k, h: torch.rot90(k, 2 * h)),
        },
    )


def smallest_side(smallest: Callable[[int, Sequence[int]], int]) -> Verdict:
    """Is ``smallest(least, strides)`` the smallest side from ``least`` on for which the strided layers commute?

    Parameters
    ----------
    smallest : callable
        A side and the strides of the layers, one after the other -> a side.
    """
    cases = [(28, [2, 2]), (32, [2, 3]), (26, [2, 2, 2]), (30, [3]), (29, [2, 2])]

    def at_least(least: int, step: int, offset: int = 1) -> int:
        """The smallest n >= least with n = offset modulo step."""
        return least + (offset - least) % step

    return examine(
        smallest,
        cases,
        lambda least, strides: at_least(least, math.prod(strides)),
        "the side",
        mistakes={
            "the multiples are one pixel off: the first and the last pixel must both be kept": lambda least, strides: (
                at_least(least, math.prod(strides), 0)
            ),
            "only the first layer is looked at; the second has a condition of its own": lambda least, strides: at_least(
                least, strides[0]
            ),
            "only the last layer is looked at": lambda least, strides: at_least(least, strides[-1]),
            "the conditions of the layers are taken one by one for the side of the image; the second layer sees a "
            "smaller one": lambda least, strides: at_least(least, math.lcm(*strides)),
            "strides follow one another, so that they multiply and do not add": lambda least, strides: at_least(
                least, sum(strides)
            ),
            "the smallest one from 'least' on: 'least' itself is allowed": lambda least, strides: at_least(
                least + 1, math.prod(strides)
            ),
            "the side is below 'least'": lambda least, strides: (
                at_least(least, math.prod(strides)) - math.prod(strides) * ((least - 1) % math.prod(strides) > 0)
            ),
            "every side is returned as it is": lambda least, strides: least,
            "this is the number of pixels that remain, not the side": lambda least, strides: (
                (at_least(least, math.prod(strides)) - 1) // math.prod(strides) + 1
            ),
        },
    )
