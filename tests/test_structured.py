"""The structured VAE: it starts as identity, learns a known covariance, and leaves its mean alone."""

import math

import pytest
import torch
from registry import seeded

from course_utils import VAE, GeneratorConfig, StructuredConfig, build
from course_utils.generators import configure, n_parameters
from course_utils.regularisers import Hard, Relaxed
from course_utils.training.trainer import TrainConfig, train

KINDS = [("identity", 1), ("diagonal", 1), ("covariance", 3), ("covariance", 5)]
kinds = pytest.mark.parametrize(("family", "width"), KINDS)


@kinds
@pytest.mark.parametrize("size", [28, 56, 128])
def test_untrained_it_is_identity(family, width, size):
    G = build(StructuredConfig(family, 3, size=size, width=width), seed=0)
    z = torch.randn(2, 3, generator=seeded())
    field = G.covariance(z)
    assert field.width == width and isinstance(G, VAE) and G.has_encoder
    assert torch.allclose(field.variance(), torch.full((2, 1, size, size), 0.05**2), rtol=1e-5)
    assert torch.allclose(field.log_det(), torch.full((2,), 2 * size**2 * math.log(0.05)), rtol=1e-5)
    assert G.sample_with_residual(2, seeded(1)).shape == (2, 1, size, size) == G.sample(2, seeded(1)).shape


def test_weights_of_the_covariance_decoders():
    """The lean decoder with 1 (diagonal), 5 (3x3) or 13 (5x5) channels at its end in place of one."""
    counts = {
        kind: n_parameters(build(StructuredConfig(kind[0], 64, size=128, width=kind[1]), 0).covariance_decoder)
        for kind in KINDS
    }
    lean = 272_705
    assert counts == {
        ("identity", 1): 1,
        ("diagonal", 1): lean,
        ("covariance", 3): lean + 4 * (16 * 9 + 1),
        ("covariance", 5): lean + 12 * (16 * 9 + 1),
    }


@kinds
def test_only_the_covariance_learns(family, width):
    x = torch.rand(32, 1, 28, 28, generator=seeded())
    vae = build(GeneratorConfig("vae", 2, variant="paper"), seed=1)
    G = build(StructuredConfig(family, 2, variant="paper", width=width), seed=0)
    G.take_mean(vae)
    trained = {"encoder": vae.encoder.state_dict(), "decoder": vae.decoder.state_dict()}
    before = {key: value.clone() for key, value in G.covariance_decoder.state_dict().items()}
    train(G, x, x, TrainConfig(steps=6, batch_size=16, validate_every=3), progress=False)
    for part, state in trained.items():
        for key, value in getattr(G, part).state_dict().items():
            assert torch.equal(value, state[key]), (part, key)
    after = G.covariance_decoder.state_dict()
    assert any(not torch.equal(value, before[key]) for key, value in after.items())
    G.train()
    assert G.training and not G.decoder.training, "no dropout in the mean while the covariance learns"
    z = torch.randn(3, 2, generator=seeded())
    assert torch.equal(G(z), vae.freeze()(z)) and torch.equal(G.encode(x), vae.encode(x))


class Zero(torch.nn.Module):
    """Stands for encoder or decoder of a VAE that has learned nothing: q = N(0, 1), G(z) = 0."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, v):
        return v.new_zeros(len(v), *self.shape)


class Same(torch.nn.Module):
    """Stands for a covariance decoder that gives every pixel the same numbers."""

    def __init__(self, channels):
        super().__init__()
        self.numbers = torch.nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, z):
        return self.numbers.expand(len(z), -1, 28, 28)


def neighbours_share(n, generator):
    """Noise that two neighbours in a row share: variance 0.02, covariance 0.01, and 0 farther apart."""
    e = 0.1 * torch.randn(n, 1, 28, 29, generator=generator)
    return e[..., 1:] + e[..., :-1]


def test_the_likelihood_finds_a_known_covariance():
    n, scores = 28 * 28, {}
    x, val = neighbours_share(1_000, seeded(1)), neighbours_share(200, seeded(2))
    config = TrainConfig(steps=400, batch_size=16, lr=0.05, validate_every=200, ema=0.9)
    for family, width in (KINDS[0], *KINDS[2:]):
        G = build(StructuredConfig(family, 2, width=width), seed=0)
        channels = (width**2 + 1) // 2
        G.encoder, G.decoder, G.covariance_decoder = Zero(4), Zero(1, 28, 28), Same(channels)
        report = train(G, x, val, config, progress=False)
        scores[width] = report["best_score"]
        field = G.freeze().covariance(torch.zeros(1, 2))
        assert report["history"][-1]["whitened"] == pytest.approx(1, abs=0.05)
        assert field.variance()[0, 0, 14, 14].item() == pytest.approx(0.02, rel=0.05), (family, width)
        if width == 1:
            continue
        row = field.covariance_of(14, 14)[0, 0]
        assert row[14, 15].item() == pytest.approx(0.01, rel=0.1) == row[14, 13].item()
        assert row[12:14].abs().max() < 0.001 and row[15:17].abs().max() < 0.001
    independent = n / 2 * (math.log(0.02) + 1)
    assert scores[1] == pytest.approx(independent, abs=0.01 * n)
    # What is left of the variance of a pixel once its next one, two ... are known: 3/4, 2/3 ... of it.
    assert scores[3] == pytest.approx(independent + n / 2 * math.log(3 / 4), abs=0.02 * n)
    assert scores[5] == pytest.approx(independent + n / 2 * math.log(2 / 3), abs=0.03 * n)


def test_loss_is_that_of_the_dense_normal_density():
    G = build(StructuredConfig("covariance", 2, width=3), seed=0).double()
    with torch.no_grad():
        for p in G.covariance_decoder.parameters():
            p += 0.05 * torch.randn(p.shape, generator=seeded(), dtype=p.dtype)
    x = torch.rand(1, 1, 28, 28, generator=seeded(1), dtype=torch.float64)
    mean, log_std = G.posterior(x)
    z = mean + log_std.exp() * torch.randn(mean.shape, generator=seeded(2), dtype=mean.dtype)
    pixels = torch.eye(784, dtype=torch.float64).reshape(-1, 1, 28, 28)
    covariance = G.covariance(z).covariance(pixels).reshape(784, 784)
    density = torch.distributions.MultivariateNormal(G(z).flatten(), (covariance + covariance.T) / 2)
    expected = -density.log_prob(x.flatten()).item() - 392 * math.log(2 * math.pi)
    assert G.loss(x, seeded(2)).item() == pytest.approx(expected, rel=1e-8)


def test_standard_deviations_are_bounded():
    G = build(StructuredConfig("diagonal", 2), seed=0).freeze()
    for bias, bound in ((1e4, 0.05 * math.exp(2.5)), (-1e4, 0.05 * math.exp(-2.5))):
        G.covariance_decoder[-1].bias.fill_(bias)
        std = G.covariance(torch.zeros(1, 2)).variance().sqrt()
        assert torch.allclose(std, torch.full_like(std, bound), rtol=1e-4)


def test_it_serves_the_other_regularisers_and_its_settings_rebuild_it():
    G = build(StructuredConfig("covariance", 2, width=5), seed=0).freeze()
    Hard(G, 0.1), Relaxed(G, 0.1, 0.1)
    again = build(configure(G.settings()), seed=0)
    assert again.config == G.config and again.covariance_decoder[-1].out_channels == 13
    assert configure(build(GeneratorConfig("ae", 2), 0).settings()) == GeneratorConfig("ae", 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StructuredConfig("vae", 2), "'family' must be one of 'identity', 'diagonal', 'covariance'"),
        (lambda: GeneratorConfig("diagonal", 2), "'family' must be one of 'ae', 'vae', 'wgan'"),
        (lambda: StructuredConfig("covariance", 2), "'width' must be one of 3, 5, 7, got 1"),
        (lambda: StructuredConfig("diagonal", 2, width=3), "'width' must be one of 1, got 3"),
        (lambda: StructuredConfig("diagonal", 2, size=64), "'size' must be one of 28, 56, 128"),
        (lambda: GeneratorConfig("vae", 2, size=128, head="dense"), "'head' must be 'conv' for size 128"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_local_covariance_looks_at_the_code_of_its_mean():
    """Both decoders see the code through one change of variables, so that Sigma(z) is as local as G(z)."""
    size = {"latent_dim": 64, "size": 128, "variant": "local"}
    vae, G = build(GeneratorConfig("vae", **size), seed=1), build(StructuredConfig("diagonal", **size), seed=0)
    vae.freeze().standardise(torch.rand(70, 1, 128, 128, generator=seeded()))
    G.take_mean(vae)
    for part in (G.decoder[0], G.covariance_decoder[0]):
        assert torch.equal(part.weight, vae.decoder[0].weight) and torch.equal(part.bias, vae.decoder[0].bias)
    assert build(configure(G.settings()), seed=0).config == G.config


def test_a_mean_of_other_networks_is_refused():
    G = build(StructuredConfig("diagonal", 2), seed=0)
    with pytest.raises(ValueError, match="'vae' must have .*'latent_dim': 2.* got .*'latent_dim': 3"):
        G.take_mean(build(GeneratorConfig("vae", 3), seed=0))
