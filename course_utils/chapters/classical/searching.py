"""Checks of two exercises of chapter 02 in which something is searched: where to stop, and which weight to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..._budget import Overrun
from ..._check import check_positive, trusting
from ...checks import Verdict, as_numbers, attempt, call, not_yet, number, right, tolerance
from ...operators import LinearOperator

__all__ = ["stopping", "weight"]

# Where to stop


class _Matrix(LinearOperator):
    """A random matrix with given singular values, from images to as many data; it stops what does not end."""

    def __init__(self, values: Tensor, size: tuple[int, int], seed: int) -> None:
        generator, m = torch.Generator().manual_seed(seed), len(values)

        def orthonormal(rows: int) -> Tensor:
            return torch.linalg.qr(torch.randn(rows, m, generator=generator, dtype=torch.float64))[0]

        super().__init__((1, *size), (m,), scale=1.0, norm=float(values.max()))
        self.register_buffer("M", orthonormal(m) * values @ orthonormal(size[0] * size[1]).T)
        self.calls = 0

    def _forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if not torch.isfinite(x).all():
            raise Overrun(f"the iterates grow without bound where ||A|| = {self.norm:g}; which steps are short enough?")
        if self.calls > 8_000:
            raise Overrun(
                "it asked A 8,000 times, and no residual was small enough for it: is it compared with the right level, "
                "and is the step short enough?"
            )
        return x.flatten(1) @ self.M.T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.M).reshape(-1, *self.shape_in)


def _stopping_cases() -> list[tuple[_Matrix, Tensor, float]]:
    """Norm 1, norm 3, and data that are nothing but noise, which x_0 = 0 explains."""
    cases = []
    for norm, m, size, sigma, signal, seed in (
        (1.0, 12, (6, 6), 0.05, 1.0, 14),
        (3.0, 10, (5, 4), 0.3, 1.0, 3),
        (1.0, 14, (4, 5), 0.2, 0.0, 7),
    ):
        A = _Matrix(norm * 0.8 ** torch.arange(m, dtype=torch.float64), size, seed)
        generator = torch.Generator().manual_seed(10 + seed)
        x, e = (torch.randn(1, k, generator=generator, dtype=torch.float64) for k in (A.n, m))
        cases.append((A, signal * x @ A.M.T + sigma * e, sigma))
    return cases


class _Path:
    """The iterates of one case with one step and start, with their squared residuals, as many as were looked at."""

    def __init__(self, A: _Matrix, y: Tensor, step: float, start: float = 0.0) -> None:
        self.A, self.y, self.step = A, y, step
        self.x = [start * y @ A.M]

    def misfit(self, k: int) -> float:
        return float((self.at(k) @ self.A.M.T - self.y).square().sum())

    def at(self, k: int) -> Tensor:
        while len(self.x) <= k:
            x = self.x[-1]
            self.x.append(x - self.step * (x @ self.A.M.T - self.y) @ self.A.M)
        return self.x[k]

    def first(self, level: float, limit: int = 6_000) -> int | None:
        """The first k whose squared residual is at most the level; None if there is none before it grows, or ends."""
        for k in range(limit):
            if (now := self.misfit(k)) <= level:
                return k
            if not now < 1e9:
                return None
        return None


#: hint -> the level of the squared residual, from m, n and sigma
LEVELS = {
    "the noise has m entries; did you count them?": lambda m, n, s: s**2,
    "you compare the norm with m sigma^2, and that is the size of its square": lambda m, n, s: (m * s**2) ** 2,
    "the root of m sigma^2 belongs to the norm; you compare the square with it": lambda m, n, s: m**0.5 * s,
    "the variance of the noise is sigma^2, not sigma": lambda m, n, s: m * s,
    "m is the number of data; you counted the pixels": lambda m, n, s: n * s**2,
    "m was counted twice: is it a mean already, or is the root of m missing?": lambda m, n, s: (m * s) ** 2,
    "there is no factor 1/2 in the level": lambda m, n, s: 0.5 * m * s**2,
    "there is no factor 2 in the level": lambda m, n, s: 2 * m * s**2,
}
#: hint -> which iterate is returned, and which k, where k is right
SHIFTS = {
    "x is one iterate later: return the one that you tested": lambda k: (k + 1, k),
    "you step once more after the test: x and k are those of the next iterate": lambda k: (k + 1, k + 1),
    "x is right, but it is not the iterate x_k of that k: count from x_0 = 0": lambda k: (k, k + 1),
    "x is right, and k one too small: how many steps lead from x_0 to x?": lambda k: (k, k - 1),
    "that is the last iterate above the level": lambda k: (max(k - 1, 0), max(k - 1, 0)),
    "k is right, and x is the iterate before it": lambda k: (max(k - 1, 0), k),
    "x_0 = 0 is an iterate, too; test it before the first step": lambda k: (max(k, 1), max(k, 1)),
}
#: hint -> step and start in units of 1, from the norm
STEPS = {
    "the step is 1 whatever the norm of A is": lambda norm: (1.0, 0.0),
    "the norm in the step is squared": lambda norm: (1 / norm, 0.0),
    "the step is 1 / ||A||^2; half of it needs more iterations": lambda norm: (0.5 / norm**2, 0.0),
    "the step is 1 / ||A||^2; twice that is where convergence ends (is there a 2 from the derivative?)": lambda norm: (
        2 / norm**2,
        0.0,
    ),
    "the step divides by the norm: for a large A it must be short": lambda norm: (norm**2, 0.0),
    "you start at A* y, and the iteration starts at 0": lambda norm: (1 / norm**2, 1.0),
}


def _misread() -> Iterator[tuple[str, Callable[[_Matrix, Tensor, float], tuple[Tensor, int] | None]]]:
    """Hints with what comes out where the text was read that way; None where that would not end."""

    def run(A, y, sigma, level=lambda m, n, s: m * s**2, shift=lambda k: (k, k), step=lambda norm: (norm**-2, 0.0)):
        path = _Path(A, y, *step(A.norm))
        k = path.first(level(A.m, A.n, sigma))
        return None if k is None else (path.at(shift(k)[0]), shift(k)[1])

    for kind, hints in (("level", LEVELS), ("shift", SHIFTS), ("step", STEPS)):
        for hint, change in hints.items():
            yield hint, lambda A, y, sigma, kind=kind, change=change: run(A, y, sigma, **{kind: change})


def stopping(landweber: Callable) -> Verdict:
    """Is ``landweber(A, y, sigma)`` the first Landweber iterate with ||A x_k - y||^2 <= m sigma^2, and its k?

    From x_0 = 0 with the step 1 / ||A||^2.

    Parameters
    ----------
    landweber : callable
        Operator, (1, m) data, noise level -> the image x_k, (1, 1, H, W), and the number k.

    Example
    -------
    >>> from course_utils import reconstruct
    >>> from course_utils.reconstructors import Landweber
    >>> def stopped(A, y, sigma):
    ...     result = reconstruct(A, y, Landweber(5000, level=A.m * sigma**2))
    ...     return result.x, int(result.iterations)
    >>> ok = stopping(stopped)
    ✓ Right: x and k are those of the discrepancy principle on ... problems, with norms 1, 3 and 1 of A
    >>> ok = stopping(lambda A, y, sigma: (A.T(y), 1))
    ✗ Not yet: ...
    """
    cases = _stopping_cases()
    with trusting():  # what overflows gets a hint of its own
        answers, problem = call(landweber, cases, ["A", "y", "sigma"])
    if problem is not None:
        return problem
    found = []
    for answer, (A, _, _) in zip(answers, cases, strict=True):
        if answer is None or answer is Ellipsis:
            return not_yet("the answer is still empty: return x and k")
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return not_yet("return two things: the image x and the number k of steps")
        x = as_numbers(answer[0])
        if x is None or x.shape != (1, *A.shape_in):
            got = type(answer[0]).__name__ if x is None else f"shape {tuple(x.shape)}"
            return not_yet(f"x must be an image of shape {(1, *A.shape_in)}, got {got}")
        if x.is_complex() or not torch.isfinite(x).all():
            return not_yet("x must hold finite real numbers")
        k, problem = number(answer[1], "k")
        if problem is not None:
            return problem
        found.append((x.flatten(1), k, tolerance(answer[0], 1e-8)))

    def agrees(i: int, other: tuple[Tensor, int] | None) -> bool:
        x, k, rtol = found[i]
        return other is not None and k == other[1] and bool((x - other[0]).norm() <= rtol * (1 + other[0].norm()))

    paths = [_Path(A, y, A.norm**-2) for A, y, _ in cases]
    wanted = [path.first(A.m * sigma**2) for path, (A, _, sigma) in zip(paths, cases, strict=True)]
    wrong = [i for i, (path, k) in enumerate(zip(paths, wanted, strict=True)) if not agrees(i, (path.at(k), k))]
    if not wrong:
        norms = " and ".join(f"{A.norm:g}" for A, _, _ in cases).replace(" and ", ", ", len(cases) - 2)
        return right(
            f"x and k are those of the discrepancy principle on {len(cases)} problems, with norms {norms} of A"
        )
    misfits = [float((x @ A.M.T - y).square().sum()) for (x, _, _), (A, y, _) in zip(found, cases, strict=True)]
    grown = [i for i in wrong if misfits[i] > 1.001 * float(cases[i][1].square().sum())]
    i = (grown or wrong)[0]
    (A, _, sigma), (x, k, rtol), path = cases[i], found[i], paths[i]
    ratio = misfits[i] / (A.m * sigma**2)
    message = f"for an A of norm {A.norm:g}, the x of your k = {k:g} has a squared residual of {ratio:.3g} m sigma^2"
    for hint, misread in _misread():
        if all(agrees(i, misread(*case)) for i, case in enumerate(cases)):
            return not_yet(f"{message}; {hint}")
    if grown:
        return not_yet(f"{message}, more than x_0 = 0 has; is the step short enough for that norm?")
    if len({k for _, k, _ in found}) == 1:
        return not_yet(f"{message}; k is the same for all data, but they must decide when to stop")
    if k == wanted[i]:
        return not_yet(f"{message}; k is right, x is not the iterate of that number")
    if torch.allclose(x, path.at(wanted[i]), rtol=1e-6, atol=max(rtol, 1e-8)):
        return not_yet(f"{message}; x is right, and k does not count its steps from x_0 = 0")
    if ratio > 1:
        return not_yet(f"{message}; that is still above the level")
    return not_yet(f"{message}; is it the first iterate at or below the level, with steps of 1 / ||A||^2?")


# Which weight to take

CALLS, LOW, HIGH = 15, 1e-6, 1e3


class _Residual:
    """A squared residual that rises with lam; it notes every weight it is asked about."""

    def __init__(self, function: Callable[[float], float], limit: int = 2_000) -> None:
        self.function, self.limit, self.asked = function, limit, []

    def __call__(self, lam: float) -> float:
        lam = check_positive("lam", float(lam))
        self.asked.append(lam)
        if len(self.asked) > self.limit:
            raise Overrun(f"it called residual more than {self.limit:,} times; {CALLS} calls are enough")
        return self.function(lam)

    def halves_lam(self) -> bool:
        """Whether the first weights between the ends are the middles of [LOW, HIGH] and of one of its halves."""
        inside = [lam for lam in self.asked if 2 * LOW < lam < HIGH / 1.001][:2]
        middle = (LOW + HIGH) / 2
        return len(inside) == 2 and abs(inside[0] - middle) < 1 and abs(abs(inside[1] - middle) - middle / 2) < 1


def _tikhonov(values: Tensor, data: Tensor, rest: float) -> Callable[[float], float]:
    return lambda lam: float(((lam / (values**2 + lam) * data) ** 2).sum()) + rest


def _weight_cases() -> list[tuple[_Residual, float]]:
    """Residuals and levels, the answers decades apart."""
    s = 0.6 ** torch.arange(20, dtype=torch.float64)
    y = torch.randn(20, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    functions = [
        (_tikhonov(s, y, 0.3), 2.3e-5),
        (_tikhonov(s, 9 * s * y, 0.02), 0.041),
        (lambda lam: float((30 * y).abs().clamp_max(lam / 2).square().sum()), 7.7),  # of soft thresholding
        (_tikhonov(12 * s, 5 * y, 1.0), 310.0),
    ]
    return [(_Residual(function), function(lam)) for function, lam in functions]


def weight(find: Callable[[Callable[[float], float], float], float]) -> Verdict:
    """Does ``find(residual, level)`` return a weight whose squared residual is the level to 1 %, in 15 calls or fewer?

    Parameters
    ----------
    find : callable
        A function lam -> squared residual, rising with lam > 0, and a level that it reaches for a lam from 1e-6 to 1e3
        -> that lam.

    Example
    -------
    >>> def scan(residual, level):
    ...     return min((10 ** (k / 200) for k in range(-1200, 601)), key=lambda lam: abs(residual(lam) - level))
    >>> ok = weight(scan)
    ✗ Not yet: ... you called residual 1801 times, and 15 calls have to do; ...
    """
    cases, answers = _weight_cases(), []
    for residual, level in cases:
        answer, problem = attempt(find, residual, level)
        if problem is None:
            answer, problem = number(answer, "lam", positive=True)
        if problem is not None:
            return problem
        answers.append(answer)

    def hits(targets: Callable[[float], float] = lambda level: level, of: Callable[[float], float] = lambda lam: lam):
        """Cases in which the residual of (a function of) the answer is a target that LOW or HIGH may cut, to 1 %."""
        marks = []
        for (residual, level), lam in zip(cases, answers, strict=True):
            target = min(max(targets(level), residual.function(LOW)), residual.function(HIGH))
            marks.append(abs(residual.function(min(max(of(lam), 1e-12), 1e12)) / target - 1) <= 0.01)
        return marks

    calls = [len(residual.asked) for residual, _ in cases]
    good, most = hits(), max(calls)
    arithmetic = any(residual.halves_lam() for residual, _ in cases)
    halving = (
        "you halve in lam itself: how many calls go by before a weight below 1 is tried, and how many decades remain?"
    )
    if all(good):
        if most <= CALLS:
            return right(f"the residual is the level to 1 per cent in {len(cases)} problems, with at most {most} calls")
        hint = halving if arithmetic else "stop when the level is met to 1 per cent, and let no call go to waste"
        return not_yet(
            f"the weights are right, but you called residual {most} times, and {CALLS} calls have to do; {hint}"
        )
    i = good.index(False)
    (residual, level), lam = cases[i], answers[i]
    message = f"lam = {lam:.4g} has a squared residual of {residual.function(lam) / level:.3g} times the level"
    if all(abs(lam / level - 1) <= 0.01 for lam, (_, level) in zip(answers, cases, strict=True)):
        return not_yet(f"{message}; what you return is a residual, and the weight that leads to it is wanted")
    if all(hits(lambda level: level**0.5)):
        return not_yet(f"{message}; residual(lam) is squared already, and so is the level: take no root of one alone")
    if all(hits(lambda level: level**2)):
        return not_yet(f"{message}; residual(lam) is squared already, and so is the level: square neither again")
    if all(hits(of=lambda lam: min(10.0**lam, 1e12) if lam < 12 else 1e12)):
        return not_yet(f"{message}; is it the logarithm of the weight?")
    if all(lam < 1.1 * LOW or lam > HIGH / 1.1 for lam in answers):
        return not_yet(f"{message}; the search ran to an end of the bracket: if a residual is too large, is lam?")
    if arithmetic:
        return not_yet(f"{message}; {halving}")
    if most > CALLS:
        return not_yet(f"{message}; and you called residual {most} times, where {CALLS} calls have to do")
    if max(answers) <= 1.01 * min(answers):
        return not_yet(f"{message}; it is the same weight for every problem")
    side = "large" if residual.function(lam) > level else "small"
    return not_yet(f"{message}, so it is still too {side}; on which scale are your steps equal, and when do they end?")
