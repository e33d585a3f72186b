"""Generators against closed forms: weights counted by hand, a linear VAE, a Gaussian diffusion; and bad input."""

import copy
import itertools
import math

import pytest
import torch
from registry import seeded, tiny
from torch import nn

from course_utils import GeneratorConfig, build
from course_utils.generators import (
    VAE,
    WGAN,
    decoder,
    encoder,
    gradient_penalty,
    kl_to_standard_normal,
    n_parameters,
    reparametrise,
)
from course_utils.generators.diffusion import Diffusion
from course_utils.generators.flow import Flow
from course_utils.training.trainer import TrainConfig, train

FAMILIES = ("ae", "vae", "wgan")
LAYOUTS = [("lean", "conv"), ("paper", "conv"), ("paper", "dense")]


FACTORIES = {
    "build": lambda seed: build(GeneratorConfig("vae", 2), seed),
    "flow": lambda seed: Flow(2, seed=seed),
    "diffusion": lambda seed: Diffusion(2, seed=seed),
}


@pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES)
def test_same_seed_same_weights_and_global_seed_untouched(make):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    a, b, c = (torch.cat([p.detach().flatten() for p in make(seed).parameters()]) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(("variant", "head"), [("lean", "conv"), ("paper", "conv"), ("paper", "dense")])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [28, 56, 128])
def test_shapes(family, size, variant, head):
    if (size, head) == (128, "dense"):
        pytest.skip("Fig. 16 has no dense layer at its end")
    if (size, head) == (56, "dense"):
        with torch.device("meta"):  # 157 million weights: only their shapes
            G = WGAN(GeneratorConfig("wgan", 3, size, variant, head))
            assert G(torch.zeros(2, 3)).shape == (2, 1, 56, 56)
        return
    G = build(GeneratorConfig(family, 3, size, variant, head), seed=0).freeze()
    z = G.sample_latent(2, seeded())
    assert z.shape == (2, 3) and G.latent_dim == 3 and G.has_encoder == (family != "wgan")
    assert G(z).shape == (2, 1, size, size) == (2, *G.image_shape)
    assert torch.equal(G.sample(2, seeded()), G(z)), "no dropout in evaluation mode, and the same latent vectors"
    if G.has_encoder:
        assert G.encode(G(z)).shape == (2, 3)
    else:
        assert G.critic(G(z)).shape == (2,)
        with pytest.raises(TypeError, match="a wgan has no encoder"):
            G.encode(G(z))


def test_each_part_of_a_local_code_moves_its_part_of_the_image():
    G = build(GeneratorConfig("vae", 128, 128, "local"), seed=0).freeze()
    z = torch.zeros(1, 128)
    move = z.clone()
    move.view(1, 2, 8, 8)[0, :, 2, 5] = 1.0
    changed = (G(move) - G(z))[0, 0].abs() > 0
    rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
    # Twice 16 pixels and what convolutions with kernels of 3 and 4 reach beyond them.
    assert 0 <= int(rows.min()) and int(rows.max()) < 88 and int(columns.min()) > 40
    assert G.encode(G(z)).shape == (1, 128)


def test_a_local_code_has_whole_channels():
    with pytest.raises(ValueError, match="'latent_dim' must be a multiple of 64 for the variant 'local', got 100"):
        GeneratorConfig("vae", 100, 128, "local")
    with pytest.raises(ValueError, match="'variant' can be 'local' for size 128 only, got size 28"):
        GeneratorConfig("vae", 64, 28, "local")
    with pytest.raises(ValueError, match="'n_out' must be a multiple of 64"):
        encoder("local", 128, 100)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_do_not_depend_on_their_batch_neighbours(family):
    G = tiny(family)
    z = torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    assert torch.allclose(G(z), torch.cat([G(v) for v in z.split(1)]), atol=1e-12)


# Figures 14 and 15 of the paper as coded, and the course's own.
COUNTS = {
    ("paper", 28, 8, "dense"): 39_472_555,
    ("paper", 28, 8, "conv"): 134_364,
    ("paper", 56, 10, "dense"): 157_487_899,
    ("paper", 56, 10, "conv"): 133_404,
    ("lean", 28, 8, "conv"): 69_377,
    ("lean", 56, 10, "conv"): 77_633,
    # Figure 16; the paper does not say how many latent dimensions it has, the authors' code runs with 800.
    ("paper", 128, 800, "conv"): 13_369_057,
    ("lean", 128, 64, "conv"): 272_705,
    ("local", 128, 512, "conv"): 404_577,
}
#: Fig. 16 read from the page: filters of the transposed convolutions of each block, kernels 3x3.
UP_BLOCKS = [(32, 64, 128, 256), (512,) * 4, (256,) * 4, (128,) * 4, (64,) * 4, (32, 16, 8, 4), (1,)]
DOWN_BLOCKS = [(8, 16, 32), (64,) * 3, (128,) * 3, (256,) * 3, (64, 32, 8)]


def chain(first, blocks, taps=9):
    """Weights of convolutions in a row."""
    widths = [first, *itertools.chain(*blocks)]
    return sum(a * b * taps + b for a, b in itertools.pairwise(widths))


def by_hand(variant, size, d, head):
    """The weights of a decoder from its printed table."""
    if size == 128 and variant == "paper":
        return (d + 1) * 16 * 8 * 8 + chain(16, UP_BLOCKS)
    if variant == "local":  # an affine change of variables and a convolution of a code of 8 x 8
        return (d + 1) * d + chain(d // 64, [(32,)]) + chain(32, [(64, 64, 32, 16)], 16) + chain(16, [(1,)])
    if size == 128:
        return (d + 1) * 32 * 8 * 8 + chain(32, [(64, 64, 32, 16)], 16) + chain(16, [(1,)])
    if variant == "lean":
        channels = [64, 32, 16] if size == 28 else [64, 32, 16, 8]
        stack = sum(a * b * 16 + b for a, b in itertools.pairwise(channels))
        return (d + 1) * 64 * 49 + stack + channels[-1] * 9 + 1
    first = (d + 1) * 25 + 26 * 49 if size == 28 else (d + 1) * 49
    stack = (1 * 64 * 16 + 64) + 2 * (64 * 64 * 16 + 64)
    side = 28  # both stacks end at 28 x 28: strides 1, 2, 2 and 2, 2, 1
    return first + stack + (64 * side**2 + 1) * size**2 if head == "dense" else first + stack + 64 * 9 + 1


@pytest.mark.parametrize("layout", COUNTS, ids=str)
def test_weights_of_the_decoders(layout):
    with torch.device("meta"):
        assert n_parameters(decoder(*layout)) == COUNTS[layout] == by_hand(*layout)


def test_the_shapes_decoder_as_printed_has_629_million_weights():
    """Fig. 15 prints a stack that ends at n x n x 64 and a dense layer from 64 n^2 to n^2."""
    with torch.device("meta"):
        stack = decoder("paper", 56, 10, "conv")
    printed = n_parameters(stack) - n_parameters(stack[-1]) + (64 * 56**2 + 1) * 56**2
    assert printed == 629_543_707


def test_weights_of_the_encoders():
    counts = {
        ("paper", 28, 16): 182_480,
        ("paper", 56, 20): 383_188,
        ("lean", 28, 16): 50_560,
        ("lean", 56, 20): 104_068,
        ("lean", 28, 8): 45_944,
        ("paper", 128, 1_600): chain(1, DOWN_BLOCKS) + (16 * 16 * 8 + 1) * 1_600,
        ("lean", 128, 128): chain(1, [(16, 32, 64, 64)], 16) + (8 * 8 * 64 + 1) * 128,
        ("local", 128, 128): chain(1, [(16, 32, 64, 64)], 16) + chain(64, [(2,)]) + 129 * 128,
    }
    assert counts["paper", 128, 1_600] == 5_389_288 and counts["lean", 128, 128] == 631_344
    for layout, count in counts.items():
        assert n_parameters(encoder(*layout)) == count, layout


def test_the_deep_networks_are_those_of_fig_16():
    """Side and channels after each block, as printed but for the last convolution (4 filters, not 8)."""
    with torch.device("meta"):
        E, G, x = encoder("paper", 128, 1_600), decoder("paper", 128, 800), torch.zeros(2, 1, 128, 128)
        sizes = []
        for layer in E:
            x = layer(x)
            sizes += [tuple(x.shape[1:])] if isinstance(layer, nn.Dropout) else []
        assert sizes[2::3] == [(32, 128, 128), (64, 64, 64), (128, 32, 32), (256, 16, 16), (8, 16, 16)]
        x, sizes = torch.zeros(2, 800), []
        for layer in G:
            x = layer(x)
            sizes += [tuple(x.shape[1:])] if isinstance(layer, nn.Dropout) else []
        blocks = [(256, 8, 8), (512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (4, 128, 128)]
        assert sizes[3::4] == blocks and x.shape == (2, 1, 128, 128)
    assert (decoder("paper", 128, 5).eval()(torch.randn(3, 5, generator=seeded())) >= 0).all(), "ReLU at the end"


def test_all_families_share_one_generator_network():
    nets = [str(build(GeneratorConfig(family, 8), seed=0).decoder) for family in FAMILIES]
    assert nets[0] == nets[1] == nets[2]


def test_convolutions_of_stride_one_keep_the_place():
    """Kernel 4 has no centre; a shifted image must still give a shifted code, without drift at the border."""
    net = encoder("paper", 56, 1, dropout=0)[0]  # the first convolution: stride 1
    x = torch.zeros(1, 1, 56, 56)
    x[..., 20, 30] = 1.0
    moved = torch.roll(x, (2, 3), (2, 3))
    assert net(x).shape == (1, 64, 56, 56)
    assert torch.allclose(torch.roll(net(x), (2, 3), (2, 3))[..., 8:48, 8:48], net(moved)[..., 8:48, 8:48], atol=1e-6)


def test_dropout_and_critics():
    counted = lambda net: sum(isinstance(m, nn.Dropout) for m in net.modules())  # noqa: E731
    assert counted(encoder("paper", 28, 8)) == 3 and counted(decoder("paper", 28, 8)) == 2
    assert counted(encoder("lean", 28, 8)) == counted(decoder("lean", 28, 8)) == 0
    assert counted(build(GeneratorConfig("wgan", 8, variant="paper"), 0).critic_network) == 0
    assert {m.p for m in decoder("paper", 28, 8).modules() if isinstance(m, nn.Dropout)} == {0.2}


# AE: eq. (4)


def test_ae_loss_is_a_mean_over_images_of_a_sum_over_pixels():
    G = tiny("ae")
    x = torch.rand(5, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    one_by_one = [float((x[i] - G(G.encode(x[i : i + 1]))[0]).pow(2).sum()) for i in range(5)]
    assert float(G.loss(x)) == pytest.approx(sum(one_by_one) / 5)


# VAE: eq. (6)


def test_kl_against_monte_carlo():
    mean, log_std = torch.tensor([[0.5, -1.0, 0.0]]).double(), torch.tensor([[-0.7, 0.2, 0.0]]).double()
    n = 400_000
    z = reparametrise(mean.expand(n, 3), log_std.expand(n, 3), seeded())
    q = torch.distributions.Normal(mean, log_std.exp()).log_prob(z).sum(1)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    error = 4 * float((q - p).std()) / math.sqrt(n)
    assert error < 0.02
    assert float(kl_to_standard_normal(mean, log_std)) == pytest.approx(float((q - p).mean()), abs=error)


def test_reparametrised_draws_and_their_gradient():
    """Moments; and d/dmean E||z||^2 = 2 mean, d/dlog_std E||z||^2 = 2 std^2."""
    mean, log_std = torch.tensor([0.5, -1.0]).double(), torch.tensor([0.1, -0.4]).double()
    m, s = (v.expand(200_000, 2).clone().requires_grad_() for v in (mean, log_std))
    z = reparametrise(m, s, seeded())
    assert torch.allclose(z.mean(0), mean, atol=0.02) and torch.allclose(z.std(0), log_std.exp(), rtol=0.01)
    z.pow(2).sum().backward()
    assert torch.allclose(m.grad.mean(0), 2 * mean, atol=0.03)
    assert torch.allclose(s.grad.mean(0), 2 * (2 * log_std).exp(), atol=0.04)


def test_kl_is_zero_at_the_prior_only_and_gradcheck():
    zero = torch.zeros(1, 3, dtype=torch.float64)
    assert float(kl_to_standard_normal(zero, zero)) == 0
    assert float(kl_to_standard_normal(zero + 0.1, zero)) > 0 and float(kl_to_standard_normal(zero, zero - 0.1)) > 0
    inputs = [torch.randn(4, 3, generator=seeded(i), dtype=torch.float64).requires_grad_() for i in range(2)]
    assert torch.autograd.gradcheck(kl_to_standard_normal, inputs)


@pytest.mark.parametrize("variant", ["lean", "paper"])
def test_standardised_latent_variables_have_the_priors_mean_and_covariance(variant):
    G = build(GeneratorConfig("vae", 3, variant=variant), seed=0).freeze()
    G.encoder[-1].weight[3:] *= 20  # standard deviations that differ
    x = torch.rand(200, 1, 28, 28, generator=seeded())
    before, image = G.encode(x), G(G.encode(x))
    draw = torch.randn(5, 3, generator=seeded(1))
    assert (before.mean(0).abs() > 1e-3).all() and before.std(0).max() < 0.5
    old = copy.deepcopy(G)
    m, T = G.standardise(x)
    assert torch.allclose(G(draw), old((m + draw.double() @ T.T).float()), atol=1e-5)
    mean, log_std = G.posterior(x)
    second_moment = torch.cov(mean.T, correction=0) + (2 * log_std).exp().mean(0).diag()
    assert torch.allclose(mean.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(second_moment, torch.eye(3), atol=1e-4)
    assert torch.allclose(G(mean), image, atol=1e-5)
    with pytest.raises(ValueError, match="'x' must hold more images than there are latent variables, 3, got 3"):
        G.standardise(x[:3])


def test_a_local_code_is_standardised_by_its_change_of_variables():
    """Training leaves the change alone; standardising makes the codes of correlated places uncorrelated by it."""
    G = build(GeneratorConfig("vae", 64, 128, "local"), seed=0)
    assert not any(p.requires_grad for part in (G.decoder[0], G.encoder[-1]) for p in part.parameters())
    G.freeze()
    x = torch.rand(80, 1, 128, 128, generator=seeded())
    image, kept = G(G.encode(x[:4])), {k: v.clone() for k, v in G.decoder[2].state_dict().items()}
    G.standardise(x)
    mean, log_std = G.posterior(x)
    second_moment = torch.cov(mean.T, correction=0) + (2 * log_std).exp().mean(0).diag()
    assert torch.allclose(second_moment, torch.eye(64), atol=1e-2)
    assert torch.allclose(G(G.encode(x[:4])), image, atol=1e-3)
    assert all(torch.equal(v, kept[k]) for k, v in G.decoder[2].state_dict().items())


class LinearVAE(VAE):
    """G(z) = W z + b with the exact posterior as encoder: everything about it is known in closed form."""

    def __init__(self, rho):
        super().__init__(GeneratorConfig("vae", 2, rho=rho))
        self.double()
        self.W = 0.1 * torch.randn(784, 2, generator=seeded(1), dtype=torch.float64)
        # orthogonal columns, so that the exact posterior has a diagonal covariance
        self.W[:, 1] -= self.W[:, 0] * (self.W[:, 0] @ self.W[:, 1]) / (self.W[:, 0] @ self.W[:, 0])
        self.b = torch.rand(784, generator=seeded(2), dtype=torch.float64)
        self.shift = 0.0  # moves the encoder away from the exact posterior

    def forward(self, z):
        return (z @ self.W.T + self.b).reshape(-1, 1, 28, 28)

    def posterior(self, x):
        precision = self.W.pow(2).sum(0) / self.config.rho**2 + 1
        mean = (x.flatten(1) - self.b) @ self.W / self.config.rho**2 / precision
        return mean + self.shift, (-0.5 * precision.log()).expand_as(mean)

    def log_evidence(self, x):
        covariance = self.W @ self.W.T + self.config.rho**2 * torch.eye(784, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x.flatten(1))


def test_elbo_decomposition():
    """log p(x) = ELBO + KL(q || posterior), where minus ELBO is eq. (6) plus n/2 log(2 pi rho^2)."""
    model = LinearVAE(rho=0.3)
    z = torch.randn(1, 2, generator=seeded(3), dtype=torch.float64)
    x = model(z) + 0.3 * torch.randn(1, 1, 28, 28, generator=seeded(4), dtype=torch.float64)
    constant = 784 / 2 * math.log(2 * math.pi * 0.3**2)
    repeated = x.expand(20_000, 1, 28, 28)
    for shift in (0.0, 0.2):
        model.shift = shift
        elbo = -float(model.loss(repeated, seeded(5))) - constant
        std = model.posterior(x)[1].exp()
        gap = float(0.5 * (shift / std).pow(2).sum())  # KL between Gaussians of equal covariance
        assert elbo + gap == pytest.approx(float(model.log_evidence(x)), abs=0.15)
    assert gap > 1, "the shift must matter for this test to mean anything"


def test_rho_is_the_kl_weight():
    """2 rho^2 times eq. (6) is the squared error plus k KL, with k = 2 rho^2."""
    for rho in (0.05, 0.158, 1.0):
        G = build(GeneratorConfig("vae", 2, rho=rho), seed=0).freeze()
        x = torch.rand(3, 1, 28, 28, generator=seeded())
        mean, log_std = G.posterior(x)
        z = reparametrise(mean, log_std, seeded(1))
        error, kl = (x - G(z)).pow(2).flatten(1).sum(1), kl_to_standard_normal(mean, log_std)
        expected = (error + 2 * rho**2 * kl).mean() / (2 * rho**2)
        assert float(G.loss(x, seeded(1))) == pytest.approx(float(expected), rel=1e-5)
        parts = G.losses(x, seeded(1))
        assert float(parts["misfit"] + parts["kl"]) == pytest.approx(float(parts["loss"]), rel=1e-6)
    assert GeneratorConfig("vae", 8).rho == pytest.approx(math.sqrt(0.05 / 2)), "the paper's KL weight 0.05"


# WGAN: eq. (5)


def test_gradient_penalty_is_of_each_whole_image_not_of_each_column():
    """A critic whose gradient has norm 1 in each column has norm sqrt(28) over the image, and pays for it."""
    x = torch.rand(2, 6, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    column = gradient_penalty(lambda v: v.flatten(1).sum(1) / 28**0.5, x[0], x[1], seeded())
    assert column.item() == pytest.approx((28**0.5 - 1) ** 2, rel=1e-5)
    image = gradient_penalty(lambda v: v.flatten(1).sum(1) / 28, x[0], x[1], seeded())
    assert image.item() == pytest.approx(0, abs=1e-10)


def test_gradient_penalty_does_not_mix_images():
    """Slopes 0 and 2 average to 1, but each image pays 1."""
    real = fake = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])

    def critic(x):  # slope 0 at the first image, 2 at the second
        return x[:, 0, 0, 0].clamp_min(0.5) * 2 * (x[:, 0, 1, 1] > 0.5)

    assert gradient_penalty(critic, real, fake, seeded()).item() == pytest.approx(1.0)


def test_gradient_penalty_points_lie_between():
    seen = []
    real, fake = torch.ones(50, 1, 2, 2), torch.zeros(50, 1, 2, 2)
    gradient_penalty(lambda x: seen.append(x.detach()) or x.sum((1, 2, 3)), real, fake, seeded())
    share = seen[0].flatten(1)
    assert torch.allclose(share, share[:, :1].expand_as(share)), "one share for each image"
    assert 0 <= share.min() < 0.2 and 0.8 < share.max() <= 1 and share[:, 0].unique().numel() == 50


def test_gradient_penalty_teaches_the_critic():
    a = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    x = torch.rand(2, 4, 1, 3, 3, generator=seeded(), dtype=torch.float64)
    loss = gradient_penalty(lambda v: a * v.flatten(1).sum(1), x[0], x[1], seeded())
    (slope,) = torch.autograd.grad(loss, a)
    assert loss.item() == pytest.approx((9 - 1) ** 2) and slope.item() == pytest.approx(2 * (9 - 1) * 3)


def test_wgan_losses():
    G = build(GeneratorConfig("wgan", 2), seed=0)
    x = torch.rand(4, 1, 28, 28, generator=seeded())
    losses = G.critic_losses(x, seeded(1))
    with torch.no_grad():
        fake = G(G.sample_latent(4, seeded(1)))
        distance = G.critic(x).mean() - G.critic(fake).mean()
    assert float(losses["distance"].detach()) == pytest.approx(float(distance), abs=1e-6)
    expected = -losses["distance"] + 10 * losses["penalty"]
    assert float(losses["critic"].detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    losses["critic"].backward()
    assert all(p.grad is None for p in G.decoder.parameters()), "the critic's step must not move the generator"
    loss = G.generator_loss(4, seeded(1))
    assert float(loss.detach()) == pytest.approx(-float(G.critic(fake).mean().detach()), abs=1e-6)
    loss.backward()
    assert all(p.grad is not None for p in G.decoder.parameters())


# Gradients and bad input, all families


@pytest.mark.parametrize("family", FAMILIES)
def test_gradcheck_of_the_generator(family):
    z = torch.randn(1, 3, generator=seeded(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: tiny(family)(v).flatten(1)[:, ::97], z)


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_latent_vectors(family):
    G = build(GeneratorConfig(family, 3), seed=0)
    with pytest.raises(ValueError, match=r"'z' must have shape \(B, 3\), got \(3,\)"):
        G(torch.zeros(3))
    with pytest.raises(TypeError, match="'z' must be a floating-point tensor"):
        G(torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(TypeError, match="'z' must be a torch.Tensor, got list"):
        G([[0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="'z' must be on device cpu, got meta"):
        G(torch.zeros(2, 3, device="meta"))
    with pytest.raises(ValueError, match="'n' must be at least 1"):
        G.sample(0, seeded())


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_images(family):
    G = build(GeneratorConfig(family, 3), seed=0)
    call = G.encode if G.has_encoder else G.critic
    with pytest.raises(ValueError, match=r"'x' must have shape \(B, 1, 28, 28\), got \(2, 1, 56, 56\)"):
        call(torch.zeros(2, 1, 56, 56))
    with pytest.raises(TypeError, match="'x' must have dtype torch.float32"):
        call(torch.zeros(2, 1, 28, 28).double())
    with pytest.raises(ValueError, match="'x' must be on device cpu, got meta"):
        call(torch.zeros(2, 1, 28, 28, device="meta"))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"family": "gan"}, ValueError, "'family' must be one of 'ae', 'vae', 'wgan', got 'gan'"),
        ({"latent_dim": 0}, ValueError, "'latent_dim' must be at least 1, got 0"),
        ({"latent_dim": 2.0}, TypeError, "'latent_dim' must be an integer, got float"),
        ({"size": 32}, ValueError, "'size' must be one of 28, 56, 128, got 32"),
        ({"variant": "fat"}, ValueError, "'variant' must be one of 'lean', 'paper'"),
        ({"head": "none"}, ValueError, "'head' must be one of 'conv', 'dense'"),
        ({"rho": -1.0}, ValueError, "'rho' must be finite and >= 0, got -1"),
        ({"rho": math.nan}, ValueError, "'rho' must be finite"),
        ({"rho": 0.0}, ValueError, "'rho' must be > 0 for a VAE"),
    ],
)
def test_bad_configurations_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        build(GeneratorConfig(**({"family": "vae", "latent_dim": 8} | settings)), seed=0)


# Flow


def shaken(dim=3):
    """A flow with random weights, float64: an untrained one is the identity, which hides mistakes."""
    G = Flow(dim, layers=4, hidden=16).double()
    with torch.no_grad():
        for i, p in enumerate(G.parameters()):
            p.add_(0.4 * torch.randn(p.shape, generator=seeded(i), dtype=p.dtype))
    return G.freeze()


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_flow_is_invertible(dim):
    G, z = shaken(dim), torch.randn(50, dim, generator=seeded(1), dtype=torch.float64)
    assert float((G(z) - z).norm(dim=1).median()) > 0.3, "not the identity"
    assert torch.allclose(G.inverse(G(z)), z, atol=1e-9) and torch.allclose(G(G.inverse(z)), z, atol=1e-9)
    assert torch.equal(G.sample(50, seeded(1)), G(z))


@pytest.mark.parametrize("dim", [2, 3])
def test_flow_density_against_the_jacobian_of_autograd(dim):
    G, x = shaken(dim), torch.randn(5, dim, generator=seeded(2), dtype=torch.float64)
    z, log_det = G.inverse_with_log_det(x)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    for i in range(5):
        jacobian = torch.autograd.functional.jacobian(G.inverse, x[i : i + 1])[0, :, 0]
        expected = float(torch.linalg.slogdet(jacobian).logabsdet)
        assert float(log_det[i]) == pytest.approx(expected, abs=1e-9)
        assert float(G.log_prob(x[i : i + 1])) == pytest.approx(float(prior[i]) + expected, abs=1e-9)


def test_flow_density_integrates_to_one():
    G = shaken(2)
    line = torch.linspace(-30, 30, 1001, dtype=torch.float64)
    mass = sum(float(G.log_prob(part).exp().sum()) for part in torch.cartesian_prod(line, line).split(100_000))
    assert mass * (60 / 1000) ** 2 == pytest.approx(1.0, abs=0.01)


def test_flow_gradcheck():
    x = torch.randn(2, 3, generator=seeded(3), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(shaken(), x) and torch.autograd.gradcheck(shaken().log_prob, x)


def test_flow_learns_a_bent_density_with_the_common_trainer():
    generator = seeded()
    a = torch.randn(4000, 1, generator=generator)
    b = 0.8 * a.pow(2) - 0.8 + 0.2 * torch.randn(4000, 1, generator=generator)
    x = torch.cat([a, b], dim=1)
    G = Flow(2, layers=4, hidden=32)
    before = float(G.loss(x[3000:]).detach())
    report = train(G, x[:3000], x[3000:], TrainConfig(200, 256, lr=5e-3, ema=0.95, validate_every=50), progress=False)
    # the true density: -log p(a) - log p(b | a), on average the entropy of two Gaussians
    truth = 2 * 0.5 * math.log(2 * math.pi * math.e) + math.log(0.2)
    assert report["best_score"] < before - 1 and truth - 0.05 < report["best_score"] < truth + 0.3


@pytest.mark.parametrize("name", ["forward", "inverse", "log_prob"])
def test_flow_on_another_device_or_dtype(name):
    call = getattr(Flow(2), name)
    with pytest.raises(TypeError, match="must have dtype torch.float32"):
        call(torch.zeros(4, 2).double())
    with pytest.raises(ValueError, match="must be on device cpu, got meta"):
        call(torch.zeros(4, 2, device="meta"))


# Diffusion


def test_diffusion_schedule():
    a = Diffusion(2, steps=100).alpha_bar
    assert a.shape == (101,) and a[0] == 1 and a[-1] < 1e-3 and bool((a.diff() <= 0).all())


class ExactGaussian(Diffusion):
    """The best possible network for data from N(m, S), in closed form; float64."""

    m = torch.tensor([0.7, -0.4], dtype=torch.float64)
    S = torch.tensor([[0.5, 0.3], [0.3, 0.4]], dtype=torch.float64)

    def predict_noise(self, x, t):
        a = self.alpha_bar[t].reshape(-1, 1, 1)
        covariance = a * self.S + (1 - a) * torch.eye(2, dtype=x.dtype)
        deviation = (x - a[:, 0].sqrt() * self.m)[..., None]
        return (1 - a[:, 0]).sqrt() * torch.linalg.solve(covariance, deviation)[..., 0]


def test_diffusion_adds_the_right_noise():
    model = Diffusion(2, steps=10).double()
    x = torch.tensor([[1.0, -2.0]]).double().expand(100_000, 2)
    for t in (0, 3, 10):
        noisy, e = model.add_noise(x, torch.full((len(x),), t), seeded())
        a = float(model.alpha_bar[t])
        assert torch.allclose(noisy, math.sqrt(a) * x + math.sqrt(1 - a) * e)
        assert torch.allclose(noisy.mean(0), math.sqrt(a) * x[0], atol=0.02)
        assert torch.allclose(noisy.std(0), torch.tensor(math.sqrt(1 - a)).double(), atol=0.01)


def test_score_and_denoiser_of_a_gaussian():
    """With the best network, the score is that of N(sqrt(a) m, a S + (1 - a) I), and denoising the conditional mean."""
    model = ExactGaussian(2, steps=20).double()
    x = torch.randn(6, 2, generator=seeded(), dtype=torch.float64)
    for t in (1, 10, 20):
        a = float(model.alpha_bar[t])
        covariance = a * model.S + (1 - a) * torch.eye(2, dtype=torch.float64)
        law = torch.distributions.MultivariateNormal(math.sqrt(a) * model.m, covariance)
        point = x.clone().requires_grad_()
        (score,) = torch.autograd.grad(law.log_prob(point).sum(), point)
        when = torch.full((6,), t)
        assert torch.allclose(model.score(x, when), score, atol=1e-9)
        gain = math.sqrt(a) * model.S @ torch.linalg.inv(covariance)
        expected = model.m + (x - math.sqrt(a) * model.m) @ gain.T
        assert torch.allclose(model.denoise(x, when), expected, atol=1e-6)


def test_sampler_with_the_best_network_gives_the_data():
    """Tests the walk itself, apart from any training: mean and covariance of the samples are those of the data."""
    model = ExactGaussian(2, steps=200).double()
    x = model.sample(40_000, seeded())
    assert torch.allclose(x.mean(0), model.m, atol=0.02) and torch.allclose(torch.cov(x.T), model.S, atol=0.02)
    walk = model.path(3, seeded())
    assert walk.shape == (201, 3, 2) and torch.equal(walk[-1], model.sample(3, seeded()))
    assert torch.equal(walk[0], torch.randn(3, 2, generator=seeded(), dtype=torch.float64))


def test_diffusion_loss_is_lowest_for_the_best_network():
    best = ExactGaussian(2, steps=50).double()
    law = torch.distributions.MultivariateNormal(best.m, best.S)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = law.sample((20_000,))
    best_loss = float(best.loss(x, seeded()).detach())
    worse = copy.deepcopy(best)
    worse.m = best.m + 0.3
    assert 0 < best_loss < float(worse.loss(x, seeded()).detach()) and best_loss < 1


def test_diffusion_learns_with_the_common_trainer():
    """The network comes near the best possible loss on Gaussian data, and its score near the true score."""
    best = ExactGaussian(2, steps=50).double()
    x = (
        best.m + torch.randn(4000, 2, generator=seeded(), dtype=torch.float64) @ torch.linalg.cholesky(best.S).T
    ).float()
    model = Diffusion(2, steps=50, hidden=64)
    settings = TrainConfig(400, 256, lr=4e-3, ema=0.98, validate_every=100)
    report = train(model, x[:3000], x[3000:], settings, progress=False)
    floor = float(best.loss(x[3000:].double(), seeded()).detach())
    assert report["best_score"] < floor + 0.08 < 0.9
    model.freeze()
    at, when = x[3000:3200], torch.full((200,), 25)
    error = (model.score(at, when) - best.score(at.double(), when)).norm(dim=1).mean()
    assert error < 0.25 * best.score(at.double(), when).norm(dim=1).mean()


def test_diffusion_on_another_device_or_dtype():
    model, t = Diffusion(2, steps=10), torch.ones(4, dtype=torch.int64)
    with pytest.raises(TypeError, match="'x' must have dtype"):
        model.predict_noise(torch.zeros(4, 2).double(), t)
    with pytest.raises(ValueError, match="'x' must be on device cpu"):
        model.score(torch.zeros(4, 2, device="meta"), t)
    with pytest.raises(ValueError, match="'t' must hold 4 int64 times"):
        model.predict_noise(torch.zeros(4, 2), t.float())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Flow(1), "'dim' must be at least 2"),
        (lambda: Flow(2)(torch.zeros(3, 4)), r"'z' must have shape \(B, 2\)"),
        (lambda: Flow(2).sample(0, seeded()), "'n' must be at least 1"),
        (lambda: Diffusion(2, steps=0), "'steps' must be at least 1"),
        (lambda: Diffusion(2).predict_noise(torch.zeros(3, 4), torch.ones(3).long()), r"'x' must have shape \(B, 2\)"),
        (lambda: Diffusion(2).predict_noise(torch.zeros(3, 2), torch.ones(2).long()), "'t' must hold 3 int64 times"),
        (lambda: Diffusion(2).predict_noise(torch.zeros(1, 2), torch.tensor([101])), "'t' must lie in 0 ... 100"),
        (lambda: Diffusion(2).score(torch.zeros(1, 2), torch.tensor([0])), "'t' must be at least 1"),
        (lambda: Diffusion(2).sample(0, seeded()), "'n' must be at least 1"),
    ],
)
def test_bad_input_of_flow_and_diffusion(call, message):
    with pytest.raises(ValueError, match=message):
        call()
