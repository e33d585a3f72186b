"""The checks of chapter 02 accept right answers, in every type of array, and explain typical wrong ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from chapter_tools import answer_tests, asked

from course_utils import L1
from course_utils.chapters.classical import checks, minimisers, searching
from course_utils.reconstructors import MLEM

from .answers import (
    beaten,
    bisect,
    bisecting,
    by_brent,
    by_brute_force,
    by_fall,
    by_gradient,
    by_matrix,
    by_the_library,
    changed,
    closed_form,
    emission,
    endless,
    fixed_number,
    fixed_step,
    grid,
    halves,
    in_words,
    landweber,
    no_safeguard,
    not_normalised,
    one_by_one,
    one_less,
    one_more,
    quadrature,
    quadratures,
    safeguarded_secant,
    seen,
    soft,
    theorem,
    until_close,
    with_break,
)

ASK = {name: getattr(checks, name) for name in checks.__all__}
RIGHT = {
    "threshold": [
        lambda u, tau: (u - tau).clamp_min(0),
        lambda u, tau: soft(u, tau).clamp_min(0),
        lambda u, tau: soft(u.clamp_min(0), tau),
        lambda u, tau: np.maximum(u.numpy() - tau, 0),
        lambda u, tau: torch.where(u > tau, u - tau, 0.0).float(),
    ],
    "stopping": [landweber, by_the_library, with_break, lambda *a: (landweber(*a)[0].float(), landweber(*a)[1])],
    "weight": [
        bisect,
        bisecting(ends=True),
        safeguarded_secant,
        until_close,
        by_brent,
        lambda r, level: np.array([bisect(r, level, calls=15)]),
    ],
    "emission": [
        emission,
        by_gradient,
        by_matrix,
        lambda x, A, y, b: (x * A.T(y / (b + A(x))) / A.T(torch.ones_like(y))).tolist(),
    ],
    "mean_and_map": [quadrature, closed_form, one_by_one, quadratures(n=20001, width=30)],
    "monotone": [beaten, in_words, lambda *a: beaten(*a).tolist(), lambda *a: beaten(*a).double()],
}
WRONG = {
    "threshold": [
        (soft, "this is soft thresholding"),
        (lambda u, tau: soft(u, tau).abs(), "turning its sign round"),
        (lambda u, tau: (u.abs() - tau).clamp_min(0), "turning its sign round"),
        (lambda u, tau: u.abs() - tau, "that is |u| - tau"),
        (lambda u, tau: u.clamp_min(0), "has been forgotten"),
        (lambda u, tau: u.clamp_min(0) - tau, "leads out of it again"),
        (lambda u, tau: u - tau, "moves everything down"),
        (lambda u, tau: u * (u > tau), "must still be shortened"),
        (lambda u, tau: u * (u.abs() > tau), "negative entries survive"),
        (lambda u, tau: torch.where(u > tau, u - tau, u.clamp_min(0)), "stay as they were"),
        (lambda u, tau: (u - tau / 2).clamp_min(0), "not tau / 2"),
        (lambda u, tau: (u - 2 * tau).clamp_min(0), "not 2 tau"),
        (lambda u, tau: (u - 1).clamp_min(0), "whatever tau is"),
        (lambda u, tau: (u - 1 / tau).clamp_min(0), "shrinks more"),
        (lambda u, tau: (u + tau).clamp_min(0), "the sign of tau"),
        (lambda u, tau: u.clamp_min(tau), "not v >= tau"),
        (lambda u, tau: u.clamp_min(0) / (1 + tau), "never gives 0"),
        (lambda u, tau: u.clamp_min(0) / (1 + 2 * tau), "another derivative"),
        (lambda u, tau: -(-u - tau).clamp_min(0), "the other half"),
        (lambda u, tau: (u - tau).clamp_min(0).flatten(1), "give them that shape"),
        (lambda u, tau: u.sub_(tau).clamp_min(0), "in place"),
    ],
    "stopping": [
        (fixed_step, "more than x_0 = 0 has; is the step short enough"),
        (changed(step=lambda A: 1.0), "the iterates grow without bound"),
        (changed(step=lambda A: 1 / A.norm), "the iterates grow without bound"),
        (changed(step=lambda A: 0.5 / A.norm**2), "half of it needs more"),
        (changed(step=lambda A: 2 / A.norm**2), "is the step short enough?"),
        (changed(step=lambda A: -1 / A.norm**2), "the iterates grow without bound"),
        (changed(level=lambda A, s: s**2), "did you count them"),
        (changed(size=lambda r: float(r.norm())), "you compare the norm with m sigma^2"),
        (changed(level=lambda A, s: A.m**0.5 * s), "belongs to the norm"),
        (changed(level=lambda A, s: A.m * s), "sigma^2, not sigma"),
        (changed(level=lambda A, s: A.n * s**2), "you counted the pixels"),
        (changed(size=lambda r: float((r**2).mean())), "m was counted twice"),
        (changed(size=lambda r: float((r**2).sum()) / 2), "no factor 2"),
        (changed(size=lambda r: 2 * float((r**2).sum())), "no factor 1/2"),
        (changed(answer=one_more), "return the one that you tested"),
        (changed(answer=lambda *a: (one_more(*a)[0], a[1] + 1)), "you step once more after the test"),
        (changed(answer=lambda x, k, *_: (x, k + 1)), "count from x_0"),
        (changed(answer=lambda x, k, *_: (x, k - 1)), "one too small"),
        (lambda *a: (one_less(*a)[0], max(one_less(*a)[1] - 1, 0)), "last iterate above"),
        (one_less, "the iterate before it"),
        (changed(test_start=False), "test it before the first step"),
        (changed(start=lambda A, y: A.T(y)), "you start at A* y"),
        (fixed_number(10), "the same for all data"),
        (lambda A, y, sigma: (landweber(A, y, sigma)[0] * 0.9, landweber(A, y, sigma)[1]), "x is not the iterate"),
        (
            lambda A, y, sigma: (landweber(A, y, sigma)[0], 3 * landweber(A, y, sigma)[1] + 4),
            "does not count its steps",
        ),
        (lambda *a: landweber(*a)[0], "two things"),
        (lambda *a: (landweber(*a)[0].flatten(1), 3), "shape (1, 36)"),
        (lambda *a: (landweber(*a)[0], None), "k is still empty"),
        (lambda *a: (landweber(*a)[0] / 0, 1), "finite"),
    ],
    "weight": [
        (bisecting(middle=halves, calls=15), "you halve in lam itself"),
        (bisecting(middle=halves, calls=60), "you halve in lam itself"),
        (bisecting(middle=halves, calls=13, ends=True), "you halve in lam itself"),
        (bisecting(calls=40), "15 calls have to do"),
        (bisecting(up=False), "ran to an end of the bracket"),
        (bisecting(target=math.sqrt), "take no root"),
        (bisecting(target=lambda level: level**2), "square neither"),
        (bisecting(answer=lambda lam, residual: residual(lam)), "what you return is a residual"),
        (lambda residual, level: level, "what you return is a residual"),
        (bisecting(answer=lambda lam, _: math.log10(lam)), "is it the logarithm"),
        (bisecting(calls=4), "on which scale"),
        (grid, "15 calls have to do"),
        (no_safeguard, "'lam' must be"),
        (lambda residual, level: 0.3, "the same weight"),
        (lambda residual, level: residual, "must be a number"),
        (endless, "15 calls are enough"),
    ],
    "emission": [
        (lambda x, A, y, b: x, "this is x itself"),
        (lambda x, A, y, b: x * A.T(y / A(x)), "the step for b = 0 and A* 1 = 1"),
        (lambda x, A, y, b: x * A.T(y / (A(x) + b)), "what is A* 1 for"),
        (lambda x, A, y, b: x / seen(A, y) * A.T(y / A(x)), "expect beside A x"),
        (lambda x, A, y, b: x / seen(A, y) * A.T((y - b) / A(x)), "no longer Poisson"),
        (lambda x, A, y, b: x / seen(A, y) * A.T((y - b).clamp_min(0) / A(x)), "no longer Poisson"),
        (lambda x, A, y, b: x * A.T((y - b) / A(x)), "A* 1 is missing"),
        (lambda x, A, y, b: x / seen(A, y) * A.T(y / A(x) + b), "brackets"),
        (lambda x, A, y, b: x / seen(A, y) * A.T(y / (A(x) - b)), "wrong sign"),
        (lambda x, A, y, b: x * seen(A, y) * A.T(y / (A(x) + b)), "you multiply by A* 1"),
        (lambda x, A, y, b: x / A(0 * x + 1) * A.T(y / (A(x) + b)), "sums over the pixels"),
        (lambda x, A, y, b: x * A.T(y / (A(x) + b) / A(0 * x + 1)), "belongs to the pixels"),
        (lambda x, A, y, b: x / seen(A, y).mean() * A.T(y / (A(x) + b)), "its mean treats"),
        (lambda x, A, y, b: x / seen(A, y).sum() * A.T(y / (A(x) + b)), "its sum treats"),
        (lambda x, A, y, b: (v := x * A.T(y / (A(x) + b))) * y.sum() / A(v).sum(), "is no remedy"),
        (lambda x, A, y, b: x / seen(A, y) * A(y / (A(x) + b)), "where A* brings it back"),
        (lambda x, A, y, b: x * A(y / (A(x) + b)), "A* 1 is missing, too"),
        (lambda x, A, y, b: x / seen(A, y) * A.T((A(x) + b) / y), "upside down"),
        (lambda x, A, y, b: A.T(y / (A(x) + b)) / seen(A, y), "multiply x by it"),
        (lambda x, A, y, b: x + A.T(y - A(x) - b), "least-squares"),
        (lambda x, A, y, b: x + A.T(y / (A(x) + b) - 1), "a sum of x and the gradient"),
        (lambda x, A, y, b: x * (1 + A.T(y / (A(x) + b)) / seen(A, y)), "x is added once more"),
        (lambda x, A, y, b: 0.5 * emission(x, A, y, b), "half of"),
        (lambda x, A, y, b: x.div_(seen(A, y)), "in place"),
    ],
    "mean_and_map": [
        (lambda y, lam, sigma: soft(y, lam / 2), "the most probable x"),
        (lambda y, lam, sigma: soft(y, lam), "threshold is not lam either"),
        (lambda y, lam, sigma: y, "the prior has no say"),
        (quadratures(prior=lambda x, lam, s: lam * x.abs()), "you took exp(-lam |x|)"),
        (quadratures(prior=lambda x, lam, s: lam * x.abs() / 2), "you took exp(-lam |x| / 2)"),
        (quadratures(prior=lambda x, lam, s: lam * x.abs() / s**2), "a 2 missing"),
        (quadratures(prior=lambda x, lam, s: lam * x.abs() / (4 * s**2)), "halved twice"),
        (quadratures(prior=lambda x, lam, s: lam * x.abs() / (2 * s)), "divided by sigma"),
        (quadratures(data=lambda d, s: d**2 / s**2), "not sigma^2"),
        (lambda y, lam, sigma: quadrature(y, lam, sigma / math.sqrt(2)), "yours by sigma^2"),
        (lambda y, lam, sigma: quadrature(y, lam, sigma / 2), "yours by sigma^2 / 2"),
        (lambda y, lam, sigma: quadrature(y, lam, math.sqrt(sigma)), "its square belongs under both"),
        (quadratures(data=lambda d, s: d**2 / (2 * s), n=20001, width=40), "its square belongs under (x - y)^2"),
        (lambda y, lam, sigma: quadrature(y, lam, math.sqrt(0.5), n=40001, width=40), "are not divided"),
        (not_normalised, "only if the density has integral 1"),
        (
            lambda *a: not_normalised(*a, factor=lambda lam, s: 1 / (s * math.sqrt(2 * math.pi))),
            "a constant of its own",
        ),
        (
            lambda *a: not_normalised(*a, factor=lambda lam, s: lam / (4 * s**3 * math.sqrt(2 * math.pi))),
            "none before it is divided",
        ),
        (quadratures(prior=lambda x, lam, s: lam * x.abs() / (2 * s**2) + 1e9 * (x < 0)), "over the whole line"),
        (lambda *a: 2 * a[0] - quadrature(*a), "not away from it"),
        (quadratures(fix=(-100, 100, 8001)), "too coarse for so narrow"),
        (quadratures(fix=(-10, 10, 20001)), "your grid is too narrow"),
        (quadratures(fix=(-10, 10, 801)), "does your grid follow"),
        (lambda y, lam, sigma: soft(y, lam / 2) + 0.01 * sigma, "or close to it"),
        (lambda *a: quadrature(*a).mean(), "has shape ()"),
        (lambda *a: 1.3 * quadrature(*a), "1.3 times"),
    ],
    "monotone": [
        (by_fall, "but which?"),
        (lambda *a: ~beaten(*a), "wrong way round"),
        (lambda lam, D, R: (D + lam[:, None] * R).amin(1) <= D + lam * R, "no image beats itself"),
        (lambda lam, D, R: lam < 0, "you mark none"),
        (lambda lam, D, R: D + lam * R > (D + lam * R).amin(), "at two weights"),
        (lambda lam, D, R: ((D + lam * R) < D[:, None] + lam * R[:, None]).any(1), "a weight that is not its own"),
        (lambda lam, D, R: D + R > (D + R).amin(), "for lam = 1 only"),
        (lambda lam, D, R: beaten(lam, R, D), "lam multiplies R"),
        (theorem(["smaller"]), "the smaller weight, whichever"),
        (theorem(["larger"]), "the larger weight, whichever"),
        (theorem(["smaller", "larger"]), "you mark both"),
        (minimisers._by_neighbours, "neighbours only"),
        (lambda lam, D, R: lam > 1, "which inequality"),
        (lambda *a: beaten(*a)[:-1], "shape"),
        (lambda *a: 2 * beaten(*a), "True or False"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)


def test_the_prox_is_the_best_of_many():
    u = torch.linspace(-3, 3, 61, dtype=torch.float64).reshape(1, 1, 1, 61)
    bounded = L1(1.0, bounds=(0.0, math.inf))
    for tau in (0.3, 1.1):
        assert float((bounded.prox(u, tau) - by_brute_force(u, tau)).abs().max()) < 1e-4


def test_the_closed_form_of_the_mean_is_the_quadrature():
    y = torch.linspace(-4, 4, 33, dtype=torch.float64)
    for lam, sigma in ((0.5, 0.3), (6.0, 0.4), (1.0, 2.0)):
        fine = quadrature(y, lam, sigma, n=40001)
        assert float((minimisers._mean(y, lam, sigma) - fine).abs().max()) < 1e-6


def test_a_step_of_emission_raises_the_likelihood_and_keeps_the_counts():
    given = []
    asked(checks.emission, lambda *arguments: given.append(arguments) or emission(*arguments))
    for x, A, y, b in given:
        models = [A(x) + b, A(emission(x, A, y, b)) + b]
        old, new = (float((y * model.log() - model).sum()) for model in models)
        assert new > old
        assert float(A(emission(x, A, y, 0 * b)).sum()) == pytest.approx(float(y.sum()), rel=1e-12)
        (first, _), (second, _) = itertools.islice(MLEM(1, background=b[0]).iterates(y, A), 2)
        assert torch.allclose(emission(first, A, y, b), second, rtol=1e-12)
        weights = seen(A, y)
        assert float(weights.max() / weights.min()) > 3  # or a single number would do for A* 1


def test_every_case_of_stopping_is_decided_clearly():
    """No round-off, not that of single precision either, moves the k of a right answer."""
    steps = []
    for A, y, sigma in searching._stopping_cases():
        path, level = searching._Path(A, y, A.norm**-2), A.m * sigma**2
        k = path.first(level)
        assert path.misfit(k) < 0.99 * level and (k == 0 or path.misfit(k - 1) > 1.01 * level)
        steps.append(k)
    assert 0 in steps and len(set(steps)) == 3


def test_a_monotone_table_can_hold_what_is_no_minimiser():
    """Else the theorem alone would find every wrong row of the tables of the check."""
    tables = []
    asked(checks.monotone, lambda *table: tables.append(table) or beaten(*table))
    escaped = [beaten(*table) & ~theorem(["smaller", "larger"])(*table) for table in tables]
    assert any(bool(row.any()) for row in escaped)
