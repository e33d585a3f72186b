"""The checks of chapter 00 accept what is right, in every type of array, and explain what is wrong."""

import functools
import math

import numpy as np
import pytest
import torch
from chapter_tools import ROUGH, ROUGH_VALUES, accepts, refuses, rows

from course_utils import data, metrics
from course_utils.chapters.start import checks
from course_utils.operators import GaussianBlur, measure

CANDIDATES = [0.015, 0.05, 0.15, 0.5]


@functools.cache
def problem():
    A, x = GaussianBlur(28), data.load("mnist").val[:20]
    return CANDIDATES, A, x, measure(A, x, 0.2, torch.Generator().manual_seed(1)), 0.2


ASK = {"psnr": checks.psnr, "weight": lambda lam: checks.weight(lam, *problem()), "convert": checks.convert}


def mse(x, truth):
    return (x - truth).pow(2).flatten(1).mean(1)


def in_numpy(x, truth):
    error = ((x.numpy() - truth.numpy()) ** 2).reshape(len(x), -1).mean(1)
    return -10 * np.log10(error)


def one_by_one(x, truth):
    return [10 * math.log10(1 / float((a - b).pow(2).mean())) for a, b in zip(x, truth, strict=True)]


RIGHT = {
    "psnr": [
        lambda x, truth: -10 * torch.log10(mse(x, truth)),
        lambda x, truth: -20 * mse(x.double(), truth.double()).sqrt().log10(),
        metrics.psnr,
        in_numpy,
        one_by_one,
        lambda x, truth: tuple(-10 * v.log10() for v in mse(x, truth)),
    ],
    "weight": [0.15, torch.tensor(0.15), np.float32(0.15), [0.15], torch.tensor([0.15], dtype=torch.float64)],
    "convert": [
        lambda lam, sigma: lam * 2 * sigma**2,
        lambda lam, sigma: torch.tensor(2 * sigma**2 * lam, dtype=torch.float64),
        lambda lam, sigma: np.float64(lam) / (0.5 / sigma**2),
        lambda lam, sigma: torch.tensor(2 * sigma**2 * lam),  # single precision
    ],
}
WRONG = {
    "psnr": [
        (mse, "mean squared errors"),
        (lambda x, t: mse(x, t).sqrt(), "root mean squared errors"),
        (lambda x, t: metrics.psnr(x, t, data_range=2.0), "data range 2"),
        (lambda x, t: metrics.psnr(x, t, data_range=255.0), "data range 255"),
        (lambda x, t: 10 * mse(x, t).log10(), "the sign is wrong"),
        (lambda x, t: -10 * mse(x, t).log(), "natural logarithm"),
        (lambda x, t: -mse(x, t).log10(), "tenths"),
        (lambda x, t: -10 * (x - t).pow(2).flatten(1).sum(1).log10(), "take the mean"),
        (lambda x, t: -20 * mse(x, t).log10(), "twice too large"),
        (lambda x, t: -10 * mse(x, t).sqrt().log10(), "20 to its root"),
        (lambda x, t: -10 * (x - t).abs().flatten(1).mean(1).log10(), "mean absolute error"),
        (lambda x, t: -10 * (x - t).pow(2).mean().log10(), "for the whole batch"),
        (lambda x, t: metrics.psnr(x, t).mean(), "one value for each image"),
        (lambda x, t: metrics.psnr(x, t)[:, None], "give them that shape"),
        (lambda x, t: x.sub_(t).pow(2).flatten(1).mean(1), "changed its argument x in place"),
        (lambda x, t: (x - t).shapes, "raised AttributeError"),
        (20.0, "expected a function, got float"),
    ],
    "weight": [
        (0.015, "smallest misfit"),
        (0.05, "compare the mean PSNR"),
        (0.5, "too smooth"),
        (0.1, "not among the candidates 0.015, 0.05, 0.15, 0.5"),
        (2, "the index"),
        (17.7, "is it a PSNR"),
        (None, "still empty"),
        ("0,15", "must be a number"),
        (CANDIDATES, "one number"),
    ],
    "convert": [
        (lambda lam, sigma: lam, "lambda' itself"),
        (lambda lam, sigma: lam / (2 * sigma**2), "upside down"),
        (lambda lam, sigma: lam * sigma**2, "the 2 is missing"),
        (lambda lam, sigma: 2 * lam * sigma, "squared"),
        (lambda lam, sigma: lam * sigma**2 / 2, "in the denominator"),
        (lambda lam, sigma: 2 * sigma**2, "the factor alone"),
        (lambda lam, sigma: (2 * sigma) ** 2 * lam, "squared as a whole"),
        (lambda lam, sigma: 2 * lam, "sigma is missing"),
        (lambda lam, sigma: -2 * sigma**2 * lam, "only the sign is wrong"),
        (lambda lam, sigma: 0.1, "too large"),
        (lambda lam, sigma: None, "still empty"),
    ],
}


@pytest.mark.parametrize(("name", "answer"), rows(RIGHT))
def test_right_answers_are_accepted(name, answer):
    accepts(ASK[name], answer)


@pytest.mark.parametrize(("name", "answer", "hint"), rows(WRONG))
def test_wrong_answers_are_explained(name, answer, hint):
    refuses(ASK[name], answer, hint)


@pytest.mark.parametrize("rough", ROUGH)
@pytest.mark.parametrize("name", ["psnr", "convert"])
def test_no_function_hangs_or_raises(name, rough):
    refuses(ASK[name], ROUGH[rough])


@pytest.mark.parametrize("rough", ROUGH_VALUES)
def test_no_value_raises(rough):
    refuses(ASK["weight"], ROUGH_VALUES[rough])
