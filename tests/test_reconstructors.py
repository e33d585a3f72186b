"""The variational network: its layers by hand, its gradients, and what training gives and does not give."""

import math

import pytest
import torch
from registry import seeded
from torch.nn import functional

from course_utils import GaussianBlur, GaussianMatrix, Inpainting, available, load, measure, pretrained
from course_utils._files import read_json, write_json
from course_utils.generators import GeneratorConfig, build, n_parameters
from course_utils.reconstructors import RadialConfig, RadialNetwork, VariationalNetwork
from course_utils.training import zoo
from course_utils.training.trainer import RECIPES, TrainConfig, train


def small(A=None, dtype=torch.float32, **settings):
    A = (GaussianMatrix(40, 12, seeded()) if A is None else A).to(dtype)
    network = VariationalNetwork(A, sigma=0.05, **({"steps": 2, "filters": 3, "width": 3, "nodes": 5} | settings))
    with torch.no_grad():
        network.influence += 0.1 * torch.randn(network.influence.shape, generator=seeded(1))
        network.log_weight += 0.3 * torch.randn(network.log_weight.shape, generator=seeded(2))
    return A, network.to(dtype)


def test_filters_have_mean_zero_and_norm_one():
    network = small(steps=3)[1]
    for t in range(3):
        K = network.filters(t)
        assert torch.allclose(K.sum((1, 2, 3)), torch.zeros(3), atol=1e-6)
        assert torch.allclose(K.flatten(1).norm(dim=1), torch.ones(3))


def test_influence_functions_interpolate_and_end():
    network = small(dtype=torch.float64)[1]
    nodes = torch.linspace(-1, 1, 5, dtype=torch.float64)
    v = nodes.reshape(1, 1, 1, 5).expand(2, 3, 1, 5).clone()
    assert torch.allclose(network.phi(1, v)[0, :, 0], network.influence[1])
    between = network.phi(1, v[..., :4] + 0.125)[0, :, 0]
    assert torch.allclose(between, 0.75 * network.influence[1, :, :4] + 0.25 * network.influence[1, :, 1:])
    far = network.phi(1, torch.tensor([-9.0, 9.0]).double().reshape(1, 1, 1, 2).expand(1, 3, 1, 2))
    assert torch.allclose(far[0, :, 0], network.influence[1][:, [0, -1]])
    # the triangles as they are written: sum_j w_j max(0, 1 - |v - node_j| / spacing)
    v = torch.rand(1, 3, 4, 4, generator=seeded(), dtype=torch.float64) * 2 - 1
    triangles = (1 - (v[..., None] - nodes).abs() / 0.5).clamp_min(0)
    expected = (network.influence[0][None, :, None, None] * triangles).sum(-1)
    assert torch.allclose(network.phi(0, v), expected)


def test_a_step_is_the_formula():
    A, network = small(dtype=torch.float64)
    y = torch.randn(2, 40, generator=seeded(3), dtype=torch.float64)
    path = network.path(y)
    assert len(path) == 3 and torch.equal(path[0], A.T(y)) and torch.equal(path[2], network(y))
    K, pixels = network.filters(0), torch.eye(144, dtype=torch.float64).reshape(144, 1, 12, 12)
    dense = functional.conv2d(pixels, K, padding=1).flatten(1).T  # K as a matrix
    x = path[0].flatten(1)
    response = (x @ dense.T).reshape(2, 3, 12, 12)
    smooth = network.phi(0, response).flatten(1) @ dense
    data = network.log_weight[0].exp() * A.T(A(path[0]) - y).flatten(1)
    assert torch.allclose(path[1].flatten(1), x - smooth - data)


def test_gradients():
    A, network = small(GaussianMatrix(6, 4, seeded()), torch.float64, filters=2)
    y = torch.randn(2, 6, generator=seeded(3), dtype=torch.float64)
    names = dict(network.named_parameters())

    def run(y, *values):
        return torch.func.functional_call(network, dict(zip(names, values, strict=True)), y)

    assert torch.autograd.gradcheck(run, [y.requires_grad_(), *(p.detach().requires_grad_() for p in names.values())])


def test_weights_and_settings():
    A = GaussianBlur(28)
    network = VariationalNetwork(A, sigma=0.1, seed=5)
    assert n_parameters(network) == 8 * (24 * 49 + 24 * 31 + 1)
    assert "steps" in network.settings() and network.settings()["sigma"] == 0.1
    assert set(network.state_dict()) == {"kernels", "influence", "log_weight"}, "the operator is no weight"
    again = VariationalNetwork(A, **{k: v for k, v in network.settings().items() if k != "family"}, seed=5)
    assert torch.equal(again.kernels, network.kernels)


@pytest.mark.slow
def test_training_helps_at_home_and_not_away():
    """Digits seen through half of their pixels: better than without, and not with another half and another noise."""
    digits = load("mnist")
    hidden = torch.zeros(28, 28, dtype=torch.bool)
    hidden[::2] = True
    A, B = Inpainting(~hidden), Inpainting(hidden.T.contiguous())
    network = VariationalNetwork(A, sigma=0.05, steps=3, filters=8, width=5, nodes=11)
    test = digits.test[:100]

    def error(network, A, sigma):
        y = measure(A, test, sigma, seeded(9))
        with torch.no_grad():
            return (network(y, A) - test).pow(2).flatten(1).sum(1).mean().item()

    before = error(network, A, 0.05)
    report = train(
        network, digits.train[:512], digits.val[:64],
        TrainConfig(steps=120, batch_size=16, lr=1e-2, validate_every=40), progress=False,
    )  # fmt: skip
    network.freeze()
    home = error(network, A, 0.05)
    assert home < 0.5 * before and report["best_score"] == pytest.approx(home, rel=0.3)
    assert error(network, B, 0.05) > 1.5 * home and error(network, A, 0.4) > 2 * home


def test_bad_input_is_named():
    A, network = small()
    with pytest.raises(ValueError, match="'A' must take images"):
        network(torch.zeros(1, 1, 10, 10), GaussianBlur(10))
    with pytest.raises(ValueError, match=r"'y' must have shape \(B, 40\), got \(2, 30\)"):
        network(torch.zeros(2, 30))
    for settings, message in (
        ({"width": 4}, "'width' must be odd, got 4"),
        ({"nodes": 1}, "'nodes' must be at least 2, got 1"),
        ({"reach": 0.0}, "'reach' must be > 0"),
        ({"sigma": -1.0}, "'sigma' must be finite and >= 0"),
        ({"sigma": math.nan}, "'sigma' must be finite and >= 0"),
    ):
        with pytest.raises(ValueError, match=message):
            VariationalNetwork(A, **({"sigma": 0.1} | settings))
    with pytest.raises(TypeError, match="'A' must be a LinearOperator, got Linear"):
        VariationalNetwork(torch.nn.Linear(2, 2), 0.1)


RADIAL = RadialConfig(28, spokes=9, sigma=0.05, steps=2, filters=4, width=3)


def shipped(folder, config=RADIAL):
    """A network with weights of its own, and a generator, in a zoo in ``folder``."""
    network = RadialNetwork(config, seed=3)
    with torch.no_grad():
        network.log_weight += torch.randn(network.log_weight.shape, generator=seeded())
    for name, model in (("vn-toy", network), ("ae-toy-2", build(GeneratorConfig("ae", 2), seed=0))):
        report = {"history": [{"step": 5, "score": 1.5}], "best_step": 5, "kept_step": 5, "seconds": 60.0}
        description = {"n_train": 7, "train": {"steps": 9}, "report": report, "date": "today"}
        zoo.save(model, folder / f"{name}.safetensors", description)
        zoo.ship(name, folder / f"{name}.safetensors", folder=folder / "zoo")
    return network, folder / "zoo"


def test_a_stored_network_comes_back_with_its_home(tmp_path, capsys):
    network, folder = shipped(tmp_path)
    network.freeze()
    again = zoo.pretrained("vn-toy", folder=folder)
    assert capsys.readouterr().out.startswith("vn-toy: trained on 7 images, step 5 of at most 9 kept")
    assert again.config == RADIAL and again.settings() == read_json(folder / "vn-toy.json")["model"]
    assert not any(p.requires_grad for p in again.parameters()) and not again.training
    x = load("mnist").test[:8]
    y = measure(again._home[0], x, RADIAL.sigma, seeded(1))
    assert 0 < float((again(y) - network(y)).abs().max()) < 0.5 / 255, "float16 on disk"


def test_networks_and_generators_are_listed_apart_and_loaded_alike(tmp_path):
    folder = shipped(tmp_path)[1]
    with pytest.raises(ValueError, match="'name' must be one of 'ae-toy-2', 'vn-toy', got 'toy'"):
        pretrained("toy", folder=folder)
    assert isinstance(pretrained("vn-toy", verbose=False, folder=folder), RadialNetwork)
    with pytest.raises(ValueError, match="'kind' must be one of 'generator', 'network'"):
        available("vae")
    assert not set(available()) & set(available("network"))
    for name in available("network"):
        assert zoo.pretrained(name, verbose=False).config == RECIPES[name].model


def test_a_configuration_that_was_altered_is_refused(tmp_path):
    folder = shipped(tmp_path)[1]
    card = read_json(folder / "vn-toy.json")
    card["model"]["spokes"] = 11
    write_json(folder / "vn-toy.json", card)
    with pytest.raises(zoo.IntegrityError, match=r"vn-toy.json is damaged or altered"):
        zoo.pretrained("vn-toy", folder=folder)


def test_radial_networks_know_their_home_and_move_with_it(tmp_path):
    network = RadialNetwork(RADIAL)
    assert set(network.state_dict()) == {"kernels", "influence", "log_weight"}
    x = load("mnist").test[:2].double()
    assert network.double().loss(x, seeded()).dtype == torch.float64, "the operator moves too"
    other = RadialNetwork(RadialConfig(28, 11, 0.05, steps=2, filters=4, width=3)).double()
    assert other.loss(x, seeded()) != network.loss(x, seeded())
    images, settings = load("mnist").train[:8], TrainConfig(steps=1, batch_size=4)
    train(RadialNetwork(RADIAL), images, images, settings, tmp_path, progress=False)
    with pytest.raises(ValueError, match="belongs to another run: it has .*'spokes': 9"):
        train(other.float(), images, images, settings, tmp_path, progress=False)
    for wrong, message in (
        ({"spokes": 0}, "'spokes' must be at least 1, got 0"),
        ({"sigma": -1.0}, "'sigma' must be finite and >= 0"),
        ({"family": "vae"}, "'family' must be one of 'variational network'"),
    ):
        with pytest.raises(ValueError, match=message):
            RadialConfig(**({"size": 28, "spokes": 9, "sigma": 0.1} | wrong))
    with pytest.raises(TypeError, match="'config' must be a RadialConfig, got dict"):
        RadialNetwork({"size": 28})
