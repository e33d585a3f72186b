"""The search for the weights of the tomography tables: a grid that grows wherever its best value lies at an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...operators import LinearOperator
from ...tuning import Sweep, sweep

__all__ = ["by_psnr", "grown_grid"]

#: So many values at most are added to the grid of each weight.
MOST = 4
#: Weights that lose at most so many dB (or so much of another score) are as good as the best, for all that a search on
#: a few images can tell.
LOSS = 0.1


def by_psnr(found: Sweep) -> Tensor:
    """Mean PSNR of each combination: the paper's criterion."""
    return found.psnr.mean(1)


def grown_grid(
    A: LinearOperator,
    validation: tuple[Tensor, Tensor],
    make: Callable,
    lam: Sequence[float],
    mu: Sequence[float] | None = None,
    score: Callable[[Sweep], Tensor] = by_psnr,
    **settings,
) -> dict:
    """The weights of highest score, on a grid that is continued beyond an end for as long as the best lies there.

    New values are tried with the best value of the other weight and its two neighbours, and ``MOST`` values are added
    to each weight at most: where an objective is flat down to a weight of 0, no grid would be long enough.

    Parameters
    ----------
    A : LinearOperator
    validation : (images, data)
    make : callable
        Weights -> regulariser.
    lam, mu : geometric sequences
        Where the search begins.
    score : callable
        Sweep -> a number for each combination, the greater the better.
    **settings
        Of ``reconstruct``.

    Returns
    -------
    dict
        The weights; "val_psnr", their score; "tried", the number of combinations; "at_edge_of_grid", the weights whose
        best value is still the least or greatest that was tried; "flat", for each weight the least and the greatest
        value that lose at most ``LOSS``, the other being chosen anew.

    Example
    -------
    >>> import torch
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> x = torch.ones(2, 1, 8, 8)
    >>> row = grown_grid(Identity(8), (x, 1.25 * x), Tikhonov, lam=[4.0, 2.0, 1.0])
    >>> row["lam"], row["tried"], row["at_edge_of_grid"]
    (0.25, 6, [])
    """
    x, y = validation
    axes = [sorted(lam)] + ([] if mu is None else [sorted(mu)])
    names = ["lam", "mu"][: len(axes)]
    scores: dict[tuple[float, ...], float] = {}

    def visit(*grid: Sequence[float]) -> tuple[float, ...]:
        """Score a part of the grid, and say where the best of all is."""
        found = sweep(A, y, x, make, *grid, **settings)
        for weights, value in zip(found.parameters, score(found).tolist(), strict=True):
            scores[tuple(weights.values())] = value
        return max(scores, key=scores.get)

    best, added = visit(*axes), dict.fromkeys(names, 0)
    while grow := [k for k, axis in enumerate(axes) if _at_end(axis, best[k]) and added[names[k]] < MOST]:
        k = grow[0]
        low = best[k] == axes[k][0]
        new = axes[k][0] ** 2 / axes[k][1] if low else axes[k][-1] ** 2 / axes[k][-2]
        axes[k] = [new, *axes[k]] if low else [*axes[k], new]
        added[names[k]] += 1
        best = visit(*([new] if k == j else _near(axis, best[j]) for j, axis in enumerate(axes)))
    good = [weights for weights, value in scores.items() if value >= scores[best] - LOSS]
    return {
        **dict(zip(names, best, strict=True)),
        "val_psnr": round(scores[best], 3),
        "tried": len(scores),
        "at_edge_of_grid": [name for name, axis, at in zip(names, axes, best, strict=True) if _at_end(axis, at)],
        "flat": {name: [min(w[k] for w in good), max(w[k] for w in good)] for k, name in enumerate(names)},
    }


def _at_end(axis: Sequence[float], value: float) -> bool:
    return len(axis) > 1 and value in (axis[0], axis[-1])


def _near(axis: Sequence[float], value: float) -> Sequence[float]:
    at = axis.index(value)
    return axis[max(0, at - 1) : at + 2]
