"""What methods with a denoiser share: the loop, the exact step in the data term, and what "converged" means there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._check import (
    check_callable,
    check_count,
    check_finite,
    check_flag,
    check_positive,
    check_tensor,
    check_weights,
    trusting,
)
from ..operators import LinearOperator
from ..operators.base import check_operator
from ..reconstructors import Reconstructor
from ..regularisers.base import check_linear
from ..regularisers.objective import per_problem, spread, sum_of_squares
from ..regularisers.tikhonov import Tikhonov
from .conjugate import conjugate_gradients
from .direct import tikhonov_by_svd

__all__ = ["Denoising", "Problem", "data_step"]

#: The stopping rule looks every so many iterations.
CHECK_EVERY = 10
#: At the end the iterate is pushed by this fraction of its length, and followed for so many iterations.
PUSH, FOLLOW = 1e-2, 20


class Problem:
    """A batch of b data with the weights of a method: ``problem["sigma"]`` is (b,)."""

    def __init__(self, A: LinearOperator, y: Tensor, denoiser: Callable, weights: dict[str, float | Tensor]) -> None:
        self.A, self.y, self.denoiser = A, y, denoiser
        self._weights = {name: per_problem(name, value, y) for name, value in weights.items()}
        #: A denoiser that knows numbers only is told a number.
        self._number = None if isinstance(weights["sigma"], Tensor) else float(weights["sigma"])

    def __getitem__(self, name: str) -> Tensor:
        return self._weights[name]

    def select(self, index: Tensor) -> Problem:
        """The problems at ``index``."""
        part = Problem.__new__(Problem)
        part.A, part.y, part.denoiser, part._number = self.A, self.y[index], self.denoiser, self._number
        part._weights = {name: value[index] for name, value in self._weights.items()}
        return part

    def denoised(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        """D(x, sigma), with the noise level of the method or another one, (b,)."""
        told = self["sigma"] if sigma is None else sigma
        if self._number is not None:
            told = self._number if sigma is None else float(sigma[0])
        found = self.denoiser(x, told)
        check_tensor("denoiser(x, sigma)", found, tuple(x.shape), like=x)
        return found


def data_step(problem: Problem, z: Tensor, step: Tensor) -> Tensor:
    r"""argmin_x :math:`\|Ax-y\|^2 + \tfrac1{2\tau}\|x-z\|^2` with :math:`\tau = step/(2\|A\|^2)`, exactly.

    As a Tikhonov problem in x - z: by singular values where they are within reach, else by conjugate gradients.
    """
    A = problem.A
    weight = (A.norm or 1.0) ** 2 / step
    away = Tikhonov(weight).problem(A, problem.y - A(z))
    if A.decomposes:
        return z + tikhonov_by_svd(away, torch.zeros_like(z))[0]["v"]
    tol = 10 * torch.finfo(z.dtype).eps
    return z + conjugate_gradients(away, torch.zeros_like(z), tol=tol)[0]["v"]


def _lengths(x: Tensor) -> Tensor:
    return sum_of_squares(x).sqrt()


class Denoising(Reconstructor):
    r"""A fixed-point iteration with a denoiser in it, from :math:`x_0 = A^*y`; it need not minimise anything.

    ``converged`` promises two things of the iterated variable w, and is False where one of them fails.

    1. It is at most ``tol`` times its length away from the limit: with steps :math:`r_k = \|w_{k+1}-w_k\|` that shrink
       by the factor q in the mean of ten iterations, what is left is about :math:`r_k\,q/(1-q)`.  Where steps are as
       small as round-off no more can be asked.
    2. The limit attracts: pushed away by a hundredth of its length in a random direction, w is not further away after
       twenty more iterations.  A nonexpansive iteration always passes; with an expansive denoiser an iteration may
       meet a fixed point from which any error drives it away.

    Its trace has the "residual", :math:`\|x_{k+1}-x_k\|`, and the misfit "f", :math:`\|Ax_k-y\|^2`, (steps, B, 1), with
    NaN after the end.  A subclass implements ``advance`` and ``weights``.

    Parameters
    ----------
    denoiser : callable
        D(x, sigma): (B, 1, H, W) -> (B, 1, H, W), each image by itself.
    sigma : float or (B,) tensor, >= 0
        Told to the denoiser as it is, a number or one for each image.
    max_iter : int
    tol : float > 0
    """

    def __init__(self, denoiser: Callable, sigma: float | Tensor, max_iter: int, tol: float) -> None:
        check_callable("denoiser", denoiser)
        self.denoiser, self.sigma = denoiser, check_weights("sigma", sigma)
        self.max_iter, self.tol = check_count("max_iter", max_iter), check_positive("tol", tol)

    def weights(self) -> dict[str, float | Tensor]:
        """The weights of the method, of which a batch may have one for each problem; "sigma" among them."""
        raise NotImplementedError

    def advance(self, at: Tensor, problem: Problem, k: int) -> tuple[Tensor, Tensor]:
        """Iteration k = 0, 1, ...: the next value of the iterated variable, and the image."""
        raise NotImplementedError

    def settled(self, k: int) -> bool:
        """Whether iteration k is the same map as all that follow."""
        return True

    @torch.no_grad()
    def run(self, y: Tensor, A: LinearOperator, trace: bool = False) -> dict:
        check_operator(A, adjoint=True)
        check_linear(A)
        check_tensor("y", y, (None, *A.shape_out), like=A.like)
        check_finite("y", y)
        trace = check_flag("trace", trace)
        with trusting():
            return self._iterate(Problem(A, y, self.denoiser, self.weights()), trace)

    def _iterate(self, problem: Problem, trace: bool) -> dict:
        A, y = problem.A, problem.y
        at = x = A.T(y)
        images, index = x.clone(), torch.arange(len(y), device=y.device)
        iterations, converged = torch.zeros_like(index), torch.zeros_like(index, dtype=torch.bool)
        earlier = y.new_full((len(y),), float("inf"))
        path: dict[str, list[Tensor]] = {"residual": [], "f": []}
        for k in range(self.max_iter):
            new, found = self.advance(at, problem, k)
            moved = _lengths(new - at)
            good = torch.isfinite(moved) & torch.isfinite(_lengths(found))
            if trace:
                for name, value in (("residual", _lengths(found - x)), ("f", sum_of_squares(A(found) - problem.y))):
                    path[name].append(y.new_full((len(y), 1), float("nan")))
                    path[name][-1][index[good], 0] = value[good]
            x = torch.where(spread(good, x), found, x)  # the last image that is one
            at, iterations[index] = new, k + 1
            images[index] = x
            finished = ~good
            if self.settled(k) and (k + 1) % CHECK_EVERY == 0:
                still = self._still(moved, earlier, _lengths(at), CHECK_EVERY) & good
                converged[index[still]] = self._attracts(at[still], problem.select(still), k + 1)
                finished, earlier = finished | still, moved
            if finished.any():
                rest = ~finished
                index, at, x, earlier, problem = index[rest], at[rest], x[rest], earlier[rest], problem.select(rest)
            if not len(index):
                break
        stacked = {name: torch.stack(values) for name, values in path.items()} if trace else {}
        return {"x": images, "iterations": iterations, "converged": converged, "trace": stacked}

    def _still(self, moved: Tensor, earlier: Tensor, size: Tensor, apart: int) -> Tensor:
        """Whether the rest of the way is short, by the steps now and ``apart`` iterations before."""
        shrink = (moved / earlier) ** (1 / apart)
        left = moved * shrink / (1 - shrink)
        short = (earlier < float("inf")) & (shrink < 1) & (left <= self.tol * size)
        return short | (moved <= 10 * torch.finfo(size.dtype).eps * size)

    def _attracts(self, at: Tensor, problem: Problem, k: int) -> Tensor:
        """Whether a small error does not grow in the iterations that follow."""
        if not len(at):
            return torch.zeros(0, dtype=torch.bool, device=at.device)
        generator = torch.Generator().manual_seed(0)  # of its own, so that the result is the same every time
        push = torch.randn(at[:1].shape, generator=generator, dtype=torch.float64).to(at).expand_as(at)
        push = push / _lengths(push).reshape(-1, 1, 1, 1)
        far = PUSH * _lengths(at).clamp_min(1e-3)
        moved = at + spread(far, at) * push
        for i in range(FOLLOW):
            moved = self.advance(moved, problem, k + i)[0]
        return _lengths(moved - at) <= 1.05 * far

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.weights().items())
        return f"{type(self).__name__}({given})"
