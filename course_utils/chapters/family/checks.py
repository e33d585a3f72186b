"""Checks of the exercises of chapter 06: a sphere, eq. (8), pairs of images, deviations in a layer, a mask."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet, right
from ...generators import Generator
from ...operators import GaussianMatrix, LinearOperator
from ...regularisers import Intermediate
from ...solvers import Dictionary, reconstruct

__all__ = [
    "deviation_cost",
    "enough_measurements",
    "layer_weight",
    "masked_image",
    "project_to_sphere",
    "projected_step",
    "same_data",
]

APART, CLOSE, LONG = 2.0, 0.02, 6.0  # norms of x1 - x2, of A (x1 - x2) relative to a random direction, of z


def project_to_sphere(project: Callable[[Tensor], Tensor]) -> Verdict:
    """Does ``project(z)`` give the nearest point of the sphere on which N(0, I) concentrates, for each row of z?

    Parameters
    ----------
    project : callable
        (B, d) tensor, no row zero -> (B, d) tensor.

    Example
    -------
    >>> bool(project_to_sphere(lambda z: z.shape[1] ** 0.5 * z / z.norm(dim=1, keepdim=True)))
    ✓ Right: the projection agrees...
    True
    >>> bool(project_to_sphere(lambda z: z / z.norm(dim=1, keepdim=True)))
    ✗ Not yet: the projection differs by up to ...; this is the unit sphere: a standard normal vector is longer
    False
    """
    lengths = torch.tensor([[0.1], [1.0], [1.0], [2.0], [9.0]])
    z = lengths * torch.randn(5, 8, generator=torch.Generator().manual_seed(21))
    before = z.clone()
    found, problem = attempt(project, z)
    if problem is not None:
        return problem
    if not torch.equal(z, before):
        return not_yet("your function changed its argument z in place; make a new tensor")
    d = z.shape[1]
    unit = z / z.norm(dim=1, keepdim=True)
    return compare(
        found,
        d**0.5 * unit,
        "the projection",
        rtol=1e-5,
        mistakes={
            "this is z itself": z,
            "this is the unit sphere: a standard normal vector is longer": unit,
            "this is the radius d that the paper prints; E||z||^2 = d, so take its root": d * unit,
            "every row has its own norm: take it along dim=1": d**0.5 * z / z.norm(),
            "the points inside are to move too: a sphere is no ball": torch.where(
                z.norm(dim=1, keepdim=True) > d**0.5, d**0.5 * unit, z
            ),
            "dividing by the squared norm does not give unit vectors": d**0.5 * unit / z.norm(dim=1, keepdim=True),
        },
    )


def projected_step(step: Callable) -> Verdict:
    """Is ``step(A, project, x, y, eta)`` one pass through eq. (8)?

    Tried with a small random A and, as the range of G, a subspace, so that ``project`` is exact.

    Parameters
    ----------
    step : callable
        Operator, function from an image to the nearest one in the range, (B, 1, H, W), (B, m), number ->
        (B, 1, H, W).
    """
    random, size, eta = torch.Generator().manual_seed(22), 6, 0.7
    A = GaussianMatrix(12, size, random).double()
    basis = torch.linalg.qr(torch.randn(A.n, 5, generator=random, dtype=torch.float64))[0]
    x = (torch.randn(3, 5, generator=random, dtype=torch.float64) @ basis.T).reshape(3, 1, size, size)
    y = torch.randn(3, 12, generator=random, dtype=torch.float64)

    def project(w: Tensor) -> Tensor:
        return (w.flatten(1) @ basis @ basis.T).reshape(w.shape)

    before = x.clone()
    found, problem = attempt(step, A, project, x, y, eta)
    if problem is not None:
        return problem
    if not torch.equal(x, before):
        return not_yet("your function changed its argument x in place; make a new tensor")
    slope = A.T(A(x) - y)
    return compare(
        found,
        project(x - eta * slope),
        "the new image",
        rtol=1e-8,
        mistakes={
            "this is x itself": x,
            "the gradient step is right, but its result is not in the range: project it": x - eta * slope,
            "you walk along the gradient, uphill: the sign of the step is wrong": project(x + eta * slope),
            "the step length eta is missing": project(x - slope),
            "eq. (8) has no factor 2: it steps along A^T (A x - y)": project(x - 2 * eta * slope),
            "the data are missing: the residual is A x - y": project(x - eta * A.T(A(x))),
        },
    )


def same_data(pair, A: LinearOperator, G: Generator) -> Verdict:
    """Do the two images G(z1) and G(z2) differ, and do they have the same data?

    Parameters
    ----------
    pair : (2, d) tensor
        The student's z1 and z2, not far from the prior.
    A : LinearOperator
        With few measurements.
    G : Generator
    """
    if pair is None or pair is Ellipsis:
        return not_yet("the pair is still empty: replace the placeholder")
    if not isinstance(pair, Tensor) or tuple(pair.shape) != (2, G.latent_dim):
        got = tuple(pair.shape) if isinstance(pair, Tensor) else type(pair).__name__
        return not_yet(f"the pair must be a tensor of shape {(2, G.latent_dim)}, one latent vector a row, got {got}")
    if not torch.isfinite(pair).all():
        return not_yet("the pair holds NaN or infinite entries")
    with torch.no_grad():
        z = pair.detach().to(next(G.parameters()))
        x = G(z)
        difference = x[:1] - x[1:]
        apart = float(difference.norm())
        unit = float(A.spectrum().S.square().sum().sqrt()) / A.n**0.5
        seen = float(A(difference).norm()) / max(apart, 1e-12) / unit
    longest = float(z.norm(dim=1).max())
    message = f"the images are {apart:.2g} apart, and A sees {seen:.2g} of that, where 1 is a random direction"
    if apart < APART:
        return not_yet(
            f"{message}; they should differ by at least {APART:g}: begin with two other z, or divide ||A(x1 - x2)|| by "
            "||x1 - x2|| so that coming together does not help"
        )
    if longest > LONG:
        return not_yet(f"{message}; but one z has the norm {longest:.1f}, far from N(0, I): begin nearer, stay below 6")
    if seen > CLOSE:
        return not_yet(f"{message}; at most {CLOSE:g} is asked for: descend on both z, not on one; more steps")
    return right(message)


def enough_measurements(enough: Callable[[int], int]) -> Verdict:
    """Is ``enough(d)`` the least m for which the argument with pieces shows that A tells all images of G apart?

    Beside the formula it is tried out: the hull of x1 - x2, with x1 and x2 from two random affine pieces, is seen
    injectively by a random matrix with ``enough(d)`` rows, and not by one with a row less.

    Parameters
    ----------
    enough : callable
        Latent dimension d -> number of measurements.

    Example
    -------
    >>> bool(enough_measurements(lambda d: d))
    ✗ Not yet: d = 2: 2 measurements; two different pieces have a difference in which 4 parameters are free
    False
    """
    random = torch.Generator().manual_seed(23)
    least = 1.0
    for d in (2, 8, 20):
        found, problem = attempt(enough, d)
        if problem is not None:
            return problem
        try:
            m = int(found)
        except (TypeError, ValueError):
            return not_yet(f"the number of measurements must be a whole number, got {type(found).__name__}")
        message = f"d = {d}: {m} measurement{'s' if m > 1 else ''}"
        hints = {
            d: f"two different pieces have a difference in which {2 * d} parameters are free",
            d + 1: f"two different pieces have a difference in which {2 * d} parameters are free",
            2 * d: "the differences fill an affine space of dimension 2 d, which need not contain 0; what is the "
            "dimension of the linear space that it spans?",
        }
        if m != 2 * d + 1:
            wrong = "more than the argument needs" if m > 2 * d + 1 else "too few"
            return not_yet(f"{message}; {hints.get(m, wrong)}")
        n = 4 * d + 5
        M1, M2 = torch.randn(2, n, d, generator=random, dtype=torch.float64)
        offset = torch.randn(n, 1, generator=random, dtype=torch.float64)
        hull = torch.linalg.qr(torch.cat([M1, M2, offset], dim=1))[0]  # (n, 2 d + 1)
        A = torch.randn(m, n, generator=random, dtype=torch.float64)
        values = torch.linalg.svdvals(A @ hull)
        least = min(least, float(values[-1] / values[0]))
        nullity = hull.shape[1] - int(torch.linalg.matrix_rank(A[:-1] @ hull))
        if least < 1e-8 or nullity != 1:
            return not_yet(f"{message}; the trial with random pieces failed, which should not happen: tell us")
    return right(
        f"2 d + 1 rows see the hull of two pieces injectively (least ratio of singular values {least:.1g}), 2 d do not"
    )


def deviation_cost(cost: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """Is ``cost(J, r, lam)`` the least value of ||J v - r||^2 + lam ||v||^2 over v?

    Parameters
    ----------
    cost : callable
        J (n, q) with q > n, r (n,), lam > 0 -> number.
    """
    random, lam = torch.Generator().manual_seed(24), 0.3
    J = torch.randn(7, 20, generator=random, dtype=torch.float64)
    r = torch.randn(7, generator=random, dtype=torch.float64)
    found, problem = attempt(cost, J, r, lam)
    if problem is not None:
        return problem
    identity = torch.eye(7, dtype=torch.float64)

    def value(v: Tensor, weight: float = lam) -> float:
        return float((J @ v - r).square().sum() + weight * v.square().sum())

    v = J.T @ torch.linalg.solve(J @ J.T + lam * identity, r)
    exact = J.T @ torch.linalg.solve(J @ J.T, r)
    inverse = torch.linalg.solve(identity + J @ J.T / lam, r)
    return compare(
        found,
        value(v),
        "the cost",
        rtol=1e-6,
        mistakes={
            "this is the cost for J = I, that of relaxed": lam / (1 + lam) * float(r @ r),
            "this is the misfit alone: the term lam ||v||^2 is missing": float(inverse @ inverse),
            "this v fits r exactly, and pays more than necessary: a little misfit is cheaper": value(exact),
            "v = 0 is allowed, but not the best": float(r @ r),
            "lam stands on the wrong side: it is J J^T / lam": float(
                r @ torch.linalg.solve(identity + lam * J @ J.T, r)
            ),
            "this is r^T K^-1 r with K = J J^T + lam I: a factor lam is missing": float(
                r @ torch.linalg.solve(J @ J.T + lam * identity, r)
            ),
            "this is ||v||^2 alone, the misfit is missing": float(v @ v),
            "this is lam ||v||^2 alone, the misfit is missing": lam * float(v @ v),
        },
    )


def layer_weight(
    lam: float, A: LinearOperator, y: Tensor, sigma: float, G: Generator, starts: Dictionary, mu: float, layer: int
) -> Verdict:
    """Does the intermediate layer with weight ``lam`` leave residuals of sigma sqrt(m) on average, within 5 per cent?

    Parameters
    ----------
    lam : float > 0
        The student's weight.
    A, y, sigma : operator, data of some problems, noise level
    G, starts, mu, layer
        The rest of the problem, as for ``Intermediate``.
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
    x = reconstruct(A, y, Intermediate(G, lam, mu, layer=layer), start=starts).x
    found, target = float((A(x) - y).flatten(1).norm(dim=1).mean()), sigma * y[0].numel() ** 0.5
    message = f"lam = {lam:.3g} leaves a mean residual of {found:.3f}, sigma sqrt(m) is {target:.3f}"
    if abs(found - target) <= 0.05 * target:
        return right(f"{message}: {100 * abs(found / target - 1):.0f} per cent off")
    if abs(found - sigma) <= 0.05 * sigma:
        return not_yet(f"{message}; the noise has m entries, so its norm is sigma sqrt(m), not sigma")
    if found < target:
        return not_yet(f"{message}; lam is too small: the activations fit the noise")
    return not_yet(f"{message}; lam is too large: the data are not fitted well enough")


def masked_image(best_image: Callable) -> Verdict:
    """Is ``best_image(seen, y, g, lam)`` the image part of *relaxed* when A keeps the pixels that are ``seen``?

    Parameters
    ----------
    best_image : callable
        seen (H, W) of bool, y (B, 1, H, W) with zeros in the hole, g = G(z) (B, 1, H, W), lam > 0 -> (B, 1, H, W).
    """
    random, lam = torch.Generator().manual_seed(25), 0.25
    seen = torch.ones(6, 6, dtype=torch.bool)
    seen[2:4, 1:5] = False
    y = torch.rand(2, 1, 6, 6, generator=random, dtype=torch.float64) * seen
    g = torch.rand(2, 1, 6, 6, generator=random, dtype=torch.float64)
    before = y.clone(), g.clone()
    found, problem = attempt(best_image, seen, y, g, lam)
    if problem is not None:
        return problem
    if not (torch.equal(y, before[0]) and torch.equal(g, before[1])):
        return not_yet("your function changed one of its arguments in place; make a new tensor")
    average = (y + lam * g) / (1 + lam)
    return compare(
        found,
        torch.where(seen, average, g),
        "the image",
        rtol=1e-6,
        mistakes={
            "this is G(z): the data have not been used": g,
            "the hole is right, but the seen pixels have forgotten G(z), as if lam were 0": torch.where(seen, y, g),
            "in the hole there are no data: only the second term is left there": average,
            "in the hole the second term is still there: what minimises it?": torch.where(seen, average, 0 * g),
            "the hole is right; the weights of data and G(z) are exchanged": torch.where(
                seen, (lam * y + g) / (1 + lam), g
            ),
            "seen and hole are exchanged": torch.where(seen, g, average),
            "the hole is right; divide by the sum of the weights, 1 + lam": torch.where(seen, y + lam * g, g),
        },
    )
