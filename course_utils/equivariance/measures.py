r"""How far a map is from being equivariant: numbers, relative and one for each image.

An *action* is a function of images, for example ``lambda x: Group("C4").act(x, 1)`` or ``lambda x: rotate(x, 0.3)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .._check import check_callable, check_count, check_entries, check_numbers, check_tensor, default
from ..operators import LinearOperator
from ..operators.base import check_operator
from .data_action import act_on_data
from .groups import check_group

__all__ = ["disc", "equivariance_error", "equivariant_sides", "invariance_error", "reconstruction_error"]


def disc(size: int, margin: int = 0) -> Tensor:
    """The pixels within the circle that touches the sides of the image, or stays ``margin`` pixels away.

    (size, size) bool.  A turn by any angle keeps it, while corners leave the image.

    Raises
    ------
    ValueError
        A margin that leaves no pixel.

    Source
    ------
    The reconstruction circle of tomography: Natterer, The Mathematics of Computerized Tomography, Ch. V.

    Example
    -------
    >>> disc(4).int().tolist()
    [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    """
    size, margin = check_count("size", size), check_count("margin", margin, minimum=0)
    if 2 * margin >= size:
        raise ValueError(f"'margin' must be below half the size {size}, got {margin}")
    place = default(torch.arange(size)) - (size - 1) / 2
    return place[:, None] ** 2 + place**2 <= (size / 2 - margin) ** 2


@torch.no_grad()
def equivariance_error(
    network: Callable, x: Tensor, act: Callable, act_out: Callable | None = None, within: Tensor | None = None
) -> Tensor:
    r""":math:`\|\Phi(g\cdot x) - g\cdot\Phi(x)\| / \|\Phi(x)\|` of each image, for a map :math:`\Phi`.

    Parameters
    ----------
    network : callable
        Images to images, or to anything else with a batch axis.
    x : (B, C, H, W) tensor
    act : callable
        The action on x.
    act_out : callable, optional
        The action on what ``network`` gives, if it is another one.
    within : (H, W) bool tensor, optional
        Only these pixels of the outcome count, for example ``disc(H)``.

    Returns
    -------
    (B,) tensor
        0 for a map that gives 0, whatever it is given.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Celledoni et al., Inverse Problems 37 (2021); lectures, part II.1: "What happens when data are rotated?"

    Example
    -------
    >>> x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> quarter = lambda x: torch.rot90(x, 1, (2, 3))
    >>> equivariance_error(torch.square, x, quarter)
    tensor([0., 0.])
    >>> bool((equivariance_error(lambda x: x.roll(1, -1), x, quarter) > 0.1).all())  # right becomes up
    True
    """
    _check(x, network=network, act=act, act_out=act if act_out is None else act_out)
    moved, outcome = network(act(x)), network(x)
    return _relative(moved - (act if act_out is None else act_out)(outcome), outcome, within)


@torch.no_grad()
def invariance_error(R: Callable, x: Tensor, act: Callable) -> Tensor:
    r""":math:`|R(g\cdot x) - R(x)| / |R(x)|` of each image, for a functional R: a regulariser, for example.

    Parameters
    ----------
    R : callable
        (B, C, H, W) -> (B,).
    x : (B, C, H, W) tensor
    act : callable

    Returns
    -------
    (B,) tensor

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Celledoni et al., Inverse Problems 37 (2021): invariant functionals have equivariant proximal operators.

    Example
    -------
    To forward differences two pixels that touch at a corner look longer along one diagonal than along the other:

    >>> from course_utils import TV
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., 3, 3] = x[..., 4, 4] = 1
    >>> quarter = lambda x: torch.rot90(x, 1, (2, 3))
    >>> [round(float(invariance_error(TV(1.0, isotropic=i), x, quarter)), 3) for i in (True, False)]
    [0.086, 0.0]
    """
    _check(x, R=R, act=act)
    value = R(x)
    return _relative(R(act(x)) - value, value, None)


@torch.no_grad()
def reconstruction_error(network: Callable, y: Tensor, A: LinearOperator, group: str, g: int) -> Tensor:
    r""":math:`\|\Phi(g\cdot y) - g\cdot\Phi(y)\| / \|\Phi(y)\|` of each datum, for a reconstruction :math:`\Phi`.

    Parameters
    ----------
    network : callable
        (y, A) -> images; a ``Reconstructor``, for example.
    y : (B, *A.shape_out) tensor
    A : LinearOperator
        One of those that ``act_on_data`` knows.
    group : {"C1", "C2", "C4", "D4"}
    g : int
        An element of the group.

    Returns
    -------
    (B,) tensor

    Raises
    ------
    TypeError, ValueError
        See ``act_on_data``.

    Source
    ------
    Lectures, part II.1.

    Example
    -------
    Filtered back-projection commutes with quarter turns if the number of views is even:

    >>> from course_utils import ParallelBeam, fbp
    >>> A = ParallelBeam.full(28, n_angles=20).double()
    >>> y = A(torch.rand(1, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    >>> bool(reconstruction_error(lambda y, A: fbp(A, y), y, A, "C4", 1) < 1e-6)
    True
    """
    check_callable("network", network)
    check_operator(A)
    moved, outcome = network(act_on_data(A, y, group, g), A), network(y, A)
    return _relative(moved - check_group(group).act(outcome, g), outcome, None)


def equivariant_sides(strides: Sequence[int], sides: Sequence[int]) -> list[int]:
    """Those of the ``sides`` for which convolutions with these strides, one after the other, are equivariant.

    With padding by half the width, a stride s keeps the pixels 0, s, 2s, ...: the same ones seen from all sides only if
    s divides side - 1.  For two layers of stride 2 these are the sides 4k + 1.

    Source
    ------
    Issue 36 of QUVA-Lab/e2cnn.

    Example
    -------
    >>> [equivariant_sides(strides, range(27, 33)) for strides in ([1], [2], [2, 2])]
    [[27, 28, 29, 30, 31, 32], [27, 29, 31], [29]]
    """
    strides = [check_count("strides", s) for s in check_numbers("strides", _listed(strides))]
    kept = []
    for side in (check_count("sides", n) for n in check_numbers("sides", _listed(sides))):
        n, fits = side, True
        for s in strides:
            fits, n = fits and (n - 1) % s == 0, (n - 1) // s + 1
        kept += [side] * fits
    return kept


def _listed(value):
    return list(value) if isinstance(value, range) else value


def _check(x: Tensor, **callables: Callable) -> None:
    for name, value in callables.items():
        check_callable(name, value)
    check_tensor("x", x, (None, None, None, None))
    check_entries("x", x)


def _relative(difference: Tensor, outcome: Tensor, within: Tensor | None) -> Tensor:
    """Norm over norm of each image; 0 where both are 0."""
    if within is not None:
        if not isinstance(within, Tensor) or within.dtype != torch.bool:
            raise TypeError("'within' must be a tensor of dtype bool")
        if within.shape != outcome.shape[-2:] or not within.any():
            raise ValueError(f"'within' must hold pixels of {tuple(outcome.shape[-2:])}, got {tuple(within.shape)}")
        difference, outcome = difference * within, outcome * within
    over, under = (v.reshape(len(v), -1).norm(dim=1) for v in (difference, outcome))
    return torch.where(over == 0, over, over / under)
