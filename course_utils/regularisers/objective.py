"""What is minimised: a batch of B independent functions, one per problem.

``value(v)`` and ``value_and_grad(v)`` take (B, ...) variables and give (B,) values; ``select(index)`` is the same
for some of the problems (an index may repeat, which is how several starts are run).  ``starts(...)`` gives first
variables, ``answer(found)`` makes images of what a solver has found.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from .._check import check_choice, check_weights
from ..generators import Generator
from ..operators import LinearOperator
from .fidelity import Fidelity, SquaredError
from .starts import STARTS, Dictionary, latent_starts

__all__ = [
    "ImageObjective", "LatentObjective", "Objective", "QuadraticObjective", "per_problem", "spread", "sum_of_squares",
]  # fmt: skip

#: The data term of the course.
SQUARED = SquaredError()


def sum_of_squares(v: Tensor) -> Tensor:
    """||v||_2^2 of each problem: (B, ...) -> (B,)."""
    return v.flatten(1).pow(2).sum(1)


def spread(weights: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1) with as many axes as ``like``."""
    return weights.reshape(-1, *[1] * (like.ndim - 1))


def per_problem(name: str, weight: float | Tensor, y: Tensor) -> Tensor:
    """A weight as a (B,) tensor beside ``y``: a number is repeated, a tensor must have shape (B,).

    Raises
    ------
    ValueError
    """
    weight = check_weights(name, weight)
    if not isinstance(weight, Tensor):
        return torch.full((len(y),), float(weight), dtype=y.dtype, device=y.device)
    if weight.shape != (len(y),):
        raise ValueError(f"'{name}' must be a number or have shape ({len(y)},), got {tuple(weight.shape)}")
    return weight.to(y).expand(len(y)).contiguous()


#: So many problems are evaluated at once: on a CPU what fits its cache, on a GPU what fits its memory.
CHUNK = {"cpu": 128}
GPU_CHUNK = 4096


class Objective:
    """A batch of functions.

    Subclasses implement ``_value`` and name in ``batched`` their attributes that have a batch axis.

    Attributes
    ----------
    fidelity : Fidelity
        The data term.
    """

    batched: tuple[str, ...] = ()
    fidelity: Fidelity = SQUARED

    def _value(self, v: Tensor) -> Tensor:
        raise NotImplementedError

    def magnitude(self) -> Tensor:
        """The size of the data from whose difference the values come: (B,), for the size of round-off."""
        return self.fidelity.magnitude(self.y)

    def depth(self, f: Tensor) -> Tensor:
        """By how much a value f may still fall, roughly: as much as it is above 0, for a sum of squares."""
        return f.abs()

    def _parts(self, v: Tensor):
        """The batch in pieces of a good size: (objective, variables) of each."""
        size = CHUNK.get(v.device.type, GPU_CHUNK)
        if len(v) <= size:
            return [(self, v)]
        return [(self.select(slice(i, i + size)), v[i : i + size]) for i in range(0, len(v), size)]

    def value(self, v: Tensor) -> Tensor:
        """Values (B,)."""
        return torch.cat([part._value(w) for part, w in self._parts(v)])

    def value_and_grad(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Values (B,) and gradients, shaped like ``v``."""
        values, grads = [], []
        for part, w in self._parts(v.detach()):
            w = w.detach().requires_grad_()
            with torch.enable_grad():
                f = part._value(w)
                grads += torch.autograd.grad(f.sum(), w)
            values.append(f.detach())
        return torch.cat(values), torch.cat(grads)

    def hvp(self, v: Tensor, w: Tensor) -> Tensor:
        """Second derivatives at ``v`` times ``w``, for each problem: (B, ...), (B, ...) -> (B, ...)."""
        products = []
        start = 0
        for part, v_part in self._parts(v.detach()):
            w_part = w[start : start + len(v_part)]
            start += len(v_part)
            v_part = v_part.detach().requires_grad_()
            with torch.enable_grad():
                (grad,) = torch.autograd.grad(part._value(v_part).sum(), v_part, create_graph=True)
                products += torch.autograd.grad((grad * w_part).sum(), v_part)
        return torch.cat(products)

    def select(self, index: Tensor | slice) -> Objective:
        """The problems at ``index``, (b,) integers or a slice."""
        part = copy.copy(self)
        for name in self.batched:
            setattr(part, name, getattr(self, name)[index])
        return part

    def starts(self, start, n_starts: int, generator: torch.Generator | None, x0: Tensor | None) -> Tensor:
        """First variables, (B, S, ...): S starts of each problem.  Arguments as ``reconstruct``."""
        raise NotImplementedError

    def profile(self, images: Tensor) -> Tensor | None:
        """What A makes of N candidates, as far as it saves time when they are judged for other data or weights.

        (N, ...), or None if there is no such thing.
        """
        return None

    def answer(self, found: Mapping[str, Tensor], batch_size: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Image x, latent vector z and deviation u (None where there are none) of what a solver found."""
        raise NotImplementedError


class QuadraticObjective(Objective):
    """A quadratic function of x, least where M x = b: ``normal(x)`` is M x, ``right()`` is b."""

    def normal(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def right(self) -> Tensor:
        raise NotImplementedError

    def diagonal(self) -> Tensor | None:
        """About the diagonal of M, positive, shaped like x, where that helps to solve M x = b; None where it does not.

        Tikhonov has none: the diagonal of A^*A + lam I is close to constant for the operators of the course.
        """
        return None


class ImageObjective(Objective):
    """F(A x, y) + lam R(x) in x, an image or a flat vector, for any regulariser R that is a function of the image."""

    batched = ("y", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, R, fidelity: Fidelity = SQUARED) -> None:
        self.A, self.y, self.R, self.fidelity = A, y, R, fidelity
        self.lam = per_problem("lam", R.lam, y)

    def _value(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, *self.A.shape_in)
        return self.fidelity(self.A(x), self.y) + self.lam * self.R(x)

    def prox(self, x: Tensor, tau: Tensor | float) -> Tensor:
        """prox of tau lam R: (B, 1, H, W), (B,) -> (B, 1, H, W)."""
        return self.R.prox(x, tau * self.lam)

    def starts(self, start, n_starts, generator, x0):
        """``x0``, or 0; there is one start."""
        if isinstance(start, Tensor):
            raise ValueError("'start' is a latent vector, which this problem does not have: the first image is 'x0'")
        if not isinstance(start, Dictionary):
            check_choice("start", start, STARTS)
        if n_starts != 1:
            raise ValueError(f"'n_starts' must be 1 for a problem without latent vectors, got {n_starts}")
        x0 = torch.zeros(len(self.y), *self.A.shape_in, dtype=self.y.dtype, device=self.y.device) if x0 is None else x0
        return x0.unsqueeze(1)

    def answer(self, found, batch_size):
        x = found["x"] if "x" in found else found["v"]
        return x.reshape(-1, *self.A.shape_in), None, None


class LatentObjective(Objective):
    """A problem with a latent vector z of a generator G: ``scores`` of candidates, starts, and images of an answer.

    ``lam`` is the weight of ||z||^2 by which a start is judged.
    """

    batched = ("y", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, G: Generator, lam: Tensor, fidelity: Fidelity = SQUARED) -> None:
        self.A, self.y, self.G, self.lam, self.fidelity = A, y, G, lam, fidelity

    def profile(self, images: Tensor) -> Tensor | None:
        """||A x||^2 of N images, if A is linear and errors are squared: (N,)."""
        if not (self.fidelity.squared and isinstance(self.A, LinearOperator)):
            return None
        return torch.cat([sum_of_squares(self.A(part)) for part in images.split(512)])

    def misfits(self, images: Tensor, profile: Tensor | None = None) -> Tensor:
        """F(A x, y) at N images for every problem: (B, N); squared errors as ||A x||^2 - 2 <x, A^T y> + ||y||^2."""
        profile = self.profile(images) if profile is None else profile
        if profile is not None:
            products = self.A.T(self.y).flatten(1) @ images.flatten(1).T
            return profile - 2 * products + sum_of_squares(self.y)[:, None]
        data = torch.cat([self.A(part).flatten(1) for part in images.split(512)])  # (N, m)
        y = self.y.flatten(1)
        if self.fidelity.squared:
            return sum_of_squares(data) - 2 * y @ data.T + sum_of_squares(y)[:, None]
        return torch.stack([self.fidelity(data, row.expand_as(data)) for row in y])

    def scores(self, images: Tensor, z: Tensor, profile: Tensor | None = None) -> Tensor:
        """The objective at N given pairs (z, G(z)) for every problem, and their ``profile`` if it is known: (B, N)."""
        return self.misfits(images, profile) + self.lam[:, None] * sum_of_squares(z)

    def prior(self) -> Tensor:
        """The weight of ||z||^2: (B,)."""
        return self.lam

    def linearised(self, images: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """Residual r (B, q) with value = ||r||^2 + prior ||z||^2 (+ a constant), and dr/dz (B, d, q).

        ``images`` is G(z), (B, 1, H, W), and ``jacobian`` (B, d, 1, H, W) its derivatives.
        """
        data = self.A(jacobian.flatten(0, 1)).reshape(*jacobian.shape[:2], -1)
        return (self.A(images) - self.y).flatten(1), data

    def starts(self, start, n_starts, generator, x0):
        return latent_starts(self, self.G, self.y, start, n_starts, generator, x0)

    def answer(self, found, batch_size):
        z = found["z"] if "z" in found else found["v"]
        g = torch.cat([self.G(part) for part in z.split(batch_size)])
        x = found.get("x", g + found["u"] if "u" in found else g)
        return x, z, x - g
