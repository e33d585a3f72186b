"""The checks of chapter 00 accept what is right, in every type of array, and explain what is wrong."""

import functools

import numpy as np
import torch
from chapter_tools import answer_tests

from course_utils import data
from course_utils.chapters.start import checks
from course_utils.operators import GaussianBlur, measure

CANDIDATES = [0.015, 0.05, 0.15, 0.5]


@functools.cache
def problem():
    A, x = GaussianBlur(28), data.load("mnist").val[:20]
    return CANDIDATES, A, x, measure(A, x, 0.2, torch.Generator().manual_seed(1)), 0.2


ASK = {"safest": checks.safest, "weight": lambda lam: checks.weight(lam, *problem()), "convert": checks.convert}


def in_numpy(a, b, p):
    return np.average(np.stack([a.numpy(), b.numpy()]), axis=0, weights=[p, 1 - p])


def by_descent(a, b, p):
    """Gradient steps on the expected squared error."""
    v = torch.zeros_like(a)
    for _ in range(60):
        v = v - 0.5 * (p * (v - a) + (1 - p) * (v - b))
    return v


RIGHT = {
    "safest": [
        lambda a, b, p: p * a + (1 - p) * b,
        lambda a, b, p: torch.lerp(b, a, p),
        in_numpy,
        by_descent,
        lambda a, b, p: (a.double() * p + b.double() * (1 - p)).tolist(),
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
    "safest": [
        (lambda a, b, p: a if p > 0.5 else b, "the more probable digit"),
        (lambda a, b, p: a, "a itself"),
        (lambda a, b, p: b, "b itself"),
        (lambda a, b, p: (a + b) / 2, "in equal parts"),
        (lambda a, b, p: (1 - p) * a + p * b, "changed places"),
        (lambda a, b, p: (p**2 * a + (1 - p) ** 2 * b) / (p**2 + (1 - p) ** 2), "not squared"),
        (lambda a, b, p: p * a, "b is missing"),
        (lambda a, b, p: torch.maximum(a, b), "the brighter one"),
        (lambda a, b, p: torch.minimum(a, b), "the darker one"),
        (lambda a, b, p: a + b, "must add up to 1"),
        (lambda a, b, p: a**p * b ** (1 - p), "geometric mean"),
        (lambda a, b, p: p * (1 - p) * (a - b).pow(2).sum(), "not the image"),
        (lambda a, b, p: (p * a + (1 - p) * b)[None], "give them that shape"),
        (lambda a, b, p: a.mul_(p).add_((1 - p) * b), "changed its argument a in place"),
        (lambda a, b, p: a.shapes, "raised AttributeError"),
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


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG, values=("weight",)
)
