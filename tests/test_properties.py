"""Each measure of properties A1 to B2 against a case whose answer is known."""

import math

import pytest
import torch
from registry import seeded

from course_utils import load, pretrained
from course_utils import properties as P
from course_utils.data.dataset import Dataset
from course_utils.properties.support import Support

D, SIDE = 3, 6


class Linear:
    """x = W z + c with orthogonal columns of norms 1, 2, 4; noise level rho and its exact posterior."""

    latent_dim = D
    rho = 0.5

    def __init__(self):
        basis = torch.linalg.qr(torch.randn(SIDE * SIDE, D, generator=seeded(1)))[0]
        self.W = basis * torch.tensor([1.0, 2.0, 4.0])
        self.c = torch.rand(SIDE * SIDE, generator=seeded(2))

    def __call__(self, z):
        return (z @ self.W.T + self.c).reshape(-1, 1, SIDE, SIDE)

    def posterior(self, x):
        precision = self.W.T @ self.W / self.rho**2 + torch.eye(D)  # diagonal: the columns are orthogonal
        mean = (x.flatten(1) - self.c) @ self.W / self.rho**2 / precision.diagonal()
        return mean, (-0.5 * precision.diagonal().log()).expand(len(x), D)


class WithEncoder(Linear):
    def encode(self, x):
        return 0.5 * (x.flatten(1) - self.c) @ torch.linalg.pinv(self.W).T  # wrong by a factor of two


# Any object as a generator


def test_an_object_of_ones_own_is_enough():
    G = P.as_generator(Linear())
    assert G.image_shape == (1, SIDE, SIDE) and not G.has_encoder
    assert P.as_generator(G) is G
    with pytest.raises(TypeError, match="has no encode"):
        G.encode(torch.zeros(1, 1, SIDE, SIDE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent_dim": None}, "latent_dim"),
        ({"latent_dim": 2.5}, "latent_dim"),
        ({"__call__": lambda self, z: z}, "must have shape"),
        ({"__call__": lambda self, z: torch.zeros(len(z), 1, 2, 2)}, "differentiable"),
        ({"__call__": lambda self, z: (z * math.nan).sum(1).reshape(-1, 1, 1, 1)}, "finite"),
        ({"__call__": lambda self, z: (z - z.mean(0)).sum(1).reshape(-1, 1, 1, 1)}, "each row by itself"),
        ({"encode": lambda self, x: x}, r"G.encode\(x\)"),
    ],
)
def test_what_is_missing_is_named(change, message):
    G = type("Mine", (Linear,), change)()
    with pytest.raises((TypeError, ValueError), match=message):
        P.as_generator(G)


def test_something_that_draws_nothing_is_refused():
    mute = type("Mute", (), {"latent_dim": 2})()
    with pytest.raises(TypeError, match="callable or have decode"):
        P.as_generator(mute)


# A1


def test_the_best_fit_is_the_projection_for_a_linear_generator():
    G = WithEncoder()
    x = torch.rand(5, 1, SIDE, SIDE, generator=seeded(3))
    Q = torch.linalg.qr(G.W)[0]
    rest = (x.flatten(1) - G.c) - (x.flatten(1) - G.c) @ Q @ Q.T
    expected = rest.norm(dim=1) / x.flatten(1).norm(dim=1)
    for found in (P.range_errors(G, x), P.range_errors(G, x, seeded(), start="random", n_starts=2)):
        torch.testing.assert_close(found.nrmse, expected, rtol=1e-3, atol=1e-5)
        assert bool((found.encoding > found.nrmse).all())
    slow = P.range_errors(G, x, solver="paper", max_iter=500)
    torch.testing.assert_close(slow.nrmse, expected, rtol=1e-3, atol=1e-4)


def test_a_black_image_and_a_missing_generator_are_refused():
    with pytest.raises(ValueError, match="zero everywhere"):
        P.range_errors(WithEncoder(), torch.zeros(1, 1, SIDE, SIDE))
    with pytest.raises(TypeError, match="'generator' must be a torch.Generator"):
        P.range_errors(Linear(), torch.ones(1, 1, SIDE, SIDE))


# A2


def test_a_linear_generator_goes_away_in_proportion():
    G = Linear()
    x = P.samples(P.as_generator(G), 50, seeded(4))
    far = P.far_from_prior(G, x, x[:10], seeded(5), radii=(100.0, 200.0), n=20)
    assert float(far.distance[1].median() / far.distance[0].median()) == pytest.approx(2.0, rel=0.1)
    assert far.ordinary == 0  # the reference images are training images
    kinds = P.strangers(x.clamp(0, 1), seeded(6))
    assert set(kinds) == {"upside down", "pixels shuffled", "noise", "bars"}
    assert torch.equal(kinds["upside down"].flip(2, 3), x.clamp(0, 1))


def test_fashion_is_shipped_and_no_digit():
    clothes = load("fashion")
    assert clothes.test.shape == (500, 1, 28, 28) and len(clothes.train) == 0
    G = pretrained("vae-mnist-8", verbose=False)
    wrong, fit = (P.range_errors(G, x[:20]).nrmse.median() for x in (clothes.test, load("mnist").test))
    assert wrong > 1.2 * fit


# A3


def test_emd_of_a_shifted_set_is_the_squared_shift():
    a = torch.randn(80, 4, generator=seeded(7), dtype=torch.float64)
    shift = torch.tensor([0.3, 0.0, 0.4, 0.0], dtype=torch.float64)
    b = (a + shift)[torch.randperm(80, generator=seeded(8))]
    found = P.emd(a, b, pairs=True)
    assert found.value == pytest.approx(0.25, abs=1e-10)
    assert found.value == pytest.approx(float((a - b[found.partner]).pow(2).sum(1).mean()), abs=1e-10)
    assert P.emd(a, a.flip(0)).value == pytest.approx(0, abs=1e-10)
    line = torch.rand(50, 1, generator=seeded(9)).double(), torch.randn(50, 1, generator=seeded(10)).double()
    expected = float((line[0].sort(0).values - line[1].sort(0).values).pow(2).mean())
    assert P.emd(*line).value == pytest.approx(expected, abs=1e-10)


def test_frechet_distance_of_gaussians_with_known_moments():
    a = torch.randn(2000, 3, generator=seeded(11), dtype=torch.float64)
    a = (a - a.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(a.T))).T  # mean 0, covariance I, exactly
    scale = torch.tensor([2.0, 3.0, 0.5], dtype=torch.float64)
    expected = float(((scale - 1) ** 2).sum()) + 4.0
    moved = a * scale + torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    assert P.frechet_distance(a, moved) == pytest.approx(expected, abs=1e-8)


def test_shape_parameters_draw_the_image_again():
    x = load("shapes").test[:50]
    top, left, height, width, row, column, radius = P.shape_parameters(x).T[:, :, None, None]
    at = torch.arange(56.0)
    r, c = at[None, :, None], at[None, None, :]
    again = ((r >= top) & (r <= top + height) & (c >= left) & (c <= left + width)) | (
        (r - row) ** 2 + (c - column) ** 2 <= radius**2
    )
    assert torch.equal(0.5 * again.float(), x[:, 0])
    with pytest.raises(ValueError, match="a rectangle and a circle"):
        P.shape_parameters(torch.zeros(1, 1, 56, 56))


def test_support_counts_a_uniform_choice():
    x = torch.randn(40, 1, 2, 2, generator=seeded(12))
    draws = x[torch.randint(40, (1000,), generator=seeded(13))]
    found = P.support_size(draws, threshold=1e-3)
    assert isinstance(found, Support) and found.size == pytest.approx(40, rel=0.1)
    limit = P.duplicate_threshold(torch.randn(500, 1, 2, 2, generator=seeded(14)), 500, seeded(15), level=1e-3)
    assert 0 < limit < 1


def test_log_likelihood_of_a_linear_gaussian_model():
    """x ~ N(c, W W^T + rho^2 I).  With the exact posterior every draw has the same weight."""
    G = Linear()
    x = torch.rand(4, 1, SIDE, SIDE, generator=seeded(16))
    covariance = (G.W @ G.W.T + G.rho**2 * torch.eye(SIDE * SIDE)).double()
    law = torch.distributions.MultivariateNormal(G.c.double(), covariance)
    expected = law.log_prob(x.flatten(1).double())
    found = P.log_likelihood(G, x, seeded(17), draws=20)
    torch.testing.assert_close(found.value, expected, rtol=1e-4, atol=1e-3)
    assert float(found.ess.min()) > 19.9
    wide = P.log_likelihood(G, x, seeded(18), draws=4000, widen=1.5)
    torch.testing.assert_close(wide.value, expected, rtol=0, atol=0.15)
    with pytest.raises(TypeError, match="gives no density"):
        P.log_likelihood(pretrained("ae-mnist-8", verbose=False), load("mnist").test[:1], seeded())


def test_the_energy_test_keeps_its_error_rate_and_has_power():
    """200 tests of equal distributions: 5 % are refused on average; 20 or fewer with probability above 0.99."""
    g = seeded(19)
    refused = sum(
        P.energy_test(torch.randn(20, 2, generator=g), torch.randn(20, 2, generator=g), g, permutations=39).p <= 0.05
        for _ in range(200)
    )
    assert refused <= 20
    seen = sum(
        P.energy_test(torch.randn(40, 2, generator=g), torch.randn(40, 2, generator=g) + 1, g, permutations=39).p
        <= 0.05
        for _ in range(20)
    )
    assert seen >= 18


def test_the_classifier_guesses_for_equal_and_knows_different():
    g = seeded(20)
    a, b = (torch.rand(200, 1, 8, 8, generator=g) for _ in range(2))
    equal = [P.classifier_test(a, b, g, steps=40) for _ in range(3)]
    assert sum(t.low <= 0.5 <= t.high for t in equal) >= 2
    different = P.classifier_test(a, (b * 0.5).clamp(0, 1), g, steps=80)
    assert different.low > 0.8 and different.p < 1e-6


# B1


def test_slopes_of_a_linear_map():
    G, z = Linear(), torch.randn(5, D, generator=seeded(21))
    torch.testing.assert_close(P.jacobian(G, z), G.W.T.expand(5, -1, -1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(P.lipschitz(G, z), torch.full((5,), 4.0), rtol=1e-5, atol=1e-5)
    path = P.path_smoothness(G, z, z.roll(1, 0), steps=8)
    torch.testing.assert_close(path.jump, torch.ones(5), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(path.detour, torch.ones(5), rtol=1e-3, atol=1e-3)


def test_slopes_of_a_network_against_finite_differences():
    G = pretrained("vae-mnist-8", verbose=False).double()
    z = G.sample_latent(2, seeded(22))
    J, h = P.jacobian(G, z), 1e-6
    for j in range(8):
        e = h * torch.eye(8, dtype=torch.float64)[j]
        numeric = ((G(z + e) - G(z - e)) / (2 * h)).flatten(1)
        torch.testing.assert_close(J[:, j], numeric, rtol=1e-4, atol=1e-5)


# B2


def test_latent_spread_accepts_the_prior_and_refuses_a_wider_one():
    z = torch.randn(400, 4, generator=seeded(23))
    good, wide = P.latent_spread(z, seeded(24)), P.latent_spread(1.5 * z, seeded(24))
    assert good.energy.p > 0.05 and wide.energy.p < 0.05
    assert good.radius == pytest.approx(1, abs=0.1) and wide.radius == pytest.approx(1.5, abs=0.15)
    torch.testing.assert_close(wide.eigenvalues, 2.25 * good.eigenvalues, rtol=1e-5, atol=1e-6)


# The score card


@pytest.mark.slow
def test_the_score_card_of_ones_own_generator():
    """A generator that is the truth has A3 at its floor, and another seed prints nearly the same card."""
    G = WithEncoder()
    G.W, G.c = 0.1 * G.W, 0.3 + 0.4 * G.c
    images = P.samples(P.as_generator(G), 800, seeded(25))
    images = images + 0.005 * torch.randn(images.shape, generator=seeded(28))  # so that a best fit has an error
    labels = torch.zeros(400, dtype=torch.int64)
    data = Dataset("plane", images[:400], images[:0], images[400:], labels, labels[:0], labels, "made", "CC0")
    one, other = (P.score_card(G, data, seeded(s), n=100, n_search=40, name="plane") for s in (26, 27))
    assert one["A1 gap"].value == pytest.approx(1, abs=1) and one["B1 jump"].value == pytest.approx(1, abs=1e-3)
    emd = one["A3 EMD"]
    assert abs(emd.value - emd.floor) < 0.2 * emd.floor
    assert math.isnan(one["A3 Frechet"].value) and "28x28" in one["A3 Frechet"].note
    again = P.ScoreCard.from_dict(one.as_dict())
    assert [str(s) for s in again.scores] == [str(s) for s in one.scores]
    assert "| A1 |" in one.markdown() and "plane on plane" in str(one)
    for score in one.scores:
        if math.isfinite(score.value) and math.isfinite(score.error):
            unit = 10.0**-score.decimals
            assert unit <= 2 * score.error or score.decimals in (0, 4), score
            difference, error = abs(score.value - other[score.key].value), score.error + other[score.key].error
            assert difference <= 5 * unit + 5 * error, (score, other[score.key])
    with pytest.raises(KeyError, match="A1 test"):
        one["A9"]
