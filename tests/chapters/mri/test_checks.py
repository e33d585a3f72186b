"""The checks of chapter 08 accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch
from torch.nn import functional

from course_utils.chapters.mri import checks

# Exercise 1: filling with zeros.


def filled(samples, mask):
    kspace = torch.zeros(mask.shape, dtype=samples.dtype)
    kspace[mask] = samples
    return kspace


def image(samples, mask):
    return torch.fft.ifft2(filled(samples, mask), norm="ortho")


def test_zero_fill_accepts():
    assert checks.zero_fill(image)

    def by_matrices(samples, mask):
        """The inverse transform as two matrix products."""
        n = len(mask)
        k = torch.arange(n, dtype=torch.float64)
        F = torch.polar(torch.full((n, n), n**-0.5, dtype=torch.float64), 2 * torch.pi * torch.outer(k, k) / n)
        return F @ filled(samples, mask) @ F.T

    assert checks.zero_fill(by_matrices)


@pytest.mark.parametrize(
    ("fill", "hint"),
    [
        (filled, "transform back"),
        (lambda s, m: torch.fft.fft2(filled(s, m), norm="ortho"), "forward transform once more"),
        (lambda s, m: torch.fft.ifft2(filled(s, m)), "the norm"),
        (lambda s, m: torch.fft.ifft2(torch.fft.ifftshift(filled(s, m)), norm="ortho"), "a shift too many"),
        (lambda s, m: torch.fft.fftshift(image(s, m)), "nothing needs to be shifted"),
        (lambda s, m: image(s, m).real, "keep the imaginary part"),
        (lambda s, m: image(s, m).abs(), "keep the phase"),
        (lambda s, m: image(s, m)[None], "shape"),
        (lambda s, m: None, "placeholder"),
        (lambda s, m: s.nothing, "raised AttributeError"),
    ],
)
def test_zero_fill_refuses(fill, hint):
    verdict = checks.zero_fill(fill)
    assert not verdict
    assert hint in verdict.message, verdict.message


def test_zero_fill_refuses_samples_in_another_order():
    def by_columns(samples, mask):
        kspace = torch.zeros(mask.shape, dtype=samples.dtype).T.contiguous()
        kspace[mask.T] = samples
        return torch.fft.ifft2(kspace.T, norm="ortho")

    verdict = checks.zero_fill(by_columns)
    assert not verdict and "row by row" in verdict.message


# Exercise 2: the density.


def density(v, ell, a, half=0.5, log_det=-1.0, neighbours=True, scale=torch.exp, wrap=False, swap=False, earlier=False):
    padded = functional.pad(v, (1, 1, 1, 1))
    if wrap:
        padded = functional.pad(v[None, None], (1, 1, 1, 1), mode="circular")[0, 0]
    beside = slice(None, -2) if earlier else slice(2, None)
    right, below = padded[1:-1, beside], padded[beside, 1:-1]
    if swap:
        right, below = below, right
    total = v + (a[0] * right + a[1] * below if neighbours else 0)
    return half * (scale(ell) * total).square().sum() + log_det * ell.sum()


def test_density_accepts():
    assert checks.negative_log_likelihood(density)

    def by_matrix(v, ell, a):
        """The dense factor, and torch's own normal distribution."""
        H, W = v.shape
        LT = torch.zeros(H * W, H * W, dtype=v.dtype)
        for r in range(H):
            for c in range(W):
                j = r * W + c
                LT[j, j] = 1
                if c + 1 < W:
                    LT[j, j + 1] = a[0, r, c]
                if r + 1 < H:
                    LT[j, j + W] = a[1, r, c]
        LT = ell.exp().reshape(-1, 1) * LT
        normal = torch.distributions.MultivariateNormal(torch.zeros(H * W, dtype=v.dtype), precision_matrix=LT.T @ LT)
        return -normal.log_prob(v.flatten()) - H * W / 2 * torch.log(torch.tensor(2 * torch.pi, dtype=v.dtype))

    assert checks.negative_log_likelihood(by_matrix)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"neighbours": False, "log_det": 0.0}, "no neighbours, and no log-determinant"),
        ({"neighbours": False}, "no neighbours yet"),
        ({"log_det": 0.0}, "log-determinant is missing"),
        ({"log_det": 1.0}, "sign of the log-determinant"),
        ({"log_det": -2.0}, "you have all of it"),
        ({"log_det": -0.5}, "half of that"),
        ({"half": 1.0}, "factor 1/2 of the quadratic form"),
        ({"half": 1.0, "log_det": -2.0}, "both factors"),
        ({"wrap": True}, "wrap around"),
        ({"earlier": True}, "left and above"),
        ({"swap": True}, "changed places"),
        ({"scale": lambda ell: ell}, "exp(ell), not ell"),
        ({"scale": lambda ell: (-ell).exp()}, "not exp(-ell)"),
    ],
)
def test_density_refuses(settings, hint):
    verdict = checks.negative_log_likelihood(lambda v, ell, a: density(v, ell, a, **settings))
    assert not verdict
    assert hint in verdict.message, verdict.message


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda v, ell, a: v, "shape"),
        (lambda v, ell, a: float("nan"), "NaN"),
        (lambda v, ell, a: ..., "placeholder"),
        (lambda v, ell: 0.0, "raised TypeError"),
    ],
)
def test_density_refuses_what_is_no_number(answer, hint):
    verdict = checks.negative_log_likelihood(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: the step in x.


def step(A, y, g, precision, lam, weight=0.5, right=True, mean_only=False, white=False, iterations=400, whole=True):
    """The system by conjugate gradients, with the usual mistakes to choose from."""
    prior = (lambda v: v) if white else precision

    def H(v):
        return A.T(A(v)) + weight * lam * prior(v)

    pull = g if mean_only else prior(g)
    b = A.T(y) + (weight * lam * pull if right else 0)
    x = g.clone()
    r = b - H(x)
    p, size = r, r.square().sum()
    for _ in range(iterations):
        if size < 1e-20 * b.square().sum():
            break
        Hp = H(p)
        alpha = size / (p * Hp).sum()
        x, r = x + alpha * p, r - alpha * Hp
        old, size = size, r.square().sum()
        p = r + size / old * p
    return x if whole else x - g


def test_x_step_accepts():
    assert checks.x_step(step)

    def dense(A, y, g, precision, lam):
        n = g.numel()
        pixels = torch.eye(n, dtype=g.dtype).reshape(n, *g.shape[1:])
        P = precision(pixels).reshape(n, n)
        M = A.matrix()
        b = A.T(y).flatten() + lam / 2 * P @ g.flatten()
        return torch.linalg.solve(M.T @ M + lam / 2 * P, b).reshape(g.shape)

    assert checks.x_step(dense)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"iterations": 0}, "still G(z)"),
        ({"iterations": 1}, "only 1 step of"),
        ({"iterations": 3}, "only 3 steps of"),
        ({"weight": 1.0}, "you have lam"),
        ({"right": False}, "right-hand side needs"),
        ({"mean_only": True}, "not G(z)"),
        ({"white": True}, "step of identity"),
        ({"whole": False}, "return x"),
    ],
)
def test_x_step_refuses(settings, hint):
    verdict = checks.x_step(lambda *problem: step(*problem, **settings))
    assert not verdict
    assert hint in verdict.message, verdict.message


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda A, y, g, precision, lam: step(A, y, g, precision, 2.0), "lam is missing"),
        (lambda A, y, g, precision, lam: g.flatten(), "shape"),
        (lambda A, y, g, precision, lam: g / 0 * 0, "NaN"),
        (lambda A, y, g, precision, lam: None, "placeholder"),
        (lambda A, y, g, precision, lam: precision @ g, "raised TypeError"),
    ],
)
def test_x_step_refuses_more(answer, hint):
    verdict = checks.x_step(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message
