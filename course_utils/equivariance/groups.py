r"""Finite groups of turns and mirrorings: how they act on images and on the features of equivariant networks.

A group H of turns and mirrorings acts on images by :math:`(g\cdot x)(p) = x(g^{-1}p)`, p measured from the centre of
the image.  Quarter turns map the pixel grid to itself, so that nothing is interpolated; other angles need ``rotate``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .._check import check_choice, check_count, check_entries, check_number, check_tensor

__all__ = ["GROUPS", "Group", "rotate"]

#: Name of a group -> its number of turns, and whether it contains mirrorings.
GROUPS = {"C1": (1, False), "C2": (2, False), "C4": (4, False), "D4": (4, True)}


class Group:
    """A finite group H of turns about the centre, perhaps with mirrorings, that maps a square grid to itself.

    Its elements are the numbers 0, ..., order - 1.  Element k + turns * m mirrors left and right if m = 1, and then
    turns counter-clockwise by k / turns of a full turn; 0 is the identity.

    Parameters
    ----------
    name : {"C1", "C2", "C4", "D4"}
        The identity alone; with the half turn; the four quarter turns; these with the four mirrorings.

    Attributes
    ----------
    order : int
        Number of elements.

    Raises
    ------
    ValueError
        Another name.

    Source
    ------
    Cohen and Welling, Group equivariant convolutional networks, ICML 2016 (there p4 and p4m); lectures, part II.1.

    Example
    -------
    >>> H = Group("D4")
    >>> H.order, H.product(1, 4), H.product(4, 1), H.inverse(1)
    (8, 5, 7, 3)
    >>> H.act(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2), 1)[0, 0]
    tensor([[2., 4.],
            [1., 3.]])
    """

    def __init__(self, name: str) -> None:
        self.name = check_choice("name", name, GROUPS)
        self.turns, mirrored = GROUPS[self.name]
        self.order = self.turns * (1 + mirrored)

    def product(self, g: int, h: int) -> int:
        """The element g h: first h, then g."""
        (k, m), (j, n) = self._parts("g", g), self._parts("h", h)
        return (k - j if m else k + j) % self.turns + self.turns * (m ^ n)

    def inverse(self, g: int) -> int:
        """The element that undoes g; a mirroring undoes itself."""
        k, m = self._parts("g", g)
        return k + self.turns if m else -k % self.turns

    def matrix(self, g: int) -> np.ndarray:
        """The orthogonal matrix by which g acts on points (x to the right, y upwards): (2, 2), of integers."""
        k, m = self._parts("g", g)
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), k * 4 // self.turns)
        return turn @ np.diag([-1 if m else 1, 1])

    def act(self, x: Tensor, g: int) -> Tensor:
        """The image moved by g, exactly: (B, C, N, N) -> (B, C, N, N).

        Raises
        ------
        TypeError, ValueError
            Images that are not square, NaN, no element of the group.
        """
        _check_square("x", x, (None, None, None, None))
        self._parts("g", g)
        return moved(self, x, g)

    def act_fields(self, f: Tensor, g: int) -> Tensor:
        r"""Features moved by g, which changes their order as well: (B, C, order, N, N) -> the same shape.

        :math:`(g\cdot f)(h, p) = f(g^{-1}h, g^{-1}p)`, the regular representation.

        Raises
        ------
        TypeError, ValueError
            Another number of features than the group has elements, not square, NaN, no element of the group.
        """
        _check_square("f", f, (None, None, self.order, None, None))
        return moved(self, f[:, :, self.row(self.inverse(g))], g)

    def row(self, g: int) -> list[int]:
        """The elements g h for all h in their order: a row of the multiplication table."""
        return [self.product(g, h) for h in range(self.order)]

    def _parts(self, name: str, g: int) -> tuple[int, int]:
        """(turns, mirrored or not) of an element, checked."""
        g = check_count(name, g, minimum=0)
        if g >= self.order:
            raise ValueError(f"'{name}' must be an element of {self.name}, below {self.order}, got {g}")
        return g % self.turns, g // self.turns

    def __eq__(self, other) -> bool:
        return isinstance(other, Group) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Group({self.name!r})"


def moved(H: Group, x: Tensor, g: int) -> Tensor:
    """``H.act`` without checks, on the last two axes of any tensor: filters are turned by it."""
    k, m = g % H.turns, g // H.turns
    return torch.rot90(x.flip(-1) if m else x, k * 4 // H.turns, (-2, -1))


def check_group(group) -> Group:
    """The group of that name."""
    return Group(check_choice("group", group, GROUPS))


def _check_square(name: str, x: Tensor, shape: tuple) -> None:
    check_tensor(name, x, shape)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"'{name}' must be square, because a quarter turn swaps its sides, got {tuple(x.shape)}")
    check_entries(name, x)


def rotate(x: Tensor, angle: float, mode: str = "bicubic") -> Tensor:
    """The image turned counter-clockwise about its centre by any angle, by interpolation; 0 outside the image.

    Only multiples of a quarter turn map the grid to itself.  Gaussians of standard deviation 1, 3 and 5 pixels, turned
    by 30 degrees, differ from the exact ones by 11, 1.4 and 0.5 per cent bilinear, by 3.7, 1.2 and 0.6 bicubic; the
    nearest pixel gives 26, 10 and 5 per cent.  Bicubic is better at what is small and no better at what is smooth.

    Parameters
    ----------
    x : (B, C, N, N) tensor
    angle : float
        In radians.
    mode : {"bilinear", "bicubic", "nearest"}

    Returns
    -------
    (B, C, N, N) tensor

    Raises
    ------
    TypeError, ValueError
        Images that are not square, an angle that looks like degrees, another mode.

    Source
    ------
    Keys, IEEE Trans. Acoust. Speech Signal Process. 29 (1981), with the constant -0.75 that torch takes.

    Example
    -------
    >>> x = torch.zeros(1, 1, 9, 9)
    >>> x[..., 4, 6] = 1  # two pixels to the right of the centre
    >>> round(float(rotate(x, math.pi / 2)[0, 0, 2, 4]), 4)  # two pixels above it
    1.0
    """
    _check_square("x", x, (None, None, None, None))
    angle = check_number("angle", angle)
    if abs(angle) > 2 * math.pi + 1e-6:
        raise ValueError(f"'angle' is in radians, between -2 pi and 2 pi, got {angle:g}: degrees?")
    mode = check_choice("mode", mode, ("bilinear", "bicubic", "nearest"))
    c, s = math.cos(angle), math.sin(angle)
    # A pixel of the result, at (column, row) from the centre, comes from where the turn backwards takes it.
    back = torch.tensor([[c, -s, 0.0], [s, c, 0.0]], dtype=x.dtype, device=x.device).expand(len(x), 2, 3)
    places = functional.affine_grid(back, list(x.shape), align_corners=False)
    return functional.grid_sample(x, places, mode=mode, padding_mode="zeros", align_corners=False)
