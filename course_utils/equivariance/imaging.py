"""Equivariant imaging: learning to reconstruct from data alone, because the set of images has a symmetry."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._check import check_callable, check_count, check_generator, check_kind, check_nonnegative, check_tensor
from ..operators import LinearOperator
from .groups import Group, check_group, moved

__all__ = ["equivariant_imaging_losses"]


def equivariant_imaging_losses(
    network: Callable, y: Tensor, A: LinearOperator, generator: torch.Generator, group: str = "C4", shift: int = 0,
    weight: float = 1.0,
) -> dict[str, Tensor]:  # fmt: skip
    r"""The loss of learning without ground truth: measurement consistency, and equivariance of :math:`\Phi\circ A`.

    .. math:: \|A\Phi(y) - y\|^2 + \alpha\,\|\Phi(A(g\cdot\Phi(y))) - g\cdot\Phi(y)\|^2

    The first term says nothing about what A does not see.  Where a moved image is as likely as the image, the second
    one does: the moved reconstruction is an image whose data can be simulated, and A sees other parts of it.  This
    needs an A that is *not* equivariant: else an equivariant :math:`\Phi` makes the term vanish and learns nothing.

    Parameters
    ----------
    network : callable
        (y, A) -> images, as a ``Reconstructor``.
    y : (B, *A.shape_out) tensor
    A : LinearOperator
    generator : torch.Generator
        Draws one element of the group, and shifts, for each image.
    group : {"C1", "C2", "C4", "D4"}
    shift : int, >= 0
        Largest shift in pixels along both axes, the image being continued periodically.
    weight : float, >= 0
        alpha.

    Returns
    -------
    dict
        "loss", "data" and "equivariance", 0-dim tensors: means over the batch of sums over an image.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Chen, Tachella, Davies, Equivariant imaging: learning beyond the range space, ICCV 2021, eq. (8); there shifts for
    inpainting and turns for tomography.

    Example
    -------
    The pseudo-inverse fits the data, and its images do not come back from other places:

    >>> from course_utils import Inpainting
    >>> A = Inpainting(torch.rand(28, 28, generator=torch.Generator().manual_seed(0)) < 0.5)
    >>> y = A(torch.ones(4, 1, 28, 28))
    >>> losses = equivariant_imaging_losses(lambda y, A: A.T(y), y, A, torch.Generator().manual_seed(1))
    >>> float(losses["data"]), bool(losses["equivariance"] > 100)
    (0.0, True)
    """
    check_callable("network", network)
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_generator(generator)
    H, shift = check_group(group), check_count("shift", shift, minimum=0)
    weight = check_nonnegative("weight", weight)
    first = network(y, A)
    other = moved_each(first, H, shift, generator)
    again = network(A(other), A)
    data = (A(first) - y).pow(2).flatten(1).sum(1).mean()
    equivariance = (again - other).pow(2).flatten(1).sum(1).mean()
    return {"loss": data + weight * equivariance, "data": data, "equivariance": equivariance}


def moved_each(x: Tensor, H: Group, shift: int, generator: torch.Generator) -> Tensor:
    """Each image moved by an element of the group and a shift of its own."""
    device = generator.device
    elements = torch.randint(H.order, (len(x),), generator=generator, device=device).tolist()
    shifts = torch.randint(-shift, shift + 1, (len(x), 2), generator=generator, device=device).tolist()
    return torch.stack([moved(H, v, g).roll(s, (-2, -1)) for v, g, s in zip(x, elements, shifts, strict=True)])
