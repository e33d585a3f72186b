"""Emission tomography: the maximum of the Poisson likelihood by expectation maximisation, and its ordered subsets."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .._check import check_count
from ..operators import LinearOperator
from ..regularisers import KullbackLeibler
from .iterative import Iterative

__all__ = ["MLEM", "OSEM"]


def _ratio(y: Tensor, model: Tensor) -> Tensor:
    """y / model, where 0 / 0 counts as 0: nothing was seen where nothing is expected."""
    return torch.where(model > 0, y / torch.where(model > 0, model, torch.ones_like(model)), torch.zeros_like(y))


class MLEM(Iterative):
    r"""Expectation maximisation, :math:`x_{k+1} = \frac{x_k}{A^*1}\,A^*\frac{y}{Ax_k+b}` from a constant image.

    For counts y with mean A x + b, where A has no negative entries.  The likelihood rises in every step, images stay
    non-negative, and without a background the model has as many counts as the data.

    Parameters
    ----------
    max_iter : int
    level : float or (B,) tensor, optional
        Stops where the data term, ``KullbackLeibler(background)``, is at most this.  At the truth that is about m / 2,
        for m data, and more where counts are few.
    background : float or tensor that broadcasts against one measurement, >= 0
        b, expected counts that do not come from the object.

    Raises
    ------
    ValueError
        Negative data or background; counts where A predicts none and the background is 0.

    Source
    ------
    Shepp and Vardi, IEEE Trans. Med. Imaging 1 (1982); the PET example of the lectures, part I.1.

    Example
    -------
    >>> from course_utils.operators import GaussianBlur
    >>> A = GaussianBlur(8)
    >>> y = torch.poisson(100 * A(torch.ones(1, 1, 8, 8)), generator=torch.Generator().manual_seed(0))
    >>> x = MLEM(20)(y, A)
    >>> bool((x >= 0).all()), round(float(A(x).sum() / y.sum()), 4)
    (True, 1.0)
    """

    def __init__(
        self, max_iter: int = 30, level: float | Tensor | None = None, background: float | Tensor = 0.0
    ) -> None:
        super().__init__(max_iter, level)
        self.fidelity = KullbackLeibler(background)

    def check(self, y: Tensor, A: LinearOperator) -> None:
        super().check(y, A)
        self.fidelity.check(y)
        self.fidelity.check_model(A, y)

    def parts(self, y: Tensor, A: LinearOperator) -> list[tuple[LinearOperator, Tensor, Tensor]]:
        """What one iteration goes through: operator, data, background of each subset; here, of one."""
        return [(A, y, torch.as_tensor(self.fidelity.background).to(y).expand(1, *A.shape_out))]

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        self.check(y, A)
        parts = [(B, data, b, B.T(torch.ones_like(data[:1]))) for B, data, b in self.parts(y, A)]
        seen = A.T(torch.ones_like(y[:1]))
        if bool((seen < 0).any()):
            raise ValueError("'A' must have no negative entries for expectation maximisation")
        mean = y.flatten(1).sum(1) / seen.sum().clamp_min(torch.finfo(y.dtype).tiny)
        x = mean.reshape(-1, 1, 1, 1) * torch.ones_like(seen)
        while True:
            yield x, self.fidelity(A(x), y)
            for B, data, b, weight in parts:
                # a pixel that no line of the subset meets stays as it is
                x = torch.where(weight > 0, x * _ratio(B.T(_ratio(data, B(x) + b)), weight.expand_as(x)), x)


class OSEM(MLEM):
    """Expectation maximisation with ordered subsets: one step of MLEM for each subset of the views, in turn.

    An iteration passes all views once, and does about as much as ``subsets`` iterations of MLEM.  It does not converge
    in general: it ends in a cycle through one image for each subset.

    Parameters
    ----------
    max_iter, level, background
        See ``MLEM``.
    subsets : int
        Subset s has the views s, s + subsets, s + 2 subsets, ...

    Raises
    ------
    TypeError, ValueError
        An operator without views; more subsets than views.

    Source
    ------
    Hudson and Larkin, IEEE Trans. Med. Imaging 13 (1994).

    Example
    -------
    >>> from course_utils.operators import ParallelBeam
    >>> A, x = ParallelBeam.full(16), torch.ones(1, 1, 16, 16)
    >>> x[..., 4:12, 4:8] = 3
    >>> F, y = KullbackLeibler(), 100 * A(x)
    >>> slow, fast = (method(y, A) for method in (MLEM(3), OSEM(3, subsets=6)))
    >>> bool(F(A(fast), y) < F(A(slow), y))
    True
    """

    def __init__(
        self,
        max_iter: int = 5,
        level: float | Tensor | None = None,
        background: float | Tensor = 0.0,
        subsets: int = 6,
    ) -> None:
        super().__init__(max_iter, level, background)
        self.subsets = check_count("subsets", subsets)

    def parts(self, y: Tensor, A: LinearOperator) -> list[tuple[LinearOperator, Tensor, Tensor]]:
        if not hasattr(A, "views"):
            raise TypeError(f"'A' must have views for ordered subsets, as a ParallelBeam, got {type(A).__name__}")
        n = A.shape_out[0]
        if self.subsets > n:
            raise ValueError(f"'subsets' must be at most the number of views, {n}, got {self.subsets}")
        (_, _, b), found = super().parts(y, A)[0], []
        for s in range(self.subsets):
            index = range(s, n, self.subsets)
            found.append((A.views(index), y[:, s :: self.subsets], b[:, s :: self.subsets]))
        return found
