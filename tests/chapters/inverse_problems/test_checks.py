"""The checks of chapter 01 accept what is right, in every type of array, and explain what is wrong."""

import functools

import numpy as np
import torch
from chapter_tools import answer_tests, asked
from torch.nn.functional import pad

from course_utils import data
from course_utils.chapters.inverse_problems import checks
from course_utils.operators import GaussianMatrix, operator_norm

KERNEL = (0.5, 0.3, 0.2)


def motion_blur(x, weights=KERNEL):
    return sum(w * pad(x, (k, -k)) for k, w in enumerate(weights))


def motion_adjoint(y, weights=KERNEL):
    return sum(w * pad(y, (-k, k)) for k, w in enumerate(weights))


def pixel_by_pixel(y):
    """What a loop over the pixels does, in NumPy."""
    y, x = y.numpy(), np.zeros(y.shape)
    for column in range(y.shape[-1]):
        for k, w in enumerate(KERNEL):
            if column + k < y.shape[-1]:
                x[..., column] += w * y[..., column + k]
    return x


def by_autograd(y):
    x = torch.zeros_like(y, requires_grad=True)
    return torch.autograd.grad(motion_blur(x), x, y)[0]


def rolled(y):
    return sum(w * torch.roll(y, -k, -1) for k, w in enumerate(KERNEL))


def power_norm(A, n_iter=200, normalise=True, feed_back=True, root=True, unit=True):
    x = torch.randn(1, *A.shape_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value = 0.0
    for _ in range(n_iter):
        if normalise:
            x = x / x.norm()
        value = A(x).norm() if root else A.T(A(x)).norm()
        if feed_back:
            x = A.T(A(x))
    return float(value if unit else A(x).norm())


def until_settled(A):
    x, before, now = torch.ones(1, *A.shape_in, dtype=torch.float64), 0.0, 1.0
    while abs(now - before) > 1e-12 * now:
        x = A.T(A(x))
        before, now = now, float(x.norm()) ** 0.5
        x = x / x.norm()
    return now


def powers(**settings):
    return lambda A: power_norm(A, **settings)


@functools.cache
def ghost():
    A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0)).double()
    x, other = data.load("mnist").test[:2].double().split(1)
    _, _, V = A.svd()
    d = (other - x).flatten(1)
    return A, x, other, (d - d @ V @ V.T).reshape(x.shape)


def twin(answer):
    """``answer`` is a function of A, x, the other image and the invisible difference, or a value."""
    A, x, other, invisible = ghost()
    value = answer(A, x, other, invisible) if getattr(answer, "__name__", "") == "<lambda>" else answer
    return checks.twin(A, x, other, value)


def unseen(v):
    V = ghost()[0].svd().V
    return v - (v.flatten(1) @ V @ V.T).reshape(v.shape)


def noise_by_bisection(S, total, invisible):
    """Without a formula: where the two expected errors cross."""
    low, high = 0.0, 1e3
    for _ in range(100):
        sigma = (low + high) / 2
        error = invisible + sum((sigma / s) ** 2 for s in S.tolist() if s > 0)
        low, high = (sigma, high) if error < total else (low, sigma)
    return sigma


def break_even(power=-2, total_share=1.0, invisible_share=-1.0, reduce=torch.sum, root=True):
    def sigma(S, total, invisible):
        gain = reduce(S[S > 0].pow(power))
        value = (total_share * total + invisible_share * invisible) / gain
        return value.sqrt() if root else value

    return sigma


def wiener(s, b, sigma):
    return s**2 * b / (s**2 * b + sigma**2)


def filter_by_descent(s, b, sigma):
    """Newton steps on the expected error, of which one is enough."""
    phi = torch.zeros_like(s, requires_grad=True)
    error = ((1 - phi) ** 2 * b + phi**2 * sigma**2 / s**2).sum()
    (slope,) = torch.autograd.grad(error, phi)
    return (phi - slope / (2 * b + 2 * sigma**2 / s**2)).detach()


ASK = {
    "adjoint": lambda answer: checks.adjoint(motion_blur, answer),
    "norm": checks.norm,
    "twin": twin,
    "break_even": checks.break_even,
    "best_filter": checks.best_filter,
}
RIGHT = {
    "adjoint": [
        motion_adjoint,
        by_autograd,
        pixel_by_pixel,
        lambda y: motion_adjoint(y.float()),
        lambda y: motion_blur(y.flip(-1)).flip(-1),
        lambda y: [motion_adjoint(one) for one in y],
    ],
    "norm": [
        power_norm,
        until_settled,
        operator_norm,
        lambda A: A.svd().S[0],
        lambda A: torch.linalg.matrix_norm(A.matrix(), ord=2),
        lambda A: np.linalg.norm(A.matrix().numpy(), 2),
        lambda A: torch.tensor([power_norm(A)]),
    ],
    "twin": [
        lambda A, x, other, n: x + n,
        lambda A, x, other, n: (x + n).float(),
        lambda A, x, other, n: (x + n).numpy(),
        lambda A, x, other, n: other - torch.linalg.pinv(A.matrix()).mv(A(other - x)[0]).reshape(x.shape),
        lambda A, x, other, n: (x + n).clone().requires_grad_(),
    ],
    "break_even": [
        break_even(),
        noise_by_bisection,
        lambda S, total, invisible: float(((total - invisible) / (1 / S[S > 1e-12] ** 2).sum()) ** 0.5),
        lambda S, total, invisible: np.sqrt((total - invisible) / np.sum(S.numpy()[S.numpy() > 0] ** -2.0)),
    ],
    "best_filter": [
        wiener,
        filter_by_descent,
        lambda s, b, sigma: 1 / (1 + sigma**2 / (s**2 * b)),
        lambda s, b, sigma: (b / (b + (sigma / s) ** 2)).numpy(),
        lambda s, b, sigma: wiener(s, b, sigma).float(),
        lambda s, b, sigma: [float(wiener(u, v, sigma)) for u, v in zip(s, b, strict=True)],
    ],
}
WRONG = {
    "adjoint": [
        (motion_blur, "this is A itself"),
        (lambda y: 2 * motion_adjoint(y), "2 times the adjoint"),
        (lambda y: -motion_adjoint(y), "-1 times the adjoint"),
        (lambda y: torch.roll(motion_adjoint(y), 1, -1), "pixel j"),
        (rolled, "right inside and wrong at the border"),
        (lambda y: y, "this is y itself"),
        (lambda y: motion_blur(y).flip(-1), "mirror image"),
        (lambda y: motion_blur(motion_blur(y)), "applied twice"),
        (lambda y: motion_adjoint(y).mean(0, keepdim=True).expand_as(y), "leave the first axis alone"),
        (lambda y: 0 * y, "everything is 0"),
        (lambda y: motion_adjoint(y)[:, 0], "expected shape (3, 1, 28, 28), got (3, 28, 28)"),
        (lambda y: y / 0 * 0, "NaN"),
        (lambda y: None, "returns nothing"),
        (lambda y: 3.0, "expected shape"),
        (lambda y: y + torch.zeros(7), "raised RuntimeError"),
        (lambda y: y.mul_(2), "in place"),
        (torch.zeros(3), "expected a function"),
    ],
    "norm": [
        (powers(root=False), "that is its square"),
        (powers(normalise=False), "divide it by its length"),
        (powers(feed_back=False), "feed A* A x back"),
        (powers(n_iter=1), "lower bound"),
        (powers(n_iter=5), "still rising"),
        (powers(unit=False), "divide it by its length first"),
        (lambda A: A.norm, "is that A.norm"),
        (lambda A: A.scale, "is that A.norm"),
        (lambda A: A.matrix().norm(), "Frobenius"),
        (lambda A: A.matrix().abs().max(), "largest entry"),
        (lambda A: power_norm(A) ** 0.5, "that is its root"),
        (lambda A: -power_norm(A), "a norm is positive"),
        (lambda A: 40.0, "where the norm is 0.7"),
        (lambda A: 60.0, "1.5 times too large"),
        (lambda A: None, "still empty"),
        (lambda A: "large", "must be a number"),
        (lambda A: A.svd().S, "one number"),
        (lambda A: A.nothing, "raised AttributeError"),
    ],
    "twin": [
        (lambda A, x, other, n: other, "the other image itself"),
        (lambda A, x, other, n: x, "this is x itself"),
        (lambda A, x, other, n: x + 0.5 * n, "add all of the difference"),
        (lambda A, x, other, n: x - n, "the sign of the difference"),
        (lambda A, x, other, n: x + (other - x) - A.T(A(other - x)), "is a projection only if"),
        (lambda A, x, other, n: other - n, "You added the visible part"),
        (lambda A, x, other, n: n, "the invisible difference alone"),
        (lambda A, x, other, n: x + unseen(other), "x has one already"),
        (lambda A, x, other, n: (x + other) / 2, "The mean of the two"),
        (lambda A, x, other, n: 2 * x, "from the null space of A only"),
        (lambda A, x, other, n: n[0], "shape (1, 1, 28, 28), got (1, 28, 28)"),
        (lambda A, x, other, n: (x + n).flatten(1), "reshape it"),
        (lambda A, x, other, n: x + n / 0, "NaN or infinite"),
        (lambda A, x, other, n: 0.0, "shape"),
    ],
    "break_even": [
        (break_even(invisible_share=0.0), "compares the noise with the whole image"),
        (lambda S, total, invisible: ((total - invisible) / S.pow(-2).sum()).sqrt(), "leave them out of the sum"),
        (lambda S, total, invisible: (total / S.pow(-2).sum()).sqrt(), "leave them out of the sum"),
        (break_even(root=False), "take the root"),
        (break_even(total_share=0.0, invisible_share=1.0), "the visible one"),
        (break_even(invisible_share=1.0), "subtracted, not added"),
        (break_even(reduce=torch.amax), "the weakest direction"),
        (break_even(power=-1), "not by s_k"),
        (break_even(reduce=torch.mean), "not the mean"),
        (break_even(power=2), "not multiplied"),
        (lambda S, total, invisible: 1 / break_even()(S, total, invisible), "upside down"),
        (lambda S, total, invisible: None, "still empty"),
    ],
    "best_filter": [
        (lambda s, b, sigma: (s**2 * b > sigma**2).double(), "keeps or drops"),
        (lambda s, b, sigma: s**2 / (s**2 + sigma**2), "Tikhonov"),
        (lambda s, b, sigma: b / (b + sigma**2), "s is missing"),
        (lambda s, b, sigma: s * b / (s * b + sigma**2), "s enters squared"),
        (lambda s, b, sigma: s * b.sqrt() / (s * b.sqrt() + sigma), "in place of energies"),
        (lambda s, b, sigma: s**2 * b / (s**2 * b + sigma), "not sigma"),
        (lambda s, b, sigma: 1 - wiener(s, b, sigma), "take away"),
        (lambda s, b, sigma: wiener(s, b, sigma) / s, "stands in the sum already"),
        (lambda s, b, sigma: b / (b + s**2 * sigma**2), "wrong side"),
        (lambda s, b, sigma: wiener(s, b, sigma).sqrt(), "that is its root"),
        (lambda s, b, sigma: s**2 * b / sigma**2, "signal over noise"),
        (lambda s, b, sigma: s**2 * b / (s**2 * b + 2 * sigma**2), "drops out"),
        (lambda s, b, sigma: wiener(s, b, sigma).sum(), "shape"),
        (lambda s, b, sigma: b.mul_(s**2) / (b + sigma**2), "in place"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG, values=("twin",)
)


def test_the_adjoint_is_told_from_the_inverse():
    ramp = torch.linspace(1, 2, 28, dtype=torch.float64)
    verdict = asked(checks.adjoint, lambda x: x * ramp, lambda y: y / ramp)
    assert not verdict and "an inverse is not an adjoint" in verdict.message
