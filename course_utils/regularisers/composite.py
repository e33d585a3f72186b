r"""Regularisers of the form :math:`R(x) = \min_w \Phi(K(x, w))`: a simple function of a linear map of the image.

Tikhonov, the 1-norm, wavelets, TV and TGV are of this form, with bounds on the grey values or without, and the
primal-dual methods need no more than K, its adjoint, and one step in the dual variable.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from .._check import check_number
from ..operators import LinearOperator
from .base import Regulariser, check_batch, check_linear, check_prox
from .fidelity import Fidelity
from .objective import SQUARED, ImageObjective, Objective, QuadraticObjective, spread
from .registry import choose

__all__ = ["Composite", "CompositeObjective", "QuadraticComposite", "Scratch"]


def check_bounds(bounds) -> tuple[float, float] | None:
    """(low, high) as numbers, or None.

    Raises
    ------
    TypeError, ValueError
        Not two numbers with low <= high; only ``high`` may be infinite.
    """
    if bounds is None:
        return None
    bounds = tuple(bounds) if isinstance(bounds, (tuple, list, Tensor)) else (bounds,)
    if len(bounds) != 2:
        raise ValueError(f"'bounds' must be (low, high), got {bounds}")
    low = check_number("bounds", bounds[0])
    high = math.inf if bounds[1] == math.inf else check_number("bounds", bounds[1])
    if low > high:
        raise ValueError(f"'bounds' must be (low, high) with low <= high, got {bounds}")
    return low, high


class _Same(LinearOperator):
    """A = I on whatever has the shape of ``x``."""

    def __init__(self, x: Tensor) -> None:
        super().__init__(tuple(x.shape[1:]), tuple(x.shape[1:]), scale=1.0, norm=1.0)
        self.register_buffer("one", torch.ones((), dtype=x.dtype, device=x.device))

    def _forward(self, x: Tensor) -> Tensor:
        return x

    _adjoint = _forward


class Scratch:
    """Memory that is used again in every iteration, because large tensors take longer to allocate than to fill."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def __call__(self, name: str, like: Tensor, channels: int | None = None) -> Tensor:
        """A tensor shaped like ``like``, perhaps with other channels, with what was last written to ``name``."""
        shape = like.shape if channels is None else (len(like), channels, *like.shape[2:])
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape:
            kept = self._kept[name] = torch.zeros(shape, dtype=like.dtype, device=like.device)
        return kept


class Composite(Regulariser):
    r""":math:`R(x) = \min_w \Phi(K(x, w))`, and infinite for grey values outside ``bounds``.

    A subclass implements ``K``, its adjoint ``KT``, ``size`` and ``dual_step``, and sets ``norm_squared``.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Attributes
    ----------
    channels : int
        Channels of (x, w): 1 where there is no w.
    norm_squared : float
        At least the square of the norm of K.
    closed_prox : bool
        ``prox`` is a formula; without, it solves a problem.
    """

    channels = 1
    norm_squared = 1.0
    closed_prox = False

    def __init__(self, lam: float | Tensor, bounds: tuple[float, float] | None = None) -> None:
        super().__init__(lam)
        self.bounds = check_bounds(bounds)

    def K(self, v: Tensor) -> Tensor:
        """The linear map, of (B, channels, H, W) tensors."""
        raise NotImplementedError

    def KT(self, q: Tensor) -> Tensor:
        """The adjoint of ``K``."""
        raise NotImplementedError

    def size(self, k: Tensor) -> Tensor:
        r""":math:`\Phi(k)`: (B, ...) -> (B,)."""
        raise NotImplementedError

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        r"""prox of :math:`\sigma(\lambda\Phi)^*` at q; ``lam`` and ``sigma`` multiply q."""
        raise NotImplementedError

    def pull(self, q: Tensor, out: Tensor) -> Tensor:
        """``KT(q)`` written to ``out``, for a q that ``climb`` has made from 0."""
        return out.copy_(self.KT(q))

    def climb(self, q: Tensor, v: Tensor, lam: Tensor, sigma: Tensor, relaxation: float, scratch: Scratch) -> None:
        """Replace q by q + relaxation (dual_step(q + sigma K v) - q)."""
        q.lerp_(self.dual_step(q + sigma * self.K(v), lam, sigma), relaxation)

    def __call__(self, x: Tensor) -> Tensor:
        check_batch(x)
        return self.forbid(x, self.size(self.K(x)))

    def forbid(self, x: Tensor, value: Tensor) -> Tensor:
        """The value, infinite for images with grey values outside the bounds."""
        if self.bounds is None:
            return value
        inside = ((x >= self.bounds[0]) & (x <= self.bounds[1])).flatten(1).all(1)
        return torch.where(inside, value, torch.inf)

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest image within the bounds."""
        return x if self.bounds is None else x.clamp(*self.bounds)

    def prox(self, x: Tensor, tau: float | Tensor, tol: float = 1e-9, max_iter: int = 20_000) -> Tensor:
        """argmin_v R(v) + ||v - x||^2 / (2 tau), one ``tau`` for all images or one each.

        Found as the reconstruction for A = I and lam = 2 tau; ``tol`` and ``max_iter`` are those of ``pdhg``.
        """
        tau = torch.as_tensor(check_prox(x, tau)).to(x).flatten().expand(len(x))
        same = copy.copy(self)
        same.lam = 2 * tau
        problem = CompositeObjective(_Same(x), x, same)
        first = problem.starts("dictionary", 1, None, x).squeeze(1)
        found, _ = choose(problem, "pdhg").run(problem, first, None, tol=tol, max_iter=max_iter)
        return problem.answer(found, len(x))[0]

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        check_linear(A)
        return CompositeObjective(A, y, self, fidelity)

    def __repr__(self) -> str:
        return (
            super().__repr__()
            if self.bounds is None
            else f"{type(self).__name__}(lam={self.lam}, bounds={self.bounds})"
        )


class CompositeObjective(ImageObjective):
    """F(A x, y) + lam Phi(K (x, w)) in v = (x, w), one channel for x and others for w.

    Raises
    ------
    ValueError
        Counts where A predicts none, whatever the image: the data term would be infinite.
    """

    def __init__(self, A: LinearOperator, y: Tensor, R: Composite, fidelity: Fidelity = SQUARED) -> None:
        super().__init__(A, y, R, fidelity)
        fidelity.check_model(A, y)

    def image(self, v: Tensor) -> Tensor:
        """x of (x, w)."""
        return v if self.R.channels == 1 else v[:, :1]

    def lift(self, x: Tensor) -> Tensor:
        """(x, 0)."""
        more = self.R.channels - 1
        return torch.cat([x, x.new_zeros(len(x), more, *x.shape[2:])], 1) if more else x

    def nearest(self, v: Tensor) -> Tensor:
        """The nearest (x, w) with x within the bounds."""
        if self.R.bounds is None:
            return v
        return torch.cat([self.R.nearest(v[:, :1]), v[:, 1:]], 1) if self.R.channels > 1 else self.R.nearest(v)

    def _value(self, v: Tensor) -> Tensor:
        shape = self.A.shape_in if self.R.channels == 1 else (self.R.channels, *self.A.shape_in[1:])
        v = v.reshape(-1, *shape)
        x = self.image(v)
        return self.fidelity(self.A(x), self.y) + self.lam * self.R.forbid(x, self.R.size(self.R.K(v)))

    def starts(self, start, n_starts, generator, x0):
        first = super().starts(start, n_starts, generator, x0).squeeze(1)
        return self.lift(self.R.nearest(first)).unsqueeze(1)

    def answer(self, found, batch_size):
        return super().answer({"x": self.image(found["x"] if "x" in found else found["v"])}, batch_size)


class QuadraticComposite(CompositeObjective, QuadraticObjective):
    """||A x - y||^2 + lam ||K x||^2 in x."""

    def normal(self, x: Tensor) -> Tensor:
        return self.A.normal(x) + spread(self.lam, x) * self.R.KT(self.R.K(x))

    def right(self) -> Tensor:
        return self.A.T(self.y)
