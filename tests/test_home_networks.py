"""What all networks with a home promise: stored and built again, batches, gradients, training, strange operators."""

import json
from dataclasses import replace

import pytest
import torch
from home_networks import ANY_DATA, BEAM, BOTH, IDS, MATRIX, NETWORKS, data_of, toy
from registry import seeded

from course_utils import GaussianMatrix, ParallelBeam, load, reconstruct
from course_utils.families import build, configure, family
from course_utils.reconstructors import AutomapConfig, Home, LISTAConfig, RadialConfig, RadialNetwork
from course_utils.training import Recipe, TrainConfig, train

each = pytest.mark.parametrize(("name", "home"), BOTH, ids=IDS)


@each
def test_it_is_built_again_from_its_settings(name, home):
    config = NETWORKS[name](home)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    network = build(config, seed=5)
    assert torch.equal(torch.rand(2), expected), "the global seed is left alone"
    again = build(configure(json.loads(json.dumps(network.settings()))), seed=5)
    assert again.config == config and again.image_shape == (1, 12, 12)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), again.parameters(), strict=True))
    assert torch.equal(network.trained_with.like, again.trained_with.like)
    assert len(network.state_dict()) == len(list(network.parameters())), "the operator is no weight"
    assert Recipe(config, TrainConfig(steps=1)).model == config


@each
def test_a_batch_and_one_by_one_agree(name, home):
    network = toy(name, home).freeze()
    y = data_of(network)
    whole = network(y)
    assert whole.shape == (3, 1, 12, 12) and whole.dtype == torch.float64
    assert torch.allclose(whole, torch.cat([network(one) for one in y.split(1)]), atol=1e-9)
    with torch.inference_mode():
        assert torch.allclose(reconstruct(network.trained_with, y, network).x, whole)


@each
def test_the_gradient_with_respect_to_the_data(name, home):
    network = toy(name, home).freeze()
    y = data_of(network, 2)
    w = torch.randn(2, 1, 12, 12, generator=seeded(4), dtype=torch.float64)
    (grad,) = torch.autograd.grad((network(y.requires_grad_()) * w).sum(), y)
    d, h = torch.randn(y.shape, generator=seeded(5), dtype=y.dtype), 1e-6
    with torch.no_grad():
        slope = ((network(y + h * d) - network(y - h * d)) * w).sum() / (2 * h)
    assert float(slope) == pytest.approx(float((grad * d).sum()), rel=1e-5)


@each
def test_data_of_a_foreign_shape_are_refused(name, home):
    network = toy(name, home)
    shape = ", ".join(map(str, network.trained_with.shape_out))
    with pytest.raises(ValueError, match=rf"'y' must have shape \(B, {shape}\), got \(2, 3\)"):
        network(torch.zeros(2, 3).double())
    larger = Home(13, home.sigma, home.views, home.m).operator().double()
    with pytest.raises(ValueError, match=r"'A' must take images \(1, 12, 12\) as in training, it takes \(1, 13, 13\)"):
        reconstruct(larger, torch.zeros(2, *larger.shape_out).double(), network)
    other = (GaussianMatrix(30, 12, seeded()) if home.m else ParallelBeam.full(12, n_angles=9)).double()
    y = torch.zeros(2, *other.shape_out).double()
    if name in ANY_DATA:
        result = reconstruct(other, y, network)
        assert result.x.shape == (2, 1, 12, 12) and "trained with another operator" in result.warning
    else:
        with pytest.raises(ValueError, match=r"'A' must give data \(.*\) as in training, it gives"):
            reconstruct(other, y, network)


@each
def test_another_operator_is_answered_with_a_warning(name, home):
    network, same = toy(name, home).freeze(), home.operator().double()
    y = data_of(network)
    quiet = reconstruct(same, y, network)
    assert quiet.warning is None and torch.allclose(quiet.x, network(y)) and bool(quiet.converged.all())
    other = GaussianMatrix(40, 12, seeded(1)) if home.m else ParallelBeam(12, 7, 19, angular_range=2.0)
    if home.views:
        assert other.shape_out == same.shape_out, "else it is another test"
    loud = reconstruct(other.double(), y, network)
    assert loud.x.shape == (3, 1, 12, 12) and "'A'" in loud.warning and str(home) in loud.warning
    assert reconstruct(2 * same, y, network).warning, "the same but for a factor is another one"


def test_networks_of_before_warn_too():
    network = RadialNetwork(RadialConfig(28, 5, 0.1, steps=1, filters=2))
    same, other = (RadialNetwork(RadialConfig(28, n, 0.1, steps=1, filters=2)).trained_with for n in (5, 7))
    for A, warned in ((same, False), (other, True)):
        assert bool(reconstruct(A, A(torch.ones(1, 1, 28, 28)), network).warning) == warned


@each
@pytest.mark.slow
def test_training_lowers_the_loss(name, home):
    x = torch.nn.functional.avg_pool2d(load("mnist").train[:64, :, 2:26, 2:26], 2)  # (64, 1, 12, 12)
    layers = NETWORKS[name](home)
    network = build(replace(layers, tol=1e-3) if name == "equilibrium" else layers, seed=0)
    config = TrainConfig(steps=30, batch_size=8, lr=5e-3, ema=0.5, validate_every=15, cosine=False)
    before = network.validation_score(x, seeded())
    report = train(network, x, x, config, progress=False)
    assert report["best_score"] < 0.9 * before


def test_a_home_says_what_is_missing():
    assert Home(28, 0.05, m=150).operator().M.equal(GaussianMatrix(150, 28, seeded(0)).M), "the matrix of chapter 05"
    assert Home(28, 0.05, m=150, seed=1).operator().M.ne(Home(28, 0.05, m=150).operator().M).any()
    for wrong, message in (
        ({}, "either 'views' or 'm' must be given"),
        ({"views": 3, "m": 3}, "either 'views' or 'm' must be given"),
        ({"m": 0}, "'m' must be at least 1"),
        ({"views": 3, "sigma": -1.0}, "'sigma' must be finite and >= 0"),
        ({"views": 3, "size": 1}, "'size' must be at least 2"),
        ({"m": 3, "seed": -1}, "'seed' must be at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Home(**({"size": 28, "sigma": 0.1} | wrong))
    with pytest.raises(TypeError, match="'home' must be a Home or a dictionary of its settings, got dict"):
        AutomapConfig({"size": 28, "spokes": 3})
    with pytest.raises(ValueError, match="'family' must be one of 'automap', got 'vae'"):
        AutomapConfig(MATRIX, family="vae")
    with pytest.raises(ValueError, match="'width' must be odd, got 4"):
        LISTAConfig(MATRIX, width=4)


def test_the_operator_goes_where_the_weights_go():
    network = toy("learned proximal gradient", BEAM)
    assert network.trained_with.like.dtype == torch.float64
    x = torch.rand(2, 1, 12, 12, generator=seeded(), dtype=torch.float64)
    assert network.loss(x, seeded()).dtype == torch.float64


def test_a_family_has_one_network():
    """Else ``build`` would make another network than the one that was stored, depending on what was imported last."""
    with pytest.raises(ValueError, match="'names' must be new, 'automap' is the family of Automap"):
        family("automap", config=Home)(Home)
