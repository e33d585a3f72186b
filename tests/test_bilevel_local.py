"""Implicit gradients at one minimum of a function that is not convex: hypotheses, values, refusals."""

import pytest
import torch
from registry import seeded

from course_utils.bilevel import local_hypergradient, local_minimum

F64 = torch.float64
THETA = torch.tensor([0.3, -0.2], dtype=F64)


def valleys(v, theta):
    """Double wells that lean: no minimum of it is known in closed form."""
    wells = ((v.square() - theta[:, :1].exp()) ** 2).sum(1)
    return wells + theta[:, 1] * v.sum(1) + 0.3 * (v[:, 0] * v[:, 1])


def loss(v, theta):
    return (v - 0.5).square().sum(1) + theta[:, 0] * v[:, 0]


def starts():
    return torch.tensor([[1.0, 1.0], [-1.0, 1.2], [-1.0, -1.0]], dtype=F64)


def test_newton_ends_at_different_minima_from_different_starts():
    found = local_minimum(valleys, starts(), THETA, 1e-10)
    assert bool(found.reached.all()) and bool((found.slope <= 1e-10).all()) and int(found.steps.max()) < 12
    assert bool((torch.pdist(found.v) > 1).all())


def test_the_gradient_is_that_of_the_branch():
    found = local_minimum(valleys, starts(), THETA, 1e-11)
    implicit = local_hypergradient(valleys, loss, found.v, THETA)
    assert bool((implicit.curvature > 0.1).all()) and bool((implicit.slope <= 1e-11).all())
    for k in range(2):
        h = 1e-5 * torch.eye(2, dtype=F64)[k]
        ends = [(local_minimum(valleys, found.v, THETA + s, 1e-11).v, THETA + s) for s in (h, -h)]
        above, below = (loss(v, to.expand(3, -1)) for v, to in ends)
        assert torch.allclose((above - below) / 2e-5, implicit.gradient[:, k], atol=1e-8)


def test_the_gradient_needs_a_minimum():
    with pytest.raises(ValueError, match="'v' must be minima"):
        local_hypergradient(valleys, loss, torch.zeros(1, 2, dtype=F64), THETA)


def test_a_kink_is_not_taken_for_a_minimum_with_a_gradient():
    v = 0.3 + torch.rand(2, 2, generator=seeded(0), dtype=F64)
    found = local_minimum(lambda v, theta: v.abs().sum(1) + v.square().sum(1), v, THETA)
    assert not bool(found.reached.any()) and bool((found.slope > 0.5).all())


def test_an_example_does_not_depend_on_its_neighbours():
    together, alone = local_minimum(valleys, starts(), THETA), local_minimum(valleys, starts()[1:2], THETA)
    assert torch.allclose(together.v[1], alone.v[0], atol=1e-9)
