"""Checks of two exercises of chapter 02 on minimisers: the MAP beside the mean, and a table of weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, as_numbers, call, judge, not_yet, right
from ...regularisers import L1

__all__ = ["mean_and_map", "monotone"]


def _mean(y: Tensor, lam: float, sigma: float) -> Tensor:
    """Of the density proportional to exp(-((x - y)^2 + lam |x|) / (2 sigma^2)): a mixture of two cut Gaussians."""
    a = lam / 2
    above, below = torch.special.log_ndtr((y - a) / sigma), torch.special.log_ndtr(-(y + a) / sigma)
    return y - a * ((above - below) / 2 - a * y / sigma**2).tanh()


def _log_mass(y: Tensor, lam: float, sigma: float) -> Tensor:
    """Logarithm of the integral of that density before it is normalised."""
    a = lam / 2
    above, below = torch.special.log_ndtr((y - a) / sigma), torch.special.log_ndtr(-(y + a) / sigma)
    both = torch.logaddexp(above - a * y / sigma**2, below + a * y / sigma**2)
    return both + a**2 / (2 * sigma**2) + math.log(sigma * math.sqrt(2 * math.pi))


def mean_and_map(posterior_mean: Callable[[Tensor, float, float], Tensor]) -> Verdict:
    """Is ``posterior_mean(y, lam, sigma)`` the mean of x, given y = x + e, for the prior exp(-lam |x| / (2 sigma^2))?

    Parameters
    ----------
    posterior_mean : callable
        (n,) tensor of separate data, weight lam > 0, standard deviation sigma > 0 of e -> (n,) means, to 1e-4.

    Example
    -------
    >>> from course_utils.regularisers import L1
    >>> ok = mean_and_map(lambda y, lam, sigma: L1(1.0).prox(y[None], lam / 2)[0])
    ✗ Not yet: the mean differs by up to ...; this is the MAP estimate, the most probable x, ...
    """
    cases = [
        (torch.linspace(-3, 3, 13, dtype=torch.float64), 1.4, 0.6),
        (torch.linspace(-0.05, 0.15, 9, dtype=torch.float64), 0.04, 0.02),
        (torch.linspace(-60, 45, 8, dtype=torch.float64), 15.0, 6.0),
    ]
    found, problem = call(posterior_mean, cases, ["y", "lam", "sigma"])
    if problem is not None:
        return problem
    expected = [_mean(*case) for case in cases]

    def of(change: Callable[[Tensor, float, float], Tensor]) -> list[Tensor]:
        return [change(*case) for case in cases]

    def above_zero(y: Tensor, lam: float, sigma: float) -> Tensor:
        """Mean of the part x > 0 alone."""
        t = (y - lam / 2) / sigma
        log_density = -t.square() / 2 - math.log(math.sqrt(2 * math.pi))
        return sigma * (t + (log_density - torch.special.log_ndtr(t)).exp())

    soft = L1(1.0).prox
    most_probable = of(lambda y, lam, s: soft(y[None], lam / 2)[0])
    mistakes = {
        "this is the MAP estimate, the most probable x, or close to it": most_probable,
        "this is soft thresholding, a most probable x and no mean; its threshold is not lam either": of(
            lambda y, lam, s: soft(y[None], lam)[0]
        ),
        "these are the data: the prior has no say": of(lambda y, lam, s: y),
        "the prior is exp(-lam |x| / (2 sigma^2)); you took exp(-lam |x|)": of(
            lambda y, lam, s: _mean(y, 2 * lam * s**2, s)
        ),
        "the prior is exp(-lam |x| / (2 sigma^2)); you took exp(-lam |x| / 2)": of(
            lambda y, lam, s: _mean(y, lam * s**2, s)
        ),
        "the prior is exp(-lam |x| / (2 sigma^2)); is there a 2 missing?": of(lambda y, lam, s: _mean(y, 2 * lam, s)),
        "the prior is exp(-lam |x| / (2 sigma^2)); is lam halved twice?": of(lambda y, lam, s: _mean(y, lam / 2, s)),
        "the prior is exp(-lam |x| / (2 sigma^2)); you divided by sigma, not by its square": of(
            lambda y, lam, s: _mean(y, lam * s, s)
        ),
        "the Gaussian of the data has 2 sigma^2 under (x - y)^2, not sigma^2": of(
            lambda y, lam, s: _mean(y, lam / 2, s / math.sqrt(2))
        ),
        "both terms are divided by 2 sigma^2; yours by sigma^2": of(lambda y, lam, s: _mean(y, lam, s / math.sqrt(2))),
        "both terms are divided by 2 sigma^2; yours by sigma^2 / 2, or not at all": of(
            lambda y, lam, s: _mean(y, lam, s / 2)
        ),
        "the terms are divided by 2 sigma^2; yours are not divided": of(
            lambda y, lam, s: _mean(y, lam, math.sqrt(0.5))
        ),
        "sigma is a standard deviation: its square belongs under both terms": of(
            lambda y, lam, s: _mean(y, lam, math.sqrt(s))
        ),
        "sigma is a standard deviation: its square belongs under (x - y)^2": of(
            lambda y, lam, s: _mean(y, lam / s, math.sqrt(s))
        ),
        "an integral of x times the density is a mean only if the density has integral 1": of(
            lambda y, lam, s: _mean(y, lam, s) * _log_mass(y, lam, s).exp()
        ),
        "each factor has a constant of its own, but their product must have integral 1 as well": of(
            lambda y, lam, s: _mean(y, lam, s) * (_log_mass(y, lam, s) - math.log(s * math.sqrt(2 * math.pi))).exp()
        ),
        "each factor is a density, but their product is none before it is divided by its integral": of(
            lambda y, lam, s: (
                _mean(y, lam, s)
                * (_log_mass(y, lam, s) - math.log(s * math.sqrt(2 * math.pi)) + math.log(lam / (4 * s**2))).exp()
            )
        ),
        "x can be negative: integrate over the whole line": of(above_zero),
        "the prior pulls towards 0, not away from it": of(lambda y, lam, s: 2 * y - _mean(y, lam, s)),
    }
    ok, message = judge(found, expected, "the mean", rtol=1e-4, atol=1e-9)
    if ok:
        zeros = [sum(int((row.abs() < 1e-9).sum()) for row in rows) for rows in (most_probable, expected)]
        return right(f"{message}; the MAP is 0 for {zeros[0]} of these data, the mean for {zeros[1]}")
    values = [as_numbers(answer) for answer in found]
    if any(
        v is None or v.is_complex() or v.shape != e.shape or not torch.isfinite(v).all()
        for v, e in zip(values, expected, strict=True)
    ):
        return not_yet(message)

    def distance(others: list[Tensor]) -> float:
        """The largest, of the cases, relative to the largest entry."""
        rows = zip(values, others, strict=True)
        return max(float((v - o).abs().max() / o.abs().max().clamp_min(1e-12)) for v, o in rows)

    hint = min(mistakes, key=lambda words: distance(mistakes[words]))  # a grid of the student's is not exact
    if distance(mistakes[hint]) < min(0.02, distance(expected)):
        return not_yet(f"{message}; {hint}")
    return not_yet(message + _about_grid(values, expected, [case[2] for case in cases]))


def _about_grid(values: list[Tensor], expected: list[Tensor], sigmas: list[float]) -> str:
    """A clause on a grid that is too coarse for the small sigma of one case, or too narrow for the data of another."""
    error = [float((v - e).abs().max() / e.abs().max()) for v, e in zip(values, expected, strict=True)]
    fine = [part <= 1e-4 for part in error]
    if fine[0] and not fine[1] and not fine[2]:
        return "; the first case is right, so the density is: does your grid follow y and sigma in the others?"
    if fine[0] and not fine[1]:
        return f"; only sigma = {sigmas[1]:g} is wrong: the steps of your grid are too coarse for so narrow a density"
    if fine[0] and fine[1]:
        return f"; only sigma = {sigmas[2]:g} is wrong: your grid is too narrow for such data, or its steps too coarse"
    if max(error) < 0.01:
        return "; it is close, so the density seems right: finer steps, and a wider grid?"
    return ""


def _table(penalty: Callable[[Tensor], Tensor], lams: list[float], early: dict[int, float], seed: int) -> tuple:
    """Weights, misfits and penalties of exact minimisers on a grid; some rows end on the way there from the data."""
    y = 3 * torch.rand(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    v = torch.linspace(0, 3, 301, dtype=torch.float64)
    rows = []
    for k, lam in enumerate(lams):
        x = v[((v - y[:, None]).square() + lam * penalty(v)).argmin(1)]
        x = x + early.get(k, 0.0) * (y - x)
        rows.append(((x - y).square().sum(), penalty(x).sum()))
    misfits, penalties = (torch.stack(column) for column in zip(*rows, strict=True))
    return torch.tensor(lams, dtype=torch.float64), misfits, penalties


def _beaten(lam: Tensor, D: Tensor, R: Tensor) -> Tensor:
    """Row k is marked if some image has a smaller objective at weight k than its own."""
    values = D + lam[:, None] * R
    return values.amin(1) < values.diagonal()


def _by_neighbours(lam: Tensor, D: Tensor, R: Tensor) -> Tensor:
    """The same, with the neighbours by weight alone."""
    rank = lam.argsort().argsort()
    values, near = D + lam[:, None] * R, (rank[:, None] - rank).abs() <= 1
    return values.where(near, torch.full_like(values, math.inf)).amin(1) < values.diagonal()


def _by_theorem(lam: Tensor, D: Tensor, R: Tensor) -> tuple[Tensor, Tensor]:
    """Of pairs that break the theorem: those with the smaller weight, and those with the larger."""
    pairs = (lam[:, None] < lam) & ((D[:, None] > D) | (R[:, None] < R))
    return pairs.any(1), pairs.any(0)


def _by_fall(lam: Tensor, D: Tensor, R: Tensor) -> Tensor:
    """D smaller than in the row before, rows in order of their weights."""
    order = lam.argsort()
    fall = torch.cat([torch.zeros(1, dtype=torch.bool), D[order].diff() < 0])
    return fall[order.argsort()]


#: hint -> the marks that follow from it
MARKS = {
    "the marks are the wrong way round: mark what is beaten": lambda lam, D, R: ~_beaten(lam, D, R),
    "you mark all: no image beats itself, and none has to win at a weight that is not its own": lambda lam, D, R: (
        lam > -1
    ),
    "you mark none, and each table has an image that another one beats at its own weight": lambda lam, D, R: lam < 0,
    "you compare neighbours only; any other image of the table may be the better one": _by_neighbours,
    "you compare objectives at two weights: each image has its own, but both belong into the same functional": (
        lambda lam, D, R: (D + lam * R).amin() < D + lam * R
    ),
    "the weight is missing: D + R is the objective for lam = 1 only": lambda lam, D, R: (D + R).amin() < D + R,
    "lam multiplies R, not D": lambda lam, D, R: _beaten(lam, R, D),
    "where D falls with lam, one image of the pair is no minimiser, but which? Nor does every wrong row make D fall": (
        _by_fall
    ),
    "a pair that breaks the theorem has a wrong image; you mark the one with the smaller weight, whichever it is": (
        lambda lam, D, R: _by_theorem(lam, D, R)[0]
    ),
    "a pair that breaks the theorem has a wrong image; you mark the one with the larger weight, whichever it is": (
        lambda lam, D, R: _by_theorem(lam, D, R)[1]
    ),
    "a pair that breaks the theorem has a wrong image; you mark both": lambda lam, D, R: (
        _by_theorem(lam, D, R)[0] | _by_theorem(lam, D, R)[1]
    ),
}


def monotone(refuted: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Does ``refuted(lam, D, R)`` mark the rows of a table that are no minimisers because another row proves it?

    Row k has a weight, and the misfit D and the penalty R of the image that a solver found for it.

    Parameters
    ----------
    refuted : callable
        Three (K,) tensors, in any order of the weights -> (K,) booleans.

    Example
    -------
    >>> ok = monotone(lambda lam, D, R: lam < 0)
    ✗ Not yet: ... are beaten and not marked; you mark none, and each table has an image that another one beats ...
    """
    cases = [
        _table(Tensor.sqrt, [0.05, 0.3, 0.6, 1.0, 1.5, 2.2, 3.0, 4.5], {5: 0.2, 7: 0.3}, 2),
        _table(Tensor.abs, [2.0, 0.4, 3.0, 0.1, 1.2, 0.8], {1: 0.9, 4: 0.95, 5: 0.9}, 2),
    ]
    found, problem = call(refuted, cases, ["lam", "D", "R"])
    if problem is not None:
        return problem
    expected = [_beaten(*case) for case in cases]
    ok, message = judge(found, expected, "the column of marks")
    if ok:
        marked = sum(int(row.sum()) for row in expected)
        return right(f"{marked} of {sum(map(len, expected))} images are beaten, and you mark these")
    marks = [as_numbers(answer) for answer in found]
    if any(m is None or m.is_complex() or m.shape != e.shape for m, e in zip(marks, expected, strict=True)):
        return not_yet(message)
    if any(bool(((m != 0) & (m != 1)).any()) for m in marks):
        return not_yet(f"{message}; a mark is True or False")
    pairs = list(zip(marks, expected, strict=True))
    missed, false = (sum(int(part.sum()) for part in parts) for parts in (
        [(m == 0) & e for m, e in pairs], [(m == 1) & ~e for m, e in pairs]
    ))  # fmt: skip
    message = f"{false} images are marked and not beaten, {missed} are beaten and not marked"
    for hint, mark in MARKS.items():
        if all(torch.equal(m == 1, mark(*case)) for m, case in zip(marks, cases, strict=True)):
            return not_yet(f"{message}; {hint}")
    return not_yet(f"{message}; which inequality says that x_k minimises the functional of weight lam_k?")
