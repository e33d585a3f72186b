"""Morozov's discrepancy principle: leave a residual as large as the noise is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .._check import check_count, check_kind, check_nonnegative, check_positive
from ..regularisers.objective import per_problem
from ..solvers import Result
from .choice import Choice
from .path import SolutionPath, rows_of

__all__ = ["morozov", "squared_noise"]

#: Of a weight that comes from its logarithm.
ROUND_OFF = 1e-5
#: Where the grid does not hold a solution, it is widened by this factor at a time.
WIDEN = 100.0


class Moments(NamedTuple):
    """Expectation and standard deviation of ||e||^2."""

    mean: float
    std: float


def squared_noise(m: int, sigma: float) -> Moments:
    r"""Expectation and standard deviation of :math:`\|e\|^2` for m independent :math:`e_i\sim N(0,\sigma^2)`.

    They are :math:`m\sigma^2` and :math:`\sqrt{2m}\,\sigma^2`, because :math:`\|e\|^2/\sigma^2` is chi-squared with m
    degrees of freedom.  So the level of the discrepancy principle is known to a relative :math:`\sqrt{2/m}`.

    Parameters
    ----------
    m : int
        Number of real data, ``A.m``; a complex datum counts twice, with ``sigma`` that of each part.
    sigma : float >= 0

    Source
    ------
    Engl, Hanke and Neubauer, Regularization of Inverse Problems (1996), Chapter 4, for the principle.

    Example
    -------
    >>> squared_noise(800, 0.5)
    Moments(mean=200.0, std=10.0)
    """
    m, sigma = check_count("m", m), check_nonnegative("sigma", sigma)
    return Moments(m * sigma**2, math.sqrt(2 * m) * sigma**2)


def morozov(
    solutions: SolutionPath, sigma: float | Tensor, tau: float = 1.0, tol: float = 1e-3, max_iter: int = 40
) -> Choice:
    r"""The weight for which the residual is as large as the noise: :math:`\|Ax_\lambda-y\|^2=\tau\,m\,\sigma^2`.

    For a convex R the residual rises with lambda.  The grid brackets the solution; then, each problem in its own
    bracket and all in one batch, a secant in :math:`\log\lambda` and the logarithm of the residual takes the next
    point.  It is safeguarded: an end of the bracket that stays where it is loses half of its weight (Illinois), and
    a bracket that was not halved in three steps is bisected.  Problems that are solved leave the batch.  A grid that
    does not hold the solution is widened, twice by a factor of 100.

    Parameters
    ----------
    solutions : SolutionPath
    sigma : float or (B,) tensor, > 0
        Standard deviation of the white Gaussian noise, in units of the data.
    tau : float > 0
        Above 1 it allows for the noise being larger than expected; ``squared_noise`` says how much larger that is.
    tol : float > 0
        Solved when the squared residual is the level up to this relative error.
    max_iter : int
        Steps after the grid; a problem that needs more is not ``solved``.

    Returns
    -------
    Choice
        With the curves "residual" and "level", the right-hand side.

    Raises
    ------
    ValueError
        The level is not reached by any lambda: it lies below the least residual, or above that of the largest
        lambda, which is ||y||^2 if R is least at 0 alone.

    Source
    ------
    Morozov, Soviet Math. Dokl. 7 (1966); Hansen, Discrete Inverse Problems (2010), Sect. 5.2; the secant: Dowell and
    Jarratt, BIT 11 (1971).

    Example
    -------
    Tikhonov, A = I: the residual is (lam / (1 + lam))^2 ||y||^2, here a quarter of it.

    >>> from course_utils.choosing import solution_path
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> path = solution_path(Identity(8), torch.ones(1, 1, 8, 8), Tikhonov, [0.1, 10.0])
    >>> round(float(morozov(path, sigma=0.5).lam), 3)
    1.0
    """
    check_kind("solutions", solutions, SolutionPath)
    sigma = per_problem("sigma", sigma, solutions.y)
    if not bool((sigma > 0).all()):
        raise ValueError("'sigma' must be > 0, got 0: exact data need no regularisation for the noise's sake")
    tau, tol = check_positive("tau", tau), check_positive("tol", tol)
    max_iter = check_count("max_iter", max_iter, minimum=0)
    level = tau * solutions.A.m * sigma**2
    search = _Search(solutions, level, tol)
    search.widen(up=False)
    search.widen(up=True)
    search.check()
    search.narrow(max_iter)
    lam, result, solved = search.answer()
    grid = solutions.lam
    return Choice(
        rule="Morozov", lam=lam, grid=grid,
        curves={"residual": solutions.residual, "level": level.expand_as(solutions.residual)},
        at_edge=(lam <= grid[0] * (1 + ROUND_OFF)) | (lam >= grid[-1] * (1 - ROUND_OFF)), solved=solved, result=result,
        unconverged=(~solutions.converged).sum(0) + search.unconverged,
        reconstructions=len(solutions.result.x) + search.count,
    )  # fmt: skip


class _Search:
    """For each problem a bracket [a, b] of log lambda with f(a) <= 0 < f(b), f = log(residual / level).

    ``best`` and its result are those of the smallest |f| so far.
    """

    def __init__(self, solutions: SolutionPath, level: Tensor, tol: float) -> None:
        self.solutions, self.level, self.tol = solutions, level, tol
        P, B = solutions.residual.shape
        rows = torch.arange(B, device=level.device)
        self.count, self.unconverged = 0, torch.zeros_like(rows)
        f = (solutions.residual / level).log()
        below = f <= 0
        # the last weight whose residual is at most the level, and the next: f need not rise where solvers stop early
        last = P - 1 - below.flip(0).int().argmax(0)
        last = torch.where(below.any(0), last, 0)
        after = (last + below.any(0)).clamp_max(P - 1)
        t = solutions.lam.log()
        self.a, self.b, self.fa, self.fb = t[last], t[after], f[last, rows], f[after, rows]
        best = f.abs().argmin(0)
        self.best, self.miss = t[best], f[best, rows].abs()
        self.found: list[tuple[Tensor, Result]] = [(rows, rows_of(solutions.result, best * B + rows))]

    def evaluate(self, t: Tensor, rows: Tensor) -> Tensor:
        """f at log lambda t of the problems ``rows``; keeps what is nearer to the level than anything before."""
        result, residual = self.solutions.run(t.exp(), rows)
        self.count += len(rows)
        self.unconverged[rows] += (~result.converged).long()
        f = (residual / self.level[rows]).log()
        nearer = f.abs() < self.miss[rows]
        kept = nearer.nonzero().squeeze(1)
        self.best[rows[kept]], self.miss[rows[kept]] = t[kept], f.abs()[kept]
        self.found.append((rows[kept], rows_of(result, kept)))
        return f

    def widen(self, up: bool) -> None:
        """Where the solution is beyond an end of the grid, go there."""
        for _ in range(2):
            rows = ((self.fb <= 0) if up else (self.fa > 0)).nonzero().squeeze(1)
            if not len(rows):
                return
            t = self.b[rows] + math.log(WIDEN) if up else self.a[rows] - math.log(WIDEN)
            f = self.evaluate(t, rows)
            if up:
                self.a[rows], self.fa[rows], self.b[rows], self.fb[rows] = self.b[rows], self.fb[rows], t, f
            else:
                self.b[rows], self.fb[rows], self.a[rows], self.fa[rows] = self.a[rows], self.fa[rows], t, f

    def check(self) -> None:
        """Raise unless every problem has a bracket, or meets the level."""
        lost = ((self.fa > 0) | (self.fb <= 0)) & (self.miss > self.tol)
        if not bool(lost.any()):
            return
        i = int(lost.nonzero()[0])
        tried = (self.solutions.residual[:, i] / self.level[i]).log().tolist() + [float(self.fa[i]), float(self.fb[i])]
        low, high = (float(self.level[i]) * math.exp(value) for value in (min(tried), max(tried)))
        lams = [*self.solutions.lam.log().tolist(), float(self.a[i]), float(self.b[i])]
        raise ValueError(
            f"'sigma' and 'tau' must give a level that some lambda reaches, got one beyond it for {int(lost.sum())} of "
            f"{len(lost)} problems: of problem {i} the squared residual is between {low:.4g} and {high:.4g} for lambda "
            f"from {math.exp(min(lams)):.2g} to {math.exp(max(lams)):.2g}, and the level is {float(self.level[i]):.4g}"
        )

    def narrow(self, max_iter: int) -> None:
        """Secants in the bracket."""
        side = torch.zeros_like(self.a)  # which end moved last: -1 a, 1 b
        wa, wb = self.fa.clone(), self.fb.clone()  # values with Illinois' weights
        width, age = self.b - self.a, torch.zeros_like(self.unconverged)
        for _ in range(max_iter):
            # a bracket of round-off is a jump of the residual
            narrow = self.b - self.a <= 8 * torch.finfo(self.a.dtype).eps * (1 + self.a.abs())
            rows = ((self.miss > self.tol) & ~narrow).nonzero().squeeze(1)
            if not len(rows):
                return
            a, b, ua, ub = self.a[rows], self.b[rows], wa[rows], wb[rows]
            t = b - ub * (b - a) / (ub - ua)
            stale = (age[rows] >= 3) | ~((t > a) & (t < b))  # an infinite f, of a residual 0, gives NaN
            t = torch.where(stale, (a + b) / 2, t)
            f = self.evaluate(t, rows)
            left = f <= 0
            again_a, again_b = left & (side[rows] == -1), ~left & (side[rows] == 1)
            wa[rows] = torch.where(left, f, torch.where(again_b, ua / 2, ua))
            wb[rows] = torch.where(left, torch.where(again_a, ub / 2, ub), f)
            self.a[rows], self.b[rows] = torch.where(left, t, a), torch.where(left, b, t)
            side[rows] = torch.where(left, -1.0, 1.0).to(side)
            halved = self.b[rows] - self.a[rows] <= width[rows] / 2
            age[rows] = torch.where(halved, 0, age[rows] + 1)
            width[rows] = torch.where(halved, self.b[rows] - self.a[rows], width[rows])

    def answer(self) -> tuple[Tensor, Result, Tensor]:
        """Weights, results, and whether the equation holds."""
        everything, where = [], torch.zeros_like(self.unconverged)
        start = 0
        for rows, result in self.found:  # later ones are nearer
            where[rows] = start + torch.arange(len(rows), device=rows.device)
            start += len(rows)
            everything.append(result)
        return self.best.exp(), _joined(everything, where), self.miss <= self.tol


def _joined(results: list[Result], index: Tensor) -> Result:
    """Some of the problems of several results; traces, of different lengths, are left out."""
    names = ("x", "z", "u", "objective", "iterations", "values", "gradients", "converged")
    parts = {}
    for name in names:
        values = [getattr(result, name) for result in results]
        parts[name] = None if values[0] is None else torch.cat(values)[index]
    return Result(**parts, seconds=sum(result.seconds for result in results), trace={})
