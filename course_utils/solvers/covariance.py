"""The problem of a generator with learned covariance, and relaxed: a linear system in x, a descent in z."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..generators import LocalPrecision
from ..operators import LinearOperator
from ..regularisers import LearnedCovariance
from .conjugate import conjugate_gradients
from .descent import lbfgs, spread
from .objectives import HardObjective, Objective, QuadraticObjective, RelaxedObjective, sum_of_squares
from .pool import CONVERGED, Pool

__all__ = ["CovarianceObjective", "RelaxedInTurn", "alternate", "eliminate"]

#: Accuracy of the linear systems, ||residual|| / ||right hand side||.
TOL = {torch.float32: 1e-5, torch.float64: 1e-10}


class _XBlock(QuadraticObjective):
    """||A x - y||^2 + lam / 2 ||x - g||^2 in the norm of Sigma^-1, in x, for fixed g = G(z) and Sigma = Sigma(z)."""

    batched = ("y", "g", "half")

    def __init__(self, A: LinearOperator, y: Tensor, g: Tensor, covariance: LocalPrecision, half: Tensor) -> None:
        self.A, self.y, self.g, self.covariance, self.half = A, y, g, covariance, half

    def select(self, index: Tensor | slice) -> _XBlock:
        part = super().select(index)
        part.covariance = self.covariance.select(index)
        return part

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.half * self.covariance.quadratic(x - self.g)

    def _pull(self, x: Tensor) -> Tensor:
        return spread(self.half, x) * self.covariance.precision(x)

    def normal(self, x: Tensor) -> Tensor:
        return self.A.T(self.A(x)) + self._pull(x)

    def right(self) -> Tensor:
        return self.A.T(self.y) + self._pull(self.g)


class _ZBlock(Objective):
    """lam R(x, z) in z, for fixed x."""

    batched = ("x", "lam")

    def __init__(self, R: LearnedCovariance, x: Tensor, lam: Tensor) -> None:
        self.R, self.x, self.lam = R, x, lam

    def magnitude(self) -> Tensor:
        return torch.zeros_like(self.lam)

    def _value(self, z: Tensor) -> Tensor:
        return self.lam * self.R.joint(self.x, z)


class CovarianceObjective(HardObjective):
    r"""||A x - y||^2 + lam R(x, z) as a function of z alone: the best x for a given z is eliminated.

    That x solves :math:`(A^*A + \tfrac\lambda2\Sigma(z)^{-1})\,x = A^*y + \tfrac\lambda2\Sigma(z)^{-1}G(z)`, by
    conjugate gradients.  There the derivative in x is 0, so that the gradient in z is the partial one.
    ``scores`` (inherited) judges a start by the hard objective with weight lam / 2, that is at x = G(z).
    """

    batched = ("y", "weight", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, R: LearnedCovariance, lam: Tensor) -> None:
        super().__init__(A, y, R.G, lam / 2)
        self.R, self.weight = R, lam

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        """||A x - y||^2 + lam R(x, z): (B,)."""
        return sum_of_squares(self.A(x) - self.y) + self.weight * self.R.joint(x, z)

    def z_block(self, x: Tensor) -> Objective:
        return _ZBlock(self.R, x, self.weight)

    @torch.no_grad()
    def image(self, z: Tensor, x: Tensor | None = None) -> Tensor:
        """The best x for each z, looked for from ``x`` on, or from G(z): (B, d) -> (B, 1, H, W)."""
        g = self.G(z)
        block = _XBlock(self.A, self.y, g, self.G.covariance(z), self.weight / 2)
        return conjugate_gradients(block, g if x is None else x, tol=TOL[z.dtype])[0]["v"]

    def _value(self, z: Tensor) -> Tensor:
        return self.total(z, self.image(z.detach()))


class RelaxedInTurn(RelaxedObjective):
    """Relaxed for ``alternate``: it is the learned covariance mu I with weight 2 lam mu, but for a constant."""

    @property
    def weight(self) -> Tensor:
        """That weight, which scales the tolerance: (B,)."""
        return 2 * self.lam

    @torch.no_grad()
    def image(self, z: Tensor, x: Tensor | None = None) -> Tensor:
        """The best x for each z by conjugate gradients, so that A need not be decomposed: (B, d) -> (B, 1, H, W)."""
        g = self.G(z)
        one = LocalPrecision(torch.zeros_like(g), torch.zeros_like(g)[:, :0])
        block = _XBlock(self.A, self.y, g, one, self.relaxation)
        return conjugate_gradients(block, g if x is None else x, tol=TOL[z.dtype])[0]["v"]


def eliminate(
    objective: CovarianceObjective, z0: Tensor, tol: float = 1e-6, **settings
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """L-BFGS in z, x eliminated.  Parameters and results as ``lbfgs``, with "z" and "x" in place of "v"."""
    found, path = lbfgs(objective, z0, tol=tol, **settings)
    z = found.pop("v")
    return found | {"z": z, "x": torch.cat([part.image(w) for part, w in objective._parts(z)])}, path


@torch.no_grad()
def alternate(
    objective: CovarianceObjective | RelaxedInTurn,
    z0: Tensor,
    x0: Tensor | None,
    z_steps: int = 5,
    max_iter: int = 500,
    tol: float = 1e-6,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """In turn the best x for z, by conjugate gradients, and a better z for x, by ``z_steps`` steps of L-BFGS.

    Neither half ever goes up.  A problem is finished when a round lowers f by less than ``tol`` times lam n / 2, for
    n pixels: what n standard normal residuals contribute.

    Parameters and results as ``gradient_descent``, with "z" and "x" in place of "v".
    """
    check_count("z_steps", z_steps)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    x = objective.image(z0, x0)
    pool = Pool(objective, z=z0, x=x, f=objective.total(z0, x))
    if trace:
        pool.trace(z=pool.z, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        better, _ = lbfgs(pool.objective.z_block(pool.x), pool.z, max_iter=z_steps, tol=0.0)
        x = pool.objective.image(better["v"], pool.x)
        f = pool.objective.total(better["v"], x)
        done = pool.f - f <= tol * pool.objective.weight * x[0].numel() / 2
        pool.z, pool.x, pool.f = better["v"], x, f
        pool.status = torch.where(done, CONVERGED, pool.status)
        pool.iterations += 1
        pool.values += better["values"]
        pool.gradients += better["gradients"]
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(done)
    return pool.close(), pool.traces()
