"""The primal-dual hybrid gradient method for F(A x, y) + lam Phi(K (x, w)), for a batch of independent problems."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_between, check_count, check_nonnegative, check_positive
from ..regularisers.composite import CompositeObjective, Scratch
from ..regularisers.objective import spread, sum_of_squares
from ..regularisers.registry import solves
from ..regularisers.tv import TVObjective
from .pool import FAILED, Pool

__all__ = ["balanced_ratio", "pdhg", "step_sizes"]

CHECK_EVERY = 10
#: Iterations after which the ratio of the step sizes is looked at: ever fewer, so that it comes to rest.
BALANCED = frozenset([CHECK_EVERY, *(4 * CHECK_EVERY * 2**k for k in range(16))])
#: Of the ratio that the bound of ``balanced_ratio`` asks for.  Measured with TV and TGV on eight problems, among them
#: clean and noisy ones: 0.3 is faster by a tenth on some, and slower by a tenth to a fifth on clean data.
#: Other ways to fewer iterations did not pay: steps for p and q each, with their share balanced too (between a tenth
#: fewer and a third more); the proximal map of ||A x - y||^2 by the singular values (a sixth fewer, but each costs
#: more where A is sparse); other units of the w of TGV (none fewer).
SHARE = 0.5


def step_sizes(ratio: Tensor, norm: float = 3.0) -> tuple[Tensor, Tensor]:
    """tau, sigma with tau / sigma = ratio and tau sigma norm^2 = 1; 3 bounds the norm of (A / ||A||, gradient)."""
    return ratio.sqrt() / norm, 1 / (norm * ratio.sqrt())


def balanced_ratio(way: Tensor, *duals: Tensor) -> Tensor:
    """||way||^2 / ||duals||^2 for each problem, in [1e-8, 1e8]: (B,).

    With way = x - x0, at the solution and from duals 0, the error after k steps is bounded by
    (||x - x0||^2 / tau + ||duals||^2 / sigma) / k: this ratio makes that least.
    """
    return _ratio(sum_of_squares(way), sum(sum_of_squares(p) for p in duals))


def _ratio(way: Tensor, duals: Tensor) -> Tensor:
    return (way / duals.clamp_min(1e-30)).clamp(1e-8, 1e8)


class _InData:
    """The dual variable of A x, p, as it stands: as large as the data."""

    names = ("p",)

    def __init__(self, objective: CompositeObjective) -> None:
        zero = torch.zeros_like(objective.y)
        self.start = {"p": zero, "p_marked": zero}

    def state(self) -> dict[str, Tensor]:
        """What the pool has to keep."""
        return self.start

    def pull(self, pool: Pool) -> Tensor:
        """A^T p."""
        return pool.objective.A.T(pool.p)

    def climb(self, pool: Pool, image: Tensor, sigma: Tensor, relaxation: float) -> None:
        """The over-relaxed step of p at A ``image``."""
        problem = pool.objective
        pool.p.lerp_(problem.fidelity.dual_step(pool.p, problem.A(image), problem.y, sigma), relaxation)

    def way(self, pool: Pool, new: dict[str, Tensor]) -> Tensor:
        """The square of how far p has come since it was marked: (B,)."""
        return sum_of_squares(new["p"] - pool.p_marked)


class _InImages(_InData):
    """p = A v - b y for the squared norm, by the image v, which is ``p`` in the pool, and the number b.

    The steps of p are affine, so that it stays of this form.  That saves work where there are more data than pixels.
    """

    names = ("p", "b")

    def __init__(self, objective: CompositeObjective) -> None:
        zero = torch.zeros(len(objective.y), *objective.A.shape_in, dtype=objective.y.dtype, device=objective.y.device)
        none = torch.zeros_like(objective.lam)
        self.start = {"p": zero, "b": none, "p_marked": zero, "b_marked": none, "back": objective.A.T(objective.y)}

    def pull(self, pool: Pool) -> Tensor:
        return torch.addcmul(pool.objective.A.normal(pool.p), spread(pool.b, pool.back), pool.back, value=-1)

    def climb(self, pool: Pool, image: Tensor, sigma: Tensor, relaxation: float) -> None:
        gain = relaxation * sigma / (1 + sigma / 2)
        pool.p.mul_(1 - gain / 2).addcmul_(gain, image)
        pool.b.mul_(1 - gain.flatten() / 2).add_(gain.flatten())

    def way(self, pool: Pool, new: dict[str, Tensor]) -> Tensor:
        y = pool.objective.y
        return sum_of_squares(pool.objective.A(new["p"] - pool.p_marked) - spread(new["b"] - pool.b_marked, y) * y)


@solves(TVObjective, "paper", rank=1, general="F")
@solves(CompositeObjective, "pdhg", rank=0, general="F", fast=lambda objective: not objective.R.closed_prox)
@torch.no_grad()
def pdhg(
    objective: CompositeObjective,
    x0: Tensor,
    ratio: float | None = None,
    relaxation: float = 1.9,
    max_iter: int = 2_000,
    tol: float = 1e-5,
    trace: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Primal-dual hybrid gradient for F(A x, y) + lam Phi(K (x, w)); for TV, Phi(K x) is the 1-norm of the gradient.

    The saddle point problem has the dual variables p (for A x) and q (for K (x, w); of TV, ``|q| <= lam``), and the
    norm of the operator (A / ||A||, K) is at most the root of 1 + ||K||^2, 3 for TV; the step for p is divided by the
    square of ||A||.

    Parameters
    ----------
    objective : CompositeObjective
    x0 : (B, channels, H, W) tensor
    ratio : float > 0, optional
        Primal over dual step size; their product is fixed by the norm. Default: 1 for ten steps, then for each
        problem from how far x and (p, q) have come since the ratio was last looked at: after 10, 40, 80, 160, ...
        steps.
    relaxation : float in (0, 2)
        Every step goes so many times as far as its proximal maps say. 1: the method as it was published; 1.9 needs
        about two thirds of the iterations.
    max_iter : int
    tol : float
        A problem is finished when, twice in a row, neither its objective nor its image has changed over ten iterations
        by more than this, relatively.
    trace : bool
        Also return the objective, every ten iterations.

    Returns
    -------
    results, traces
        "x", "f", "status", "iterations", ...; and "f".

    Source
    ------
    Chambolle and Pock, J. Math. Imaging Vis. 40 (2011), the paper's reference [86]; relaxed by Condat, J. Optim.
    Theory Appl. 158 (2013).
    """
    if ratio is not None:
        check_positive("ratio", ratio)
    check_between("relaxation", relaxation, 0, 2)
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("tol", tol)
    norm = objective.A.norm or 1.0  # of A = 0 any number will do
    squared = norm**2
    unit = squared**2  # of a ratio: with c A, c y and c^2 lam in place of A, y and lam it is that of before over c^4
    R, bound = objective.R, (1 + objective.R.norm_squared) ** 0.5
    f0 = objective.value(x0)
    data = (_InImages if objective.fidelity.squared and objective.A.m > objective.A.n else _InData)(objective)
    q0 = torch.zeros_like(R.K(x0), memory_format=torch.contiguous_format)
    pool = Pool(
        objective, x=x0, u=x0, q=q0, f=f0,
        ratio=torch.full_like(objective.lam, (1.0 if ratio is None else ratio) / unit),
        calm=torch.zeros_like(f0, dtype=torch.bool),
        x_checked=x0, x_marked=x0, q_marked=q0, **data.state(),
    )  # fmt: skip
    scratch = Scratch()
    for k in range(1, max_iter + 1):
        if not len(pool):
            break
        problem, check = pool.objective, k % CHECK_EVERY == 0 or k == max_iter
        balance = ratio is None and check and k in BALANCED
        before = {name: getattr(pool, name).clone() for name in ("q", *data.names)} if balance else {}
        tau, sigma = step_sizes(pool.ratio, bound)
        change = R.pull(pool.q, scratch("change", pool.u))
        problem.image(change).add_(data.pull(pool))
        change.mul_(-spread(tau, x0))
        x = torch.add(pool.u, change, out=pool.x)
        if R.bounds is not None:
            torch.sub(x.copy_(problem.nearest(x)), pool.u, out=change)
        bar = torch.add(x, change, out=scratch("bar", x))
        pool.u.add_(change, alpha=relaxation)
        data.climb(pool, problem.image(bar), spread(sigma, pool.p) / squared, relaxation)
        R.climb(pool.q, bar, spread(problem.lam, pool.q), spread(sigma, pool.q), relaxation, scratch)
        pool.iterations += 1
        if check:
            if balance:  # by what the proximal maps have said, before it was over-relaxed
                new = {name: old.lerp(getattr(pool, name), 1 / relaxation) for name, old in before.items()}
                duals = data.way(pool, new) / squared + sum_of_squares(new["q"] - pool.q_marked) / unit
                found = SHARE * _ratio(sum_of_squares(x - pool.x_marked), duals) / unit
                pool.ratio = found if k == CHECK_EVERY else (pool.ratio * found).sqrt()
                pool.x_marked = x.clone()
                for name, value in new.items():
                    setattr(pool, f"{name}_marked", value)
            f = problem.value(x)
            moved = sum_of_squares(x - pool.x_checked).sqrt() / sum_of_squares(x).sqrt().clamp_min(1e-30)
            calm = ((pool.f - f).abs() <= tol * f) & (moved <= tol**0.5)
            done = calm & pool.calm  # once may be where the objective, which is not monotone, turns
            pool.calm = calm
            pool.f, pool.x_checked = f, x.clone()
            if trace:
                pool.trace(f=f)
            pool.drop(pool.stop(done, broken=torch.isnan(f)))
    found = pool.close()
    # the method is not monotone, but a minimum lies below the start
    status = torch.where(found["f"] <= f0 + tol * f0.abs(), found["status"], FAILED)
    return found | {"status": status}, pool.traces()
