"""Checks of the exercises on what a turn does: to data, to any map of images, and to a function of the plane."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, examine

__all__ = ["averaged", "moved_function", "turned_data"]


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned_data(turn: Callable[[Tensor], Tensor]) -> Verdict:
    """Is ``turn(y)`` the sinogram of the image after a quarter turn counter-clockwise?

    Parameters
    ----------
    turn : callable
        (B, views, bins) tensor, an even number of views equally spaced on [0, pi) -> the same shape.

    Example
    -------
    >>> bool(turned_data(lambda y: torch.cat([y.chunk(2, 1)[1].flip(-1), y.chunk(2, 1)[0]], 1)))
    ✓ Right: the sinogram agrees...
    True
    """
    cases = [(_draw(views, 2, views, bins),) for views, bins in ((6, 5), (10, 8))]

    def halves(y: Tensor) -> tuple[Tensor, Tensor]:
        return y.chunk(2, 1)

    def joined(first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([first, second], 1)

    return examine(
        turn,
        cases,
        lambda y: joined(halves(y)[1].flip(-1), halves(y)[0]),
        "the sinogram",
        rtol=1e-6,
        mistakes={
            "the views are shifted rightly, but some of them are now seen from the other side": lambda y: joined(
                halves(y)[1], halves(y)[0]
            ),
            "that is the quarter turn clockwise": lambda y: joined(halves(y)[1], halves(y)[0].flip(-1)),
            "not every view is seen from the other side: which angles went beyond pi?": lambda y: joined(
                halves(y)[1].flip(-1), halves(y)[0].flip(-1)
            ),
            "that is the half turn: every view as before, from the other side": lambda y: y.flip(-1),
            "that shifts by a single view, and a quarter turn is half of all views": lambda y: y.roll(1, 1),
            "the order of the views is reversed: a turn shifts it, a mirroring reverses it": lambda y: y.flip(1),
            "a sinogram is not an image: its axes are angle and detector": lambda y: torch.rot90(y, 1, (1, 2)),
            "nothing has changed": lambda y: y,
        },
    )


def averaged(average: Callable[[Callable, Tensor], Tensor]) -> Verdict:
    """Is ``average(phi, x)`` the mean over the four quarter turns that makes the map phi equivariant?

    Parameters
    ----------
    average : callable
        A map from (n, n) to (n, n), and an (n, n) tensor -> (n, n) tensor.

    Example
    -------
    >>> def average(phi, x):
    ...     return sum(torch.rot90(phi(torch.rot90(x, k)), -k) for k in range(4)) / 4
    >>> bool(averaged(average))
    ✓ Right: the averaged map agrees...
    True
    """
    cases = []
    for n in (4, 5):
        W = _draw(10 + n, 2, n, n)  # from both sides: from one, mirroring would commute with it
        cases.append((lambda v, W=W: torch.tanh(W[0] @ v @ W[1]) + 0.3 * v.roll(1, 0), _draw(n, n, n)))

    def mean(phi: Callable, x: Tensor, before: int = 1, after: int = -1, turns: tuple = (0, 1, 2, 3)) -> Tensor:
        return sum(torch.rot90(phi(torch.rot90(x, before * k)), after * k) for k in turns) / len(turns)

    return examine(
        average,
        cases,
        lambda phi, x: mean(phi, x),
        "the averaged map",
        rtol=1e-6,
        mistakes={
            "the answers must be turned back before they are averaged": lambda phi, x: mean(phi, x, after=0),
            "the answers are turned on, not back": lambda phi, x: mean(phi, x, after=1),
            "phi always sees the image upright: turn it first": lambda phi, x: mean(phi, x, before=0),
            "a mean is divided by the number of elements": lambda phi, x: 4 * mean(phi, x),
            "phi is not linear: turn, apply it, turn back, and average last": lambda phi, x: phi(
                mean(lambda v: v, x, after=0)
            ),
            "that is the half turn alone: the group has four elements": lambda phi, x: mean(phi, x, turns=(0, 2)),
            "that is a mean over the eight elements of D4, mirrorings too": lambda phi, x: (
                mean(phi, x) + mean(lambda v: phi(v.flip(-1)).flip(-1), x)
            ) / 2,
            "nothing is averaged": lambda phi, x: phi(x),
        },
    )  # fmt: skip


def moved_function(moved: Callable[[Callable, Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``moved(u, t, R, p)`` the value at the points p of the function u, first turned by R and then shifted by t?

    Parameters
    ----------
    moved : callable
        A function from (n, 2) points to (n,) values, (2,) shift, (2, 2) orthogonal matrix, (n, 2) points -> (n,).

    Example
    -------
    >>> bool(moved_function(lambda u, t, R, p: u((p - t) @ R)))
    ✓ Right: the moved function agrees...
    True
    """
    cases = []
    for n, angle in ((4, math.pi / 2), (6, 0.4)):
        c, s, a = math.cos(angle), math.sin(angle), _draw(20 + n, 2)
        R = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        cases.append((lambda p, a=a: torch.sin(p @ a) + p[:, 0] ** 2, _draw(n, 2), R, _draw(30 + n, n, 2)))
    return examine(
        moved,
        cases,
        lambda u, t, R, p: u((p - t) @ R),  # rows are points: R^-1 q is q @ R
        "the moved function",
        rtol=1e-6,
        mistakes={
            "u is asked where the point goes; ask it where the point came from": lambda u, t, R, p: u(p @ R.T + t),
            "the turn has to be undone, by the inverse of R": lambda u, t, R, p: u((p - t) @ R.T),
            "the shift came last, so it is undone first": lambda u, t, R, p: u(p @ R - t),
            "the sign of the shift": lambda u, t, R, p: u((p + t) @ R),
            "the turn is missing": lambda u, t, R, p: u(p - t),
            "the shift is missing": lambda u, t, R, p: u(p @ R),
            "nothing has moved": lambda u, t, R, p: u(p),
        },
    )
