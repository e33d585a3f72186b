"""Checks of the exercises of chapter 05: prox, Algorithm 1, exact image step, the weight lambda, the parabola."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet, right
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


def _double(value) -> Tensor | None:
    """The student's answer as a float64 tensor, or None."""
    try:
        return torch.as_tensor(value).detach().to(torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return None


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
    tau = 0.4
    u = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(5))
    before = u.clone()
    found, problem = attempt(prox, u, tau)
    if problem is not None:
        return problem
    if not torch.equal(u, before):
        return not_yet("your function changed its argument u in place; make a new tensor")
    soft = L1(1.0)
    return compare(
        found,
        soft.prox(u, tau),
        "the prox",
        rtol=1e-6,
        mistakes={
            "this is u itself: nothing has been shrunk": u,
            "what survives the threshold must still be shortened by tau": u * (u.abs() > tau),
            "the sign of u got lost": soft.prox(u, tau).abs(),
            "negative entries need their turn too: shrink |u|, then put the sign back": (u - tau).clamp_min(0),
            "the factor 1/2 stands before the square, so the threshold is tau, not tau / 2": soft.prox(u, tau / 2),
            "the factor 1/2 stands before the square, so the threshold is tau, not 2 tau": soft.prox(u, 2 * tau),
            "this is the prox of the square of the 2-norm, which shrinks everything and zeroes nothing": u
            / (1 + 2 * tau),
            "small entries must become 0, not change sign": u - tau * u.sign(),
        },
    )


def _reference_step(f, gradient, z, L, eta0, eta1, half=0.5):
    """Lines 3 to 7 of Algorithm 1; ``half`` is misread now and then."""
    g, fz = gradient(z), f(z)
    for _ in range(60):
        trial = z - g / L
        if f(trial) < fz - half * float(g.pow(2).sum()) / L:
            break
        L = L * eta1
    return trial, L * eta0


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

    eta0, eta1, worst = 0.5, 3.0, 0.0
    start = torch.tensor([1.6, -0.7, 2.0], dtype=torch.float64)
    for L in (40.0, 0.1, 13.0, 500.0):
        z = start.clone()
        answer, problem = attempt(step, f, gradient, z, L, eta0, eta1)
        if problem is not None:
            return problem
        if not torch.equal(z, start):
            return not_yet("your function changed its argument z in place; make a new tensor")
        if not isinstance(answer, tuple) or len(answer) != 2:
            return not_yet("return two things: the new z and the new L")
        found, new_L = _double(answer[0]), answer[1]
        if found is None or found.shape != z.shape:
            return not_yet(f"the new z must be a tensor of shape {tuple(z.shape)}")
        try:
            new_L = float(new_L)
        except (TypeError, ValueError):
            return not_yet(f"the new L must be a number, got {type(new_L).__name__}")
        expected, expected_L = _reference_step(f, gradient, z, L, eta0, eta1)
        close = torch.allclose(found, expected, rtol=1e-8, atol=1e-10)
        if close and abs(new_L - expected_L) <= 1e-8 * expected_L:
            worst = max(worst, float((found - expected).abs().max()))
            continue
        if torch.equal(found, z):
            return not_yet(f"from L = {L:g}: z has not moved; does your step go along minus the gradient?")
        if close:
            hint = (
                "line 7 multiplies L by eta0 after the step, so that the next one may be longer"
                if abs(new_L - expected_L / eta0) <= 1e-8 * expected_L
                else "compare with line 7"
            )
            return not_yet(f"from L = {L:g}: z is right, but L is {new_L:g}, expected {expected_L:g}; {hint}")
        difference = float((found - expected).abs().max())
        message = f"from L = {L:g}: z is off by up to {difference:.3g}"
        hints = {
            "the decrease asked for in line 4 is ||gradient||^2 / (2 L), you ask for twice as much": 1.0,
            "line 4 asks for a decrease of more than ||gradient||^2 / (2 L), not just for any decrease": 0.0,
        }
        for hint, half in hints.items():
            wrong, wrong_L = _reference_step(f, gradient, z, L, eta0, eta1, half)
            if torch.allclose(found, wrong) and abs(new_L - wrong_L) <= 1e-8 * wrong_L:
                return not_yet(f"{message}; {hint}")
        if torch.allclose(found, z - gradient(z) / L):
            return not_yet(
                f"{message}; this step does not decrease f enough: test it (line 4), multiply L by eta1, try again"
            )
        if float((found - z) @ gradient(z)) > 0:
            return not_yet(f"{message}; you walk along the gradient, uphill: check the sign of the step")
        if f(found) > f(z):
            return not_yet(
                f"{message}, and f rose from {f(z):.3g} to {f(found):.3g}; a refused step must become shorter, "
                "so L grows: multiply by eta1"
            )
        return not_yet(f"{message}; compare with lines 3 to 6")
    return right(f"four steps, four step sizes: z and L agree with lines 3 to 7, z to {worst:.0e}")


def x_step(best_image: Callable) -> Verdict:
    """Does ``best_image(A, y, g, lam)`` minimise ||A x - y||^2 + lam ||x - g||^2 over x?

    The gradient of that function must vanish at the answer; the operator is a small random one.

    Parameters
    ----------
    best_image : callable
        Operator with a dense ``A.matrix()`` (m, n), y (B, m), g (B, 1, H, W), lam > 0 -> (B, 1, H, W).
    """
    lam, size = 0.05, 6
    random = torch.Generator().manual_seed(11)
    A = GaussianMatrix(12, size, random).double()
    y = torch.randn(2, 12, generator=random, dtype=torch.float64)
    g = torch.rand(2, 1, size, size, generator=random, dtype=torch.float64)
    found, problem = attempt(best_image, A, y, g, lam)
    if problem is not None:
        return problem
    x = _double(found) if found is not None and found is not Ellipsis else None
    if x is None or x.shape != g.shape:
        shape = getattr(found, "shape", None)
        got = type(found).__name__ if shape is None else f"shape {tuple(shape)}"
        return not_yet(f"the image must be a tensor of shape {tuple(g.shape)}, got {got}")
    if not torch.isfinite(x).all():
        return not_yet("the image holds NaN or infinite entries")
    gradient = 2 * A.T(A(x) - y) + 2 * lam * (x - g)
    size = float(2 * A.T(A(g) - y).norm())  # of the gradient at x = g, where one starts
    relative = float(gradient.norm()) / size
    if relative <= 1e-6:
        return right(f"the gradient in x vanishes there: {relative:.0e} of its size at x = G(z)")
    message = f"the gradient in x is {relative:.2g} of its size at x = G(z), it should vanish"
    M, flat = A.matrix(), g.flatten(1)
    eye_m, eye_n = torch.eye(A.m, dtype=M.dtype), torch.eye(A.n, dtype=M.dtype)

    def answer(base: Tensor, weight: float, sign: float = 1.0) -> Tensor:
        residual = y - base @ M.T
        return base + sign * torch.linalg.solve(M @ M.T + weight * eye_m, residual.T).T @ M

    mistakes = {
        "you gave back G(z): the data have not been used": flat,
        "this is Tikhonov: it pulls x towards 0, not towards G(z)": torch.linalg.solve(
            M.T @ M + lam * eye_n, (y @ M).T
        ).T,
        "the sign of the correction is wrong: the residual is y - A G(z)": answer(flat, lam, -1.0),
        "both terms are squares without 1/2, so lam stands in the matrix as it is, not halved": answer(flat, lam / 2),
        "both terms are squares without 1/2, so lam stands in the matrix as it is, not doubled": answer(flat, 2 * lam),
        "lam is missing: this x fits the noise exactly": answer(flat, 0.0),
        "one gradient step is not the minimiser": flat + (y - flat @ M.T) @ M,
    }
    for hint, wrong in mistakes.items():
        if torch.allclose(x.flatten(1), wrong, rtol=1e-5, atol=1e-8):
            return not_yet(f"{message}; {hint}")
    return not_yet(f"{message}; set the gradient 2 A^T(Ax - y) + 2 lam (x - G(z)) to zero and solve for x")


def discrepancy_weight(lam: float, A: LinearOperator, y: Tensor, sigma: float) -> Verdict:
    """Does Tikhonov with weight ``lam`` leave a residual of sigma sqrt(m), within 2 per cent?

    Parameters
    ----------
    lam : float > 0
        The student's weight.
    A, y, sigma : operator, (1, ...) data of one problem, noise level
        The problem of the exercise.
    """
    if lam is None or lam is Ellipsis:
        return not_yet("lam is still empty: replace the placeholder")
    try:
        lam = float(lam)
    except (TypeError, ValueError, RuntimeError):
        return not_yet(f"lam must be a number, got {type(lam).__name__}")
    if not 0 < lam < float("inf"):
        detail = "; is it the logarithm of lam?" if lam < 0 else ""
        return not_yet(f"lam must be positive and finite, got {lam:g}{detail}")

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
    ✗ Not yet: the bound at four pairs a, lam differs by up to 6, ...; this is right for a = 4 only
    False
    """
    pairs = ((2.0, 0.5), (4.0, 3.0), (10.0, 1.0), (0.25, 1.0))
    found = []
    for a, lam in pairs:
        answer, problem = attempt(bound, a, lam)
        if problem is not None:
            return problem
        if answer is None or answer is Ellipsis:
            return not_yet("the bound is still empty: replace the placeholder")
        try:
            found.append(float(answer))
        except (TypeError, ValueError, RuntimeError):
            return not_yet(f"the bound must be a number, got {type(answer).__name__}")
    depth, weight = torch.tensor(pairs, dtype=torch.float64).T
    exact = (2 * depth - 1) / (1 + weight)
    return compare(
        torch.tensor(found, dtype=torch.float64),
        exact.clamp_min(0),
        "the bound at four pairs a, lam",
        mistakes={
            "this is right for a = 4 only": 7 / (1 + weight),
            "for a below 1/2 there is one minimiser even with mu = 0, and mu is not negative": exact,
            "this is the bound for hard, where lam multiplies z^2 alone": 2 * depth - 1,
            "x has been eliminated: the misfit has the factor lam / (1 + lam)": (2 * depth - 1) / weight,
            "the derivative of (z^2 - a)^2 is 4 z (z^2 - a)": (depth - 1) / (1 + weight),
            "do not forget the first coordinate, whose misfit is z^2": 2 * depth / (1 + weight),
        },
    )
