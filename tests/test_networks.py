"""Networks and losses of AE, VAE and WGAN: sizes, shapes, and the formulas they stand for."""

import math

import pytest
import torch
from registry import seeded, tiny

from course_utils.generators import (
    GeneratorConfig,
    build,
    decoder,
    encoder,
    gradient_penalty,
    kl_to_standard_normal,
    n_parameters,
    reparametrise,
)

FAMILIES = ("ae", "vae", "wgan")


@pytest.mark.parametrize(
    ("variant", "size", "d", "head", "count"),
    [
        ("paper", 28, 8, "dense", 39_472_555),  # Fig. 14
        ("paper", 28, 8, "conv", 134_364),
        ("paper", 56, 10, "conv", 133_404),
        ("lean", 28, 8, "conv", 69_377),
        ("lean", 56, 10, "conv", 77_633),
    ],
)
def test_decoders_have_the_stated_size_and_shape(variant, size, d, head, count):
    network = decoder(variant, size, d, head).eval()
    assert n_parameters(network) == count
    assert network(torch.zeros(2, d)).shape == (2, 1, size, size)


def test_the_papers_shapes_decoder_is_too_large_to_ship():
    """In the authors' code 28 x 28 x 64 features meet 56 x 56 pixels: 157 million weights in one layer."""
    with torch.device("meta"):
        assert n_parameters(decoder("paper", 56, 10, "dense")) == 157_487_899


@pytest.mark.parametrize("variant", ["lean", "paper"])
@pytest.mark.parametrize("size", [28, 56])
def test_encoders_have_the_right_shape(variant, size):
    assert encoder(variant, size, 5)(torch.zeros(2, 1, size, size)).shape == (2, 5)
    assert not any(isinstance(m, torch.nn.Dropout) for m in encoder(variant, size, 1, dropout=0.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_generator_basics(family):
    G = build(GeneratorConfig(family, 3), seed=0)
    other = build(GeneratorConfig(family, 3), seed=1)
    assert G(torch.zeros(2, 3)).shape == (2, *G.image_shape)
    assert torch.equal(G.sample(2, seeded()), G.sample(2, seeded()))
    assert not torch.equal(next(G.parameters()), next(other.parameters()))
    x = torch.rand(2, 1, 28, 28, generator=seeded())
    if G.has_encoder:
        assert G.encode(x).shape == (2, 3)
    else:
        with pytest.raises(TypeError, match="a wgan has no encoder"):
            G.encode(x)
        assert G.critic(x).shape == (2,)
    with pytest.raises(ValueError, match=r"'z' must have shape \(B, 3\)"):
        G(torch.zeros(2, 4))
    with pytest.raises(TypeError, match="'z' must have dtype"):
        G(torch.zeros(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_in_z(family):
    G = tiny(family)
    z = torch.randn(1, 3, generator=seeded(), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: G(v).flatten(1)[:, ::97], z)


def test_images_do_not_depend_on_batch_neighbours():
    G = tiny()
    z = torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    assert torch.allclose(G(z), torch.cat([G(v) for v in z.split(1)]), atol=1e-12)


def test_ae_loss_is_equation_4():
    G = tiny("ae")
    x = torch.rand(4, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    expected = sum(float((x[i] - G(G.encode(x[i : i + 1]))[0]).pow(2).sum()) for i in range(4)) / 4
    assert float(G.loss(x)) == pytest.approx(expected)


def test_kl_against_monte_carlo():
    mean, log_std = torch.tensor([[0.7, -0.2]]), torch.tensor([[-0.5, 0.3]])
    q = torch.distributions.Normal(mean, log_std.exp())
    z = reparametrise(mean.expand(400_000, -1), log_std.expand(400_000, -1), seeded())
    sampled = (q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(1)
    error = 4 * float(sampled.std()) / math.sqrt(len(sampled))
    assert float(kl_to_standard_normal(mean, log_std)) == pytest.approx(float(sampled.mean()), abs=error)


def test_vae_loss_is_equation_6_and_a_bound_on_the_likelihood():
    """Minus the loss, plus a constant, is a lower bound of log p(x) estimated by importance sampling."""
    G = tiny("vae", seed=2)
    rho, n = 1.0, 28 * 28
    G.config = GeneratorConfig("vae", 3, rho=rho)
    x = torch.rand(1, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    many = x.expand(4_000, -1, -1, -1)
    parts = G.losses(many, seeded(1))
    assert float(parts["loss"]) == pytest.approx(float(parts["misfit"] + parts["kl"]))
    constant = -n * math.log(rho * math.sqrt(2 * math.pi))
    elbo = constant - float(parts["loss"])
    mean, log_std = G.posterior(x)
    z = reparametrise(mean.expand(4_000, -1), log_std.expand(4_000, -1), seeded(2))
    q, prior = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(0.0, 1.0)
    log_px = constant - (x - G(z)).pow(2).flatten(1).sum(1) / (2 * rho**2)
    weights = log_px + prior.log_prob(z).sum(1) - q.log_prob(z).sum(1)
    log_likelihood = float(torch.logsumexp(weights, 0)) - math.log(len(z))
    assert elbo <= log_likelihood + 0.02


def test_reparametrised_gradient():
    """d/dmean E||z||^2 = 2 mean and d/dlog_std E||z||^2 = 2 std^2."""
    mean, log_std = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.1, -0.4]])
    m, s = (v.expand(200_000, -1).clone().requires_grad_() for v in (mean, log_std))
    reparametrise(m, s, seeded()).pow(2).sum().backward()
    assert torch.allclose(m.grad.mean(0), 2 * mean[0], atol=0.02)
    assert torch.allclose(s.grad.mean(0), 2 * (2 * log_std[0]).exp(), atol=0.04)


def test_gradient_penalty_is_per_image_not_per_column():
    """A critic with gradient 1/28 in every pixel has norm 1 over the image, and 1/sqrt(28) over each column."""
    x = torch.rand(3, 1, 28, 28, generator=seeded())
    penalty = gradient_penalty(lambda v: v.flatten(1).sum(1) / 28, x, 0 * x, seeded())
    assert float(penalty) == pytest.approx(0.0, abs=1e-10)


def test_wgan_losses_have_the_signs_of_equation_5():
    G = build(GeneratorConfig("wgan", 3), seed=0)
    x = torch.rand(8, 1, 28, 28, generator=seeded())
    losses = {name: value.detach() for name, value in G.critic_losses(x, seeded(1)).items()}
    assert float(losses["critic"]) == pytest.approx(float(-losses["distance"] + 10 * losses["penalty"]), rel=1e-5)
    z = G.sample_latent(8, seeded(2))
    with torch.no_grad():
        assert float(G.generator_loss(8, seeded(2))) == pytest.approx(-float(G.critic(G(z)).mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "gan", "latent_dim": 8}, "'family' must be one of 'ae', 'vae', 'wgan', got 'gan'"),
        ({"family": "ae", "latent_dim": 0}, "'latent_dim' must be at least 1"),
        ({"family": "ae", "latent_dim": 8, "size": 32}, "'size' must be one of 28, 56"),
        ({"family": "ae", "latent_dim": 8, "variant": "fat"}, "'variant' must be one of 'lean', 'paper'"),
        ({"family": "vae", "latent_dim": 8, "rho": -1.0}, "'rho' must be finite and >= 0"),
        ({"family": "vae", "latent_dim": 8, "rho": 0.0}, "'rho' must be > 0 for a VAE"),
    ],
)
def test_bad_configurations_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        build(GeneratorConfig(**settings), seed=0)
