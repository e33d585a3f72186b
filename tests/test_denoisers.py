"""Denoisers: what holds by construction, what their Jacobians say, and what training gives."""

import math

import pytest
import torch
from registry import seeded

from course_utils import build, load
from course_utils.denoisers import (
    Denoiser,
    DenoiserConfig,
    jacobian_asymmetry,
    lipschitz_estimate,
    torus_bound,
    torus_norm,
)
from course_utils.families import configure
from course_utils.training import TrainConfig, train

FAMILIES = DenoiserConfig.families


def tiny(family: str, seed: int = 0, layers: int = 3, spread: float = 0.0, **settings) -> Denoiser:
    """A small denoiser in float64, frozen, with other weights than the first ones if ``spread`` is not 0."""
    D = build(DenoiserConfig(family, size=12, filters=8, layers=layers, **settings), seed=seed).double()
    with torch.no_grad():
        for p in D.parameters():
            p += spread * torch.randn(p.shape, generator=seeded(1), dtype=p.dtype)
    return D.freeze()


def images(n: int = 3, size: int = 12) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=seeded(2), dtype=torch.float64)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_image_has_its_noise_level_and_settings_build_it_again(family):
    D, x = tiny(family, spread=0.1), images()
    levels = torch.tensor([0.05, 0.1, 0.3], dtype=torch.float64)
    together = D(x, levels)
    for k, level in enumerate(levels):
        assert torch.allclose(together[k : k + 1], D(x[k : k + 1], float(level)), atol=1e-12)
    assert not torch.allclose(D(x, 0.05), D(x, 0.3), atol=1e-4), "the noise level plays a part"
    again = build(configure(D.settings()), seed=0).double()
    again.load_state_dict(D.state_dict())
    assert torch.equal(again.freeze()(x, 0.1), D(x, 0.1))
    assert D(images(1, 16), 0.1).shape == (1, 1, 16, 16)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_lowers_the_loss(family):
    D = build(DenoiserConfig(family, size=28, filters=8, layers=3, sigma_min=0.1), seed=0)
    data = load("mnist")
    settings = TrainConfig(steps=40, batch_size=16, lr=5e-3, ema=0.8, validate_every=20)
    before = D.validation_score(data.val[:32], seeded())
    report = train(D, data.train[:256], data.val[:32], settings, progress=False)
    assert report["best_score"] < 0.7 * before


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_the_image_and_the_weights(family):
    D = build(DenoiserConfig(family, size=12, filters=4, layers=2), seed=0).double().eval()
    x = images(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: D(v, 0.2), x)
    D.train()
    D.loss(images(), seeded()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in D.parameters())


def test_the_residual_denoiser_scales_with_grey_values_and_noise():
    D, x = tiny("residual denoiser"), images()
    assert torch.allclose(D(3 * x, 0.3), 3 * D(x, 0.1), atol=1e-12)


def test_the_norm_of_a_convolution_on_the_torus_is_that_of_its_matrix():
    kernel = torch.randn(3, 2, 3, 3, generator=seeded(), dtype=torch.float64)
    pixels = torch.eye(2 * 30, dtype=torch.float64).reshape(-1, 2, 5, 6)
    padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1), mode="circular")
    matrix = torch.nn.functional.conv2d(padded, kernel).flatten(1)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    assert float(torus_norm(kernel, (5, 6))) == pytest.approx(exact, rel=1e-12)
    bounds = [float(torus_bound(kernel, (5, 6), steps)) for steps in (1, 3, 5, 8)]
    assert bounds == sorted(bounds, reverse=True) and exact * (1 - 1e-12) <= bounds[-1] < 1.01 * exact
    assert float(torus_bound(0 * kernel, (5, 6))) < 1e-6


def test_the_lipschitz_denoiser_is_firmly_nonexpansive_whatever_its_weights():
    D = tiny("lipschitz denoiser", spread=3.0)
    x, v = images(200), 2 * images(200, 12).flip(0) - 0.5
    x = torch.cat([x, x + 1e-3 * v])  # far from each other, and near
    v = torch.cat([v, x[:200]])
    apart, change = x - v, D(x, 0.2) - D(v, 0.2)
    assert (change.pow(2).flatten(1).sum(1) <= (change * apart).flatten(1).sum(1) * (1 + 1e-9)).all()


def test_the_bound_and_the_estimate_of_the_lipschitz_constant():
    D, x = tiny("lipschitz denoiser", spread=0.3), images()
    bound, found = D.lipschitz_bound(12), lipschitz_estimate(lambda v: D(v, 0.1), x, seeded(), 100)
    assert 0.5 < float(found.max()) <= bound <= 1
    # of one layer D is affine, and here its matrix is positive: then the two are equal
    kernel = torch.full((4, 4, 3, 3), 0.1, dtype=torch.float64)
    kernel[:, :, 1, 1] += torch.eye(4)
    D.kernels, D.biases = torch.nn.ParameterList([kernel]), torch.nn.ParameterList([0 * kernel[:2, :, 0, 0]])
    found = lipschitz_estimate(lambda v: D(v, 0.1), x, seeded(), 400)
    assert float(found.max()) == pytest.approx(D.lipschitz_bound(12), rel=1e-3)
    free = tiny("residual denoiser", spread=0.3)
    assert float(lipschitz_estimate(lambda v: free(v, 0.1), x, seeded()).max()) > 1.5, "nothing bounds the free one"


def linear(J: torch.Tensor):
    return lambda x: (x.flatten(1) @ J.T).reshape(x.shape)


def test_asymmetry_of_linear_maps_with_known_answers():
    x, n = images(2), 144
    draw = torch.randn(n, n, generator=seeded(3), dtype=torch.float64)
    S, K = draw + draw.T, draw - draw.T
    for J in (S, K, S + 0.3 * K, draw, torch.eye(n, dtype=torch.float64)):
        exact = float((J - J.T).norm() / J.norm())
        found = jacobian_asymmetry(linear(J), x, seeded(), draws=64)
        assert torch.allclose(found, torch.full_like(found, exact), atol=0.05 * max(exact, 1e-10))
    assert float(jacobian_asymmetry(torch.zeros_like, x, seeded()).max()) == 0, "a constant"
    J = S + K
    assert float(lipschitz_estimate(linear(J), x, seeded(), 500)[0]) == pytest.approx(
        float(torch.linalg.matrix_norm(J, 2)), rel=1e-3
    )


def test_only_the_gradient_step_denoiser_is_symmetric_and_its_step_is_the_gradient():
    x = images()
    found = {}
    for family in FAMILIES:
        D = tiny(family, spread=0.1)
        found[family] = float(jacobian_asymmetry(lambda v, D=D: D(v, 0.1), x, seeded()).max())
    assert found["gradient-step denoiser"] < 1e-10
    assert min(found["residual denoiser"], found["lipschitz denoiser"]) > 0.01
    D = tiny("gradient-step denoiser", spread=0.1)
    slope, (direction,) = x - D(x, 0.1), images(1)
    ends = [D.potential(x + sign * 1e-5 * direction, 0.1) for sign in (1, -1)]
    assert torch.allclose((ends[0] - ends[1]) / 2e-5, (slope * direction).flatten(1).sum(1), rtol=1e-6)


def test_bad_input_is_named():
    D = tiny("residual denoiser")
    for call, message in (
        (lambda: D(images(1, 13), 0.1), "'x' must have even height and width"),
        (lambda: D(images(2), torch.ones(3)), r"'sigma' must be a number or have shape \(2,\), got \(3,\)"),
        (lambda: D(images(2), math.nan), "'sigma' must be finite"),
        (lambda: DenoiserConfig("denoiser"), "'family' must be one of 'residual denoiser'"),
        (lambda: DenoiserConfig(FAMILIES[0], size=27), "'size' must be even, got 27"),
        (lambda: DenoiserConfig(FAMILIES[0], sigma_min=0.5), "'sigma_min' must be at most 0.3"),
        (lambda: torus_norm(torch.ones(1, 1, 3, 3), (2, 8)), "'size' must be at least 3, got 2"),
        (lambda: jacobian_asymmetry(lambda x: x[:, :, :2], images(), seeded()), r"'D\(x\)' must have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="'x' must have dtype torch.float64"):
        D(images().float(), 0.1)
