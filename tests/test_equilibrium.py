"""Fixed points: Anderson's acceleration, contraction, and the implicit gradient against that of a long unrolling."""

import math

import pytest
import torch
from home_networks import BEAM, MATRIX, data_of, toy
from registry import seeded

from course_utils import Tikhonov, reconstruct
from course_utils.families import build
from course_utils.reconstructors import EquilibriumConfig, anderson, contraction


def affine(factors=(0.5, 0.9, 0.99), n=12):
    """Three affine maps x -> J x + b with symmetric J of these norms, and their fixed points."""
    Q = torch.linalg.qr(torch.randn(3, n, n, generator=seeded(), dtype=torch.float64))[0]
    spectrum = torch.linspace(-1, 1, n, dtype=torch.float64)
    J = Q @ torch.diag_embed(torch.tensor(factors).double()[:, None] * spectrum) @ Q.mT
    b = torch.randn(3, n, generator=seeded(1), dtype=torch.float64)
    return J, b, torch.linalg.solve(torch.eye(n) - J, b)


def test_anderson_finds_fixed_points_in_fewer_steps():
    J, b, x = affine()

    def f(v, rows):
        return (J[rows] @ v[..., None])[..., 0] + b[rows]

    found, plain = (anderson(f, torch.zeros_like(b), memory, tol=1e-9, max_iter=3_000) for memory in (8, 0))
    for result in (found, plain):
        assert bool(result.converged.all()) and torch.allclose(result.x, x, rtol=1e-5)
        recomputed = (f(result.x, torch.arange(3)) - result.x).norm(dim=1) / result.x.norm(dim=1)
        assert torch.allclose(recomputed, result.residual) and bool((result.residual <= 1e-9).all())
        assert result.iterations.tolist() == (~result.path.isnan()).sum(0).tolist()
    assert plain.iterations.tolist() == sorted(plain.iterations.tolist()), "the more it contracts, the sooner"
    assert bool((found.iterations < plain.iterations).all()) and int(found.iterations[2]) < plain.iterations[2] / 10


def test_a_problem_does_not_depend_on_its_neighbours():
    J, b, _ = affine()
    whole = anderson(lambda v, rows: torch.tanh((J[rows] @ v[..., None])[..., 0]) + b[rows], torch.zeros_like(b))
    for i in range(3):
        row = slice(i, i + 1)
        alone = anderson(
            lambda v, _, row=row: torch.tanh((J[row] @ v[..., None])[..., 0]) + b[row], torch.zeros_like(b[row])
        )
        assert torch.allclose(alone.x[0], whole.x[i], atol=1e-12) and alone.iterations[0] == whole.iterations[i]


def test_what_did_not_converge_says_so():
    factors = torch.tensor([[0.5], [3.0], [math.nan], [1.0]]).double()
    found = anderson(lambda v, rows: factors[rows] * v + 1, torch.ones(4, 1).double(), memory=0, max_iter=40)
    assert found.converged.tolist() == [True, False, False, False] and bool(found.x.isfinite().all())
    assert found.iterations.tolist()[2] == 1, "what is not finite is not pursued"
    assert anderson(lambda v, rows: torch.zeros_like(v), torch.zeros(1, 2)).converged.all(), "0 is a fixed point"


def test_contraction_is_the_norm_of_the_jacobian():
    J = torch.randn(2, 6, 6, generator=seeded(), dtype=torch.float64) / 3
    x = torch.randn(2, 6, generator=seeded(1), dtype=torch.float64)

    def f(v):
        return torch.tanh((J @ v[..., None])[..., 0])

    slopes = torch.diag_embed(1 - f(x) ** 2) @ J
    norm = contraction(f, x, seeded(2), 300)
    assert torch.allclose(norm, torch.linalg.matrix_norm(slopes, 2), rtol=1e-4)
    radius = contraction(f, x, seeded(2), 2_000, of="radius")
    assert torch.allclose(radius, torch.linalg.eigvals(slopes).abs().amax(1), rtol=1e-2)
    assert bool((radius < norm).all())


@pytest.mark.parametrize("home", [BEAM, MATRIX], ids=["views", "m"])
def test_the_implicit_gradient_is_that_of_a_long_unrolling(home):
    network = toy("equilibrium", home)
    A, y = network.trained_with, data_of(network).requires_grad_()
    rate = contraction(lambda v: network.iterate(v, y.detach(), A), network.solve(y).x, seeded())
    assert 0.5 < float(rate.max()) < 0.95
    target = torch.rand(3, 1, 12, 12, generator=seeded(5), dtype=torch.float64)
    wanted = [y, *network.parameters()]
    implicit = torch.autograd.grad((network(y) - target).pow(2).sum(), wanted)
    x = torch.zeros_like(target)
    for _ in range(400):
        x = network.iterate(x, y, A)
    assert torch.allclose(x, network(y), atol=1e-8)
    unrolled = torch.autograd.grad((x - target).pow(2).sum(), wanted)
    for one, other in zip(implicit, unrolled, strict=True):
        assert (one - other).norm() <= 1e-6 * other.norm()
    short = torch.autograd.grad((network.iterate(x.detach(), y, A) - target).pow(2).sum(), wanted)
    assert (short[0] - unrolled[0]).norm() > 0.05 * unrolled[0].norm(), "one step alone gives another gradient"


def test_without_a_correction_it_is_tikhonov():
    network = build(EquilibriumConfig(MATRIX, tol=1e-12, max_iter=200), 0).double()
    with torch.no_grad():
        network.correction[-1].weight.zero_()
        network.correction[-1].bias.zero_()
    A, y = network.trained_with, data_of(network)
    assert torch.allclose(network(y), reconstruct(A, y, Tikhonov(1 / 0.9 - 1)).x, atol=1e-6)


def test_the_result_tells_iterations_and_convergence_of_each():
    network = toy("equilibrium", MATRIX).freeze()
    A, y = network.trained_with, data_of(network)
    y[1] = 0
    result = reconstruct(A, y, network, trace=True)
    path = result.trace["f"][:, :, 0]
    assert bool(result.converged.all()) and result.iterations.tolist() == (~path.isnan()).sum(0).tolist()
    assert torch.allclose(result.x, network(y))
    residual = (network.iterate(result.x, y, A) - result.x).flatten(1).norm(dim=1) / result.x.flatten(1).norm(dim=1)
    assert bool((residual <= network.config.tol).all())
    hurried = build(EquilibriumConfig(MATRIX, width=4, max_iter=3), 0).double().freeze()
    assert reconstruct(A, y, hurried).converged.tolist() == [False] * 3
    assert set(hurried.losses(torch.rand(2, 1, 12, 12).double(), seeded())) == {"loss", "iterations", "converged"}
