"""The learned proximal gradient, ordinary and equivariant, and learning without ground truth."""

from dataclasses import replace

import pytest
import torch
from registry import seeded

from course_utils import GaussianBlur, Inpainting, ParallelBeam, build, load, measure, psnr, reconstruct
from course_utils.equivariance import (
    Group,
    GroupConv,
    LearnedProximalGradient,
    ProximalConfig,
    equal_weights,
    equivariant_imaging_losses,
    reconstruction_error,
)
from course_utils.families import configure
from course_utils.training.trainer import TrainConfig, train

SMALL = ProximalConfig(28, views=8, sigma=0.02, channels=8, blocks=3, memory=2)


def made(group, dtype=torch.float32, config=SMALL):
    """With residual blocks that are not the identity, as they are before training."""
    network = build(replace(config, group=group), seed=0)
    with torch.no_grad():
        for k, p in enumerate(network.parameters()):
            p += 0.05 * torch.randn(p.shape, generator=seeded(k))
    return network.to(dtype).freeze()


@pytest.mark.parametrize("group", ["C2", "C4", "D4"])
def test_the_whole_map_is_equivariant(group):
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        network, ordinary = made(group, dtype), made(None, dtype)
        A = network._home[0]
        y = measure(A, load("mnist").test[:2].to(dtype), 0.02, seeded())
        for g in range(1, Group(group).order):
            assert reconstruction_error(network, y, A, group, g).max() < bound
            assert reconstruction_error(ordinary, y, A, group, g).min() > 0.01


def test_it_is_not_equivariant_where_the_operator_is_not():
    network, A = made("C4"), ParallelBeam.full(28, n_angles=7)
    x = load("mnist").test[:2]
    turned = network(A(torch.rot90(x, 1, (2, 3))), A)
    assert (turned - torch.rot90(network(A(x), A), 1, (2, 3))).norm() > 0.01 * turned.norm()
    with pytest.raises(ValueError, match="'A' is not equivariant: element 1 of C4"):
        reconstruction_error(network, A(x), A, "C4", 1)


def test_numbers_of_weights_are_the_papers():
    """94,374 weights a block and 754,992 in all with 96 channels; a quarter of them with C4."""
    paper = ProximalConfig(28, 4, 0.1, channels=96, blocks=8)
    assert paper.n_weights == 754_992 and replace(paper, blocks=1).n_weights == 94_374
    assert 3.9 < paper.n_weights / replace(paper, group="C4").n_weights < 4
    for config in (SMALL, replace(SMALL, group="D4"), replace(SMALL, channels=32, blocks=1)):
        assert sum(p.numel() for p in build(config, 0).parameters()) == config.n_weights
    ordinary = replace(SMALL, channels=32)
    for group in ("C4", "D4"):
        same = equal_weights(ordinary, group)
        assert same.channels > ordinary.channels and same.n_weights == pytest.approx(ordinary.n_weights, rel=0.1)
        assert equal_weights(same, None).channels == pytest.approx(ordinary.channels, abs=1)


@pytest.mark.parametrize("group", ["C4", "D4", None])
def test_after_training_it_is_an_ordinary_network(group):
    network = made(group)
    plain = network.expanded()
    assert plain.config == replace(network.config, group=None) and not plain.training
    assert not any(m.H.order > 1 for m in plain.modules() if isinstance(m, GroupConv))
    y = measure(network._home[0], load("mnist").test[:2], 0.02, seeded())
    assert torch.allclose(plain(y), network(y), atol=1e-5)


def test_a_step_is_the_formula():
    network = made("C4", torch.float64)
    A = GaussianBlur(28).double()
    y = A(load("mnist").test[:2].double())
    path = network.path(y, A)
    first = network.blocks[0](torch.cat([torch.zeros_like(y), -A.T(y), torch.zeros_like(y).expand(-1, 2, -1, -1)], 1))
    x, s = first[:, :1], first[:, 1:]
    second = network.blocks[1](torch.cat([x, A.T(A(x) - y), s], 1))
    assert torch.allclose(path[0], x) and torch.allclose(path[1], x + second[:, :1])
    assert len(path) == 3 and torch.equal(path[2], network(y, A)) and torch.equal(path[2], reconstruct(A, y, network).x)


def test_settings_and_home(tmp_path):
    network = build(replace(SMALL, group="C4"), seed=1)
    assert configure(network.settings()) == network.config
    assert not any("matrix" in name for name in network.state_dict()), "the operator is no weight"
    assert torch.equal(build(network.config, seed=1).blocks[0][0].k, network.blocks[0][0].k)
    assert not torch.equal(build(network.config, seed=2).blocks[0][0].k, network.blocks[0][0].k)
    x = load("mnist").test[:2].double()
    assert network.double().loss(x, seeded()).dtype == torch.float64, "the operator moves too"


@pytest.mark.parametrize("group", [None, "C4"])
def test_training_lowers_the_loss(group):
    digits, network = load("mnist"), build(replace(SMALL, group=group), seed=0)
    before = network.validation_score(digits.val[:16], seeded())
    settings = TrainConfig(steps=30, batch_size=8, lr=3e-3, ema=0.5, validate_every=15)
    report = train(network, digits.train[:64], digits.val[:16], settings, progress=False)
    assert report["best_score"] < 0.5 * before
    A = network._home[0]
    y = measure(A, digits.test[:4], 0.02, seeded())
    error = reconstruction_error(network, y, A, "C4", 1)
    assert error.max() < 1e-5 if group else error.min() > 1e-2, "trained upright only"


def test_bad_settings_are_named():
    for wrong, message in (
        ({"channels": 30, "group": "C4"}, "'channels' must be a multiple of 4, the order of C4, got 30"),
        ({"group": "C3"}, "'group' must be one of"),
        ({"memory": -1}, "'memory' must be at least 0"),
        ({"sigma": -1.0}, "'sigma' must be finite and >= 0"),
        ({"family": "vae"}, "'family' must be one of 'equivariant proximal gradient'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(SMALL, **wrong)
    with pytest.raises(TypeError, match="'config' must be a ProximalConfig, got dict"):
        LearnedProximalGradient({"size": 28})
    with pytest.raises(ValueError, match=r"'A' must take images \(1, 28, 28\) as in training, it takes \(1, 12, 12\)"):
        made("C4")(torch.zeros(1, 1, 12, 12), GaussianBlur(12))


# --------------------------------------------------------------------------------- without ground truth


def half_seen(size=28):
    return Inpainting(torch.rand(size, size, generator=seeded(3)) < 0.5)


def test_the_losses_are_the_formula():
    A, x = half_seen(), load("mnist").test[:4]
    losses = equivariant_imaging_losses(lambda y, A: 0.5 * A.T(y), A(x), A, seeded(), "C1", weight=3.0)
    first = 0.5 * A.T(A(x))
    again = 0.5 * A.T(A(first))
    assert torch.allclose(losses["data"], (A(first) - A(x)).pow(2).sum() / 4)
    assert torch.allclose(losses["equivariance"], (again - first).pow(2).sum() / 4)
    assert torch.allclose(losses["loss"], losses["data"] + 3 * losses["equivariance"])
    # the true images fit: they come back from wherever they are moved
    where = torch.zeros(1)

    def oracle(y, A):
        where.add_(1)
        return x if where == 1 else moved["x"]

    moved = {"x": x}
    losses = equivariant_imaging_losses(oracle, A(x), A, seeded(), "C1")
    assert losses["loss"] == 0


def test_images_are_moved_each_by_its_own_element_and_shift():
    A, x = Inpainting(torch.ones(28, 28, dtype=torch.bool)), load("mnist").test[:1].expand(12, 1, 28, 28)
    seen = []

    def network(y, A):
        seen.append(A.T(y))
        return A.T(y)

    losses = equivariant_imaging_losses(network, A(x), A, seeded(), "C4", shift=2)
    assert losses["loss"] == 0 and len({v.numpy().tobytes() for v in seen[1]}) > 6
    H = Group("C4")
    possible = [H.act(x[:1], g)[0].roll((r, c), (-2, -1)) for g in range(4) for r in range(-2, 3) for c in range(-2, 3)]
    assert all(any(torch.equal(v, p) for p in possible) for v in seen[1])


@pytest.mark.slow
def test_learning_without_ground_truth_beats_the_pseudo_inverse():
    """Half of the pixels of digits, always the same; the data alone teach nothing about the others."""
    A, digits = half_seen(), load("mnist")
    y, y_test = A(digits.train[:128]), A(digits.test[:64])
    quality = {"pseudo-inverse": psnr(A.T(y_test), digits.test[:64]).mean()}
    for name, weight in (("data alone", 0.0), ("equivariant imaging", 1.0)):
        network = build(replace(SMALL, channels=16, blocks=2), seed=0)
        optimiser, generator = torch.optim.Adam(network.parameters(), lr=5e-3), seeded(5)
        for _ in range(100):
            batch = y[torch.randint(len(y), (8,), generator=generator)]
            losses = equivariant_imaging_losses(network, batch, A, generator, "C1", shift=6, weight=weight)
            optimiser.zero_grad()
            losses["loss"].backward()
            optimiser.step()
        with torch.no_grad():
            quality[name] = psnr(network(y_test, A), digits.test[:64]).mean()
    assert quality["equivariant imaging"] > quality["pseudo-inverse"] + 2, quality
    assert quality["equivariant imaging"] > quality["data alone"] + 1, quality
