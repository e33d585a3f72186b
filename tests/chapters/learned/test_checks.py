"""The checks of chapter 09 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import numpy as np
import torch
from chapter_tools import answer_tests

from course_utils.chapters.learned import checks

from . import answers_denoising, answers_robust

ASK = {name: getattr(checks, name) for name in checks.__all__}


def null_space(A):
    """A basis, from the singular vectors."""
    return torch.linalg.svd(A)[2][len(A) :].T


def consistent(A, y, N):
    first = torch.linalg.pinv(A) @ y
    V = null_space(A)
    return first + V @ (V.T @ N(first))


def by_least_squares(A, y, N):
    """The image nearest to what N draws beside the first one, among those that agree with the data."""
    first = torch.linalg.lstsq(A, y).solution if len(A) >= A.shape[1] else A.T @ torch.linalg.solve(A @ A.T, y)
    drawn = first + N(first)
    return drawn - A.T @ torch.linalg.solve(A @ A.T, A @ drawn - y)


def best(y, A, a, b, sigma):
    fits = torch.stack([-(A @ v - y).square().sum() / (2 * sigma**2) for v in (a, b)])
    p = fits.softmax(0)
    return p[0] * a + p[1] * b


def by_densities(y, A, a, b, sigma):
    normal = torch.distributions.Normal(y, sigma)
    pa, pb = (normal.log_prob(A @ v).sum().exp() for v in (a, b))
    return (pa * a + pb * b) / (pa + pb)


RIGHT = {
    "consistent": [
        consistent,
        by_least_squares,
        lambda A, y, N: consistent(A, y, N).numpy(),
        lambda A, y, N: consistent(A, y, N).float(),
    ],
    "best_answer": [
        best,
        by_densities,
        lambda *v: np.asarray(best(*v)),
        lambda *v: best(*v).tolist(),
    ],
}
WRONG = {
    "consistent": [
        (lambda A, y, N: N(torch.linalg.pinv(A) @ y), "N's answer alone"),
        (lambda A, y, N: torch.linalg.pinv(A) @ y + N(torch.linalg.pinv(A) @ y), "added whole"),
        (lambda A, y, N: torch.linalg.pinv(A) @ y, "nothing of N"),
        (lambda A, y, N: null_space(A) @ (null_space(A).T @ N(torch.linalg.pinv(A) @ y)), "itself is missing"),
        (lambda A, y, N: consistent(A, y, lambda x: N(A.T @ y)), "the adjoint"),
        (lambda A, y, N: torch.linalg.pinv(A) @ (A @ N(torch.linalg.pinv(A) @ y)), "differs"),
    ],
    "best_answer": [
        (lambda y, A, a, b, s: a if (A @ a - y).norm() < (A @ b - y).norm() else b, "more probable"),
        (lambda y, A, a, b, s: (a + b) / 2, "not after"),
        (lambda y, A, a, b, s: best(y, A, a, b, s / 2**0.5), "1/2"),
        (lambda y, A, a, b, s: best(y, A, a, b, s**0.5), "variance"),
        (lambda y, A, a, b, s: a + b - best(y, A, a, b, s), "changed places"),
    ],
}
RIGHT |= answers_denoising.RIGHT | answers_robust.RIGHT
WRONG |= answers_denoising.WRONG | answers_robust.WRONG


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)
