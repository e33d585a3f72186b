"""Deviations with few edges: Algorithm 3 for sparse-TV, and a faster solver."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative, check_positive
from ..regularisers.composite import Scratch
from ..regularisers.differences import gradient
from ..regularisers.hard import HardObjective
from ..regularisers.objective import spread, sum_of_squares
from ..regularisers.registry import solves
from ..regularisers.sparse import SparseTVObjective
from .alternating import palm
from .jacobian import value_and_jacobian
from .levenberg import levenberg_marquardt
from .pdhg import balanced_ratio, step_sizes
from .pool import Pool

__all__ = ["linearised", "sparse_tv_palm"]

#: Primal over dual step size of the first inner iteration.
RATIO = 3.0
#: As in ``pdhg``.
RELAXATION = 1.9
#: After these rounds the step sizes are balanced anew.
BALANCED = (0, 1, 3)
#: The damping that keeps z where it is.
LARGEST_DAMPING = 1e10


@solves(SparseTVObjective, "paper", rank=1)
def sparse_tv_palm(objective: SparseTVObjective, z0: Tensor, **settings):
    """Algorithm 3 from u = 0, its denoising problems started from each other's solutions; as ``palm``."""
    u0 = torch.zeros(len(z0), *objective.A.shape_in, dtype=z0.dtype, device=z0.device)
    return palm(objective.with_duals(u0), z0, u0, **settings)


class _Tangent:
    """The data term with G replaced by its tangent at z, as a function of v = A u, the step s eliminated.

    phi(v) = min_s ||v - b + K s||^2 + c ||z + s||^2 + s^T D s,   b = y - A G(z), K = A G'(z), D the damping.

    Data do not occur here: of v and b only A^T v and A^T b are needed, so that all that is flat below has n entries.
    """

    def __init__(self, objective: SparseTVObjective, z: Tensor, damping: Tensor) -> None:
        g, J = value_and_jacobian(objective.G, z)
        self.g, self.J = g.flatten(1), J.flatten(2)  # (B, n), (B, d, n)
        self.NJ = objective.A.normal(J.flatten(0, 1)).reshape(self.J.shape)  # A^T K
        self.Ng = objective.A.normal(g).flatten(1)
        self.back = objective.A.T(objective.y).flatten(1)
        self.pull = objective.lam[:, None] * z
        self.gram = self.NJ @ self.J.mT  # K^T K
        ridge = damping[:, None] * self.gram.diagonal(dim1=1, dim2=2) + objective.lam[:, None]
        # a direction that G does not see and no weight on z: any positive ridge keeps s at 0 there
        floor = torch.finfo(z.dtype).eps * self.gram.diagonal(dim1=1, dim2=2).amax(1, keepdim=True)
        self.ridge = torch.diag_embed(ridge + floor.clamp_min(torch.finfo(z.dtype).tiny ** 0.5))

    def inverse(self, weight: Tensor) -> Tensor:
        """(weight K^T K + c I + D)^-1: (B,) -> (B, d, d)."""
        return torch.linalg.inv(weight[:, None, None] * self.gram + self.ridge)

    def step(self, back: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
        """The best s for v, of which A^T v is given: (B, n) -> (B, d)."""
        slope = weight[:, None] * torch.bmm(self.J, (back - self.back + self.Ng)[..., None])[..., 0] + self.pull
        return -torch.bmm(inverse, slope[..., None])[..., 0]

    def image(self, s: Tensor) -> Tensor:
        """G(z) + G'(z) s: (B, n)."""
        return torch.baddbmm(self.g[:, None], s[:, None], self.J)[:, 0]

    def normal(self, s: Tensor) -> Tensor:
        """A^T A of that image: (B, n)."""
        return torch.baddbmm(self.Ng[:, None], s[:, None], self.NJ)[:, 0]


def _pdhg(problem: SparseTVObjective, tangent: _Tangent, u, v, b, q, ratio: Tensor, n_iter: int) -> tuple[Tensor, ...]:
    """``n_iter`` steps of the primal-dual hybrid gradient method for min_u phi(A u) + lam TV(u).

    The dual variable of A u is p = A v - b y, with an image v and a number b: its steps are affine, so that it stays
    of this form, and A^T A of one image a step is all that is needed.
    """
    shape, A, R, scratch = u.shape, problem.A, problem.R, Scratch()
    tau, sigma = step_sizes(ratio)
    step, tau = sigma[:, None] / (A.norm or 1.0) ** 2, tau[:, None]  # the step of p
    kappa = (step / (2 + step))[:, 0]
    inverse, lam, sigma = tangent.inverse(kappa), spread(problem.threshold, q), spread(sigma, q)
    u, v, b, q = u.flatten(1).clone(), v.flatten(1), b[:, None], q.clone()
    Nv = A.normal(v.reshape(shape)).flatten(1)
    for _ in range(n_iter):
        change = R.pull(q, scratch("change", q, 1)).flatten(1).add_(Nv).addcmul_(b, tangent.back, value=-1).mul_(-tau)
        bar = torch.add(u, change, alpha=2)
        u.add_(change, alpha=RELAXATION)
        Nbar = A.normal(bar.reshape(shape)).flatten(1)
        s = tangent.step(torch.addcdiv(Nbar, Nv, step).addcmul_(b / step, tangent.back, value=-1), inverse, kappa)
        # w = p + step A bar goes to (w - step (y - A (g + J s))) / (1 + step / 2), over-relaxed
        keep, gain = 1 - RELAXATION + RELAXATION / (1 + step / 2), RELAXATION * step / (1 + step / 2)
        v = torch.mul(v, keep).addcmul_(gain, bar + tangent.image(s))
        Nv = torch.mul(Nv, keep).addcmul_(gain, Nbar + tangent.normal(s))
        b = b * keep + gain
        R.climb(q, bar.reshape(shape), lam, sigma, RELAXATION, scratch)
    return u.reshape(shape), v.reshape(shape), b[:, 0], q


def _in_data(problem: SparseTVObjective, v: Tensor, b: Tensor) -> Tensor:
    """A v - b y."""
    return problem.A(v) - spread(b, problem.y) * problem.y


def _improve_z(pool: Pool, rows: Tensor, tol: float) -> Tensor:
    """z alone, u as it is, by Levenberg-Marquardt; returns those of ``rows`` whose objective falls by more than tol f.

    Refused steps raise the damping until a step is tiny although z is not at rest; this tells the two apart.
    """
    if not len(rows):
        return rows
    part = pool.objective.select(rows)
    hard = HardObjective(part.A, part.y - part.A(pool.u[rows]), part.G, part.lam)
    found, _ = levenberg_marquardt(hard, pool.z[rows], tol=tol)
    f = part.total(found["v"], pool.u[rows])
    gain = pool.f[rows] - f
    lower = rows[gain > 0]
    pool.z[lower], pool.f[lower] = found["v"][gain > 0], f[gain > 0]
    for name in ("iterations", "values"):
        getattr(pool, name)[rows] += found[name]
    going_on = rows[gain > tol * f.abs()]
    pool.damping[going_on] = 1e-3
    return going_on


@solves(SparseTVObjective, "linearised", rank=0)
@torch.no_grad()
def linearised(
    objective: SparseTVObjective,
    z0: Tensor,
    inner_iter: int = 50,
    ratio: float | None = None,
    max_iter: int = 100,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Sparse-TV by convex problems: G is replaced by its tangent, z eliminated, and u found by PDHG.

    First u = 0: the hard problem, by Levenberg-Marquardt.  Then, with b = y - A G(z) and K = A G'(z),

    .. math:: \min_{u,s} \|Au + Ks - b\|_2^2 + \lambda\,\mathrm{TV}(u) + \lambda\mu\|z + s\|_2^2 + \nu\,s^TDs

    is convex; s is eliminated exactly (a d x d system), and ``inner_iter`` steps of the primal-dual hybrid gradient
    method, which go on where the last ones ended, find u.  (z + s, u) is taken if the objective falls; if not, the
    inner iteration goes on, and the damping :math:`\nu` rises if the convex problem had promised a fall.

    Parameters
    ----------
    objective : SparseTVObjective
    z0 : (B, d) tensor
    inner_iter : int
    ratio : float > 0, optional
        Primal over dual step size of the inner iteration.  Default: 3 for the first, then for each problem as ``pdhg``.
    max_iter : int
        Tangents.
    tol : float
        A problem is finished when, relatively, neither a step nor Levenberg-Marquardt in z alone changes its objective
        by more than this, and ``inner_iter`` steps change the image by no more than the root of it.
    trace : bool

    Returns
    -------
    results, traces
        As ``palm``; a Jacobian counts as d + 1 "values".

    Source
    ------
    Gauss-Newton with Chambolle and Pock, J. Math. Imaging Vis. 40 (2011), for its convex problems.
    """
    check_count("inner_iter", inner_iter)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    if ratio is not None:
        check_positive("ratio", ratio)
    A_norm = objective.A.norm or 1.0
    hard = HardObjective(objective.A, objective.y, objective.G, objective.lam)
    first, _ = levenberg_marquardt(hard, z0)
    z, d = first["v"], z0.shape[1]
    g = torch.cat([objective.G(part) for part in z.split(128)])
    u = torch.zeros_like(g)
    f = first["f"]
    two, q = torch.full_like(f, 2.0), torch.zeros_like(gradient(u))  # p = 2 (A g - y)
    pool = Pool(
        objective, z=z, u=u, f=f, model=f, inner=u, v=2 * g, b=two, q=q, v0=2 * g, damping=torch.full_like(f, 1e-3),
        ratio=torch.full_like(f, (RATIO if ratio is None else ratio) / A_norm**4),
    )  # fmt: skip
    for name in ("iterations", "values", "gradients"):
        setattr(pool, name, first[name].clone())
    if trace:
        pool.trace(z=pool.z, f=pool.f)
    for k in range(max_iter):
        if not len(pool):
            break
        problem = pool.objective
        tangent = _Tangent(problem, pool.z, pool.damping)
        before = pool.inner, pool.v, pool.b, pool.q
        pool.inner, pool.v, pool.b, pool.q = _pdhg(problem, tangent, *before, pool.ratio, inner_iter)
        if k in BALANCED and ratio is None:
            duals = _in_data(problem, pool.v - pool.v0, pool.b - 2) / A_norm, pool.q / A_norm**2
            pool.ratio = balanced_ratio(pool.inner, *duals) / A_norm**4
        one = torch.ones_like(pool.f)
        s = tangent.step(problem.A.normal(pool.inner).flatten(1), tangent.inverse(one), one)
        z, u = pool.z + s, pool.inner
        moved = tangent.image(s).reshape(u.shape)
        model = problem.u_block(moved).value(u) + problem.lam * sum_of_squares(z) + problem.penalty(u)
        f = problem.total(z, u)
        # Where the inner iteration is on its way, its u may still be worse than none.
        way = sum_of_squares(u - before[0]) <= 10 * tol * sum_of_squares(problem.G(z) + u)
        settled = way & ((model - pool.model).abs() <= 10 * tol * model)
        taken = f < pool.f
        done = settled & ((f - pool.f).abs() <= tol * pool.f.abs())
        # G does not keep what its tangent promises: the step was too long.
        pool.damping = torch.where(
            taken, 0.2 * pool.damping, torch.where(model < pool.f, 5 * pool.damping, pool.damping)
        )
        pool.damping = pool.damping.clamp_max(LARGEST_DAMPING)
        pool.z = torch.where(taken[:, None], z, pool.z)
        pool.u = torch.where(taken[:, None, None, None], u, pool.u)
        pool.f, pool.model = torch.where(taken, f, pool.f), model
        pool.iterations += 1
        pool.values += d + 3
        going_on = _improve_z(pool, done.nonzero().squeeze(1), tol)
        done[going_on] = False
        finished = pool.stop(done, broken=~torch.isfinite(f))
        if trace:
            pool.trace(z=pool.z, f=pool.f)
        pool.drop(finished)
    return pool.close(), pool.traces()
