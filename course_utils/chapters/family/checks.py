"""Checks of the exercises of chapter 06: a shell, steps, pairs of images, deviations in a layer, a mask."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, as_numbers, call, examine, not_yet, number, right
from ...generators import Generator
from ...operators import LinearOperator
from ...regularisers import Intermediate
from ...solvers import Dictionary, reconstruct
from .steps import longest_step, project_to_shell

__all__ = [
    "deviation_cost",
    "enough_measurements",
    "layer_weight",
    "longest_step",
    "masked_image",
    "project_to_shell",
    "same_data",
]

DIMENSIONS = (2, 8, 20)
MISCOUNTED = {
    "two different pieces have a difference in which more than d parameters are free": lambda d: d,
    "two different pieces have a difference in which more parameters are free": lambda d: d + 1,
    "the differences fill an affine space of dimension 2 d, which need not contain 0; what is the dimension of the "
    "linear space that it spans?": lambda d: 2 * d,
    "one more than the argument needs: b_i - b_j is one direction, not two": lambda d: 2 * d + 2,
    "the dimensions of the two pieces add up, they do not multiply": lambda d: d * d,
    "that is right for d = 8 only; the formula is for every d": lambda d: 17,
    "there are many pieces, but only two at a time": lambda d: 3 * d,
}
APART, CLOSE, LONG = 2.0, 0.02, 6.0  # norms of x1 - x2, of A (x1 - x2) relative to a random direction, of z


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
    shape, given = (2, G.latent_dim), as_numbers(pair)
    if given is not None and given.shape == (2, 1, G.latent_dim):  # [z1, z2], each a batch of one
        given = given[:, 0]
    if given is None or given.is_complex() or given.shape != shape:
        got = type(pair).__name__ if given is None else f"shape {tuple(given.shape)}"
        return not_yet(f"the pair must be a tensor of shape {shape}, one latent vector a row, got {got}")
    if not torch.isfinite(given).all():
        return not_yet("the pair holds NaN or infinite entries")
    with torch.no_grad():
        z = given.to(next(G.parameters()))
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
    if seen > CLOSE and seen < 10 * CLOSE:
        return not_yet(f"{message}; at most {CLOSE:g} is asked for: you are on the way, take more steps")
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
    ✗ Not yet: d = 2: 2 measurements; two different pieces have a difference in which more than d parameters are free
    False
    """
    answers, problem = call(enough, [(d,) for d in DIMENSIONS], ["d"])
    if problem is not None:
        return problem
    found = []
    for answer in answers:
        value, problem = number(answer, "the number of measurements")
        if problem is not None:
            return problem
        if value != round(value):
            return not_yet(f"the number of measurements must be a whole number, got {value:g}")
        found.append(round(value))
    if found != [2 * d + 1 for d in DIMENSIONS]:
        d, m = next((d, m) for d, m in zip(DIMENSIONS, found, strict=True) if m != 2 * d + 1)
        hint = "more than the argument needs" if m > 2 * d + 1 else "too few"
        for words, wrong in MISCOUNTED.items():
            if found == [wrong(d) for d in DIMENSIONS]:
                hint = words
        return not_yet(f"d = {d}: {m} measurement{'s' if m > 1 else ''}; {hint}")
    random, least = torch.Generator().manual_seed(23), 1.0
    for d, m in zip(DIMENSIONS, found, strict=True):
        n = 4 * d + 5
        M1, M2 = torch.randn(2, n, d, generator=random, dtype=torch.float64)
        offset = torch.randn(n, 1, generator=random, dtype=torch.float64)
        hull = torch.linalg.qr(torch.cat([M1, M2, offset], dim=1))[0]  # (n, 2 d + 1)
        A = torch.randn(m, n, generator=random, dtype=torch.float64)
        values = torch.linalg.svdvals(A @ hull)
        least = min(least, float(values[-1] / values[0]))
        nullity = hull.shape[1] - int(torch.linalg.matrix_rank(A[:-1] @ hull))
        if least < 1e-8 or nullity != 1:
            return not_yet(f"d = {d}: the trial with random pieces failed, which should not happen: tell us")
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
    random, cases = torch.Generator().manual_seed(24), []
    for n, q, lam in ((7, 20, 0.3), (5, 12, 1.7)):
        J = torch.randn(n, q, generator=random, dtype=torch.float64)
        cases.append((J, torch.randn(n, generator=random, dtype=torch.float64), lam))

    def gram(J: Tensor, lam: float = 0.0) -> Tensor:
        return J @ J.T + lam * torch.eye(len(J), dtype=J.dtype)

    def solve(K: Tensor, r: Tensor) -> Tensor:
        return torch.linalg.solve(K, r)

    def value(J: Tensor, r: Tensor, lam: float, v: Tensor) -> Tensor:
        return (J @ v - r).square().sum() + lam * v.square().sum()

    def best(J: Tensor, r: Tensor, lam: float) -> Tensor:
        return J.T @ solve(gram(J, lam), r)

    return examine(
        cost,
        cases,
        lambda J, r, lam: lam * (r @ solve(gram(J, lam), r)),
        "the cost",
        rtol=1e-6,
        mistakes={
            "this is the cost for J = I, that of relaxed": lambda J, r, lam: lam / (1 + lam) * (r @ r),
            "this is the misfit alone: the term lam ||v||^2 is missing": lambda J, r, lam: (
                (J @ best(J, r, lam) - r).square().sum()
            ),
            "this v fits r exactly, and pays more than necessary: a little misfit is cheaper": lambda J, r, lam: (
                lam * (r @ solve(gram(J), r))
            ),
            "v = 0 is allowed, but not the best": lambda J, r, lam: r @ r,
            "lam stands on the wrong side: it is J J^T / lam": lambda J, r, lam: r @ solve(gram(J, 1 / lam), r) / lam,
            "this is r^T K^-1 r with K = J J^T + lam I: a factor lam is missing": lambda J, r, lam: (
                r @ solve(gram(J, lam), r)
            ),
            "this is ||v||^2 alone, the misfit is missing": lambda J, r, lam: best(J, r, lam).square().sum(),
            "this is lam ||v||^2 alone, the misfit is missing": lambda J, r, lam: lam * best(J, r, lam).square().sum(),
            "the number was added to every entry of the matrix: write it times torch.eye": lambda J, r, lam: (
                lam * (r @ solve(J @ J.T + lam, r))
            ),
            "K was multiplied, and not inverted: solve K v = r": lambda J, r, lam: r @ gram(J / lam**0.5, 1.0) @ r,
            "||v||^2 needs the weight lam": lambda J, r, lam: value(J, r, 1.0, best(J, r, lam)),
            "the misfit is squared, its norm is not asked for": lambda J, r, lam: (
                (J @ best(J, r, lam) - r).norm() + lam * best(J, r, lam).norm()
            ),
            "this is the root of the cost; squares are asked for": lambda J, r, lam: (
                lam * (r @ solve(gram(J, lam), r))
            ).sqrt(),
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
    lam, problem = number(lam, "lam", positive=True)
    if problem is not None:
        return problem
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
    random, cases = torch.Generator().manual_seed(25), []
    for n, size, lam in ((2, 6, 0.25), (3, 7, 0.6)):
        seen = torch.ones(size, size, dtype=torch.bool)
        seen[2:4, 1:5] = False
        y, g = torch.rand(2, n, 1, size, size, generator=random, dtype=torch.float64)
        cases.append((seen, y * seen, g, lam))

    def in_two(on_seen: Callable, in_hole: Callable = lambda y, g, lam: g) -> Callable:
        """An image of two formulas, one for the seen pixels and one for the hole."""
        return lambda seen, y, g, lam: torch.where(seen, on_seen(y, g, lam), in_hole(y, g, lam))

    def mean(y: Tensor, g: Tensor, lam: float) -> Tensor:
        return (y + lam * g) / (1 + lam)

    solution = in_two(mean)
    right_hole = "the hole is right; "
    return examine(
        best_image,
        cases,
        lambda seen, y, g, lam: solution(seen, y, g, lam),
        "the image",
        rtol=1e-6,
        mistakes={
            "this is G(z): the data have not been used": lambda seen, y, g, lam: g,
            "these are the data: G(z) has not been used": lambda seen, y, g, lam: y,
            "in the hole there are no data: only the second term is left there": in_two(mean, mean),
            "in the hole the second term is still there: what minimises it?": in_two(mean, lambda y, g, lam: 0 * g),
            "in the hole lam multiplies the only term left, so it does not matter there": in_two(
                mean, lambda y, g, lam: lam * g
            ),
            "seen and hole are exchanged": in_two(lambda y, g, lam: g, mean),
            right_hole + "the seen pixels have forgotten G(z), as if lam were 0": in_two(lambda y, g, lam: y),
            right_hole + "the weights of data and G(z) are exchanged": in_two(
                lambda y, g, lam: (lam * y + g) / (1 + lam)
            ),
            right_hole + "divide by the sum of the weights, 1 + lam": in_two(lambda y, g, lam: y + lam * g),
            right_hole + "lam enters as it is, not halved": in_two(lambda y, g, lam: mean(y, g, lam / 2)),
            right_hole + "lam enters as it is, not doubled": in_two(lambda y, g, lam: mean(y, g, 2 * lam)),
            right_hole + "on the seen pixels the mean is a weighted one, with 1 and lam": in_two(
                lambda y, g, lam: (y + g) / 2
            ),
            right_hole + "the weights are 1 and lam before they are normalised, not 1 - lam and lam": in_two(
                lambda y, g, lam: (1 - lam) * y + lam * g
            ),
        },
    )
