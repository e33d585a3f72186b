"""The checks of chapter 00 accept what is right and explain what is wrong."""

import pytest
import torch

from course_utils import data, metrics
from course_utils.chapters.start import checks
from course_utils.checks import Verdict, attempt, compare
from course_utils.operators import GaussianBlur, measure


def mse(x, truth):
    return (x - truth).pow(2).flatten(1).mean(1)


def test_psnr_accepts_the_solution():
    assert checks.psnr(lambda x, truth: -10 * torch.log10(mse(x, truth)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (mse, "mean squared errors"),
        (lambda x, t: metrics.psnr(x, t, data_range=2.0), "data range 2"),
        (lambda x, t: 10 * mse(x, t).log10(), "the sign is wrong"),
        (lambda x, t: -10 * mse(x, t).log(), "natural logarithm"),
        (lambda x, t: -10 * (x - t).pow(2).flatten(1).sum(1).log10(), "take the mean"),
        (lambda x, t: -20 * mse(x, t).log10(), "twice too large"),
        (lambda x, t: -10 * (x - t).pow(2).mean().log10(), "for the whole batch"),
        (lambda x, t: None, "still empty"),
        (lambda x, t: (x - t).shapes, "raised AttributeError"),
        (20.0, "expected a function, got float"),
    ],
)
def test_psnr_explains_what_is_wrong(wrong, words):
    verdict = checks.psnr(wrong)
    assert not verdict
    assert words in verdict.message


CANDIDATES = [0.003, 0.01, 0.03, 0.1, 0.3]


@pytest.fixture(scope="module")
def problem():
    A, x = GaussianBlur(28), data.load("mnist").val[:20]
    return CANDIDATES, A, x, measure(A, x, 0.1, torch.Generator().manual_seed(1)), 0.1


def test_weight_accepts_the_solution(problem):
    assert checks.weight(0.03, *problem)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (0.003, "smallest misfit"),
        (0.01, "compare the mean PSNR"),
        (0.3, "too smooth"),
        (0.05, "not among the candidates 0.003, 0.01, 0.03, 0.1, 0.3"),
        (None, "still empty"),
        ("0,03", "one number"),
    ],
)
def test_weight_explains_what_is_wrong(problem, wrong, words):
    verdict = checks.weight(wrong, *problem)
    assert not verdict
    assert words in verdict.message


def test_convert_accepts_the_solution():
    assert checks.convert(lambda lam, sigma: lam * 2 * sigma**2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda lam, sigma: lam, "lambda' itself"),
        (lambda lam, sigma: lam / (2 * sigma**2), "upside down"),
        (lambda lam, sigma: lam * sigma**2, "the 2 is missing"),
        (lambda lam, sigma: 2 * lam * sigma, "squared"),
        (lambda lam, sigma: 0.1, "differs by up to"),
        (lambda lam, sigma: None, "raised TypeError"),
    ],
)
def test_convert_explains_what_is_wrong(wrong, words):
    verdict = checks.convert(wrong)
    assert not verdict
    assert words in verdict.message


# What all checks share


def test_compare_says_how_far_off_an_answer_is(capsys):
    expected = torch.tensor([1.0, 2.0])
    assert compare(expected, expected, "it").message == "it agrees exactly"
    assert "largest difference 9.5e-07" in compare(expected + 2**-20, expected, "it").message
    assert "differs by up to 1" in compare(expected + 1, expected, "it").message
    assert "(2, 1), expected (2,)" in compare(expected[:, None], expected, "it").message
    assert "NaN" in compare(expected / 0 - expected / 0, expected, "it").message
    assert "must be a tensor or a number, got str" in compare("two", expected, "it").message
    assert "still empty" in compare(None, expected, "it").message
    assert capsys.readouterr().out.count("\n") == 7  # one line each


def test_a_verdict_prints_one_line_and_shows_nothing_more(capsys):
    verdict = Verdict(False, "off by 3")
    assert capsys.readouterr().out == "✗ Not yet: off by 3\n"
    assert verdict._ipython_display_() is None
    assert capsys.readouterr().out == ""
    assert not verdict


def test_attempt_passes_keyboard_interrupts_on():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)
