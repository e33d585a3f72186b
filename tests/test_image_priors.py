"""Diffusion and flow matching of images: the network, what training lowers, and what the models promise."""

import math
from dataclasses import asdict

import pytest
import torch
from registry import seeded

from course_utils import load
from course_utils._files import read_json
from course_utils.bayes import MixtureScore, MixtureVelocity
from course_utils.families import build, configure
from course_utils.generators import FlowMatching, ImageDiffusion, ImagePriorConfig, TimeUNet, cosine_schedule
from course_utils.generators.diffusion import Diffusion
from course_utils.generators.networks import n_parameters
from course_utils.generators.score import ScoreModel
from course_utils.regularisers import GaussianMixture
from course_utils.training import TrainConfig, train, zoo

FAMILIES = ("image-diffusion", "flow-matching")


def stirred(model, seed=1):
    """The model with weights of its own also where they start at 0."""
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=seeded(seed), dtype=p.dtype)
    return model.eval().requires_grad_(False)


def small(family, **settings):
    return build(ImagePriorConfig(family, **({"size": 8, "widths": (8, 16), "steps": 10} | settings)), seed=0)


def times_of(model, *shares):
    """The same times in the units of a model: int64 for a diffusion, where noise is at the other end."""
    if isinstance(model, ScoreModel):
        return torch.tensor([round((1 - t) * model.steps) for t in shares])
    return torch.tensor(shares, dtype=model.like.dtype)


def test_the_network_keeps_images_apart_and_starts_at_zero():
    network, x = TimeUNet((8, 16, 24), patch=1).double(), torch.randn(3, 1, 12, 8, generator=seeded()).double()
    t = torch.tensor([0.0, 0.3, 1.0]).double()
    assert torch.equal(network(x, t), torch.zeros_like(x))
    stirred(network)
    whole = network(x, t)
    assert torch.allclose(torch.cat([network(x[i : i + 1], t[i : i + 1]) for i in range(3)]), whole, atol=1e-12)
    assert float((network(x, t.flip(0)) - whole)[0].abs().max()) > 1e-3, "it sees the time"
    # every pixel of the output sees every pixel of the input: the lowest level spans the image
    x = x[:1].requires_grad_()
    (slope,) = torch.autograd.grad(network(x, t[:1])[0, 0, 0, 0], x)
    assert float(slope[0, 0, -1, -1].abs()) > 0


def test_the_network_is_small_and_says_what_does_not_fit():
    for widths, patch in (((32, 64), 2), ((16, 32, 64), 2), ((32, 64), 4)):
        assert 100_000 < n_parameters(TimeUNet(widths, patch)) <= 300_000
    with pytest.raises(ValueError, match="'x' must have sides that are multiples of 4"):
        TimeUNet((8, 16))(torch.zeros(1, 1, 8, 6), torch.zeros(1))
    for wrong, message in (
        ({"size": 30}, "'size' must be a multiple of 4 for this patch and these widths, got 30"),
        ({"widths": (12,)}, "'widths' must be multiples of 8"),
        ({"spread": 0.0}, "'spread' must be > 0"),
        ({"family": "vae"}, "'family' must be one of 'image-diffusion', 'flow-matching'"),
    ):
        with pytest.raises(ValueError, match=message):
            ImagePriorConfig(**({"family": "flow-matching"} | wrong))
    with pytest.raises(ValueError, match="'config.family' must be one of 'flow-matching'"):
        FlowMatching(ImagePriorConfig("image-diffusion"))


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_make_it_again(family):
    model = small(family)
    config = configure(model.settings())
    assert config == model.config and asdict(config) == asdict(model.config)
    again = build(config, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_comes_back_from_the_zoo(family, tmp_path):
    """Weights are rounded to float16 there, the schedule is not: 1 - abar_1 would be 0."""
    model = stirred(small(family, steps=1000))
    report = {"history": [{"step": 5, "score": 1.5}], "best_step": 5, "kept_step": 5, "seconds": 60.0}
    description = {"n_train": 7, "train": {"steps": 9}, "report": report, "date": "today"}
    zoo.save(model, tmp_path / "prior-toy.safetensors", description)
    zoo.ship("prior-toy", tmp_path / "prior-toy.safetensors", folder=tmp_path / "zoo")
    again = zoo.pretrained("prior-toy", verbose=False, folder=tmp_path / "zoo")
    assert read_json(tmp_path / "zoo" / "manifest.json")["prior-toy"]["kind"] == "prior", "no generator G(z)"
    x, t = torch.rand(2, 1, 8, 8, generator=seeded()), times_of(model, 0.2, 0.999)
    assert torch.allclose(again.denoise(x, t), model.denoise(x, t), atol=0.02)
    if family == "image-diffusion":
        assert torch.equal(again.alpha_bar, model.alpha_bar) and bool(again.score(x, t).isfinite().all())


@pytest.mark.parametrize("family", FAMILIES)
def test_training_lowers_the_loss(family):
    digits = load("mnist")
    model = small(family, size=28, widths=(16,), patch=4)
    settings = TrainConfig(steps=20, batch_size=32, lr=4e-3, ema=0.9, validate_every=10)
    with torch.no_grad():
        before = model.validation_score(digits.val[:64], seeded())
    report = train(model, digits.train[:512], digits.val[:64], settings, progress=False)
    assert report["best_score"] < 0.9 * before and report["best_step"] == 20
    assert model.freeze().sample(2, seeded(), steps=3).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_come_from_the_generator_alone(family):
    model = stirred(small(family)).double()
    before = torch.get_rng_state()
    first, second = model.sample(3, seeded(4)), model.sample(3, seeded(4))
    assert torch.equal(first, second) and first.dtype == torch.float64
    assert not torch.equal(first, model.sample(3, seeded(5))) and torch.equal(before, torch.get_rng_state())
    walk = model.path(3, seeded(4), steps=4)
    assert walk.shape == (5, 3, 1, 8, 8) and torch.equal(walk[-1], model.sample(3, seeded(4), steps=4))
    assert torch.equal(walk[0], torch.randn(3, 1, 8, 8, generator=seeded(4), dtype=torch.float64))


def test_noise_score_and_image_are_one_guess():
    """v holds both: x_t = sqrt(a) x_0 + sqrt(1 - a) e for the guesses too, and the score is Tweedie's."""
    model = stirred(small("image-diffusion")).double()
    x, t = torch.randn(3, 1, 8, 8, generator=seeded(), dtype=torch.float64), torch.tensor([1, 4, 10])
    a = model.level(t, x)
    x0, e, v = model.denoise(x, t), model.predict_noise(x, t), model.predict_v(x, t)
    assert torch.allclose(a.sqrt() * x0 + (1 - a).sqrt() * e, x, atol=1e-10)
    assert torch.allclose(a.sqrt() * e - (1 - a).sqrt() * x0, v, atol=1e-6)
    assert torch.allclose(model.score(x, t), (a.sqrt() * x0 - x) / (1 - a), atol=1e-8)
    flow, s = stirred(small("flow-matching")).double(), torch.tensor([0.0, 0.4, 1.0]).double()
    expected = x + (1 - s).reshape(-1, 1, 1, 1) * flow.velocity(x, s)
    assert torch.equal(flow.denoise(x, s), expected) and torch.equal(expected[2], x[2])


def test_schedules():
    usual, shifted = cosine_schedule(50).double(), cosine_schedule(50, spread=0.3).double()
    inner = slice(1, 40)  # away from the end, where both are cut
    ratio = (shifted / (1 - shifted))[inner] / (usual / (1 - usual))[inner]
    assert torch.allclose(ratio, torch.full_like(ratio, 1 / 0.09), rtol=1e-3)
    for wrong in (torch.ones(1), torch.tensor([0.9, 0.5]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.5, 0.6])):
        with pytest.raises(ValueError, match="'alpha_bar' must hold T"):
            ScoreModel((2,), wrong)
    with pytest.raises(ValueError, match=r"'alpha_bar' must have shape \(B\)"):
        ScoreModel((2,), torch.ones(3, 2))
    with pytest.raises(ValueError, match="'steps' must be at most 10, the noise levels of the model, got 11"):
        small("image-diffusion").sample(1, seeded(), steps=11)
    assert small("image-diffusion").times(3) == [10, 7, 3, 0]


@pytest.mark.slow
def test_fewer_steps_and_none_of_the_noise():
    """DDIM with the exact denoiser of a Gaussian: a deterministic map of the noise that has the right law."""
    law = GaussianMixture(torch.ones(1), torch.tensor([[0.5, -0.2]]), torch.tensor([[[0.5, 0.3], [0.3, 0.4]]]))
    model = MixtureScore(law, (2,), cosine_schedule(400))
    x = model.sample(20_000, seeded(), steps=100, eta=0.0)
    assert torch.allclose(x.mean(0), law.means[0], atol=0.02)
    assert torch.allclose(torch.cov(x.T), law.covariances[0], atol=0.03)
    with pytest.raises(ValueError, match="'eta' must lie in"):
        model.sample(1, seeded(), eta=1.5)


def gaussian_images(n, seed):
    """Images of 4 x 4 pixels from N(m, C): smooth ones, as correlated as neighbours are."""
    place = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0)).double()
    C = 0.09 * torch.exp(-torch.cdist(place, place).pow(2) / 4) + 0.002 * torch.eye(16)
    law = GaussianMixture(torch.ones(1), torch.linspace(0, 1, 16)[None], C[None])
    draws = torch.randn(n, 16, generator=seeded(seed)).double() @ torch.linalg.cholesky(C).T + law.means
    return law, draws.reshape(n, 1, 4, 4).float()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_a_trained_denoiser_is_near_the_closed_form(family):
    """E[x_0 | x_t], and D_t(x) = E[x_1 | x_t], of images from a Gaussian; in units of what a constant guess misses."""
    law, images = gaussian_images(4000, 0)
    model = small(family, size=4, widths=(32,), steps=40)
    train(model, images[:3900], images[3900:], TrainConfig(250, 64, lr=5e-3, ema=0.98), progress=False)
    model.freeze()
    _, x = gaussian_images(200, 1)
    if family == "image-diffusion":
        exact = MixtureScore(law, (1, 4, 4), model.alpha_bar).float()
    else:
        exact = MixtureVelocity(law, (1, 4, 4)).float()
    for share, most in ((0.5, 0.5), (0.8, 0.2)):
        t = times_of(model, *[share] * 200)
        if family == "image-diffusion":
            noisy, _ = model.add_noise(x, t, seeded(2))
        else:
            noisy = share * x + (1 - share) * torch.randn(x.shape, generator=seeded(2))
        best = exact.denoise(noisy, t)
        moved = (best - best.mean(0)).pow(2).mean().sqrt()
        assert float((model.denoise(noisy, t) - best).pow(2).mean().sqrt()) < most * float(moved)


@pytest.mark.slow
def test_the_trained_score_of_vectors_is_near_that_of_a_mixture():
    weights = torch.tensor([0.3, 0.7])
    law = GaussianMixture(
        weights, torch.tensor([[-1.2, 0.6], [0.6, -0.3]]), torch.stack([torch.eye(2) * v for v in (0.2, 0.3)])
    )
    which = torch.multinomial(weights, 5000, replacement=True, generator=seeded())
    white = torch.randn(5000, 2, generator=seeded(1))
    x = law.means.float()[which] + white * torch.tensor([0.2, 0.3]).sqrt()[which, None]
    model = Diffusion(2, steps=50, hidden=64)
    train(model, x[:4500], x[4500:], TrainConfig(600, 256, lr=4e-3, ema=0.98), progress=False)
    exact = MixtureScore(law, (2,), model.freeze().alpha_bar).float()
    for t, most in ((15, 0.45), (25, 0.2), (40, 0.1)):
        when = torch.full((500,), t)
        noisy, _ = model.add_noise(x[4500:], when, seeded(2))
        truth = exact.score(noisy, when)
        assert float((model.score(noisy, when) - truth).norm()) < most * float(truth.norm()), t


def test_the_flow_of_a_gaussian_is_stretched_noise_and_heun_is_of_second_order():
    """Along an eigenvector of C with value c^2 the flow takes e to m + c e."""
    C = torch.tensor([[0.5, 0.3], [0.3, 0.4]]).double()
    law = GaussianMixture(torch.ones(1), torch.tensor([[0.5, -0.2]]), C[None].float())
    values, vectors = torch.linalg.eigh(law.covariances[0])
    model, errors = MixtureVelocity(law, (2,)), {}
    for method in ("euler", "heun"):
        for steps in (20, 40):
            walk = model.path(50, seeded(), steps, method)
            end = law.means[0] + walk[0] @ vectors * values.sqrt() @ vectors.T
            errors[method, steps] = float((walk[-1] - end).norm())
    assert 1.7 < errors["euler", 20] / errors["euler", 40] < 2.3
    assert 3 < errors["heun", 20] / errors["heun", 40] < 5 and errors["heun", 40] < 0.2 * errors["euler", 40]


def test_bad_times_of_a_flow_are_named():
    model, x = small("flow-matching"), torch.zeros(2, 1, 8, 8)
    for t, message in (
        (torch.tensor([0.0, 1.5]), r"'t' must lie in \[0, 1\], got 0 ... 1.5"),
        (torch.tensor([0.0]), r"'t' must have shape \(2\)"),
        (torch.tensor([0.0, math.nan]), r"'t' must lie in \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.velocity(x, t)
    exact = MixtureVelocity(GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None]), (2,))
    with pytest.raises(ValueError, match="'t' must be less than 1"):
        exact.velocity(torch.zeros(1, 2).double(), torch.ones(1).double())
    with pytest.raises(ValueError, match="'image_shape' must have 2 pixels, as the mixture"):
        MixtureVelocity(GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None]), (3,))


def test_the_class_of_images_is_that_of_its_family():
    assert isinstance(small("image-diffusion"), ImageDiffusion) and isinstance(small("flow-matching"), FlowMatching)
