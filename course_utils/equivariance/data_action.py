r"""How turns and mirrorings of the image act on its data: the action that makes an operator equivariant.

A is equivariant if the data of the moved image can be had from the data alone: :math:`A(g\cdot x) = g\cdot(Ax)`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .._check import check_entries, check_kind, check_tensor
from ..operators import GaussianBlur, Identity, Inpainting, LinearOperator, MaskedFourier, ParallelBeam
from ..operators.kspace import check_mask
from .groups import Group, check_group, moved

__all__ = ["act_on_data", "act_on_mask"]


def act_on_data(A: LinearOperator, y: Tensor, group: str, g: int) -> Tensor:
    r"""The data of the moved image from those of the image: ``act_on_data(A, A(x), ...)`` is A(g x), exactly.

    *Identity, blur*: data are images.  *Inpainting*: the pixels that are seen are moved among themselves, if the mask
    is invariant.  *ParallelBeam*: :math:`A(g\cdot x)(n, s) = (Ax)(g^{-1}n, s)`, n the direction of the detector.  So
    views change places, and those that are then seen from the other side are mirrored.  The views have to be mapped to
    themselves: equally spaced ones on [0, pi) are, by half turns and mirroring left and right whatever their number, by
    quarter turns if it is even.  *MaskedFourier*: entries of k-space are moved, and get a phase because the image is
    turned about its middle and not about pixel [0, 0]; the mask has to be invariant.

    Parameters
    ----------
    A : Identity, GaussianBlur, Inpainting, ParallelBeam, or MaskedFourier
    y : (B, *A.shape_out) tensor
    group : {"C1", "C2", "C4", "D4"}
    g : int
        An element of the group.

    Returns
    -------
    (B, *A.shape_out) tensor

    Raises
    ------
    TypeError
        An operator of which this is not known.
    ValueError
        A mask, or a list of views, that the element does not map to itself: A is not equivariant.

    Source
    ------
    Celledoni et al., Inverse Problems 37 (2021); lectures, part II.1.

    Example
    -------
    >>> A = ParallelBeam.full(28, n_angles=20).double()
    >>> x = torch.rand(1, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> bool((A(torch.rot90(x, 1, (2, 3))) - act_on_data(A, A(x), "C4", 1)).abs().max() < 1e-12)
    True
    """
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_entries("y", y)
    H = check_group(group)
    H.inverse(g)  # checks the element
    if isinstance(A, (Identity, GaussianBlur)):
        return moved(H, y, g)
    if isinstance(A, Inpainting):
        seen = A.T(torch.ones_like(y[:1]))
        _check_invariant(torch.equal(moved(H, seen, g), seen), "mask", H, g)
        return A(moved(H, A.T(y), g))
    if isinstance(A, ParallelBeam):
        views, mirrored = _views(A, H, g)
        seen = y[:, views]
        return torch.where(mirrored[:, None], seen.flip(-1), seen)
    if isinstance(A, MaskedFourier):
        _check_invariant(torch.equal(_moved_frequencies(A.mask, H, g), A.mask), "mask", H, g)
        return A._pick(_moved_kspace(A.fill(y), H, g)).reshape(y.shape)
    raise TypeError(f"'A' must be an operator whose data are known to move with the image, got {type(A).__name__}")


def act_on_mask(mask: Tensor, group: str, g: int) -> Tensor:
    """The frequencies of a mask moved by g, the zero frequency staying at [0, 0]: (size, size) bool -> the same.

    An image's k-space moves with the image, so the data of a mask move among themselves if the mask is invariant.
    ``radial_mask`` is, under the half turn always, and under quarter turns for an even number of spokes, unless spokes
    at 30 and 60 degrees pass midpoints between grid points, where round-off decides to which side they are rounded
    (6, 12 and 24 spokes, for example).

    Raises
    ------
    TypeError, ValueError
        Not a square bool tensor, no such group, no element of it.

    Source
    ------
    The Fourier transform commutes with orthogonal maps: Mallat, A Wavelet Tour of Signal Processing, Ch. 2.

    Example
    -------
    >>> from course_utils.operators import radial_mask
    >>> [torch.equal(act_on_mask(m, "C4", 1), m) for m in (radial_mask(28, 8), radial_mask(28, 9))]
    [True, False]
    """
    check_mask(mask)
    H = check_group(group)
    H.inverse(g)
    return _moved_frequencies(mask, H, g)


def _check_invariant(invariant: bool, what: str, H: Group, g: int) -> None:
    if not invariant:
        raise ValueError(f"'A' is not equivariant: element {g} of {H.name} does not map its {what} to itself")


def _views(A: ParallelBeam, H: Group, g: int) -> tuple[Tensor, Tensor]:
    """For each view of the moved image: which view of the image it is, and whether from the other side."""
    angles = A.angles.cpu().double().numpy()
    back = H.matrix(H.inverse(g)) @ np.stack([np.cos(angles), np.sin(angles)])  # (2, views): g^-1 n
    wanted = np.arctan2(back[1], back[0])
    off = np.angle(np.exp(1j * (wanted[:, None] - angles[None])))  # in (-pi, pi]
    half = np.pi - np.abs(off)
    distance = np.minimum(np.abs(off), half)
    views = distance.argmin(1)
    place = np.arange(len(angles)), views
    _check_invariant(bool((distance[place] < 1e-5).all()), "views", H, g)
    mirrored = half[place] < np.abs(off)[place]
    return torch.from_numpy(views).to(A.angles.device), torch.from_numpy(mirrored).to(A.angles.device)


def _negated(k: Tensor, axis: int) -> Tensor:
    """k at minus the frequency along an axis: entry 0 stays, the others are in reverse order."""
    return k.flip(axis).roll(1, axis)


def _moved_frequencies(k: Tensor, H: Group, g: int) -> Tensor:
    """Entries of (..., size, size), the zero frequency at [0, 0], where g takes their frequencies."""
    if g // H.turns:
        k = _negated(k, -1)
    for _ in range(g % H.turns * 4 // H.turns):
        k = _negated(k.transpose(-2, -1), -2)  # (gk)(row, column) = k(column, -row)
    return k


def _moved_kspace(k: Tensor, H: Group, g: int) -> Tensor:
    """The k-space (..., size, size) of the moved image, from that of the image."""
    size = k.shape[-1]
    turn = 2 * math.pi * torch.arange(size, dtype=k.real.dtype, device=k.device) / size
    phase = torch.polar(torch.ones_like(turn), turn)  # of the pixel by which N - 1 - i differs from -i
    if g // H.turns:
        k = phase * _negated(k, -1)
    for _ in range(g % H.turns * 4 // H.turns):
        k = phase[:, None] * _negated(k.transpose(-2, -1), -2)
    return k
