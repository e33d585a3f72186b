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
from .pool import CONVERGED, MAX_ITER, Pool

__all__ = ["CovarianceObjective", "RelaxedInTurn", "alternate", "eliminate"]

#: Accuracy of the linear systems, ||residual|| / ||right hand side||.
TOL = {torch.float32: 1e-5, torch.float64: 1e-10}
#: Of conjugate gradients.  A precision that couples far pixels can need many more than the usual few dozen.
MAX_STEPS = 3000


class _XBlock(QuadraticObjective):
    """||A x - y||^2 + lam / 2 ||x - g||^2 in the norm of Sigma^-1, in x, for fixed g = G(z) and Sigma = Sigma(z)."""

    batched = ("y", "g", "half", "_diagonal")

    def __init__(
        self, A: LinearOperator, y: Tensor, g: Tensor, covariance: LocalPrecision, half: Tensor, level: Tensor
    ) -> None:
        self.A, self.y, self.g, self.covariance, self.half = A, y, g, covariance, half
        self._diagonal = level + spread(half, g) * covariance.precision_diagonal()

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

    def diagonal(self) -> Tensor:
        return self._diagonal


def _solve(block: _XBlock, x: Tensor | None) -> tuple[Tensor, Tensor]:
    """The minimiser, looked for from ``x`` on, or from g, and whether it was found."""
    start = block.g if x is None else x
    found, _ = conjugate_gradients(block, start, max_iter=MAX_STEPS, tol=TOL[start.dtype])
    return found["v"], found["status"] == CONVERGED


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
        # The mean of the diagonal of A^*A: E ||A v||^2 / n over random signs v.
        signs = torch.randint(2, (4, *A.shape_in), generator=torch.Generator().manual_seed(0)).to(y) * 2 - 1
        self.level = sum_of_squares(A(signs)).mean() / signs[0].numel()

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        """||A x - y||^2 + lam R(x, z): (B,)."""
        return sum_of_squares(self.A(x) - self.y) + self.weight * self.R.joint(x, z)

    def z_block(self, x: Tensor) -> Objective:
        return _ZBlock(self.R, x, self.weight)

    @torch.no_grad()
    def solve(self, z: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The best x for each z, looked for from ``x`` on, or from G(z), and whether it was found.

        (B, d) -> (B, 1, H, W), and B bools: False where ``MAX_STEPS`` were not enough.
        """
        return _solve(_XBlock(self.A, self.y, self.G(z), self.G.covariance(z), self.weight / 2, self.level), x)

    def _value(self, z: Tensor) -> Tensor:
        return self.total(z, self.solve(z.detach())[0])


class RelaxedInTurn(RelaxedObjective):
    """Relaxed for ``alternate``: it is the learned covariance mu I with weight 2 lam mu, but for a constant."""

    @property
    def weight(self) -> Tensor:
        """That weight, which scales the tolerance: (B,)."""
        return 2 * self.lam

    @torch.no_grad()
    def solve(self, z: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As that of ``CovarianceObjective``: A need not be decomposed."""
        g = self.G(z)
        one = LocalPrecision(torch.zeros_like(g), torch.zeros_like(g)[:, :0])
        return _solve(_XBlock(self.A, self.y, g, one, self.relaxation, level=self.y.new_ones(())), x)


def eliminate(
    objective: CovarianceObjective, z0: Tensor, tol: float = 1e-6, **settings
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """L-BFGS in z, x eliminated.  Parameters and results as ``lbfgs``, with "z" and "x" in place of "v".

    A problem whose last x could not be found has status "budget".
    """
    found, path = lbfgs(objective, z0, tol=tol, **settings)
    z = found.pop("v")
    x, solved = (torch.cat(part) for part in zip(*[part.solve(w) for part, w in objective._parts(z)], strict=True))
    found["status"] = torch.where(solved, found["status"], MAX_ITER)
    return found | {"z": z, "x": x}, path


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

    Neither half ever goes up.  A problem is finished when x was found and a round lowers f by less than ``tol`` times
    lam n / 2, for n pixels: what n standard normal residuals contribute.

    Parameters and results as ``gradient_descent``, with "z" and "x" in place of "v".
    """
    check_count("z_steps", z_steps)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    x, _ = objective.solve(z0, x0)
    pool = Pool(objective, z=z0, x=x, f=objective.total(z0, x))
    if trace:
        pool.trace(z=pool.z, f=pool.f)
    for _ in range(max_iter):
        if not len(pool):
            break
        better, _ = lbfgs(pool.objective.z_block(pool.x), pool.z, max_iter=z_steps, tol=0.0)
        x, solved = pool.objective.solve(better["v"], pool.x)
        f = pool.objective.total(better["v"], x)
        done = solved & (pool.f - f <= tol * pool.objective.weight * x[0].numel() / 2)
        pool.z, pool.x, pool.f = better["v"], x, f
        pool.status = torch.where(done, CONVERGED, pool.status)
        pool.iterations += 1
        pool.values += better["values"]
        pool.gradients += better["gradients"]
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(done)
    return pool.close(), pool.traces()
