"""Sparse-TV, the proximal map of TV that it needs, and TV against scikit-image."""

import numpy as np
import pytest
import torch
from registry import seeded, tiny
from skimage.restoration import denoise_tv_chambolle

from course_utils import TV, GaussianMatrix, Hard, Identity, SparseTV, measure, reconstruct
from course_utils.regularisers import tv_prox
from course_utils.regularisers.sparse import SparseTVObjective
from course_utils.solvers import objective_of


@pytest.fixture(scope="module")
def problem():
    """Images of a tiny generator with a bright square that it cannot make."""
    G, A = tiny(), GaussianMatrix(300, 28, seeded()).double()
    x = G.sample(3, seeded(1))
    x[:, :, 8:14, 9:15] += 0.6
    return A, measure(A, x, 0.01, seeded(2)), G, G.sample_latent(3, seeded(3))


@pytest.fixture(scope="module")
def exact(problem):
    """What the faster solver finds if it goes on for long."""
    A, y, G, z0 = problem
    return reconstruct(A, y, SparseTV(G, 0.02, 0.05), start=z0, tol=1e-8, max_iter=400)


def _noisy(n=3, size=16):
    x = torch.zeros(n, 1, size, size, dtype=torch.float64)
    x[:, :, 4:10, 5:12] = 1
    return x + 0.2 * torch.randn(x.shape, generator=seeded(), dtype=x.dtype)


def _energy(v, x, tau):
    return TV(0.0)(v) + (v - x).pow(2).flatten(1).sum(1) / (2 * tau)


def test_prox_with_a_step_for_each_image_is_that_of_each_alone():
    x, tau = _noisy(), torch.tensor([0.05, 0.0, 0.3], dtype=torch.float64)
    together, dual = tv_prox(x, tau, tol=1e-8)
    for i in range(3):
        alone, _ = tv_prox(x[i : i + 1], tau[i : i + 1], tol=1e-8)
        assert torch.allclose(alone, together[i : i + 1], atol=1e-10)
    assert torch.equal(together[1], x[1])
    assert torch.allclose(TV(0.0).prox(x, 0.3, tol=1e-8)[2], together[2], atol=1e-10)
    best = _energy(together[[0, 2]], x[[0, 2]], tau[[0, 2]])
    for seed in range(5):
        near = together + 1e-3 * torch.randn(x.shape, generator=seeded(seed), dtype=x.dtype)
        assert bool((_energy(near[[0, 2]], x[[0, 2]], tau[[0, 2]]) > best).all())
    # from its own dual solution nothing is left to do
    again, _ = tv_prox(x, tau, dual, tol=1e-8, max_iter=0)
    assert torch.allclose(again, together, atol=1e-10)


def test_tv_agrees_with_scikit_image():
    """Theirs is TV(v) + ||v - x||^2 / (2 weight); ours ||v - x||^2 + lam TV(v), so that lam = 2 weight."""
    x, weight = _noisy(2, 24), 0.15
    theirs = torch.from_numpy(
        np.stack([denoise_tv_chambolle(one[0].numpy(), weight=weight, eps=1e-9, max_num_iter=20_000) for one in x])
    )[:, None]
    tau = torch.full((2,), weight, dtype=x.dtype)
    solved = reconstruct(Identity(24).double(), x, TV(2 * weight), tol=1e-7, max_iter=20_000)
    assert bool(solved.converged.all())
    prox = _energy(TV(0.0).prox(x, weight, tol=1e-8), x, tau)
    assert bool((prox <= _energy(theirs, x, tau) * (1 + 1e-6)).all())
    for ours in (prox, _energy(solved.x, x, tau)):
        assert torch.allclose(ours, _energy(theirs, x, tau), rtol=1e-3)


@pytest.mark.slow
def test_u_satisfies_the_optimality_condition(problem, exact):
    """No z and no u near by is better, but for what a kink of G hides from a solver that follows its tangent."""
    A, y, G, _ = problem
    R, r = SparseTV(G, 0.02, 0.05), exact
    objective = objective_of(A, y, R)
    assert isinstance(objective, SparseTVObjective)
    assert torch.allclose(objective.total(r.z, r.u), r.objective, rtol=1e-9)
    for seed in range(5):
        step = 1e-3 * torch.randn(r.u.shape, generator=seeded(seed), dtype=r.u.dtype)
        assert bool((objective.total(r.z, r.u + step) > r.objective).all())
        move = 1e-2 * torch.randn(r.z.shape, generator=seeded(seed), dtype=r.z.dtype)
        assert bool((objective.total(r.z + move, r.u) > r.objective * (1 - 1e-5)).all())


@pytest.mark.slow
def test_the_faster_solver_ends_no_higher_than_algorithm_3(problem, exact):
    A, y, G, z0 = problem
    R = SparseTV(G, 0.02, 0.05)
    paper = reconstruct(A, y, R, "paper", start=z0, max_iter=400)
    fast = reconstruct(A, y, R, start=z0)
    assert bool((fast.objective <= paper.objective * (1 + 1e-3)).all())  # both stop by a tolerance
    assert bool((exact.objective <= paper.objective * (1 + 1e-6)).all())
    hard = reconstruct(A, y, Hard(G, 0.02 * 0.05), start=z0)
    assert bool((fast.objective < hard.objective).all())  # u = 0 is not the best here
    inside = fast.u[..., 8:14, 9:15].mean((1, 2, 3)) - fast.u.mean((1, 2, 3))
    assert bool((inside > 0.1).all())  # u holds the square


def test_bad_weights_are_named():
    G = tiny()
    with pytest.raises(ValueError, match="'mu' must be finite and >= 0"):
        SparseTV(G, 0.1, -1.0)
