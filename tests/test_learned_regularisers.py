"""Learned regularisers: what holds by construction, their gradients, their training, and their problems."""

import math

import pytest
import torch
from registry import seeded

from course_utils import GaussianBlur, build, load, measure, reconstruct
from course_utils.families import configure
from course_utils.regularisers import (
    AdversarialConfig,
    InputConvexConfig,
    LearnedRegulariser,
    NETTConfig,
    RidgeConfig,
)
from course_utils.training import TrainConfig, train
from course_utils.tuning import sweep

HOME = {"size": 28, "n_angles": 10, "sigma": 0.1}
SMALL = {
    "adversarial": AdversarialConfig(**HOME, filters=4),
    "input-convex": InputConvexConfig(**HOME, filters=4, layers=3),
    "NETT": NETTConfig(**HOME, filters=4),
    "ridge": RidgeConfig(size=28, filters=4, width=3, steps=6),
    "weakly convex ridge": RidgeConfig(size=28, filters=4, width=3, steps=6, rho=1.0),
}


def tiny(name: str, spread: float = 0.0, dtype=torch.float64):
    """A small network, frozen, with other weights than the first ones if ``spread`` is not 0."""
    network = build(SMALL[name], seed=0).to(dtype)
    with torch.no_grad():
        for p in network.parameters():
            p += spread * torch.randn(p.shape, generator=seeded(1), dtype=dtype)
    return network.freeze()


def images(n: int = 3, size: int = 28) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=seeded(2), dtype=torch.float64)


@pytest.mark.parametrize("name", SMALL)
def test_values_gradients_and_settings(name):
    network, x = tiny(name, spread=0.05), images()
    values = network(x)
    assert values.shape == (3,) and torch.allclose(values[1:2], network(x[1:2]), rtol=1e-10)
    direction = images(4)[3:]
    ends = [network(x + sign * 1e-6 * direction) for sign in (1, -1)]
    slopes = (network.grad(x) * direction).flatten(1).sum(1)
    assert torch.allclose((ends[0] - ends[1]) / 2e-6, slopes, rtol=1e-5, atol=1e-7)
    R = LearnedRegulariser(network, 0.3)
    assert torch.equal(R(x), values) and torch.allclose(R.grad(x), network.grad(x))
    assert torch.autograd.gradcheck(lambda v: network(v), images(1, 8).requires_grad_())
    again = build(configure(network.settings()), seed=0).double()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x), values)


@pytest.mark.parametrize("name", SMALL)
def test_training_lowers_the_loss(name):
    network = build(SMALL[name], seed=0)
    data = load("mnist")
    rate = {"adversarial": 3e-3, "input-convex": 1e-2}.get(name, 3e-2)
    settings = TrainConfig(steps=30, batch_size=8, lr=rate, ema=0.8, validate_every=15)
    before = network.validation_score(data.val[:32], seeded())
    report = train(network, data.train[:256], data.val[:32], settings, progress=False)
    assert report["best_score"] < before - 0.03 * abs(before)
    assert all(torch.isfinite(p).all() for p in network.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_the_problem_is_solved_and_a_sweep_is_one_batch(name):
    network, A = tiny(name, spread=0.05), GaussianBlur(28).double()
    x = load("mnist").val[:2].double()
    y = measure(A, x, 0.05, seeded())
    lam = 0.01 if "ridge" in name else 1e-4
    R = LearnedRegulariser(network, lam)
    found = reconstruct(A, y, R)
    problem = R.problem(A, y)
    assert (found.objective < problem.value(torch.zeros_like(x))).all()
    assert torch.allclose(found.objective, problem.value(found.x))
    tried = sweep(A, y, x, lambda w: LearnedRegulariser(network, w), lam=[lam, 10 * lam])
    assert torch.allclose(tried.result.objective[:2], found.objective, rtol=1e-3)


def pairs(n: int, size: int, generator: torch.Generator):
    """Pairs of images: near and far, noise and flat, in and out of the range of grey values."""
    x, v = torch.randn(2, n, 1, size, size, generator=generator, dtype=torch.float64)
    scale = 10.0 ** (3 * torch.rand(n, 1, 1, 1, generator=generator, dtype=torch.float64) - 2)
    flat = torch.rand(n, 1, 1, 1, generator=generator, dtype=torch.float64)
    return flat + scale * x, torch.rand_like(flat) + scale * v


@pytest.mark.parametrize("name", ["input-convex", "ridge", "weakly convex ridge"])
def test_midpoints_of_ten_thousand_pairs(name):
    """R, or R + rho / 2 ||x||^2, is not above its chord, whatever the weights."""
    for spread in (0.0, 1.0):
        network = tiny(name, spread)
        rho = getattr(network.config, "rho", 0.0)
        if rho and spread:
            with torch.no_grad():
                network.raw -= 3  # most slopes are negative
        broken, bent = 0, 0
        for part in range(10):
            x, v = pairs(1000, 8, seeded(10 + part))
            middle, ends = network((x + v) / 2), (network(x) + network(v)) / 2
            room = rho / 8 * (x - v).pow(2).flatten(1).sum(1)  # by which the square is below its chord
            broken += int((middle > ends + room + 1e-9 * (ends.abs() + room)).sum())
            bent += int((middle > ends + 1e-9 * ends.abs()).sum())
        assert broken == 0
        assert (bent > 0) == (name == "weakly convex ridge" and spread > 0), "without the square it is not convex"


def test_the_weights_of_the_input_convex_network_are_not_negative_and_it_is_strongly_convex():
    network = tiny("input-convex", spread=1.0)
    for raw in (*network.onwards, network.last):
        assert torch.nn.functional.softplus(raw).min() > 0 and raw.min() < 0
    x, v = pairs(200, 8, seeded())
    gap = (network(x) + network(v)) / 2 - network((x + v) / 2)
    least = network.config.strong / 4 * (x - v).pow(2).flatten(1).sum(1)
    assert (gap >= least * (1 - 1e-9)).all()


def test_the_filters_of_the_ridge_regulariser_have_norm_one_and_mean_zero():
    network = tiny("ridge")
    K = network.filters((9, 9))
    pixels = torch.eye(81, dtype=torch.float64).reshape(-1, 1, 9, 9)
    W = torch.nn.functional.conv2d(pixels, K, padding=1).flatten(1)
    assert 0.8 < float(torch.linalg.matrix_norm(W, 2)) <= 1 and float(K.sum((2, 3)).abs().max()) < 1e-12
    assert float(network(torch.full((1, 1, 9, 9), 0.0, dtype=torch.float64))) == 0


def test_profiles_are_integrals_of_piecewise_linear_functions_with_the_slopes_that_are_promised():
    network = tiny("weakly convex ridge", spread=2.0)
    slopes = network.slopes()
    assert slopes.min() < -0.5 and slopes.min() >= -1 and network.curvature() == float(slopes.abs().max())
    nodes = torch.cat([torch.zeros(1, dtype=torch.float64), network.nodes, 2 * network.nodes[-1:]])
    t = nodes.expand(1, 4, 1, -1)
    values = network.influence(t)[0, :, 0]
    between = (values[:, 1:] - values[:, :-1]) / nodes.diff()
    assert torch.allclose(between, torch.nn.functional.pad(slopes, (0, 1)), atol=1e-12)
    assert torch.allclose(network.influence(-t), -network.influence(t))
    fine = torch.linspace(-0.5, 0.5, 2001, dtype=torch.float64).expand(1, 4, 1, -1).clone().requires_grad_()
    (derivative,) = torch.autograd.grad(network.profile(fine).sum(), fine)
    assert torch.allclose(derivative, network.influence(fine))


def test_the_steps_of_training_reach_the_minimiser():
    network, y = tiny("ridge"), images(2, 12)
    network.config = RidgeConfig(size=28, filters=4, width=3, steps=400)
    v = network.denoised(y)
    assert float((v - y + network.grad(v)).abs().max()) < 1e-6


def test_the_adversarial_regulariser_tells_its_slope():
    network = tiny("adversarial", dtype=torch.float32)
    x = load("mnist").val[:8]
    first = network.lipschitz_estimate(x, seeded())
    with torch.no_grad():
        network.critic[-1].weight *= 3
    assert network.lipschitz_estimate(x, seeded()) == pytest.approx(3 * first, rel=1e-4)
    slopes = network.grad(network.naive(x, seeded())).flatten(1).norm(dim=1)
    assert 0 < float(slopes.min()) <= 3 * first * 1.5


def test_the_home_moves_with_the_weights_and_is_none_of_them():
    for name in ("adversarial", "input-convex", "NETT"):
        network = build(SMALL[name], seed=0)
        assert not any(key.startswith("_home") for key in network.state_dict())
        x = load("mnist").val[:2]
        assert network.double().loss(x.double(), seeded()).dtype == torch.float64
        other = build(type(SMALL[name])(**(HOME | {"sigma": 0.5}), filters=4), seed=0)
        assert not torch.allclose(other.naive(x, seeded()), network.float().naive(x, seeded()), atol=0.1)


def test_bad_input_is_named():
    network = tiny("ridge")
    for call, message in (
        (lambda: RidgeConfig(width=4), "'width' must be odd and at most 56, 'size', got 4"),
        (lambda: RidgeConfig(rho=-1.0), "'rho' must be finite and >= 0"),
        (lambda: RidgeConfig(reach=0.0), "'reach' must be > 0"),
        (lambda: AdversarialConfig(sigma=math.nan), "'sigma' must be finite"),
        (lambda: InputConvexConfig(layers=0), "'layers' must be at least 1"),
        (lambda: NETTConfig(size=27), "'size' must be even"),
        (lambda: AdversarialConfig(family="vae"), "'family' must be one of"),
        (lambda: LearnedRegulariser(network, -1.0), "'lam' must be finite and >= 0"),
        (lambda: network(images()[0]), r"'x' must have shape \(B, 1, B, B\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="'network' must be a network that is a regulariser, got str"):
        LearnedRegulariser("ridge", 1.0)
    with pytest.raises(TypeError, match="'x' must have dtype"):
        network(images().float())
