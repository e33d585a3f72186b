"""Singular value decompositions for the explorer of chapter 01, and what it carries when it stands on a page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...explore.base import Explorer
from ...explore.live_data import floats, grey_bytes
from ...explore.page import live_page
from ...operators import LinearOperator, MaskedFourier
from ...operators.parity import unfold

__all__ = ["Decomposition", "decomposed", "truncation_page"]

HERE = Path(__file__).parent
NEGLIGIBLE = 1e-10  # singular values below this are 0
STEPS = 127  # of a component of a stored singular image, on either side of 0


class Decomposition(NamedTuple):
    """A = U diag(S) V^T, without singular values of 0.

    parity: for each singular image 0 to 3, as ``operators.parity.unfold`` counts them; None if they have none.
    part: (rank, n / 4), the singular images on a quarter of the grid; without parity (rank, n), all of them.
    """

    U: Tensor
    S: Tensor
    V: Tensor
    parity: Tensor | None
    part: Tensor


def _has_parity(A: LinearOperator) -> bool:
    """Whether A^T A maps images that are even or odd, in rows and in columns, to such images."""
    matrix, size = A.double_matrix(), A.shape_in[-1]
    normal = (matrix.T @ matrix).reshape(size, size, size, size)
    return all(torch.allclose(normal.flip(axis, axis + 2), normal, rtol=0, atol=1e-10) for axis in (0, 1))


def decomposed(A: LinearOperator) -> Decomposition:
    """The decomposition whose singular images are even or odd, if A allows.

    Where singular values are equal there is a choice.  This one makes a page light: a quarter of each image is enough.

    Example
    -------
    >>> from course_utils import GaussianBlur
    >>> found = decomposed(GaussianBlur(8).double())
    >>> found.V.shape, found.part.shape
    (torch.Size([64, 64]), torch.Size([64, 16]))
    """
    if not _has_parity(A):
        U, S, V = A.svd()
        rank = int((S > NEGLIGIBLE).sum())
        return Decomposition(U[:, :rank], S[:rank], V[:, :rank], None, V[:, :rank].T)
    matrix, quarter, found = A.double_matrix(), A.n // 4, []
    for parity in range(4):
        ones = torch.zeros(4, quarter, quarter, dtype=matrix.dtype)
        ones[parity] = torch.eye(quarter, dtype=matrix.dtype)
        basis = unfold(ones).flatten(1) / 2  # (n / 4, n), orthonormal
        u, s, w = torch.linalg.svd(matrix @ basis.T, full_matrices=False)
        found.append((u.T, s, (basis.T @ w.T).T, torch.full(s.shape, parity), w))
    u, s, v, parity, part = (torch.cat(pieces) for pieces in zip(*found, strict=True))
    order = s.argsort(descending=True, stable=True)[: int((s > NEGLIGIBLE).sum())]
    return Decomposition(u[order].T, s[order], v[order].T, parity[order], part[order])


def _quantised(part: Tensor) -> tuple[bytes, Tensor]:
    """Each row in whole numbers from -127 to 127, one byte each, and the factors."""
    factor = part.abs().amax(1) / STEPS
    return (part / factor[:, None]).round().numpy().astype(np.int8).tobytes(), factor


def _where(A: LinearOperator) -> list[int] | None:
    """For samples of k-space: the place of each on the picture, whose middle is the zero frequency."""
    if not isinstance(A, MaskedFourier):
        return None
    side = A.shape_in[-1]
    rows, columns = A.index.cpu() // side, A.index.cpu() % side
    return (((rows + side // 2) % side) * side + (columns + side // 2) % side).tolist()


def truncation_page(
    explorer: Explorer,
    truth: Tensor,
    operators: dict[str, LinearOperator],
    noise: dict[str, Tensor],
    found: dict[str, Decomposition],
    pictures: dict[str, tuple[int, int]],
) -> str:
    """The explorer in the page: for each operator its singular values and images, the data and the noise.

    Parameters
    ----------
    explorer : Explorer
    truth : (1, 1, 28, 28) tensor
    operators, noise, found : dict by name
        Operators, noise of standard deviation 1, and decompositions.
    pictures : dict of name -> (rows, columns)
        How the data are shown.
    """
    blocks, told = {"truth": grey_bytes(truth)}, []
    for name, A in operators.items():
        U, S, V, parity, part = found[name]
        vectors, factor = _quantised(part)
        clean, noise_1 = A(truth).flatten(), noise[name].flatten()
        numbers = (S, V.T @ truth.flatten(), U.T @ noise_1, factor, clean, noise_1)
        blocks |= {f"vectors of {name}": vectors, f"numbers of {name}": floats(torch.cat(numbers).float())}
        rows, columns = pictures[name]
        told.append(
            {
                "name": name, "rank": len(S), "m": A.m, "rows": rows, "columns": columns, "where": _where(A),
                "parity": None if parity is None else "".join(map(str, parity.tolist())),
            }
        )  # fmt: skip
    note = (
        "Computed in this page, while you move the controls or drag the cut. The singular values and images are the "
        "notebook's; each component of an image is stored in eight bits."
    )
    return live_page(explorer, HERE / "truncation.js", {"operators": told}, blocks, note=note)
