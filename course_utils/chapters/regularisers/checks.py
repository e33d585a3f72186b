"""Checks of the exercises of chapter 05: prox, Algorithm 1, exact image step, the weight lambda, the parabola."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..._budget import Metered
from ...checks import Verdict, as_numbers, attempt, call, examine, not_yet, number, right, tolerance
from ...operators import GaussianMatrix, LinearOperator
from ...regularisers import L1, Tikhonov
from ...solvers import reconstruct

__all__ = [
    "backtracking_step",
    "discrepancy_weight",
    "one_minimiser",
    "soft_threshold",
    "x_step",
]


def soft_threshold(prox: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Is ``prox(u, tau)`` the minimiser of tau ||v||_1 + 1/2 ||v - u||^2 over v?

    Parameters
    ----------
    prox : callable
        (B, 1, H, W) tensor and number tau >= 0 -> (B, 1, H, W) tensor.

    Example
    -------
    >>> bool(soft_threshold(lambda u, tau: u.sign() * (u.abs() - tau).clamp_min(0)))
    ✓ Right: the prox agrees...
    True
    >>> bool(soft_threshold(lambda u, tau: u * (u.abs() > tau)))
    ✗ Not yet: the prox differs by up to 0.4, ...; what survives the threshold must still be shortened by tau
    False
    """
    generator = torch.Generator().manual_seed(5)
    cases = [
        (torch.randn(n, 1, *size, generator=generator), tau) for n, size, tau in ((2, (6, 6), 0.4), (3, (5, 4), 0.7))
    ]
    soft = L1(1.0)
    return examine(
        prox,
        cases,
        lambda u, tau: soft.prox(u, tau),
        "the prox",
        rtol=1e-6,
        mistakes={
            "this is u itself: nothing has been shrunk": lambda u, tau: u,
            "what survives the threshold must still be shortened by tau": lambda u, tau: u * (u.abs() > tau),
            "the sign of u got lost": lambda u, tau: soft.prox(u, tau).abs(),
            "negative entries need their turn too: shrink |u|, then put the sign back": lambda u, tau: (
                u - tau
            ).clamp_min(0),
            "this moves everything down, negative entries away from 0; and what happens near 0?": lambda u, tau: (
                u - tau
            ),
            "the factor 1/2 stands before the square, so the threshold is tau, not tau / 2": lambda u, tau: soft.prox(
                u, tau / 2
            ),
            "the factor 1/2 stands before the square, so the threshold is tau, not 2 tau": lambda u, tau: soft.prox(
                u, 2 * tau
            ),
            "this is the prox of the squared 2-norm, which shrinks everything and zeroes nothing": lambda u, tau: (
                u / (1 + 2 * tau)
            ),
            "this is the prox of tau/2 ||v||_2^2, which shrinks everything and zeroes nothing": lambda u, tau: (
                u / (1 + tau)
            ),
            "small entries must become 0, not change sign": lambda u, tau: u - tau * u.sign(),
            "this is what the prox takes away from u": lambda u, tau: u.clamp(-tau, tau),
            "entries must not grow: the sign of tau is wrong": lambda u, tau: u + tau * u.sign(),
            "large entries are shortened by tau, and small ones must become 0": lambda u, tau: torch.where(
                u.abs() > tau, u - tau * u.sign(), u
            ),
        },
    )


def _asked(f, gradient, z, L, eta0, eta1, decrease=lambda g, L: 0.5 * float(g.pow(2).sum()) / L):
    """Lines 3 to 7 of Algorithm 1; the ``decrease`` that line 4 asks for is misread now and then."""
    g, fz = gradient(z), f(z)
    for _ in range(60):
        trial = z - g / L
        if f(trial) < fz - decrease(g, L):
            break
        L = L * eta1
    return trial, L * eta0


#: What line 4 is sometimes taken to ask for.
MISREAD = {
    "the decrease asked for in line 4 is ||gradient||^2 / (2 L), you ask for twice as much": lambda g, L: (
        float(g.pow(2).sum()) / L
    ),
    "line 4 asks for a decrease of more than ||gradient||^2 / (2 L), not just for any decrease": lambda g, L: 0.0,
    "a / 2 * L is half of a times L: put 2 * L in brackets": lambda g, L: 0.5 * float(g.pow(2).sum()) * L,
    "the norm of the gradient in line 4 is squared": lambda g, L: 0.5 * float(g.norm()) / L,
    "line 4 has ||gradient||^2 / (2 L); you ask for a quarter": lambda g, L: 0.25 * float(g.pow(2).sum()) / L,
}


def _endless(start: Tensor, slope: Tensor) -> Callable[[Metered], str]:
    """What the last two calls of f say about a loop of line 4 that does not end."""

    def why(f: Metered) -> str:
        before, now = (as_numbers(args[0]) if args else None for args in f.last)
        if before is None or now is None:
            return ""
        if not torch.isfinite(now).all():
            return "the trial point is no longer finite: a refused step must become shorter, so L grows"
        if torch.allclose(now, start, rtol=1e-12, atol=1e-300):
            trials = [as_numbers(args[0]) for args in f.first]
            if any(bool((trial - start) @ slope < 0) for trial in trials):
                return "short steps downhill are refused, too: write ||gradient||^2 / (2 * L) with 2 * L in brackets"
            return "the steps became ever shorter and none decreases f: does the step go along minus the gradient?"
        if torch.equal(before, now):
            return "f is asked about the same trial point again and again: make a new one after each change of L"
        return "the step must become shorter each time, so L grows: multiply by eta1"

    return why


def backtracking_step(step: Callable) -> Verdict:
    """Is ``step(f, gradient, z, L, eta0, eta1)`` -> (z, L) one pass through lines 3 to 7 of Algorithm 1?

    Tried on a smooth, non-convex function of three variables, from step sizes that are accepted at once and
    from others that must be refused several times.

    Parameters
    ----------
    step : callable
        f : (d,) tensor -> number, gradient : (d,) tensor -> (d,) tensor; returns the new (d,) tensor and the
        new L.
    """

    def f(z: Tensor) -> float:
        return float((z[0] ** 2 - 1) ** 2 + 10 * z[1] ** 2 + torch.cos(z[2]) + 0.5 * z[2] ** 2)

    def gradient(z: Tensor) -> Tensor:
        return torch.stack([4 * z[0] * (z[0] ** 2 - 1), 20 * z[1], z[2] - torch.sin(z[2])])

    start, eta1, answers, worst = torch.tensor([1.6, -0.7, 2.0], dtype=torch.float64), 3.0, [], 0.0
    # 25 is accepted; 15, 11 and 9.3 decrease f by a third, a seventh and a seventieth of ||gradient||^2 / L
    steps = [(40.0, 0.5), (0.1, 0.5), (15.0, 0.7), (11.0, 0.5), (9.3, 0.5), (25.0, 0.7), (500.0, 0.5)]
    for L, eta0 in steps:
        z, counted = start.clone(), Metered(f, "f", 500, _endless(start, gradient(start)))
        answer, problem = attempt(step, counted, gradient, z, L, eta0, eta1)
        if problem is not None:
            return problem
        if not torch.equal(z, start):
            return not_yet("your function changed its argument z in place; make a new tensor")
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return not_yet("return two things: the new z and the new L")
        found = as_numbers(answer[0])
        if found is None or found.shape != z.shape:
            return not_yet(f"the new z must be a tensor of shape {tuple(z.shape)}")
        new_L, problem = number(answer[1], "the new L")
        if problem is not None:
            return problem
        answers.append((found, new_L, max(tolerance(part, 1e-8) for part in answer)))

    def agrees(k: int, **misread) -> tuple[bool, bool, float]:
        """Whether z and L are those of lines 3 to 7, and that L."""
        expected, expected_L = _asked(f, gradient, start, *steps[k], eta1, **misread)
        found, new_L, rtol = answers[k]
        close = torch.allclose(found, expected, rtol=rtol, atol=1e-2 * rtol)
        return close, abs(new_L - expected_L) <= rtol * expected_L, expected_L

    for k, (L, eta0) in enumerate(steps):
        z_agrees, L_agrees, right_L = agrees(k)
        if z_agrees and L_agrees:
            worst = max(worst, float((answers[k][0] - _asked(f, gradient, start, L, eta0, eta1)[0]).abs().max()))
            continue
        for hint, decrease in MISREAD.items():
            if all(all(agrees(other, decrease=decrease)[:2]) for other in range(len(steps))):
                return not_yet(f"from L = {L:g}: z is not that of lines 3 to 6; {hint}")
        found, new_L, _ = answers[k]
        hint = _about_step(f, gradient(start), start, L, eta0, found, new_L, right_L if z_agrees else None)
        return not_yet(f"from L = {L:g}: {hint}")
    return right(f"{len(steps)} steps, as many step sizes: z and L agree with lines 3 to 7, z to {worst:.0e}")


def _about_step(f, g, z, L, eta0, found, new_L, right_L) -> str:
    """What is wrong with the new z, or with the new L if that of the right z is given."""
    if torch.equal(found, z):
        return "z has not moved; does your step go along minus the gradient?"
    if right_L is not None:
        hint = "compare with line 7"
        if abs(new_L - right_L / eta0) <= 1e-8 * right_L:
            hint = "line 7 multiplies L by eta0 after the step, so that the next one may be longer"
        elif abs(new_L - right_L / eta0**2) <= 1e-8 * right_L:
            hint = "line 7 multiplies by eta0, it does not divide"
        elif abs(new_L - L * eta0) <= 1e-8 * right_L:
            hint = "the L of line 7 is the one that the loop has raised, not the first one"
        return f"z is right, but L is {new_L:g}, expected {right_L:g}; {hint}"
    message = "z is not that of lines 3 to 6"
    if torch.allclose(found, z - g / L):
        return f"{message}; this step does not decrease f enough: test it (line 4), multiply L by eta1, try again"
    if float((found - z) @ g) > 0:
        return f"{message}; you walk along the gradient, uphill: check the sign of the step"
    if f(found) > f(z):
        return (
            f"{message}, and f rose from {f(z):.3g} to {f(found):.3g}; a refused step must become shorter, so L grows: "
            "multiply by eta1"
        )
    along = (found - z) / (-g)
    if bool(((along - along.mean()).abs() < 1e-8 * along.mean().abs()).all()):
        return f"{message}; it is a step of length 1 / {1 / float(along.mean()):.4g}: which L does line 7 leave behind?"
    return f"{message}; compare them line by line"


def x_step(best_image: Callable) -> Verdict:
    """Does ``best_image(A, y, g, lam)`` minimise ||A x - y||^2 + lam ||x - g||^2 over x?

    The gradient of that function must vanish at the answer; the operator is a small random one.

    Parameters
    ----------
    best_image : callable
        Operator with a dense ``A.matrix()`` (m, n), y (B, m), g (B, 1, H, W), lam > 0 -> (B, 1, H, W).
    """
    lam, random, worst = 0.05, torch.Generator().manual_seed(11), 0.0
    cases = []
    for n, m, size in ((2, 12, 6), (3, 9, 5)):
        A = GaussianMatrix(m, size, random).double()
        y = torch.randn(n, m, generator=random, dtype=torch.float64)
        cases.append((A, y, torch.rand(n, 1, size, size, generator=random, dtype=torch.float64), lam))
    answers, problem = call(best_image, cases, ["A", "y", "g", "lam"])
    if problem is not None:
        return problem
    for found, (A, y, g, _) in zip(answers, cases, strict=True):
        x = as_numbers(found) if found is not None and found is not Ellipsis else None
        if x is None or x.shape != g.shape:
            got = type(found).__name__ if x is None else f"shape {tuple(x.shape)}"
            return not_yet(f"the image must be a tensor of shape {tuple(g.shape)}, got {got}")
        if not torch.isfinite(x).all():
            return not_yet("the image holds NaN or infinite entries")
        gradient = 2 * A.T(A(x) - y) + 2 * lam * (x - g)
        relative = float(gradient.norm() / (2 * A.T(A(g) - y)).norm())  # x = g is where one starts
        if relative <= tolerance(found, 1e-6):
            worst = max(worst, relative)
            continue
        message = f"the gradient in x is {relative:.2g} of its size at x = G(z), it should vanish"
        for hint, wrong in _wrong_images(A, y, g.flatten(1), lam).items():
            if torch.allclose(x.flatten(1), wrong, rtol=1e-5, atol=tolerance(found, 1e-8)):
                return not_yet(f"{message}; {hint}")
        return not_yet(f"{message}; set the gradient 2 A^T(Ax - y) + 2 lam (x - G(z)) to zero and solve for x")
    return right(f"the gradient in x vanishes there: {worst:.0e} of its size at x = G(z)")


def _wrong_images(A: LinearOperator, y: Tensor, g: Tensor, lam: float) -> dict[str, Tensor]:
    """What typical mistakes return for the flat image g, (B, n)."""
    M = A.matrix()
    eye_m, eye_n = torch.eye(A.m, dtype=M.dtype), torch.eye(A.n, dtype=M.dtype)
    residual = y - g @ M.T

    def answer(base: Tensor, K: Tensor, sign: float = 1.0) -> Tensor:
        return base + sign * torch.linalg.solve(K, (y - base @ M.T).T).T @ M

    K = M @ M.T + lam * eye_m
    return {
        "you gave back G(z): the data have not been used": g,
        "this is Tikhonov: it pulls x towards 0, not towards G(z)": answer(torch.zeros_like(g), K),
        "the sign of the correction is wrong: the residual is y - A G(z)": answer(g, K, -1.0),
        "both terms are squares without 1/2, so lam stands in the matrix as it is, not halved": answer(
            g, M @ M.T + lam / 2 * eye_m
        ),
        "both terms are squares without 1/2, so lam stands in the matrix as it is, not doubled": answer(
            g, M @ M.T + 2 * lam * eye_m
        ),
        "lam is missing: this x fits the noise exactly": answer(g, M @ M.T),
        "lam was added to every entry of the matrix: lam I has it on the diagonal only": answer(g, M @ M.T + lam),
        "K was multiplied, and not inverted: solve K v = residual": g + residual @ K @ M,
        "one gradient step is not the minimiser": g + residual @ M,
        "a gradient step divided by lam is not the minimiser": g + residual @ M / lam,
        "this is the correction alone: add G(z)": answer(g, K) - g,
        "the data were put in where the residual belongs: y - A G(z)": g + torch.linalg.solve(K, y.T).T @ M,
        "on the right-hand side stands A^T y + lam G(z); lam is missing there": torch.linalg.solve(
            M.T @ M + lam * eye_n, (y @ M + g).T
        ).T,
    }


def discrepancy_weight(lam: float, A: LinearOperator, y: Tensor, sigma: float) -> Verdict:
    """Does Tikhonov with weight ``lam`` leave a residual of sigma sqrt(m), within 2 per cent?

    Parameters
    ----------
    lam : float > 0
        The student's weight.
    A, y, sigma : operator, (1, ...) data of one problem, noise level
        The problem of the exercise.
    """
    lam, problem = number(lam, "lam", positive=True)
    if problem is not None:
        return problem

    def residual(weight: float) -> float:
        return float((A(reconstruct(A, y, Tikhonov(weight)).x) - y).norm())

    target = sigma * y[0].numel() ** 0.5
    found = residual(lam)
    message = f"lam = {lam:.4g} leaves a residual of {found:.3f}, the discrepancy principle asks for {target:.3f}"
    if abs(found - target) <= 0.02 * target:
        return right(f"{message}: {100 * abs(found / target - 1):.1f} per cent off")
    if abs(found - sigma) <= 0.05 * sigma:
        return not_yet(f"{message}; the noise has m entries, so its norm is sigma sqrt(m), not sigma")
    if abs(found**2 - target) <= 0.02 * target:
        return not_yet(f"{message}; you matched the squared norm with sigma sqrt(m): square both or neither")
    if abs(found - target**2) <= 0.02 * target**2:
        return not_yet(f"{message}; you matched the norm with sigma^2 m: square both or neither")
    direction = "lam is too large: the data are not fitted well enough" if found > target else "lam is too small"
    return not_yet(f"{message}; {direction}")


def one_minimiser(bound: Callable[[float, float], float]) -> Verdict:
    """Is ``bound(a, lam)`` the least mu for which *relaxed* has one minimiser on the parabola, at y = (0, a)?

    Parameters
    ----------
    bound : callable
        Numbers a and lam > 0 -> number mu >= 0.

    Example
    -------
    >>> bool(one_minimiser(lambda a, lam: 7 / (1 + lam)))
    ✗ Not yet: the bound is 4.66667, which is 2.3 times too large; this is right for a = 4 only
    False
    """

    def depth(a: float, lam: float) -> float:
        return (2 * a - 1) / (1 + lam)

    return examine(
        bound,
        [(2.0, 0.5), (4.0, 3.0), (10.0, 1.0), (0.25, 1.0)],
        lambda a, lam: max(0.0, depth(a, lam)),
        "the bound",
        mistakes={
            "this is right for a = 4 only": lambda a, lam: 7 / (1 + lam),
            "for a below 1/2 there is one minimiser even with mu = 0, and mu is not negative": depth,
            "this is the bound for hard, where lam multiplies z^2 alone": lambda a, lam: 2 * a - 1,
            "this is the bound for hard, where lam multiplies z^2 alone; and it is not negative": lambda a, lam: max(
                0, 2 * a - 1
            ),
            "x has been eliminated: the misfit has the factor lam / (1 + lam)": lambda a, lam: (2 * a - 1) / lam,
            "x has been eliminated: the misfit has the factor lam / (1 + lam), lam of which cancels": lambda a, lam: (
                max(0, (2 * a - 1) * lam / (1 + lam))
            ),
            "the derivative of (z^2 - a)^2 is 4 z (z^2 - a)": lambda a, lam: (a - 1) / (1 + lam),
            "do not forget the first coordinate, whose misfit is z^2": lambda a, lam: 2 * a / (1 + lam),
            "the first coordinate pulls towards 0, so its 1 is subtracted": lambda a, lam: (2 * a + 1) / (1 + lam),
            "that is where z^2 lies when mu = 0, not the bound of mu": lambda a, lam: (2 * a - 1) / 2,
            "mu is multiplied by 1 + lam, so the bound is divided by it": lambda a, lam: max(
                0, (2 * a - 1) * (1 + lam)
            ),
        },
    )
