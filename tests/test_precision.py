"""Gaussians with a local Cholesky factor of the precision, against dense matrices in float64."""

import math

import pytest
import torch
from registry import seeded

from course_utils.generators.precision import LocalPrecision, later_neighbours

SHAPES = [(1, 4, 5), (3, 6, 7), (5, 7, 6), (7, 5, 9), (5, 2, 3), (3, 1, 6), (3, 6, 1)]
shapes = pytest.mark.parametrize(("width", "H", "W"), SHAPES)


def random_field(width, H, W, B=3, dtype=torch.float64):
    m = (width**2 - 1) // 2
    log_diagonal = 0.5 * torch.randn(B, 1, H, W, generator=seeded(1), dtype=dtype)
    return LocalPrecision(log_diagonal, 0.3 * torch.randn(B, m, H, W, generator=seeded(2), dtype=dtype))


def dense_factor(field, b):
    """L of one Gaussian, entry by entry from the definition: L[j + o, j] = d_j a_o(j), in raster order."""
    H, W = field.log_diagonal.shape[2:]
    L = torch.zeros(H * W, H * W, dtype=torch.float64)
    for row in range(H):
        for column in range(W):
            j, d = row * W + column, math.exp(field.log_diagonal[b, 0, row, column])
            L[j, j] = d
            for o, (r, c) in enumerate(later_neighbours(field.width)):
                if row + r < H and 0 <= column + c < W:
                    L[j + r * W + c, j] = d * field.coefficients[b, o, row, column]
    return L


def error(a, b):
    return float((a - b).abs().max() / b.abs().max())


@shapes
def test_everything_against_the_dense_matrix(width, H, W):
    field, n = random_field(width, H, W), H * W
    v = torch.randn(3, 1, H, W, generator=seeded(3), dtype=torch.float64)
    for b in range(3):
        one, x = field.select(slice(b, b + 1)), v[b].flatten()
        L = dense_factor(field, b)
        assert torch.equal(L, L.tril())
        precision = L @ L.T
        covariance = torch.linalg.inv(precision)
        pairs = {
            "L^T v": (field.whiten(v)[b], L.T @ x),
            "L v": (field.colour(v)[b], L @ x),
            "Sigma^-1 v": (field.precision(v)[b], precision @ x),
            "Sigma v": (field.covariance(v)[b], covariance @ x),
            "L^-T v": (field.solve_whiten(v)[b], torch.linalg.solve(L.T, x)),
            "L^-1 v": (field.solve_colour(v)[b], torch.linalg.solve(L, x)),
            "quadratic": (field.quadratic(v)[b : b + 1], (x @ precision @ x)[None]),
            "log det": (one.log_det(), torch.logdet(covariance)[None]),
            "variance": (field.variance()[b], covariance.diagonal()),
            "diagonal of the precision": (field.precision_diagonal()[b], precision.diagonal()),
        }
        for name, (ours, dense) in pairs.items():
            assert error(ours.flatten(), dense) < 1e-10, name
        for row, column in ((0, 0), (H - 1, W - 1), (H // 2, W // 3)):
            seen = field.covariance_of(row, column)[b].flatten()
            assert error(seen, covariance[row * W + column]) < 1e-10
        log_density = torch.distributions.MultivariateNormal(torch.zeros(n).double(), covariance).log_prob(x)
        ours = -field.negative_log_likelihood(v)[b] - n / 2 * math.log(2 * math.pi)
        assert float(ours) == pytest.approx(float(log_density), rel=1e-9)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_samples_have_the_covariance(width):
    field = random_field(width, 3, 4, B=1)
    L = dense_factor(field, 0)
    x = field.sample(seeded(4), n=200_000).flatten(1)
    expected = torch.linalg.inv(L @ L.T)
    scale = expected.diagonal().sqrt()
    assert float(((torch.cov(x.T) - expected) / (scale[:, None] * scale)).abs().max()) < 0.02
    assert float((x.mean(0) / scale).abs().max()) < 0.02
    white = field.whiten(x.reshape(-1, 1, 3, 4)).flatten(1)
    assert torch.allclose(torch.cov(white.T), torch.eye(12, dtype=torch.float64), atol=0.02)


def test_each_gaussian_is_sampled_by_itself():
    """The draw of each is that of a batch of one with the same white noise."""
    field = random_field(5, 6, 5)
    draws = field.sample(seeded(7))
    e = torch.randn(3, 1, 6, 5, generator=seeded(7), dtype=torch.float64)
    for b in range(3):
        assert torch.allclose(field.select([b]).solve_whiten(e[b : b + 1])[0], draws[b], atol=1e-12)
    assert field.select([1]).sample(seeded(8), n=4).shape == (4, 1, 6, 5)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_gradients(width):
    field = random_field(width, 3, 4, B=2)
    v = torch.randn(2, 1, 3, 4, generator=seeded(3), dtype=torch.float64)
    inputs = [t.clone().requires_grad_() for t in (v, field.log_diagonal, field.coefficients)]
    assert torch.autograd.gradcheck(lambda v, a, b: LocalPrecision(a, b).negative_log_likelihood(v), inputs)


def test_float32_and_a_stencil_at_the_size_of_the_course():
    """128 x 128: solving undoes multiplying, and the variance is that of the covariance of a pixel with itself."""
    g = seeded()
    log_diagonal = 3 + 0.5 * torch.randn(1, 1, 128, 128, generator=g)
    field = LocalPrecision(log_diagonal, -0.2 + 0.05 * torch.randn(1, 4, 128, 128, generator=g))
    v = torch.randn(2, 1, 128, 128, generator=g)
    assert error(field.whiten(field.solve_whiten(v)), v) < 1e-5
    assert error(field.colour(field.solve_colour(v)), v) < 1e-5
    variance = field.variance()[0, 0]
    for row, column in ((64, 64), (0, 127), (127, 0)):
        assert float(field.covariance_of(row, column)[0, 0, row, column]) == pytest.approx(
            float(variance[row, column]), rel=1e-4
        )


def test_bad_input_is_named():
    field = random_field(3, 4, 5)
    one, two = torch.zeros(1, 1, 4, 5), torch.zeros(1, 2, 4, 5)
    with pytest.raises(ValueError, match=r"'coefficients' must have \(k\^2 - 1\) / 2 channels.* got 2"):
        LocalPrecision(one, two)
    with pytest.raises(ValueError, match=r"'coefficients' must have shape"):
        LocalPrecision(one, torch.zeros(1, 4, 4, 6))
    with pytest.raises(ValueError, match=r"'log_diagonal' must have shape"):
        LocalPrecision(two, two)
    with pytest.raises(TypeError, match="'coefficients' must have dtype torch.float32"):
        LocalPrecision(one, torch.zeros(1, 4, 4, 5, dtype=torch.float64))
    for method in (field.whiten, field.colour, field.precision, field.covariance, field.quadratic):
        with pytest.raises(ValueError, match=r"must have shape \(3, 1, 4, 5\), got \(2, 1, 4, 5\)"):
            method(torch.zeros(2, 1, 4, 5, dtype=torch.float64))
    with pytest.raises(ValueError, match="'n' is for one Gaussian, here are 3"):
        field.sample(seeded(), n=2)
    with pytest.raises(ValueError, match="'column' must be less than 5, got 5"):
        field.covariance_of(0, 5)
    with pytest.raises(ValueError, match="'row' must be at least 0, got -1"):
        field.covariance_of(-1, 0)
    with pytest.raises(ValueError, match="'width' must be odd, got 4"):
        later_neighbours(4)
