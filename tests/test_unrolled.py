"""The layers of the networks that unroll an algorithm, by hand, and those of the U-Net."""

import math

import pytest
import torch
from home_networks import BEAM, MATRIX, data_of, toy
from registry import seeded
from torch.nn import functional

from course_utils import GaussianMatrix, ParallelBeam, fbp
from course_utils.families import build
from course_utils.reconstructors import Home, LearnedPrimalDualConfig, LISTAConfig, PostProcessingConfig, UNet
from course_utils.reconstructors.layers import inversion


@pytest.mark.parametrize("home", [BEAM, MATRIX], ids=["views", "m"])
def test_a_learned_proximal_step_is_the_formula(home):
    network = toy("learned proximal gradient", home)
    A, y = network.trained_with, data_of(network)
    path = network.path(y)
    assert len(path) == 3 and torch.equal(path[-1], network(y)) and not path[0].any()
    v = path[1] - network.log_tau[1].exp() * A.T(A(path[1]) - y)
    c = v
    for k in (0, 2, 4):
        layer = network.corrections[1][k]
        c = functional.conv2d(c, layer.weight, layer.bias, padding=1)
        c = c.clamp_min(0) if k < 4 else c
    assert torch.allclose(path[2], v + c)


@pytest.mark.parametrize("home", [BEAM, MATRIX], ids=["views", "m"])
def test_learned_primal_dual_is_the_formula(home):
    network = toy("learned primal-dual", home)
    A, y = network.trained_with, data_of(network)
    f, h = torch.zeros(3, 3, 12, 12).double(), torch.zeros(3, 3, *A.shape_out).double()
    for dual, primal in zip(network.dual, network.primal, strict=True):
        given = torch.cat([h, A(f[:, 1:2])[:, None], y[:, None]], 1)
        h = h + dual(given if home.views else given[..., None]).reshape(h.shape)
        f = f + primal(torch.cat([f, A.T(h[:, 0])], 1))
    assert torch.allclose(network(y), f[:, :1])


def test_random_measurements_have_no_neighbours():
    """Measurements in another order, with the operator that has its rows in that order, are the same measurements."""
    network = toy("learned primal-dual", MATRIX)
    A, y = network.trained_with, data_of(network)
    order = torch.randperm(40, generator=seeded(7))
    B = GaussianMatrix(40, 12, seeded()).double()
    B.M.copy_(A.M[order])
    assert torch.allclose(network(y[:, order], B), network(y))
    other = toy("automap", MATRIX)
    assert not torch.allclose(other(y[:, order], B), other(y)), "while AUTOMAP knows the places"


def test_the_published_learned_primal_dual_has_its_weights():
    config = LearnedPrimalDualConfig(Home(12, 0.1, views=7), steps=10, memory=5, width=32)
    count = sum(p.numel() for p in build(config, 0).parameters())
    assert count == 10 * sum(9 * (c * 32 + 32 * 32 + 32 * 5) + 32 + 32 + 5 for c in (7, 6))


def test_lista_begins_as_soft_thresholding_of_cosine_coefficients():
    network = build(LISTAConfig(MATRIX, steps=3, width=5), 0).double()
    A, y = network.trained_with, data_of(network)
    K = network.analysis[0]
    assert torch.allclose(K.flatten(1) @ K.flatten(1).T, torch.eye(25).double(), atol=1e-6)
    assert torch.allclose(K[0], torch.full_like(K[0], 0.2)), "the first is the mean"
    with torch.no_grad():
        network.log_theta.fill_(-math.inf)  # no threshold: the transform and its inverse
        x = inversion(y, A)
        assert torch.allclose(network(y), x, atol=1e-6), "from then on A x = y"
        network.log_theta.fill_(math.log(0.2))
        c = functional.conv2d(x, K, padding=4)
        soft = torch.where(c.abs() > 0.2, c - 0.2 * c.sign(), 0.0)
        first = functional.conv_transpose2d(soft, K, padding=4) / 25
        again = build(LISTAConfig(MATRIX, steps=1, width=5), 0).double()
        again.log_theta.fill_(math.log(0.2))
        assert torch.allclose(again(y), first, atol=1e-6) and not torch.allclose(first, x, atol=1e-3)


def test_the_inversion_is_a_formula_of_the_operator():
    y = torch.randn(2, 40, generator=seeded(), dtype=torch.float64)
    A = MATRIX.operator().double()
    assert torch.allclose(inversion(y, A).flatten(1), y @ torch.linalg.pinv(A.M).T, atol=1e-6)
    A = ParallelBeam.full(12, n_angles=7)
    y = torch.randn(2, *A.shape_out, generator=seeded())
    assert torch.equal(inversion(y, A), fbp(A, y, "hann"))
    assert torch.allclose(inversion(3 * y, 3 * A), fbp(A, y, "hann"), atol=1e-6)


def test_post_processing_without_a_correction_is_the_inversion():
    network = build(PostProcessingConfig(BEAM, channels=3, levels=2), 0).double()
    y = data_of(network)
    with torch.no_grad():
        network.unet.last.weight.zero_()
        network.unet.last.bias.zero_()
    assert torch.allclose(network(y), inversion(y, network.trained_with))


@pytest.mark.parametrize("size", [28, 56])
def test_a_unet_sees_far_and_takes_both_sizes(size):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UNet(in_channels=2, out_channels=3, channels=4)
    x = torch.rand(1, 2, size, size, generator=seeded(), requires_grad=True)
    out = network(x)
    assert out.shape == (1, 3, size, size)
    middle = size // 2
    seen = torch.autograd.grad(out[..., middle, middle].sum(), x)[0].abs().amax((0, 1, 3)).nonzero()
    assert int(seen.max() - seen.min()) > 20, "four convolutions at full resolution would reach 4 pixels"


def test_a_unet_needs_sides_that_can_be_halved():
    PostProcessingConfig(Home(12, 0.1, views=7), levels=3)
    with pytest.raises(ValueError, match="'levels' must be at most 2 for images of side 14, got 3"):
        PostProcessingConfig(Home(14, 0.1, views=7), levels=3)


def test_a_unet_is_told_the_noise_level():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, plain = UNet(channels=4, noise_level=True).double(), UNet(channels=4).double()
    x = torch.rand(2, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    each = network(x, torch.tensor([0.1, 0.5]).double())
    assert torch.allclose(each[1], network(x, 0.5)[1]) and not torch.allclose(each[0], network(x, 0.5)[0])
    for call, message in (
        (lambda: network(x), "'sigma' must be given"),
        (lambda: plain(x, 0.1), "'sigma' must be given if, and only if"),
        (lambda: plain(x[..., :27]), "'x' must have sides that are multiples of 4"),
        (lambda: network(x, torch.ones(3)), "'sigma' must be a number or have shape"),
        (lambda: network(x, -1.0), "'sigma' must be finite and >= 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
