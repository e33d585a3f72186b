"""Checks of the exercises in Part III of chapter 05: the sphere of a latent vector, one step of eq. (8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet
from ...operators import GaussianMatrix

__all__ = ["project_to_sphere", "projected_step"]


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
