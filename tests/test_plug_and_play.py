"""Plug-and-play and RED: they find the minimiser where there is one, and say so where they find nothing."""

import math

import pytest
import torch
from registry import seeded

from course_utils import H1, L1, TV, GaussianMatrix, Identity, Tikhonov, load, measure, reconstruct
from course_utils.denoisers import DenoiserConfig, GradientStepDenoiser, LipschitzDenoiser
from course_utils.solvers import RED, PnPADMM, PnPForwardBackward, PnPHalfQuadratic

EXACT = {"tol": 1e-7, "max_iter": 5000}
SPLITTINGS = (PnPForwardBackward, PnPADMM, PnPHalfQuadratic)


def images(n: int = 2) -> torch.Tensor:
    return load("mnist").test[:n, :, 10:18, 10:18].double()


def well_posed(n: int = 2):
    """More data than pixels, so that iterations are quick."""
    A = GaussianMatrix(300, 8, seeded()).double()
    return A, measure(A, images(n), 0.05, seeded())


def under_determined():
    A = GaussianMatrix(40, 8, seeded()).double()
    return A, measure(A, images(3), 0.01, seeded(1))


def prox_of(R, **exact):
    """R as a denoiser: the best guess for an image of density exp(-R) in white noise."""
    return lambda x, sigma: R.prox(x, sigma**2, **exact)


@pytest.mark.parametrize("make", [PnPForwardBackward, PnPADMM])
@pytest.mark.parametrize("R", [L1, Tikhonov, TV])
def test_with_a_proximal_map_the_minimiser_is_found(make, R):
    A, y = well_posed()
    sigma, step = 0.1, 1.5
    lam = 2 * sigma**2 / step  # of norm 1
    D = prox_of(R(0.0), **({"tol": 1e-9} if R is TV else {}))
    found = reconstruct(A, y, make(D, sigma, step, tol=1e-5))
    if R is TV:
        wanted = reconstruct(A, y, R(lam), "pdhg", tol=1e-10)
    else:
        wanted = reconstruct(A, y, R(lam), "fista", tol=1e-20)
    assert found.converged.all() and float((found.x - wanted.x).abs().max()) < 1e-4
    assert torch.allclose(R(lam).problem(A, y).value(found.x), wanted.objective, rtol=1e-4)


def test_half_quadratic_splitting_minimises_its_own_function():
    """With D = prox of ||x||^2 both halves are linear: (A^T A + c) x = A^T y + c z and z = x / (1 + 2 sigma^2)."""
    A, y = well_posed()
    sigma, step, M = 0.5, 4.0, A.matrix()
    found = reconstruct(A, y, PnPHalfQuadratic(prox_of(Tikhonov(0.0)), sigma, step, **EXACT))
    c, shrink = 1 / step, 1 / (1 + 2 * sigma**2)
    system = M.T @ M + c * (1 - shrink) * torch.eye(64, dtype=M.dtype)
    x = torch.linalg.solve(system, A.T(y).flatten(1).T).T
    assert found.converged.all() and torch.allclose(found.x.flatten(1), shrink * x, atol=1e-5)


def test_the_schedule_ends_where_it_should_and_plays_a_part():
    A, y = well_posed()
    D = prox_of(L1(0.0))
    plain, falling = (
        PnPHalfQuadratic(D, 0.05, 2.0, first=first, falling=6, tol=1e-6, max_iter=3000) for first in (None, 0.5)
    )
    a, b = reconstruct(A, y, plain), reconstruct(A, y, falling)
    assert a.converged.all() and b.converged.all() and torch.allclose(a.x, b.x, atol=1e-4)
    falling.max_iter = plain.max_iter = 6
    a, b = reconstruct(A, y, plain), reconstruct(A, y, falling)
    assert not a.converged.any() and float((a.x - b.x).abs().max()) > 0.01


@pytest.mark.parametrize("scheme", RED.schemes)
def test_red_with_a_symmetric_linear_denoiser_minimises_its_function(scheme):
    A, y = well_posed()
    smooth, lam = H1(0.0), 0.2
    D = prox_of(smooth)  # linear, symmetric, norm 1
    found = reconstruct(A, y, RED(D, 1.0, lam, scheme, **EXACT))
    assert found.converged.all()
    x = found.x.clone().requires_grad_()
    value = (A(x) - y).pow(2).sum() + lam / 2 * (x * (x - D(x, 1.0))).sum()
    (slope,) = torch.autograd.grad(value, x)
    assert float(slope.abs().max()) < 1e-5


def test_red_with_a_gradient_step_denoiser_descends_along_its_potential():
    A, y = well_posed(1)
    D = GradientStepDenoiser(DenoiserConfig("gradient-step denoiser", size=8, filters=4, layers=2)).double().freeze()
    method = RED(D, 0.1, lam=0.3, max_iter=60)
    values = []
    for steps in (1, 5, 20, 60):
        method.max_iter = steps
        x = reconstruct(A, y, method).x
        values.append(float((A(x) - y).pow(2).sum() + 0.3 * D.potential(x, 0.1)))
    assert values == sorted(values, reverse=True) and values[-1] < 0.95 * values[0]


def methods(D):
    yield from (make(D, 0.1) for make in SPLITTINGS)
    yield from (RED(D, 0.1, 0.5, scheme) for scheme in RED.schemes)


#: Not nonexpansive, or nonexpansive and not averaged: these have no business to converge.
EXPANSIVE = {
    "amplifies": lambda x, sigma: 1.2 * x,
    "amplifies what is left": lambda x, sigma: 1.2 * x + 0.1,
    "sharpens": lambda x, sigma: x + 2 * (x - torch.nn.functional.avg_pool2d(x, 3, 1, 1)),
}
WANDERS = lambda x, sigma: 1 - x  # noqa: E731  (an isometry: black becomes white, and white black)


@pytest.mark.parametrize("name", EXPANSIVE)
def test_an_expansive_denoiser_does_not_converge_and_is_not_said_to(name):
    A, y = under_determined()
    for method in methods(EXPANSIVE[name]):
        found = reconstruct(A, y, method, trace=True)
        assert not found.converged.any(), method
        assert torch.isfinite(found.x).all(), "the last image that is one"


def test_an_isometry_wanders_and_its_average_with_the_identity_converges():
    A, y = under_determined()

    def averaged(x, sigma):
        return (x + WANDERS(x, sigma)) / 2

    for make in (PnPForwardBackward, PnPADMM):
        wandering = reconstruct(A, y, make(WANDERS, 0.1), trace=True)
        assert not wandering.converged.any() and float(wandering.trace["residual"][-1].min()) > 0.1
        assert reconstruct(A, y, make(averaged, 0.1)).converged.all()


def test_a_nonexpansive_denoiser_converges_with_all_methods():
    A, y = under_determined()
    D = LipschitzDenoiser(DenoiserConfig("lipschitz denoiser", size=8, filters=4, layers=3)).double().freeze()
    with torch.no_grad():
        for p in D.parameters():
            p += 0.1 * torch.randn(p.shape, generator=seeded(4), dtype=p.dtype)
    for method in methods(D):
        method.max_iter = 1500
        found = reconstruct(A, y, method, trace=True)
        assert found.converged.all(), method
        residual = found.trace["residual"]
        assert residual.shape == found.trace["f"].shape == (int(found.iterations.max()), 3, 1)
        last = [float(residual[int(k) - 1, i, 0]) for i, k in enumerate(found.iterations)]
        assert max(last) < 0.05 * float(residual[0].max())


def test_each_problem_is_solved_by_itself():
    A, y = under_determined()
    D = prox_of(L1(0.0))
    sigma = torch.tensor([0.05, 0.1, 0.3], dtype=torch.float64)
    weights = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    for make in (PnPForwardBackward, PnPADMM, PnPHalfQuadratic, lambda D, s, w: RED(D, s, w)):
        together = reconstruct(A, y, make(D, sigma, weights))
        for i in range(3):
            alone = reconstruct(A, y[i : i + 1], make(D, sigma[i : i + 1], weights[i : i + 1]))
            assert torch.allclose(together.x[i], alone.x[0], atol=1e-9)
            assert together.iterations[i] == alone.iterations[0] and together.converged[i] == alone.converged[0]


def test_the_data_step_needs_no_decomposition(monkeypatch):
    A, y = under_determined()
    method = PnPADMM(prox_of(L1(0.0)), 0.1)
    exact = reconstruct(A, y, method)
    monkeypatch.setattr(type(A), "decomposes", False)
    assert torch.allclose(reconstruct(A, y, method).x, exact.x, atol=1e-6)


def test_operators_of_other_norms_have_the_same_step():
    A, y = under_determined()
    for make in (PnPForwardBackward, PnPADMM):
        a = reconstruct(A, y, make(prox_of(L1(0.0)), 0.1, tol=1e-6, max_iter=3000))
        b = reconstruct(5 * A, 5 * y, make(prox_of(L1(0.0)), 0.1, tol=1e-6, max_iter=3000))
        assert torch.allclose(a.x, b.x, atol=1e-5)


def test_bad_input_is_named():
    D, y = prox_of(L1(0.0)), torch.zeros(1, 1, 8, 8)
    for call, message in (
        (lambda: PnPForwardBackward(D, 0.1, 2.0), "'step' must be greater than 0 and less than 2, got 2"),
        (lambda: PnPADMM(D, 0.1, 0.0), "'step' must be greater than 0, got 0"),
        (lambda: PnPADMM(D, math.nan), "'sigma' must be finite"),
        (lambda: PnPHalfQuadratic(D, 0.0, first=0.5), "'sigma' must be greater than 0 if"),
        (lambda: RED(D, 0.1, 0.0), "'lam' must be greater than 0"),
        (lambda: RED(D, 0.1, 1.0, "newton"), "'scheme' must be one of 'gradient', 'fixed point'"),
        (lambda: reconstruct(Identity(8), y, PnPADMM(lambda x, s: x[:, :, 1:], 0.1)), r"'denoiser\(x, sigma\)' must"),
        (lambda: reconstruct(Identity(8), y, PnPADMM(D, torch.ones(2))), r"'sigma' must be a number or have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="'denoiser' must be callable"):
        PnPADMM("tv", 0.1)
