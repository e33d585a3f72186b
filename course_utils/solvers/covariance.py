"""The problem of a generator with learned covariance, and relaxed: a linear system in x, a descent in z."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..generators import LocalPrecision
from ..regularisers.covariance import CovarianceObjective, XBlock
from ..regularisers.objective import LatentObjective, Objective, QuadraticObjective
from ..regularisers.registry import solves
from ..regularisers.relaxed import RelaxedObjective
from .conjugate import conjugate_gradients
from .descent import lbfgs
from .pool import CONVERGED, MAX_ITER, Pool

__all__ = ["Eliminated", "EliminatedRelaxed", "alternate", "eliminate"]

#: Accuracy of the linear systems, ||residual|| / ||right hand side||.
TOL = {torch.float32: 1e-5, torch.float64: 1e-10}
#: Of conjugate gradients.  A precision that couples far pixels can need many more than the usual few dozen.
MAX_STEPS = 3000


class Eliminated(LatentObjective):
    r"""||A x - y||^2 + lam R(x, z) as a function of z alone: the best x for a given z is eliminated.

    That x solves :math:`(A^*A + \tfrac\lambda2\Sigma(z)^{-1})\,x = A^*y + \tfrac\lambda2\Sigma(z)^{-1}G(z)`, by
    conjugate gradients.  There the derivative in x is 0, so that the gradient in z is the partial one.
    """

    def __init__(self, joint: CovarianceObjective | RelaxedObjective) -> None:
        super().__init__(joint.A, joint.y, joint.G, joint.lam)
        self.joint = joint

    def select(self, index: Tensor | slice) -> Eliminated:
        part = super().select(index)
        part.joint = self.joint.select(index)
        return part

    def size(self, f: Tensor) -> Tensor:
        """Of which a fraction is a small change of f: (B,)."""
        return self.joint.weight * math.prod(self.A.shape_in) / 2

    def x_block(self, z: Tensor) -> QuadraticObjective:
        """The problem in x for a given z."""
        return self.joint.x_block(z)

    def z_block(self, x: Tensor) -> Objective:
        return self.joint.z_block(x)

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        return self.joint.total(z, x)

    @torch.no_grad()
    def solve(self, z: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The best x for each z, looked for from ``x`` on, or from G(z), and whether it was found.

        (B, d) -> (B, 1, H, W), and B bools: False where ``MAX_STEPS`` were not enough.
        """
        block = self.x_block(z)
        start = block.g if x is None else x
        found, _ = conjugate_gradients(block, start, max_iter=MAX_STEPS, tol=TOL[start.dtype])
        return found["v"], found["status"] == CONVERGED

    def _value(self, z: Tensor) -> Tensor:
        return self.total(z, self.solve(z.detach())[0])


class EliminatedRelaxed(Eliminated):
    """Relaxed without a decomposition of A: the learned covariance mu I with weight 2 lam mu, but for a constant."""

    def size(self, f: Tensor) -> Tensor:
        return f.abs()

    def x_block(self, z: Tensor) -> QuadraticObjective:
        g = self.G(z)
        one = LocalPrecision(torch.zeros_like(g), torch.zeros_like(g)[:, :0])
        return XBlock(self.A, self.y, g, one, self.joint.relaxation, level=self.y.new_ones(()))


@solves(CovarianceObjective, "lbfgs", rank=0, view=Eliminated)
def eliminate(
    objective: Eliminated, z0: Tensor, tol: float = 1e-6, **settings
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """L-BFGS in z, x eliminated.  Parameters and results as ``lbfgs``, with "z" and "x" in place of "v".

    A problem whose last x could not be found has status "budget".
    """
    found, path = lbfgs(objective, z0, tol=tol, **settings)
    z = found.pop("v")
    x, solved = (torch.cat(part) for part in zip(*[part.solve(w) for part, w in objective._parts(z)], strict=True))
    found["status"] = torch.where(solved, found["status"], MAX_ITER)
    return found | {"z": z, "x": x}, path


@solves(CovarianceObjective, "alternating", rank=1, view=Eliminated, first_image=True)
@torch.no_grad()
def alternate(
    objective: Eliminated,
    z0: Tensor,
    x0: Tensor | None = None,
    z_steps: int = 5,
    max_iter: int = 500,
    tol: float = 1e-6,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """In turn the best x for z, by conjugate gradients, and a better z for x, by ``z_steps`` steps of L-BFGS.

    Neither half ever goes up.  A problem is finished when x was found and a round lowers f by less than ``tol`` times
    f; for the learned covariance, whose f is a logarithm and may be 0, times lam n / 2 for n pixels: what n standard
    normal residuals contribute.

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
        done = solved & (pool.f - f <= tol * pool.objective.size(f))
        pool.z, pool.x, pool.f = better["v"], x, f
        finished = pool.stop(done, broken=~torch.isfinite(f))
        pool.iterations += 1
        pool.values += better["values"]
        pool.gradients += better["gradients"]
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()


@solves(RelaxedObjective, "alternating", rank=1, view=EliminatedRelaxed, first_image=True)
def alternate_relaxed(
    objective: EliminatedRelaxed, z0: Tensor, x0: Tensor | None = None, z_steps: int = 20, tol: float = 1e-5, **settings
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """As ``alternate``; G is cheap beside the linear system for x, so that more steps in z are taken for each."""
    return alternate(objective, z0, x0, z_steps=z_steps, tol=tol, **settings)
