"""Samplers with diffusion and flow priors: against exact posteriors, against their formulas by hand, one by one."""

import pytest
import torch
from registry import seeded

from course_utils import GaussianBlur, GaussianMatrix, Identity, Inpainting, ParallelBeam, measure, reconstruct
from course_utils.bayes import (
    DPS,
    DiffPIR,
    MixtureScore,
    MixtureVelocity,
    PnPFlow,
    calibration,
    data_prox,
    gaussian_posterior,
    mixture_moments,
    mixture_posterior,
    sampler,
)
from course_utils.families import build
from course_utils.generators import ImagePriorConfig, cosine_schedule
from course_utils.operators import LinearOperator
from course_utils.regularisers import GaussianMixture

SHAPE = (1, 3, 3)


def gaussian(seed=0, mean=0.5):
    """A Gaussian of images of 3 x 3 pixels, correlated as neighbours are, standard deviation about 0.5."""
    place = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)).double()
    C = 0.25 * torch.exp(-torch.cdist(place, place).pow(2) / 4) + 0.01 * torch.eye(9)
    m = mean * torch.rand(1, 9, generator=seeded(seed), dtype=torch.float64)
    return GaussianMixture(torch.ones(1), m, C[None])


def two():
    one, other = gaussian(1), gaussian(2)
    means = torch.cat([one.means + 0.5, other.means - 0.5])
    return GaussianMixture(torch.tensor([0.4, 0.6]), means, torch.cat([one.covariances, 0.5 * other.covariances]))


def problem(sigma=0.2, prior=None, seed=3):
    """Four projections of an image from the prior: operator, data and the exact posterior."""
    prior = gaussian() if prior is None else prior
    A = GaussianMatrix(4, 3, seeded(seed)).double()
    white = torch.randn(9, generator=seeded(seed + 1), dtype=torch.float64)
    x = prior.means[-1] + torch.linalg.cholesky(prior.covariances[-1]) @ white
    y = measure(A, x.reshape(1, *SHAPE), sigma, seeded(seed + 2))
    return A, y, mixture_posterior(prior, A, y, sigma)


def stirred(family, **settings):
    """A network with weights of its own, in float64."""
    model = build(ImagePriorConfig(family, **({"size": 8, "widths": (8,), "steps": 6} | settings)), seed=0).double()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=seeded(1), dtype=p.dtype)
    return model.freeze()


def methods():
    diffusion, flow = stirred("image-diffusion"), stirred("flow-matching")
    return {
        "dps": DPS(diffusion, step=0.5), "dps, sigma": DPS(diffusion, sigma=0.5, steps=4),
        "diffpir": DiffPIR(diffusion, sigma=0.1), "pnp-flow": PnPFlow(flow, average=2, steps=5),
    }  # fmt: skip


# Closed forms


def test_the_posterior_of_a_mixture_is_that_of_the_pixels():
    """One component against ``gaussian_posterior``; two against Bayes' rule on a grid."""
    A, sigma, tau = GaussianBlur(3, width=3).double(), 0.3, 0.6
    y = torch.rand(1, *A.shape_out, generator=seeded(), dtype=torch.float64)
    flat = GaussianMixture(torch.ones(1), torch.zeros(1, 9), tau**2 * torch.eye(9)[None])
    found, exact = mixture_posterior(flat, A, y, sigma), gaussian_posterior(A, y, (sigma / tau) ** 2, sigma)
    assert torch.allclose(found.means.reshape(exact.mean.shape), exact.mean, atol=1e-7)
    assert torch.allclose(
        found.covariances.diagonal(dim1=1, dim2=2).sqrt().reshape(exact.sd.shape), exact.sd, atol=1e-6
    )
    prior = GaussianMixture(torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [1.0]]), torch.tensor([[[0.3]], [[0.8]]]))
    y = torch.full((1, 1, 1, 1), 0.2, dtype=torch.float64)
    t = torch.linspace(-8, 8, 40_001, dtype=torch.float64)[:, None]
    weight = (-0.5 * prior(t) - (t[:, 0] - 0.2) ** 2 / (2 * 0.25)).softmax(0)
    mean, C = mixture_moments(mixture_posterior(prior, Identity(1).double(), y, 0.5))
    assert float(mean) == pytest.approx(float(weight @ t[:, 0]), abs=1e-6)
    assert float(C) == pytest.approx(float(weight @ (t[:, 0] - mean) ** 2), abs=1e-6)


def test_the_denoisers_of_a_mixture_are_conditional_means():
    """By integration on a grid: E[x_0 | x_t] of the diffusion, and D_t = E[x_1 | x_t] of the flow."""
    prior = GaussianMixture(torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [1.0]]), torch.tensor([[[0.3]], [[0.1]]]))
    grid = torch.linspace(-8, 8, 40_001, dtype=torch.float64)[:, None]
    at = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    diffusion, flow = MixtureScore(prior, (1,), cosine_schedule(10)), MixtureVelocity(prior, (1,))

    def integral(a, s):
        log = -0.5 * prior(grid) - (at - a * grid[:, 0]) ** 2 / (2 * s**2)
        return log.softmax(1) @ grid

    for t in (1, 5, 9):
        a = float(diffusion.alpha_bar[t])
        found = diffusion.denoise(at, torch.full((9,), t))
        assert torch.allclose(found, integral(a**0.5, (1 - a) ** 0.5), atol=1e-6)
        point = at.clone().requires_grad_()
        law = [
            (w, a**0.5 * m, a * C + 1 - a)
            for w, m, C in zip(prior.weights, prior.means, prior.covariances, strict=True)
        ]
        density = sum(w * torch.exp(-((point - m) ** 2) / (2 * C)) / C.sqrt() for w, m, C in law)
        (score,) = torch.autograd.grad(density.log().sum(), point)
        assert torch.allclose(diffusion.score(at, torch.full((9,), t)), score, atol=1e-6)
    for t in (0.1, 0.5, 0.9):
        when = torch.full((9,), t, dtype=torch.float64)
        assert torch.allclose(flow.denoise(at, when), integral(t, 1 - t), atol=1e-6)
        assert torch.allclose(at + (1 - t) * flow.velocity(at, when), integral(t, 1 - t), atol=1e-6)


def test_the_denoiser_of_the_flow_of_a_gaussian():
    """E[x_1 | x_t] = m + t C (t^2 C + (1 - t)^2 I)^-1 (x - t m), for correlated pixels."""
    law, t = gaussian(), 0.7
    x = torch.randn(5, *SHAPE, generator=seeded(), dtype=torch.float64)
    m, C = law.means[0], law.covariances[0]
    gain = t * C @ torch.linalg.inv(t**2 * C + (1 - t) ** 2 * torch.eye(9))
    expected = m + (x.flatten(1) - t * m) @ gain.T
    found = MixtureVelocity(law, SHAPE).denoise(x, torch.full((5,), t).double())
    assert torch.allclose(found.flatten(1), expected, atol=1e-9)


@pytest.mark.parametrize("prior", [gaussian, two])
@pytest.mark.slow
def test_with_the_score_of_the_posterior_the_samples_are_exact(prior):
    """So what DPS and DiffPIR miss is not the walk's fault: mean and covariance are within Monte-Carlo error."""
    _, _, posterior = problem(prior=prior())
    model = MixtureScore(posterior, SHAPE, cosine_schedule(300, spread=0.3))
    found = calibration(model.sample(2000, seeded(5)), *mixture_moments(posterior))
    assert found.mean_error < 4 * found.mean_floor and found.covariance_error < 4 * found.covariance_floor
    assert found.spread == pytest.approx(1, abs=4 * found.spread_floor + 0.02)
    flow = MixtureVelocity(posterior, SHAPE)
    found = calibration(flow.sample(2000, seeded(5), steps=60), *mixture_moments(posterior))
    assert found.mean_error < 4 * found.mean_floor and found.covariance_error < 4 * found.covariance_floor


@pytest.mark.slow
def test_what_the_samplers_miss_with_the_exact_prior():
    """Linear-Gaussian, no network: each mean is off by more than chance, which that of the exact control is not."""
    A, y, posterior = problem()
    model, flow = MixtureScore(gaussian(), SHAPE, cosine_schedule(100, spread=0.5)), MixtureVelocity(gaussian(), SHAPE)
    truth, rows = mixture_moments(posterior), {}
    for name, method in (
        ("dps", DPS(model, step=0.1)), ("dps, sigma", DPS(model, sigma=0.2)),
        ("diffpir", DiffPIR(model, sigma=0.2, lam=1.0)), ("pnp-flow", PnPFlow(flow, average=1, steps=50)),
        ("averaged", PnPFlow(flow, average=10, steps=50)),
    ):  # fmt: skip
        rows[name] = calibration(method.samples(y, A, 500, seeded(6))[:, 0], *truth)
    exact = MixtureScore(posterior, SHAPE, model.alpha_bar).sample(500, seeded(6))
    control = calibration(exact, *truth)
    assert control.mean_error < 4 * control.mean_floor and control.covariance_error < 4 * control.covariance_floor
    for name, found in rows.items():
        assert 4 * found.mean_floor < found.mean_error < 1 and not found.calibrated, name
    assert rows["dps"].spread < 0.85 and rows["dps"].distance > 1.2, "too sure of itself, and beside the truth"
    assert rows["averaged"].spread < 0.2 < rows["pnp-flow"].spread, "averages take the spread away: it seeks a point"


@pytest.mark.slow
def test_dps_with_useless_data_samples_the_prior():
    A, y, _ = problem()
    prior = gaussian()
    model = MixtureScore(prior, SHAPE, cosine_schedule(100, spread=0.5))
    samples = DPS(model, sigma=1e6).samples(y, A, 1000, seeded(7))[:, 0]
    found = calibration(samples, *mixture_moments(prior))
    assert found.mean_error < 4 * found.mean_floor and found.covariance_error < 4 * found.covariance_floor


# Formulas by hand


def test_data_prox_solves_its_normal_equations(monkeypatch):
    rho = torch.tensor([0.1, 2.0]).double()
    for A in (ParallelBeam(8, 4, 11).double(), Inpainting(torch.rand(8, 8, generator=seeded()) > 0.4).double()):
        x = torch.rand(2, *A.shape_in, generator=seeded(1), dtype=torch.float64)
        y = torch.rand(2, *A.shape_out, generator=seeded(2), dtype=torch.float64)
        found = data_prox(A, y, x, rho)
        rest = A.T(A(found) - y) + rho.reshape(-1, 1, 1, 1) * (found - x)
        assert float(rest.abs().max()) < 1e-10
        with monkeypatch.context() as patch:
            patch.setattr(LinearOperator, "decomposes", False)
            assert torch.allclose(data_prox(A, y, x, rho), found, atol=1e-4), "conjugate gradients"
    for wrong in (0.0, -1.0, torch.tensor([1.0, 0.0]), torch.ones(3)):
        with pytest.raises(ValueError, match="'rho'"):
            data_prox(A, y, x, wrong)


def test_two_steps_of_each_sampler_by_hand():
    """With the noise that the seeds give: the formulas of the papers, written out."""
    A = GaussianBlur(8).double()
    y = torch.rand(1, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    seed = int(torch.randint(sampler.LARGEST_SEED, (1,), generator=seeded(9)))
    g = seeded(seed)
    n = [torch.randn(1, 8, 8, generator=g, dtype=torch.float64)[None] for _ in range(3)]
    model = stirred("image-diffusion", steps=2)
    a2, a1 = float(model.alpha_bar[2]), float(model.alpha_bar[1])
    one, two = torch.tensor([1]), torch.tensor([2])

    def ancestral(x, x0, a, b, noise):
        """Mean and variance of q(x_s | x_t, x_0), as in the paper of Ho et al."""
        r = a / b
        mean = (b**0.5 * (1 - r) * x0 + r**0.5 * (1 - b) * x) / (1 - a)
        return mean + ((1 - b) / (1 - a) * (1 - r)) ** 0.5 * noise

    def slope(x, t):
        v = x.clone().requires_grad_()
        (g,) = torch.autograd.grad((y - A(model.denoise(v, t))).norm(), v)
        return g

    x = ancestral(n[0], model.denoise(n[0], two), a2, a1, n[1]) - 0.7 * slope(n[0], two)
    x = model.denoise(x, one) - 0.4 * slope(x, one)
    found = DPS(model, step=torch.tensor([0.7, 0.4])).samples(y, A, 1, seeded(9))
    assert torch.allclose(found[0], x, atol=1e-6)

    lam, sigma, zeta = 3.0, 0.2, 0.4
    x0 = data_prox(A, y, model.denoise(n[0], two), lam * sigma**2 * a2 / (1 - a2))
    e = (n[0] - a2**0.5 * x0) / (1 - a2) ** 0.5
    x = a1**0.5 * x0 + (1 - a1) ** 0.5 * ((1 - zeta) ** 0.5 * e + zeta**0.5 * n[1])
    x = data_prox(A, y, model.denoise(x, one), lam * sigma**2 * a1 / (1 - a1))
    found = DiffPIR(model, sigma, lam, zeta).samples(y, A, 1, seeded(9))
    assert torch.allclose(found[0], x, atol=1e-6)

    flow, half = stirred("flow-matching"), torch.tensor([0.5]).double()
    x = n[0] + flow.velocity(n[0], 0 * half)
    z = 0.5 * n[1] + 0.5 * (x - 0.9 * 0.5**2 * A.T(A(x) - y))
    x = z + 0.5 * flow.velocity(z, half)
    found = PnPFlow(flow, step=0.9, alpha=2.0, average=1, steps=2).samples(y, A, 1, seeded(9))
    assert torch.allclose(found[0], x, atol=1e-8)


def test_a_prior_that_is_trusted_alone_is_sampled_by_ddim():
    model, A = stirred("image-diffusion"), GaussianBlur(8).double()
    y = torch.rand(1, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    found = DiffPIR(model, sigma=1.0, lam=1e12, zeta=0.0).samples(y, A, 1, seeded(9))
    seed = int(torch.randint(sampler.LARGEST_SEED, (1,), generator=seeded(9)))
    assert torch.allclose(found[0], model.sample(1, seeded(seed), eta=0.0), atol=1e-5)


# What all of them promise


@pytest.mark.parametrize("name", ["dps", "dps, sigma", "diffpir", "pnp-flow"])
def test_one_by_one_as_in_a_batch_and_from_the_generator_alone(name, monkeypatch):
    method, A = methods()[name], GaussianBlur(8).double()
    y = torch.rand(3, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    whole, g = method.samples(y, A, 2, seeded(8)), seeded(8)
    assert whole.shape == (2, 3, 1, 8, 8) and bool(whole.isfinite().all())
    alone = torch.cat([method.samples(y[i : i + 1], A, 2, g) for i in range(3)], dim=1)
    assert torch.allclose(alone, whole, atol=1e-9)
    assert float((whole[0] - whole[1]).abs().max()) > 1e-3, "another sample"
    torch.manual_seed(5)
    with torch.inference_mode():
        assert torch.equal(method.samples(y, A, 2, seeded(8)), whole)
    assert float((method.samples(y, A, 2, seeded(9)) - whole).abs().max()) > 1e-3
    monkeypatch.setattr(sampler, "CHUNK", 4)  # walks that do not all go side by side
    assert torch.allclose(method.samples(y, A, 2, seeded(8)), whole, atol=1e-9)
    found = reconstruct(A, y, method)
    assert torch.equal(found.x, reconstruct(A, y, method).x) and bool(found.converged.all())
    assert found.iterations.tolist() == [method.steps] * 3
    for i in range(3):  # the same noise for each problem, so that neighbours play no part
        assert torch.allclose(reconstruct(A, y[i : i + 1], method).x, found.x[i : i + 1], atol=1e-9)
    method.draws = 3
    mean = reconstruct(A, y[:1], method).x
    assert torch.allclose(mean, method.samples(y[:1], A, 3, seeded(method.seed)).mean(0), atol=1e-9)


@pytest.mark.parametrize("name", ["dps", "diffpir", "pnp-flow"])
def test_the_map_is_differentiable_in_the_data(name):
    """As an attack needs it, through the whole walk."""
    method, A = methods()[name], GaussianBlur(8).double()
    y = torch.rand(1, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    d, w = (torch.randn(1, 1, 8, 8, generator=seeded(k), dtype=torch.float64) for k in (2, 3))
    v = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad((w * method(v, A)).sum(), v)
    h = 1e-5
    with torch.no_grad():
        difference = (w * (method(y + h * d, A) - method(y - h * d, A))).sum() / (2 * h)
    assert float((slope * d).sum()) == pytest.approx(float(difference), rel=1e-4)


def test_bad_questions_are_named():
    model, flow, A = stirred("image-diffusion"), stirred("flow-matching"), GaussianBlur(8).double()
    y = torch.zeros(1, 1, 8, 8).double()
    for call, message in (
        (lambda: DPS(model, step=0.0), "'step' must be > 0"),
        (lambda: DPS(model, step=-1.0), "'step' must be finite and >= 0"),
        (lambda: DPS(model, step=torch.ones(5)), r"'step' must be .* for each of 6 steps, got shape \(5,\)"),
        (lambda: DPS(model, step=torch.zeros(6)), "'step' must be .* the least 0"),
        (lambda: DPS(model, sigma=0.0), "'sigma' must be > 0"),
        (lambda: DPS(model, steps=7), "'steps' must be at most 6"),
        (lambda: DiffPIR(model, sigma=0.0), "'sigma' must be > 0"),
        (lambda: DiffPIR(model, 0.1, lam=0.0), "'lam' must be > 0"),
        (lambda: DiffPIR(model, 0.1, zeta=1.5), "'zeta' must lie in"),
        (lambda: PnPFlow(flow, step=2.0), "'step' must lie in"),
        (lambda: PnPFlow(flow, alpha=-1.0), "'alpha' must be"),
        (lambda: PnPFlow(model), "'model' must be a VelocityModel, got ImageDiffusion"),
        (lambda: DPS(flow), "'model' must be a ScoreModel, got FlowMatching"),
        (lambda: DPS(model)(y[:, :, :6], A), r"'y' must have shape \(B, 1, 8, 8\)"),
        (lambda: DPS(model).samples(y[:0], A, 1, seeded()), "'y' must hold at least one problem"),
        (lambda: DPS(model)(torch.zeros(1, 1, 6, 6).double(), GaussianBlur(6).double()), "'A' must take images"),
        (lambda: DPS(model)(y.float(), A.float()), "'y' must be torch.float64 on cpu, as the model is"),
        (lambda: DPS(model).samples(y, A.double(), 0, seeded()), "'n' must be at least 1"),
        (lambda: mixture_posterior(gaussian(), A, y, 0.1), "'A' must take images of 9 pixels"),
        (lambda: calibration(torch.ones(5, 2), torch.ones(2), -torch.eye(2)), "'covariance' must be symmetric"),
        (lambda: calibration(torch.ones(5, 2), torch.ones(3), torch.eye(2)), "'mean' must have the shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            call()


def test_calibration_is_what_it_says():
    """Against numbers by hand; exact draws have the floors, and pass, in most of the trials."""
    C = torch.tensor([[2.0, 0.5], [0.5, 1.0]]).double()
    root, d = torch.linalg.cholesky(C), 2
    found = [
        calibration(torch.randn(200, d, generator=seeded(k)).double() @ root.T, torch.zeros(d), C) for k in range(200)
    ]
    for name in ("mean_error", "covariance_error"):
        squares = torch.tensor([getattr(c, name) ** 2 for c in found])
        floor = getattr(found[0], name.replace("error", "floor"))
        assert float(squares.mean().sqrt()) == pytest.approx(floor, rel=0.15), name
    for name in ("spread", "distance"):
        values = torch.tensor([getattr(c, name) for c in found])
        assert float(values.mean()) == pytest.approx(1, abs=0.02)
        assert float(values.std()) == pytest.approx(getattr(found[0], f"{name}_floor"), rel=0.15), name
    assert sum(c.calibrated for c in found) > 195
    x = torch.randn(2000, d, generator=seeded()).double() @ root.T
    assert not calibration(x + 0.3, torch.zeros(d), C).calibrated
    assert not calibration(1.2 * x, torch.zeros(d), C).calibrated
    assert not calibration(x.flip(1), torch.zeros(d), C).calibrated, "the right trace, the wrong pixels"
    assert set(found[0].row()) >= {"mean_error", "spread", "covariance_error", "distance"}
