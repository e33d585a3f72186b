"""The Gaussian that is fitted in closed form: the most likely one, and the image that it gives."""

import pytest
import torch
from registry import seeded

from course_utils import measure
from course_utils.chapters.mri.fitted import fit_gaussian, given_gaussian
from course_utils.generators import LocalPrecision
from course_utils.operators import MaskedFourier, radial_mask

SIZE = 8


def images(n):
    """Draws of a Gaussian with a stencil, around a mean that is not 0; and that Gaussian."""
    random = seeded(1)
    field = LocalPrecision(
        1.0 + 0.2 * torch.randn(1, 1, SIZE, SIZE, generator=random, dtype=torch.float64),
        -0.25 + 0.1 * torch.randn(1, 4, SIZE, SIZE, generator=random, dtype=torch.float64),
    )
    return 0.5 + field.sample(seeded(2), n=n), field


def test_it_finds_the_gaussian_that_made_the_images():
    x, field = images(20000)
    m, found = fit_gaussian(x, floor=1e-3)
    assert torch.allclose(m, torch.full_like(m, 0.5), atol=0.05)
    assert torch.allclose(found.log_diagonal, field.log_diagonal, atol=0.05)
    inner = (..., slice(None, -1), slice(1, -1))  # where all later neighbours are in the image
    assert torch.allclose(found.coefficients[inner], field.coefficients[inner], atol=0.06)


def test_no_other_gaussian_is_more_likely():
    x, _ = images(60)
    m, found = fit_gaussian(x, floor=1e-4)
    least = found.negative_log_likelihood(x - m).mean()
    for seed in range(4):
        for scale in (0.01, 0.1):
            ell, a = (
                t + scale * torch.randn(t.shape, generator=seeded(seed), dtype=t.dtype)
                for t in (found.log_diagonal, found.coefficients)
            )
            assert LocalPrecision(ell, a).negative_log_likelihood(x - m).mean() > least


def test_the_image_solves_the_linear_system():
    x, _ = images(200)
    m, field = fit_gaussian(x)
    A, lam = MaskedFourier(radial_mask(SIZE, 3)).double(), 2 * 0.1**2
    y = measure(A, x[:2], 0.1, seeded(3))
    found = given_gaussian(A, y, m, field, lam)
    pixels = torch.eye(SIZE**2, dtype=torch.float64).reshape(-1, 1, SIZE, SIZE)
    P, M = field.precision(pixels).reshape(SIZE**2, -1), A.matrix()
    for data, image in zip(y, found, strict=True):
        exact = torch.linalg.solve(M.T @ M + lam / 2 * P, M.T @ data.flatten() + lam / 2 * P @ m.flatten())
        assert torch.allclose(image.flatten(), exact, atol=1e-2 * float(exact.abs().max()))


def test_where_nothing_varies_the_floor_is_the_deviation():
    _, field = fit_gaussian(torch.full((5, 1, SIZE, SIZE), 0.3), floor=0.02)
    assert torch.allclose(field.variance().sqrt(), torch.tensor(0.02), atol=1e-5)


@pytest.mark.parametrize("floor", [0.0, -1.0, float("nan")])
def test_a_floor_that_is_none(floor):
    with pytest.raises(ValueError, match="'floor'"):
        fit_gaussian(torch.zeros(3, 1, SIZE, SIZE), floor=floor)
