"""The regulariser with learned covariance: its value by dense matrices, its solvers against each other."""

import math

import pytest
import torch
from registry import seeded, tiny, tiny_structured
from torch import nn

from course_utils import GaussianBlur, GaussianMatrix, LearnedCovariance, Relaxed, measure, reconstruct
from course_utils.solvers import objective_of

KINDS = ("identity", "diagonal", "covariance")
SOLVERS = ("lbfgs", "alternating")
SIGMA = 0.05
kinds = pytest.mark.parametrize("family", KINDS)
solvers = pytest.mark.parametrize("solver", SOLVERS)


def smooth(G):
    """The same network without the kinks of leaky ReLUs, on which a descent can end short of a minimum."""
    for part in (module for module in G.modules() if isinstance(module, nn.Sequential)):
        for name, layer in part.named_children():
            if isinstance(layer, nn.LeakyReLU):
                setattr(part, name, nn.SiLU())
    return G


def problem(family="covariance", B=3, change=lambda G: G):
    """Images drawn from the generator, residual and all, measured by 60 random projections."""
    G = change(tiny_structured(family))
    A = GaussianMatrix(60, 28, seeded()).double()
    z = torch.randn(B, 3, generator=seeded(5), dtype=torch.float64)
    x = G(z) + G.covariance(z).sample(seeded(6))
    return A, measure(A, x, SIGMA, seeded(7)), LearnedCovariance(G, 2 * SIGMA**2), z


def solve(A, y, R, z0, solver, **settings):
    return reconstruct(A, y, R, solver=solver, start=z0 + 0.3, **({"max_iter": 40, "tol": 1e-9} | settings))


@kinds
def test_value_is_minus_the_log_density(family):
    """R(x, z) = -log p(x | z) - log p(z) but for (n + d) / 2 log(2 pi), by the dense covariance."""
    G = tiny_structured(family)
    z = torch.randn(2, 3, generator=seeded(), dtype=torch.float64)
    x = torch.rand(2, 1, 28, 28, generator=seeded(1), dtype=torch.float64)
    R = LearnedCovariance(G, 1.0)
    pixels = torch.eye(784, dtype=torch.float64).reshape(-1, 1, 28, 28)
    for b in range(2):
        precision = G.covariance(z[b : b + 1]).precision(pixels).reshape(784, 784)
        density = torch.distributions.MultivariateNormal(G(z)[b].flatten(), precision_matrix=precision)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[b]).sum()
        expected = -density.log_prob(x[b].flatten()) - prior - (784 + 3) / 2 * math.log(2 * math.pi)
        assert R.joint(x, z)[b].item() == pytest.approx(expected.item(), rel=1e-8)
    printed = LearnedCovariance(G, 1.0, log_det_weight=1.0).joint(x, z)
    assert torch.allclose(printed - R.joint(x, z), 0.5 * G.covariance(z).log_det())


@kinds
@solvers
@pytest.mark.slow
def test_objective_is_that_of_the_formula_and_falls(family, solver):
    A, y, R, z = problem(family)
    r = solve(A, y, R, z, solver, trace=True, max_iter=12)
    expected = (A(r.x) - y).flatten(1).pow(2).sum(1) + R.lam * R.joint(r.x, r.z)
    assert torch.allclose(r.objective, expected, rtol=1e-8)
    assert torch.allclose(r.u, r.x - R.G(r.z))
    f = r.trace["f"][:, :, 0]
    assert bool(((f[1:] <= f[:-1] + 1e-10 * f[:-1].abs()) | torch.isnan(f[1:])).all())
    assert bool((f[0] - r.objective > 1e-4).all()), "there must be something to gain"
    ends = (~torch.isnan(f)).sum(0) - 1
    assert torch.allclose(f[ends, torch.arange(3)], r.objective)
    assert r.trace["z"].shape == (len(f), 3, 1, 3)


@pytest.mark.slow
def test_both_solvers_reach_one_minimum_and_x_is_exact():
    A, y, R, z = problem(change=smooth)
    one = solve(A, y, R, z - 0.3, "lbfgs", max_iter=300, tol=1e-12)
    two = solve(A, y, R, z - 0.3, "alternating", max_iter=100, tol=1e-12)
    assert torch.allclose(one.objective, two.objective, rtol=1e-9)
    assert torch.allclose(one.x, two.x, atol=1e-5)
    for r in (one, two):
        x = r.x.clone().requires_grad_()
        f = ((A(x) - y).flatten(1).pow(2).sum(1) + R.lam * R.joint(x, r.z)).sum()
        (grad,) = torch.autograd.grad(f, x)
        assert grad.norm() < 1e-7 * (2 * A.T(y)).norm() + 1e-7


@solvers
@pytest.mark.slow
def test_result_does_not_depend_on_batch_neighbours(solver):
    A, y, R, z = problem()
    together = solve(A, y, R, z, solver, max_iter=3)
    for i in range(3):
        alone = solve(A, y[i : i + 1], R, z[i : i + 1], solver, max_iter=3)
        assert torch.allclose(alone.x, together.x[i : i + 1], atol=1e-7)
        assert int(alone.iterations) == int(together.iterations[i])


@pytest.mark.slow
def test_weights_per_problem_are_a_sweep():
    A, y, R, z = problem(B=1)
    weights = [1e-3, 1e-2]
    sweep = LearnedCovariance(R.G, torch.tensor(weights, dtype=torch.float64))
    both = solve(A, y.repeat(2, 1), sweep, z.repeat(2, 1), "lbfgs", max_iter=3)
    for i, lam in enumerate(weights):
        one = solve(A, y, LearnedCovariance(R.G, lam), z, "lbfgs", max_iter=3)
        assert torch.allclose(one.x, both.x[i : i + 1], atol=1e-7)


@kinds
def test_gradient_with_x_eliminated(family):
    A, y, R, z = problem(family)
    objective = objective_of(A, y, R)
    f, grad = objective.value_and_grad(z)
    assert torch.allclose(f, objective.value(z))
    direction, h = torch.randn(z.shape, generator=seeded(9), dtype=z.dtype), 1e-5
    difference = (objective.value(z + h * direction) - objective.value(z - h * direction)) / (2 * h)
    assert torch.allclose(difference, (grad * direction).sum(1), rtol=1e-4, atol=1e-7)
    x = objective.solve(z)[0]
    worse = x + 1e-3 * torch.randn(x.shape, generator=seeded(8), dtype=x.dtype)
    assert bool((objective.total(z, worse) > f).all())


def test_identity_is_the_relaxed_method():
    """Sigma = s^2 I: relaxed with lam / (2 s^2) and mu = s^2, plus the constant lam n log s."""
    A, y, R, z = problem("identity")
    s2 = R.G.covariance(z).variance()[0, 0, 0, 0].item()
    relaxed = objective_of(A, y, Relaxed(R.G, R.lam / (2 * s2), s2), "lbfgs")
    ours = objective_of(A, y, R)
    constant = R.lam * 784 * math.log(s2) / 2
    assert torch.allclose(ours.value(z), relaxed.value(z) + constant, rtol=1e-8)
    assert torch.allclose(ours.solve(z)[0], relaxed.image(z), atol=1e-7)


def test_x_is_found_where_pixels_far_apart_are_coupled(monkeypatch):
    """Far from the prior the precision is all but singular: condition numbers beyond 1e12."""
    A, y, _, _ = problem(B=2)
    R = LearnedCovariance(tiny_structured(variety=0.06), 2 * SIGMA**2)
    z = torch.tensor([[-8.4, 0.1, -0.3], [-0.9, -0.4, 8.3]], dtype=torch.float64)
    objective = objective_of(A, y, R)
    x, solved = objective.solve(z)
    assert bool(solved.all())
    rough = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(objective.total(z, rough).sum(), rough)
    assert bool((grad.flatten(1).norm(dim=1) < 1e-8 * (2 * objective.A.T(y)).flatten(1).norm(dim=1)).all())
    # Too few steps are said, by both solvers.
    monkeypatch.setattr("course_utils.solvers.covariance.MAX_STEPS", 20)
    assert not objective.solve(z)[1].any()
    for solver in SOLVERS:
        assert not reconstruct(A, y, R, solver=solver, start=z, max_iter=3, tol=1e3).converged.any()


def test_denoising_knows_the_texture():
    """Images from the generator, z known: each model's estimate E[x | y, z] is best for images of its own kind."""
    G = tiny_structured("covariance", variety=0.06)
    A = GaussianBlur(28, width=3, std=0.3).double()
    z = torch.randn(40, 3, generator=seeded(5), dtype=torch.float64)
    covariance = G.covariance(z)
    x = G(z) + covariance.sample(seeded(6))
    y = measure(A, x, 0.1, seeded(7))
    with_covariance = objective_of(A, y, LearnedCovariance(G, 2 * 0.1**2)).solve(z)[0]
    s2 = covariance.variance().mean().item()
    without = objective_of(A, y, Relaxed(G, 0.1**2 / s2, s2), "lbfgs").image(z)
    errors = [(v - x).pow(2).flatten(1).sum(1) for v in (with_covariance, without)]
    assert (errors[0] < errors[1]).double().mean() > 0.9


def test_bad_input_is_named():
    A, y, R, z = problem()
    with pytest.raises(TypeError, match="'G' must be a StructuredVAE, which knows a covariance, got VAE"):
        LearnedCovariance(tiny("vae"), 0.1)
    with pytest.raises(ValueError, match="'lam' must be finite and >= 0, got -1"):
        LearnedCovariance(R.G, -1.0)
    with pytest.raises(ValueError, match="'log_det_weight' must be finite and >= 0"):
        LearnedCovariance(R.G, 0.1, log_det_weight=-1.0)
    with pytest.raises(ValueError, match=r"'z' must have shape \(3, 3\), got \(2, 3\)"):
        R.joint(R.G(z), z[:2])
    with pytest.raises(ValueError, match=r"'x' must have shape \(B, 1, 28, 28\)"):
        R.joint(torch.zeros(3, 1, 20, 20, dtype=torch.float64), z)
    with pytest.raises(ValueError, match=r"'R' has a generator of images \(1, 28, 28\), the operator takes \(1, 12"):
        B = GaussianMatrix(40, 12, seeded()).double()
        reconstruct(B, torch.zeros(1, 40, dtype=torch.float64), R, start=z[:1])
    with pytest.raises(ValueError, match="'solver' must be one of 'auto', 'lbfgs', 'alternating', got 'lm'"):
        reconstruct(A, y, R, solver="lm", start=z)
    with pytest.raises(ValueError, match="'z_steps' must be at least 1, got 0"):
        reconstruct(A, y, R, solver="alternating", start=z, z_steps=0)
