"""What the explorers of chapter 01 show: errors of truncation, and all data of every operator."""

import pytest
import torch

from course_utils import data
from course_utils.chapters.inverse_problems import explorer as inverse_problems
from course_utils.chapters.inverse_problems.truncation import decomposed
from course_utils.operators import add_noise


@pytest.mark.parametrize("name", inverse_problems.operators())
def test_truncation_errors_are_those_of_the_truncated_reconstructions(name):
    A = inverse_problems.operators()[name]
    x = data.load("mnist").test[:3].double()
    y = add_noise(A(x), 0.02, torch.Generator().manual_seed(0))
    errors = inverse_problems.truncation_errors(A, x, y)
    U, S, V = A.svd()
    assert errors.shape == (3, int((S > 1e-10).sum()))
    for kept in (1, 50, 150):
        found = (y.flatten(1) @ U[:, :kept] / S[:kept]) @ V[:, :kept].T
        direct = (found - x.flatten(1)).pow(2).sum(1)
        torch.testing.assert_close(errors[:, kept - 1], direct, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", inverse_problems.operators())
def test_decompositions_are_singular_values_and_images_that_are_even_or_odd(name):
    A = inverse_problems.operators()[name]
    U, S, V, parity, part = decomposed(A)
    rank = len(S)
    eye = torch.eye(rank, dtype=torch.float64)
    torch.testing.assert_close(S, A.svd().S[:rank], rtol=0, atol=1e-9)
    torch.testing.assert_close(U * S @ V.T, A.double_matrix(), rtol=0, atol=1e-9)
    torch.testing.assert_close(V.T @ V, eye, rtol=0, atol=1e-9)
    torch.testing.assert_close(U.T @ U, eye, rtol=0, atol=1e-6)  # u = A v / s
    if name == "compressed sensing":
        assert parity is None and part.shape == (rank, 784)
        return
    images = V.T.reshape(rank, 28, 28)
    assert part.shape == (rank, 196) and set(parity.tolist()) == {0, 1, 2, 3}
    for axis, odd in ((1, parity >= 2), (2, parity % 2 == 1)):
        sign = torch.where(odd, -1.0, 1.0).double()[:, None, None]
        torch.testing.assert_close(images.flip(axis), sign * images)


@pytest.mark.parametrize("name", inverse_problems.operators())
def test_data_pictures_hold_all_data(name):
    A = inverse_problems.operators()[name]
    y = A(data.load("mnist").test[:1].double())
    picture = inverse_problems.data_picture(A, y)
    assert picture.ndim == 2
    shown = picture[torch.isfinite(picture)]
    assert float(shown.pow(2).sum()) == pytest.approx(float(y.pow(2).sum()))


def test_kspace_is_shown_with_zero_frequency_in_the_centre():
    A = inverse_problems.operators()["masked Fourier"]
    picture = inverse_problems.data_picture(A, A(torch.ones(1, 1, 28, 28, dtype=torch.float64)))
    assert int(picture.nan_to_num(0).argmax()) == 14 * 28 + 14
