"""Posteriors against closed forms: mean, covariance, samples, intervals; and chains that say how sure they are."""

import math

import pytest
import torch
from registry import OPERATORS, seeded

from course_utils import TV, GaussianBlur, Identity, Tikhonov, load, measure, psnr, reconstruct
from course_utils.bayes import (
    LogPosterior,
    coverage,
    credible_interval,
    effective_sample_size,
    gaussian_posterior,
    intervals,
    mala,
    split_rhat,
    whitening,
)
from course_utils.operators import LinearOperator
from course_utils.regularisers import HuberTV, gradient

DENSE = ("blur", "compressed sensing", "more data than pixels", "tomography", "Fourier, spokes", "inpainting")


def closed_form(A, y, lam, sigma, epsilon=None):
    """Mean and covariance by dense algebra."""
    M, eye = A.matrix(), torch.eye(A.n, dtype=torch.float64)
    Q = eye
    if epsilon is not None:
        D = gradient(eye.reshape(-1, *A.shape_in)).flatten(1).T
        Q = D.T @ D + epsilon * eye
    inverse = torch.linalg.inv(M.T @ M + lam * Q)
    return inverse @ M.T @ y.flatten(), sigma**2 * inverse


# The Gaussian posterior


@pytest.mark.parametrize("prior", ["identity", "gradient"])
@pytest.mark.parametrize("name", DENSE)
def test_the_gaussian_posterior_is_the_closed_form(name, prior):
    """Each problem has its own weight and noise level."""
    A = OPERATORS[name]().double()
    y = torch.randn(2, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    lam, sigma = torch.tensor([0.02, 0.5]).double(), torch.tensor([0.1, 0.3]).double()
    posterior = gaussian_posterior(A, y, lam, sigma, prior=prior, epsilon=0.01)
    x = torch.randn(2, *A.shape_in, generator=seeded(2), dtype=torch.float64)
    for i in range(2):
        mean, C = closed_form(A, y[i], lam[i], sigma[i], 0.01 if prior == "gradient" else None)
        assert torch.allclose(posterior.mean[i].flatten(), mean, atol=1e-10)
        assert torch.allclose(posterior.sd[i].flatten() ** 2, C.diagonal(), atol=1e-10)
        assert torch.allclose(posterior.covariance(x)[i].flatten(), C @ x[i].flatten(), atol=1e-10)
    if prior == "identity":
        assert torch.allclose(posterior.mean, reconstruct(A, y, Tikhonov(lam)).x, atol=1e-10)


def test_what_is_not_seen_keeps_the_width_of_the_prior():
    mask_operator = OPERATORS["inpainting"]().double()
    posterior = gaussian_posterior(mask_operator, torch.zeros(1, *mask_operator.shape_out).double(), 0.25, 0.1)
    seen = mask_operator.T(mask_operator(torch.ones(1, 1, 12, 12).double())) > 0
    assert torch.allclose(posterior.sd[~seen], torch.full_like(posterior.sd[~seen], 0.1 / math.sqrt(0.25)))
    assert bool((posterior.sd[seen] < 0.1).all())


@pytest.mark.parametrize("prior", ["identity", "gradient"])
def test_samples_have_mean_and_covariance(prior):
    A = OPERATORS["tomography"]().double()
    y = torch.randn(1, *A.shape_out, generator=seeded(3), dtype=torch.float64)
    posterior = gaussian_posterior(A, y, 0.1, 0.2, prior=prior, epsilon=0.05)
    n = 10_000
    draws = (posterior.samples(n, seeded(4)) - posterior.mean).flatten(1)
    C = closed_form(A, y[0], 0.1, 0.2, 0.05 if prior == "gradient" else None)[1]
    sd = C.diagonal().sqrt()
    assert bool((draws.mean(0).abs() < 5 * sd / n**0.5).all())
    difference = draws.T @ draws / n - C
    assert bool((difference.abs() < 6 * sd[:, None] * sd / n**0.5).all())


@pytest.mark.parametrize("prior", ["identity", "gradient"])
def test_intervals_hold_truths_of_the_prior_as_often_as_they_say(prior):
    """400 truths and noises: the share of held pixels, which within an image are not independent."""
    A, sigma, lam, epsilon = OPERATORS["blur"]().double(), 0.1, 0.04, 0.5
    blind = 0.0 * A  # which leaves the prior as it is
    x = gaussian_posterior(blind, torch.zeros(1, *A.shape_out).double(), lam, sigma, prior, epsilon)
    x = x.samples(400, seeded(5))[:, 0]
    y = measure(A, x, sigma, seeded(6))
    posterior = gaussian_posterior(A, y, lam, sigma, prior=prior, epsilon=epsilon)
    for level in (0.5, 0.9):
        held = coverage(*posterior.interval(level), x)
        assert float(held.mean()) == pytest.approx(level, abs=4 * float(held.std()) / 20)
        low, high = (end[:, 0, 5, 7] for end in posterior.interval(level))  # one pixel: a binomial number
        share = float(((low <= x[:, 0, 5, 7]) & (x[:, 0, 5, 7] <= high)).double().mean())
        assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 400))
    overconfident = gaussian_posterior(A, y, lam, sigma / 2, prior=prior, epsilon=epsilon)  # the same mean
    assert float(coverage(*overconfident.interval(0.9), x).mean()) < 0.7


def test_weights_of_zero_and_operators_out_of_reach_are_named():
    A, y = OPERATORS["blur"](), torch.zeros(1, 1, 12, 12)
    for name in ("lam", "sigma", "epsilon"):
        with pytest.raises(ValueError, match=f"'{name}' must be > 0"):
            gaussian_posterior(A, y, **({"lam": 1.0, "sigma": 1.0, "prior": "gradient"} | {name: 0.0}))
    with pytest.raises(ValueError, match="'A' must be small enough"):
        gaussian_posterior(Identity(128), torch.zeros(1, 1, 128, 128), 1.0, 1.0)
    with pytest.raises(ValueError, match="'A' must be small enough for 200 dense matrices"):
        gaussian_posterior(GaussianBlur(28), torch.zeros(200, 1, 28, 28), 1.0, 1.0, prior="gradient")


def test_bad_questions_to_a_posterior_are_named():
    posterior = gaussian_posterior(Identity(4), torch.zeros(2, 1, 4, 4), 1.0, 1.0)
    for name, call in (
        ("x", lambda: posterior.covariance(torch.zeros(1, 1, 4, 4))),
        ("x", lambda: posterior.covariance(torch.full((2, 1, 4, 4), math.nan))),
        ("n", lambda: posterior.samples(0, seeded())),
        ("generator", lambda: posterior.samples(3, 0)),
        ("level", lambda: posterior.interval(1.0)),
        ("level", lambda: posterior.interval("90 %")),
    ):
        with pytest.raises((TypeError, ValueError), match=f"'{name}'"):
            call()


# Smoothed total variation


def test_smoothed_tv_lies_below_tv_and_has_the_gradient_it_says():
    x = torch.rand(3, 1, 9, 9, generator=seeded(7), dtype=torch.float64)
    x[:, :, :4] = 0.5  # flat
    R, n = HuberTV(0.1, epsilon=0.2), 81
    assert bool((R(x) <= TV(0.1)(x)).all()) and bool((R(x) >= TV(0.1)(x) - n * 0.2 / 2).all())
    v = x.clone().requires_grad_()
    value = R(v)
    assert torch.allclose(torch.autograd.grad(value.sum(), v)[0], R.grad(x), atol=1e-12)
    assert torch.equal(R.value_and_grad(x)[0], value.detach())
    assert torch.autograd.gradcheck(R, v)
    other = torch.rand(3, 1, 9, 9, generator=seeded(8), dtype=torch.float64)

    def quadratic(u):
        return 0.5 * (R.weights(x) * gradient(u).pow(2).sum(1)).flatten(1).sum(1)

    assert bool((R(other) <= R(x) + quadratic(other) - quadratic(x) + 1e-12).all())


def test_the_map_of_smoothed_tv_tends_to_that_of_tv():
    A, x = Identity(20).double(), load("mnist").test[:1, :, 4:24, 4:24].double()
    y = measure(A, x, 0.1, seeded(9))
    tv = reconstruct(A, y, TV(0.1), tol=1e-8, max_iter=1000).x
    away = [(reconstruct(A, y, HuberTV(0.1, e), tol=1e-11).x - tv).norm() for e in (0.1, 0.01, 0.001)]
    assert away[0] > 3 * away[1] > 9 * away[2] and float(away[2]) < 0.003 * float(tv.norm())


def test_the_density_is_that_of_the_objective():
    """Up to the factor -1 / (2 sigma^2): the MAP estimate is what reconstruct finds."""
    A = OPERATORS["tomography"]().double()
    y = torch.rand(1, *A.shape_out, generator=seeded(10), dtype=torch.float64)
    x = torch.rand(3, *A.shape_in, generator=seeded(11), dtype=torch.float64)
    for R in (HuberTV(0.3, 0.05), Tikhonov(0.3)):
        density = LogPosterior(A, y, R, 0.2)
        problem = R.problem(A, y.expand(3, *y.shape[1:]))
        value, grad = problem.value_and_grad(x)
        for found, expected in zip(density(x), (value, grad), strict=True):
            assert torch.allclose(found, -expected / (2 * 0.2**2), atol=1e-10)
        settings = {} if isinstance(R, Tikhonov) else {"tol": 1e-14, "max_iter": 2000}
        best = reconstruct(A, y, R, **settings).x
        assert float(density(best)[1].abs().max()) < 1e-3 * float(density(x)[1].abs().max())
    with pytest.raises(TypeError, match="'R' must be smooth, got TV"):
        LogPosterior(A, y, TV(0.1), 0.1)
    with pytest.raises(ValueError, match="'R' must have one weight, got 2"):
        LogPosterior(A, y, Tikhonov(torch.tensor([0.1, 0.2])), 0.1)


# Effective sample size


def autoregressive(a: float, n: int, chains: int, seed: int) -> torch.Tensor:
    """x_t = a x_(t-1) + noise, started in its own distribution N(0, 1): n / ess = (1 + a) / (1 - a)."""
    noise = torch.randn(n, chains, 20, generator=seeded(seed), dtype=torch.float64)
    x = [noise[0]]
    for e in noise[1:]:
        x.append(a * x[-1] + math.sqrt(1 - a * a) * e)
    return torch.stack(x)


@pytest.mark.parametrize("a", [0.0, 0.6, 0.9, -0.3])
def test_the_effective_sample_size_of_an_autoregressive_chain(a):
    x = autoregressive(a, 4000, 4, 12)
    expected = 16_000 * (1 - a) / (1 + a)
    ess = effective_sample_size(x)
    assert float(ess.mean()) == pytest.approx(expected, rel=0.08)
    assert bool((split_rhat(x) < 1.02).all())
    # its meaning: the variance of the mean is that of so many independent draws
    means = x.mean((0, 1))
    assert float(means.pow(2).mean()) < 3 / expected


def test_chains_that_disagree_or_drift_are_found_out():
    x = torch.randn(500, 4, 3, generator=seeded(13))
    apart = x + 2 * torch.arange(4.0)[:, None]
    drifting = x + torch.linspace(0, 4, 500)[:, None, None]
    for bad in (apart, drifting):
        assert bool((split_rhat(bad) > 1.2).all()) and bool((effective_sample_size(bad) < 30).all())
    still = torch.ones(500, 4, 3)
    assert bool((split_rhat(still) == 1).all()) and bool((effective_sample_size(still) == 2000).all())
    stuck = torch.arange(4.0)[None, :, None].expand(500, 4, 3)  # each chain at a place of its own
    assert bool(split_rhat(stuck).isinf().all())
    for function in (split_rhat, effective_sample_size):
        with pytest.raises(ValueError, match=r"'samples' must have shape \(n, chains"):
            function(x[:3])
        assert function(x.reshape(500, 4, 1, 3, 1)).shape == (1, 3, 1)


# Langevin


@pytest.fixture(scope="module")
def tomograph():
    A = OPERATORS["tomography"]().double()
    x = load("mnist").test[:1, :, 8:20, 8:20].double()
    return A, measure(A, x, 0.05, seeded(14))


@pytest.mark.parametrize("whitened", [False, True])
def test_langevin_finds_the_gaussian_posterior(tomograph, whitened):
    """Mean and standard deviation of every pixel, within what its effective sample size allows."""
    A, y = tomograph
    lam, sigma = 0.05, 0.05
    exact = gaussian_posterior(A, y, lam, sigma)
    density = LogPosterior(A, y, Tikhonov(lam), sigma)
    start = exact.mean + 2 * exact.sd * torch.randn(8, *A.shape_in, generator=seeded(15), dtype=torch.float64)
    root = whitening(density, exact.mean) if whitened else None
    chains = mala(density, start, 0.05, 1000, seeded(16), burn_in=300, root=root)
    assert float((chains.acceptance - 0.574).abs().max()) < 0.1
    assert float(chains.ess.min()) > (200 if whitened else 60) and float(chains.rhat.max()) < 1.1
    z = (chains.mean - exact.mean[0]) / (exact.sd[0] / chains.ess.sqrt())
    assert float(z.abs().max()) < 4.5 and 0.6 < float(z.pow(2).mean()) < 1.6
    squares = (chains.samples - exact.mean).pow(2)  # the variance has an effective sample size of its own
    error = squares.flatten(0, 1).std(0) / effective_sample_size(squares).sqrt()
    assert float(((squares.mean((0, 1)) - exact.sd[0] ** 2) / error).abs().max()) < 4.5
    if whitened:
        C = closed_form(A, y[0], lam, sigma)[1]
        assert torch.allclose(root @ root.T, C, atol=1e-8)


class TwoPixels(LinearOperator):
    """A sum and a single pixel of images of one row and two columns."""

    def __init__(self) -> None:
        super().__init__((1, 1, 2), (2,), scale=1.0)
        self.register_buffer("M", torch.tensor([[0.6, 0.6], [0.0, 0.5]], dtype=torch.float64))

    def _forward(self, x):
        return x.flatten(1) @ self.M.T

    def _adjoint(self, y):
        return (y @ self.M).reshape(-1, 1, 1, 2)


def test_langevin_finds_the_posterior_of_smoothed_tv_on_two_pixels():
    """Against integration on a grid: mean, standard deviations and the credible interval."""
    A, R, sigma = TwoPixels(), HuberTV(0.8, 0.05), 0.4
    y = torch.tensor([[0.5, 0.6]], dtype=torch.float64)
    t = torch.linspace(-5, 5, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(t, t).reshape(-1, 1, 1, 2)
    density = LogPosterior(A, y, R, sigma)
    weight = density(grid)[0].softmax(0)
    mean = (weight[:, None] * grid.flatten(1)).sum(0)
    sd = (weight[:, None] * (grid.flatten(1) - mean) ** 2).sum(0).sqrt()
    for root in (None, whitening(density, mean.reshape(1, 1, 1, 2))):
        chains = mala(density, torch.zeros(20, *A.shape_in).double(), 0.5, 800, seeded(25), root=root)
        assert bool(((chains.mean.flatten() - mean).abs() < 4 * chains.error.flatten()).all())
        assert torch.allclose(chains.sd.flatten(), sd, rtol=0.05) and float(chains.ess.min()) > 400
        low, high = credible_interval(chains.samples.flatten(0, 1), 0.9)
        marginal = weight.reshape(501, 501).sum(1).cumsum(0)  # of the first pixel
        ends = t[torch.searchsorted(marginal, torch.tensor([0.05, 0.95], dtype=torch.float64))]
        found = torch.stack([low.flatten()[0], high.flatten()[0]])
        assert torch.allclose(found, ends, atol=0.1 * float(sd[0]))


def test_langevin_keeps_a_density_that_is_not_gaussian():
    """exp(-x^4 / 4 + x / 2) in each pixel, against numerical integration."""
    t = torch.linspace(-6, 6, 20_001, dtype=torch.float64)
    weight = (-(t**4) / 4 + t / 2).exp()
    mean = (weight * t).sum() / weight.sum()
    variance = (weight * t**2).sum() / weight.sum() - mean**2

    def density(x):
        return (x / 2 - x**4 / 4).flatten(1).sum(1), 0.5 - x**3

    chains = mala(density, torch.zeros(10, 1, 2, 2, dtype=torch.float64), 1.0, 3000, seeded(17))
    assert bool(((chains.mean - mean).abs() < 4 * chains.error).all())
    assert torch.allclose(chains.sd**2, variance.expand_as(chains.sd), rtol=0.06)


def test_the_step_follows_the_acceptance_during_burn_in_alone():
    def normal(x):
        return -0.5 * x.flatten(1).pow(2).sum(1), -x

    x0 = torch.zeros(4, 1, 5, 5)
    fixed = mala(normal, x0, 0.3, 50, seeded(), burn_in=0)
    assert fixed.step == 0.3 and float(fixed.acceptance.mean()) > 0.9
    adapted = [mala(normal, x0, first, 200, seeded(), burn_in=300) for first in (1e-3, 30.0)]
    assert adapted[0].step == pytest.approx(adapted[1].step, rel=0.2)
    assert all(abs(float(c.acceptance.mean()) - 0.574) < 0.1 for c in adapted)
    again = mala(normal, x0, 0.3, 50, seeded(), burn_in=0, thin=7)
    assert torch.equal(again.samples, fixed.samples[6:49:7]) and torch.equal(again.last, fixed.last)


def test_proposals_that_are_not_finite_are_refused_and_bad_densities_named():
    def wall(x):
        inside = (x > 0).flatten(1).all(1)
        return torch.where(inside, -x.flatten(1).sum(1), torch.nan), -torch.ones_like(x)

    x0 = torch.ones(4, 1, 1, 1, dtype=torch.float64)
    chains = mala(wall, x0, 1.0, 4000, seeded(18))
    assert float(chains.samples.min()) > 0 and float(chains.mean) == pytest.approx(1.0, abs=5 * float(chains.error))
    for density, message in (
        (wall, "'log_density' must be finite at 'x0'"),
        (lambda x: x, "'log_density' must give values and gradients"),
        (lambda x: (x, x), "'log_density' must give values of shape"),
        (lambda x: (x.flatten(1).sum(1), x[0]), "'log_density' must give gradients of shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            mala(density, -x0, 1.0, 10, seeded())


def test_the_mean_of_smoothed_tv_and_its_intervals_at_28_x_28():
    """As chapters do it, but shorter: a pilot, its whitening, then the run; two halves of the chains agree."""
    A, x = Identity(28), load("mnist").test[:1]
    y = measure(A, x, 0.1, seeded(19))
    R = HuberTV(0.15, 0.05)
    density, best = LogPosterior(A, y, R, 0.1), reconstruct(A, y, R).x
    start = best + 0.1 * torch.randn(8, 1, 28, 28, generator=seeded(20))
    pilot = mala(density, start, 0.02, 100, seeded(21), burn_in=150)
    chains = mala(density, pilot.last, 0.5, 500, seeded(22), burn_in=80, root=whitening(density, pilot.last))
    assert float(chains.ess.min()) > 25 and float(chains.rhat.max()) < 1.25
    assert abs(float(chains.acceptance.mean()) - 0.574) < 0.1
    halves = [chains.samples[:, :4].mean((0, 1)), chains.samples[:, 4:].mean((0, 1))]
    assert float(((halves[0] - halves[1]) / (2 * chains.error)).pow(2).mean()) < 2.5
    assert float(psnr(chains.mean[None], x)) > float(psnr(y, x)) + 3
    held = coverage(*(end[None] for end in credible_interval(chains.samples.flatten(0, 1), 0.9)), x)
    assert 0.5 < float(held) < 1


def test_quantiles_of_many_samples_and_a_share_of_pixels(monkeypatch):
    x = torch.randn(4000, 1, 8, 8, generator=seeded(24))
    low, high = credible_interval(x, 0.9)
    assert float(low.mean()) == pytest.approx(-1.645, abs=0.01)
    held = coverage(low.expand_as(x), high.expand_as(x), x)
    assert float(held.mean()) == pytest.approx(0.9, abs=0.001)
    monkeypatch.setattr(intervals, "PIECE", 20_000)  # found in pieces, they are the same
    assert all(torch.equal(a, b) for a, b in zip(credible_interval(x, 0.9), (low, high), strict=True))
