"""Linearised Bregman iterations: iterative regularisation towards images for which a given R is small."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .._check import check_between, check_kind
from ..operators import LinearOperator
from ..regularisers import Regulariser
from ..regularisers.objective import sum_of_squares
from .iterative import Iterative

__all__ = ["LinearisedBregman"]


class LinearisedBregman(Iterative):
    r"""Landweber in a dual variable v, of which the image is the proximal map.

    .. math:: v \leftarrow v + \tau A^*(y - Ax), \qquad x = \operatorname{prox}_{\lambda R}(v)

    From v = 0.  It starts with an image of least R, and details come in the order of their size; without noise it runs
    to the image of least :math:`\lambda R(x) + \tfrac12\|x\|_2^2` that explains the data.

    Parameters
    ----------
    R : Regulariser
        With a proximal operator; its ``lam`` is :math:`\lambda`, where large is slow and close to the least R.
    max_iter, level
        See ``Iterative``.
    step : float in (0, 2)
        :math:`\tau` in units of :math:`1/\|A\|^2`.

    Raises
    ------
    TypeError
        A regulariser without a proximal operator.

    Source
    ------
    Yin, Osher, Goldfarb, Darbon, SIAM J. Imaging Sci. 1 (2008); Cai, Osher, Shen, Math. Comp. 78 (2009); lectures,
    part I.1, option 3.

    Example
    -------
    The large entry is found first:

    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import L1
    >>> y = torch.tensor([[1.0, 0.0], [0.0, 0.3]]).reshape(1, 1, 2, 2)
    >>> method = LinearisedBregman(L1(2.0), step=1.0)
    >>> [round(float(x[0, 0, 1, 1]), 3) for (x, _), _ in zip(method.iterates(y, Identity(2)), range(9))]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3]
    """

    def __init__(
        self, R: Regulariser, max_iter: int = 200, level: float | Tensor | None = None, step: float = 1.0
    ) -> None:
        super().__init__(max_iter, level)
        check_kind("R", R, Regulariser)
        if not R.proximable:
            raise TypeError(f"'R' must have a proximal operator, which {type(R).__name__} has not")
        self.R, self.step = R, check_between("step", step, 0, 2)

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        self.check(y, A)
        tau, weight = self.step / (A.norm or 1.0) ** 2, torch.as_tensor(self.R.lam).to(y).expand(len(y))
        v = y.new_zeros(len(y), *A.shape_in)
        x = self.R.prox(v, weight)
        while True:
            residual = A(x) - y
            yield x, sum_of_squares(residual)
            v = v - tau * A.T(residual)
            x = self.R.prox(v, weight)
