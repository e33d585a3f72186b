"""Nonlinear least squares in the latent vector: the Levenberg-Marquardt method, for a batch of independent problems."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative, check_positive
from ..regularisers.hard import HardObjective
from ..regularisers.registry import solves
from ..regularisers.relaxed import ReducedObjective, RelaxedObjective
from .descent import decomposes
from .jacobian import value_and_jacobian
from .pool import CONVERGED, ROUND_OFF, Pool, machine_noise

__all__ = ["levenberg_marquardt", "normal_equations"]

#: So many problems have their Jacobian at once on a CPU.
CHUNK = 128


def normal_equations(objective: HardObjective | ReducedObjective, z: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient / 2 and Gauss-Newton matrix J^T J + c I of ||r(z)||^2 + c ||z||^2: (B, d) and (B, d, d)."""
    grads, matrices = [], []
    size = CHUNK if z.device.type == "cpu" else len(z)
    for i in range(0, len(z), size):
        part, v = objective.select(slice(i, i + size)), z[i : i + size]
        r, J = part.linearised(*value_and_jacobian(part.G, v))  # (b, q), (b, d, q)
        c = part.prior()
        grads.append((J @ r[..., None])[..., 0] + c[:, None] * v)
        matrices.append(J @ J.mT + torch.diag_embed(c[:, None].expand_as(v)))
    return torch.cat(grads), torch.cat(matrices)


def _step(grad: Tensor, matrix: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """The damped step s = -(H + damping D)^-1 grad, and by how much the model promises to fall: (B, d), (B,).

    D is the diagonal of H, with a floor for directions that G does not see.
    """
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    D = diagonal.clamp_min(1e-6 * diagonal.amax(1, keepdim=True)).clamp_min(torch.finfo(grad.dtype).tiny ** 0.5)
    s = -torch.linalg.solve(matrix + torch.diag_embed(damping[:, None] * D), grad[..., None])[..., 0]
    return s, -(grad * s).sum(1) + damping * (D * s * s).sum(1)


def _finished(pool: Pool, promised: Tensor, damping: float, tol: float) -> Tensor:
    """Whether the model promises no more than ``tol`` f, with the present damping and with the first one: (B,) bool.

    After refusals, at a kink of G, a step promises little only because it is short.
    """
    done = promised <= tol * pool.f
    short = (done & (pool.damping > damping)).nonzero().squeeze(1)
    if len(short):
        longer = torch.full_like(promised[short], damping)
        done[short] = _step(pool.grad[short], pool.matrix[short], longer)[1] <= tol * pool.f[short]
    return done


@solves(HardObjective, "lm", rank=3)
@solves(RelaxedObjective, "lm", rank=3, view=RelaxedObjective.reduced, fast=decomposes)
@torch.no_grad()
def levenberg_marquardt(
    objective: HardObjective | ReducedObjective,
    v0: Tensor,
    damping: float = 1e-2,
    max_iter: int = 100,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Minimise :math:`\|r(z)\|_2^2 + c\|z\|_2^2`, r the residual of hard, or of relaxed after x is eliminated.

    A step solves the problem with G replaced by its tangent, damped:

    .. math:: (J^TJ + cI + \nu D)\, s = -(J^T r + c z), \qquad D = \mathrm{diag}(J^TJ + cI).

    It is taken if f falls by at least 1e-4 of what the tangent promises.  The damping :math:`\nu` of each problem
    falls to a third or less after a step that keeps its promise, and rises two-, four-, eightfold after refusals;
    a refused step needs no new Jacobian.

    Parameters
    ----------
    objective : HardObjective or ReducedObjective
    v0 : (B, d) tensor
    damping : float > 0
        First :math:`\nu`, relative to D.
    max_iter : int
        Steps tried, refused ones among them.
    tol : float
        A problem is finished when the tangent promises to decrease f by no more than ``tol`` f, also with the first
        damping.
    trace : bool

    Returns
    -------
    results, traces
        As ``gradient_descent``.  A Jacobian counts as d + 1 "values", which is what it costs; "gradients" stays 0.

    Source
    ------
    Marquardt, J. SIAM 11 (1963); Nielsen, IMM-REP-1999-05, for the damping.
    """
    check_positive("damping", damping)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    f0, d = objective.value(v0), v0.shape[1]
    grad, matrix = normal_equations(objective, v0)
    pool = Pool(
        objective, v=v0, f=f0, grad=grad, matrix=matrix,
        damping=torch.full_like(f0, damping), growth=torch.full_like(f0, 2.0),
    )  # fmt: skip
    pool.values += d + 2
    if trace:
        pool.trace(v=pool.v, f=pool.f)
    for _ in range(max_iter):
        step, promised = _step(pool.grad, pool.matrix, pool.damping)
        done = _finished(pool, promised, damping, tol)
        stuck = ~done & (promised <= machine_noise(pool.objective, pool.f))
        pool.status = torch.where(stuck, ROUND_OFF, torch.where(done, CONVERGED, pool.status))
        finished = done | stuck
        step, promised = step[~finished], promised[~finished]
        pool.drop(finished)
        if not len(pool):
            break
        trial = pool.v + step
        f = pool.objective.value(trial)
        gain = (pool.f - f) / promised
        taken = gain > 1e-4
        pool.iterations += 1
        pool.values += torch.where(taken, d + 2, 1)
        calmer = (1 - (2 * gain - 1) ** 3).clamp(1 / 9, 1)  # a good step: down to a ninth; a mediocre one: as it was
        pool.damping = pool.damping * torch.where(taken, calmer, pool.growth)
        pool.growth = torch.where(taken, 2.0, 2 * pool.growth)
        pool.v, pool.f = torch.where(taken[:, None], trial, pool.v), torch.where(taken, f, pool.f)
        if trace:
            pool.trace(v=pool.v, f=pool.f)
        fresh = taken.nonzero().squeeze(1)
        if len(fresh):
            pool.grad[fresh], pool.matrix[fresh] = normal_equations(pool.objective.select(fresh), pool.v[fresh])
    return pool.close(), pool.traces()
