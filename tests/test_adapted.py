"""Weights that follow the data: after the hard solution, for each problem by itself, and G is left alone."""

import pytest
import torch
from registry import seeded, tiny

from course_utils import GaussianMatrix, Hard, measure, reconstruct


@pytest.fixture(scope="module")
def problem():
    """Images near the range of a tiny generator, but not in it."""
    G = tiny()
    A = GaussianMatrix(200, 28, seeded()).double()
    z = torch.randn(3, 3, generator=seeded(1), dtype=torch.float64)
    x = G(z) + 0.1 * torch.randn(3, 1, 28, 28, generator=seeded(2), dtype=torch.float64)
    return A, measure(A, x, 0.001, seeded(3)), G, z


def solve(problem, pick=slice(None), **settings):
    A, y, G, z = problem
    return reconstruct(A, y[pick], Hard(G, 1e-3), solver="adapted", start=z[pick], **settings)


def test_it_starts_at_the_hard_solution_and_leaves_the_range(problem):
    A, y, G, z = problem
    weights = [p.clone() for p in G.parameters()]
    hard = reconstruct(A, y, Hard(G, 1e-3), start=z)
    none, some = solve(problem, max_iter=0), solve(problem, max_iter=30, trace=True)
    assert torch.allclose(none.x, hard.x) and torch.allclose(none.objective, hard.objective)
    assert none.u.abs().max() < 1e-12
    assert (some.objective < 0.7 * hard.objective).all() and some.u.abs().max() > 0.01
    misfit = (A(some.x) - y).flatten(1).pow(2).sum(1)
    assert torch.allclose(some.objective, misfit + 1e-3 * some.z.pow(2).sum(1))
    assert torch.allclose(some.trace["f"][0, :, 0], hard.objective) and len(some.trace["f"]) == 31
    assert torch.allclose(some.trace["f"][-1, :, 0], some.objective)
    assert torch.allclose(some.trace["z"][-1, :, 0], some.z)
    assert all(torch.equal(a, b) for a, b in zip(weights, G.parameters(), strict=True))
    assert not any(p.requires_grad for p in G.parameters())


def test_every_problem_has_weights_of_its_own(problem):
    together = solve(problem, max_iter=5)
    for i in range(3):
        alone = solve(problem, slice(i, i + 1), max_iter=5)
        assert torch.allclose(alone.x, together.x[i : i + 1], atol=1e-9)
        assert int(alone.iterations) == int(together.iterations[i])


def test_bad_input_is_named(problem):
    with pytest.raises(ValueError, match="'max_iter' must be at least 0, got -1"):
        solve(problem, max_iter=-1)
    with pytest.raises(ValueError, match="'lr' must be finite and >= 0"):
        solve(problem, lr=-1.0)
