"""Mode collapse by the birthday paradox: how many different images does G draw?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_between, check_count, check_finite, check_positive, check_tensor
from .batches import squared_distances, subset

__all__ = ["Support", "duplicate_threshold", "support_size"]

LEVEL = 1e-4


@dataclass(frozen=True)
class Support:
    """How often two images of a set are "the same".

    Attributes
    ----------
    size : float
        1 / (share of pairs that are the same): the number K for a uniform choice among K images, less if some are
        more frequent; infinite without any such pair.
    pairs : int
        Pairs that are the same.
    of : int
        Pairs in all.
    threshold : float
        Distance below which two images count as the same.
    """

    size: float
    pairs: int
    of: int
    threshold: float


def duplicate_threshold(x: Tensor, n: int, generator: torch.Generator, level: float = LEVEL) -> float:
    """The distance below which a share ``level`` of the pairs among ``n`` real images lie.

    By this rule the real images themselves have a support of 1 / level.  A generator with half of that repeats itself
    twice as often as reality does.  (Arora et al. look for duplicates by eye; a rule can be repeated.)

    Example
    -------
    >>> x = torch.rand(300, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> 0 < duplicate_threshold(x, 300, torch.Generator().manual_seed(1)) < 0.2
    True
    """
    level, n = check_between("level", level, 0, 1), check_count("n", n, minimum=2)
    check_tensor("x", x)
    check_finite("x", x)
    x = subset(x, n, generator)
    if level * n * (n - 1) / 2 < 1:
        raise ValueError(f"'n' must give at least one pair below level {level:g}, got n = {n}")
    square = squared_distances(x, x)
    rows, columns = torch.triu_indices(n, n, offset=1, device=x.device)
    k = max(1, round(level * len(rows)))
    return float(square[rows, columns].kthvalue(k).values.sqrt())


def support_size(x: Tensor, threshold: float) -> Support:
    """Count the pairs of images closer than ``threshold``.

    If n draws from K equally likely images hold c equal pairs, then c is about n (n - 1) / (2 K): the birthday paradox.

    Parameters
    ----------
    x : (n, 1, H, W) tensor
        Generated images.
    threshold : float > 0
        From ``duplicate_threshold``.

    Source
    ------
    Arora, Risteski and Zhang, ICLR 2018; paper, Sect. 4.2.

    Example
    -------
    Every one of four images twice among eight: 4 of 28 pairs are equal.

    >>> x = torch.arange(4.0).repeat(2).reshape(8, 1, 1, 1)
    >>> support_size(x, threshold=0.5).size
    7.0
    """
    check_tensor("x", x, (None, None, None, None))
    check_finite("x", x)
    threshold = check_positive("threshold", threshold)
    if len(x) < 2:
        raise ValueError(f"'x' must hold at least 2 images, got {len(x)}")
    n = len(x)
    pairs = (int((squared_distances(x, x) <= threshold**2).sum()) - n) // 2
    of = n * (n - 1) // 2
    return Support(of / pairs if pairs else float("inf"), pairs, of, threshold)
