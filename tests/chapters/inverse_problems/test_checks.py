"""The checks of chapter 01 accept what is right and explain what is wrong."""

import pytest
import torch
from torch.nn.functional import pad

from course_utils import data
from course_utils.chapters.inverse_problems import checks
from course_utils.operators import GaussianMatrix

WEIGHTS = (0.5, 0.3, 0.2)


def motion_blur(x):
    return sum(w * pad(x, (k, -k)) for k, w in enumerate(WEIGHTS))


def motion_adjoint(y):
    return sum(w * pad(y, (-k, k)) for k, w in enumerate(WEIGHTS))


def test_adjoint_accepts_the_solution():
    assert checks.adjoint(motion_blur, motion_adjoint)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (motion_blur, "this is A itself"),
        (lambda y: 2 * motion_adjoint(y), "2 times the adjoint"),
        (lambda y: -motion_adjoint(y), "-1 times the adjoint"),
        (lambda y: torch.roll(motion_adjoint(y), 1, -1), "pixel j"),
        (lambda y: motion_adjoint(y)[:, 0], "expected shape (3, 1, 28, 28), got (3, 28, 28)"),
        (lambda y: None, "returns nothing"),
        (lambda y: 3.0, "must return a tensor, got float"),
        (lambda y: y + torch.zeros(7), "raised RuntimeError"),
        (torch.zeros(3), "expected a function"),
    ],
)
def test_adjoint_explains_what_is_wrong(wrong, words, capsys):
    verdict = checks.adjoint(motion_blur, wrong)
    assert not verdict
    assert words in verdict.message
    assert words in capsys.readouterr().out


def test_adjoint_recognises_the_inverse():
    verdict = checks.adjoint(
        lambda x: x * torch.linspace(1, 2, 28, dtype=x.dtype), lambda y: y / torch.linspace(1, 2, 28, dtype=y.dtype)
    )
    assert not verdict
    assert "an inverse is not an adjoint" in verdict.message


def power_norm(A, n_iter=200, normalise=True, feed_back=True, root=True):
    x = torch.randn(1, *A.shape_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value = 0.0
    for _ in range(n_iter):
        if normalise:
            x = x / x.norm()
        value = A(x).norm() if root else A.T(A(x)).norm()
        if feed_back:
            x = A.T(A(x))
    return float(value)


def test_norm_accepts_the_solution():
    assert checks.norm(power_norm)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"root": False}, "that is its square"),
        ({"normalise": False}, "divide it by its length"),
        ({"feed_back": False}, "per cent too small"),
        ({"n_iter": 1}, "lower bound"),
    ],
)
def test_norm_explains_what_is_wrong(settings, words):
    verdict = checks.norm(lambda A: power_norm(A, **settings))
    assert not verdict
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda A: 1.0, "too small"),
        (lambda A: None, "still empty"),
        (lambda A: "large", "one number"),
        (lambda A: 60.0, "1.5 times too large"),
        (lambda A: A.nothing, "raised AttributeError"),
    ],
)
def test_norm_explains_other_answers(wrong, words):
    verdict = checks.norm(wrong)
    assert not verdict
    assert words in verdict.message


@pytest.fixture(scope="module")
def ghost():
    A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0)).double()
    x, other = data.load("mnist").test[:2].double().split(1)
    _, _, V = A.svd()
    d = (other - x).flatten(1)
    return A, x, other, (d - d @ V @ V.T).reshape(x.shape)


def test_twin_accepts_the_solution(ghost):
    A, x, other, invisible = ghost
    assert checks.twin(A, x, other, x + invisible)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda A, x, other, n: other, "the other image itself"),
        (lambda A, x, other, n: x, "this is x itself"),
        (lambda A, x, other, n: x + 0.5 * n, "add all of the difference"),
        (lambda A, x, other, n: x + (other - x) - A.T(A(other - x)), "is a projection only if"),
        (lambda A, x, other, n: other - n, "You added the visible part"),
        (lambda A, x, other, n: n, "from the null space of A only"),
        (lambda A, x, other, n: n[0], "shape (1, 1, 28, 28), got (1, 28, 28)"),
        (lambda A, x, other, n: None, "still empty"),
        (lambda A, x, other, n: 0.0, "must be a tensor"),
    ],
)
def test_twin_explains_what_is_wrong(ghost, wrong, words):
    A, x, other, invisible = ghost
    verdict = checks.twin(A, x, other, wrong(A, x, other, invisible))
    assert not verdict
    assert words in verdict.message
