"""The checks of chapter 08 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import itertools

import numpy as np
import torch
from chapter_tools import answer_tests
from torch.nn import functional

from course_utils.chapters.mri import checks

ASK = {name: getattr(checks, name) for name in checks.__all__}

# Filling with zeros


def filled(samples, mask):
    kspace = torch.zeros(mask.shape, dtype=samples.dtype)
    kspace[mask] = samples
    return kspace


def image(samples, mask):
    return torch.fft.ifft2(filled(samples, mask), norm="ortho")


def by_matrices(samples, mask):
    """The inverse transform as two matrix products."""
    n = len(mask)
    k = torch.arange(n, dtype=torch.float64)
    F = torch.polar(torch.full((n, n), n**-0.5, dtype=torch.float64), 2 * torch.pi * torch.outer(k, k) / n)
    return F @ filled(samples, mask) @ F.T


def in_numpy(samples, mask):
    kspace = np.zeros(tuple(mask.shape), dtype=complex)
    kspace[mask.numpy()] = samples.numpy()
    return np.fft.ifft2(kspace, norm="ortho")


def by_columns(samples, mask):
    kspace = torch.zeros(mask.shape, dtype=samples.dtype).T.contiguous()
    kspace[mask.T] = samples
    return torch.fft.ifft2(kspace.T, norm="ortho")


# The density


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


def dense(**settings):
    return lambda *arguments: density(*arguments, **settings)


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


def pixel_by_pixel(v, ell, a):
    H, W = v.shape
    total = 0.0
    for r in range(H):
        for c in range(W):
            value = float(v[r, c])
            value += float(a[0, r, c] * v[r, c + 1]) if c + 1 < W else 0
            value += float(a[1, r, c] * v[r + 1, c]) if r + 1 < H else 0
            total += 0.5 * (float(ell[r, c].exp()) * value) ** 2 - float(ell[r, c])
    return total


def with_constant(v, ell, a):
    return density(v, ell, a) + v.numel() / 2 * float(np.log(2 * np.pi))


def outside(v, ell, a):
    padded = functional.pad(v, (0, 1, 0, 1))
    total = ell.exp() * v + a[0] * padded[:-1, 1:] + a[1] * padded[1:, :-1]
    return 0.5 * total.square().sum() - ell.sum()


# The step in x


def step(A, y, g, precision, lam, weights=(0.5, 0.5), mean_only=False, white=False, iterations=400, whole=True, data=1):
    """The system by conjugate gradients, with the usual mistakes to choose from."""
    prior = (lambda v: v) if white else precision

    def H(v):
        return A.T(A(v)) + weights[0] * lam * prior(v)

    b = data * A.T(y) + weights[1] * lam * (g if mean_only else prior(g))
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


def in_x(**settings):
    return lambda *problem: step(*problem, **settings)


def by_solving(A, y, g, precision, lam):
    n = g.numel()
    pixels = torch.eye(n, dtype=g.dtype).reshape(n, *g.shape[1:])
    P = precision(pixels).reshape(n, n)
    M = A.matrix()
    b = A.T(y).flatten() + lam / 2 * P @ g.flatten()
    return torch.linalg.solve(M.T @ M + lam / 2 * P, b).reshape(g.shape)


def by_descent(A, y, g, precision, lam):
    x = g.clone()
    for _ in range(3000):
        x = x - 0.3 * (A.T(A(x) - y) + lam / 2 * precision(x - g))
    return x


def never_small_enough(A, y, g, precision, lam):
    x = g.clone()
    while (A.T(A(x) - y) + lam / 2 * precision(x - g)).norm() > 0:
        x = x - 0.3 * (A.T(A(x) - y) + lam / 2 * precision(x - g))
    return x


# A fair split


def best_split(subjects, share):
    people = list(dict.fromkeys(subjects))
    sets = [set(s) for k in range(1, len(people)) for s in itertools.combinations(people, k)]
    best = min(sets, key=lambda s: abs(sum(n in s for n in subjects) / len(subjects) - share))
    return [name in best for name in subjects]


def from_the_last(subjects, share):
    """Whole people, from the last on, until there are enough images."""
    tested = set()
    for name in reversed(list(dict.fromkeys(subjects))):
        if sum(n in tested for n in subjects) < share * len(subjects):
            tested.add(name)
    return [n in tested for n in subjects]


# The smaller system


def in_data(A, y, g, Sigma, sigma, noise=2, factor=1.0):
    return g + Sigma @ A.T @ torch.linalg.solve(
        A @ Sigma @ A.T + factor * sigma**noise * torch.eye(len(A)).to(A), y - A @ g
    )


def in_images(A, y, g, Sigma, sigma):
    P = sigma**2 * torch.linalg.inv(Sigma)
    return torch.linalg.solve(A.T @ A + P, A.T @ y + P @ g)


def conditional(A, y, g, Sigma, sigma):
    """The conditional mean of jointly Gaussian x and y, in NumPy."""
    A, y, g, Sigma = (v.numpy() for v in (A, y, g, Sigma))
    gain = np.linalg.solve(A @ Sigma @ A.T + sigma**2 * np.eye(len(A)), A @ Sigma).T
    return g + gain @ (y - A @ g)


RIGHT = {
    "fair_split": [
        best_split,
        lambda s, share: np.array(best_split(s, share)),
        lambda s, share: torch.tensor(best_split(s, share)),
        lambda s, share: tuple(map(int, best_split(s, share))),
        lambda s, share: best_split(s[::-1], share)[::-1],
    ],
    "in_data_space": [in_data, in_images, conditional, lambda *a: in_data(*(v.float() for v in a[:4]), a[4])],
    "zero_fill": [
        image,
        by_matrices,
        in_numpy,
        lambda s, m: image(s.to(torch.complex64), m),
        lambda s, m: list(image(s, m)),
        lambda s, m: torch.fft.fft2(filled(s, m).conj(), norm="ortho").conj(),
    ],
    "negative_log_likelihood": [
        density,
        by_matrix,
        pixel_by_pixel,
        lambda v, ell, a: density(v.float(), ell.float(), a.float()),
        lambda v, ell, a: density(v, ell, a).reshape(1),
    ],
    "x_step": [
        step,
        by_solving,
        lambda *a: by_solving(*a).numpy(),
        lambda *a: step(*a).float(),
        by_descent,
    ],
}
WRONG = {
    "fair_split": [
        (from_the_last, "another choice of people is nearer"),
        (lambda s, share: [k >= (1 - share) * len(s) for k in range(len(s))], "both sides"),
        (lambda s, share: [True] * len(s), "nobody is left to train on"),
        (lambda s, share: [False] * len(s), "nobody is left to test on"),
        (lambda s, share: best_split(s, share)[1:], "list of 12 bools"),
        (lambda s, share: None, "list of 12 bools"),
        (lambda s, share: s[len(s)], "raised IndexError"),
        (lambda s, share: [not v for v in best_split(s, share)], "nearer"),
    ],
    "in_data_space": [
        (lambda A, y, g, S, s: g, "still the mean"),
        (lambda *a: in_data(*a) - a[2], "x - g"),
        (
            lambda A, y, g, S, s: g + S @ A.T @ torch.linalg.solve(A @ S @ A.T + s**2 * torch.eye(len(A)).to(A), y),
            "y - A g",
        ),
        (lambda *a: in_data(*a, noise=1), "variance"),
        (lambda *a: in_data(*a, factor=2), "not 2 sigma^2"),
        (lambda *a: in_data(*a, factor=0), "exactly"),
        (lambda A, y, g, S, s: in_data(A, y, g, torch.eye(len(S)).to(S), s), "differs"),
        (lambda A, y, g, S, s: in_data(A, y, g, torch.linalg.inv(S), s), "precision"),
    ],
    "zero_fill": [
        (filled, "transform back"),
        (lambda s, m: torch.fft.fft2(filled(s, m), norm="ortho"), "forward transform once more"),
        (lambda s, m: torch.fft.ifft2(filled(s, m)), "the norm"),
        (lambda s, m: torch.fft.ifft2(filled(s, m), norm="forward"), "the norm"),
        (lambda s, m: torch.fft.ifft2(torch.fft.ifftshift(filled(s, m)), norm="ortho"), "a shift too many"),
        (lambda s, m: torch.fft.fftshift(image(s, m)), "nothing needs to be shifted"),
        (by_columns, "row by row"),
        (lambda s, m: torch.fft.ifft(filled(s, m), norm="ortho"), "one axis only"),
        (lambda s, m: image(s.conj(), m), "complex conjugates"),
        (lambda s, m: image(s, m) / m.double().mean(), "no density is corrected"),
        (lambda s, m: image(s, m).real, "keep the imaginary part"),
        (lambda s, m: image(s, m).abs(), "keep the phase"),
        (lambda s, m: image(s, m)[None], "shape"),
        (lambda s, m: None, "placeholder"),
        (lambda s, m: s.nothing, "raised AttributeError"),
        (lambda s, m: image(s, m.logical_not_().logical_not_().fill_(True)), "raised"),
    ],
    "negative_log_likelihood": [
        (dense(neighbours=False, log_det=0.0), "no neighbours, and no log-determinant"),
        (dense(neighbours=False), "no neighbours yet"),
        (dense(log_det=0.0), "log-determinant is missing"),
        (dense(log_det=1.0), "sign of the log-determinant"),
        (dense(log_det=-2.0), "you have all of it"),
        (dense(log_det=-0.5), "half of that"),
        (dense(half=1.0), "factor 1/2 of the quadratic form"),
        (dense(half=1.0, log_det=-2.0), "both factors"),
        (dense(half=-0.5, log_det=1.0), "the whole sign"),
        (dense(wrap=True), "wrap around"),
        (dense(earlier=True), "left and above"),
        (dense(swap=True), "changed places"),
        (dense(scale=lambda ell: ell), "exp(ell), not ell"),
        (dense(scale=lambda ell: (-ell).exp()), "not exp(-ell)"),
        (lambda v, ell, a: density(v, ell, -a), "signs of their own"),
        (outside, "the whole sum"),
        (with_constant, "to be left out"),
        (lambda v, ell, a: v, "shape"),
        (lambda v, ell, a: float("nan"), "NaN"),
        (lambda v, ell, a: ..., "placeholder"),
        (lambda v, ell: 0.0, "raised TypeError"),
    ],
    "x_step": [
        (in_x(iterations=0), "still G(z)"),
        (in_x(iterations=1), "only 1 step of"),
        (in_x(iterations=3), "only 3 steps of"),
        (in_x(weights=(1.0, 1.0)), "you have lam"),
        (in_x(weights=(0.5, 0.0)), "right-hand side needs"),
        (in_x(weights=(0.5, 1.0)), "on the right you have lam"),
        (in_x(weights=(1.0, 0.5)), "on the left you have lam"),
        (in_x(data=0), "data are missing"),
        (in_x(mean_only=True), "not G(z)"),
        (in_x(white=True), "step of identity"),
        (in_x(whole=False), "return x"),
        (lambda A, y, g, precision, lam: step(A, y, g, precision, 2.0), "lam is missing"),
        (lambda A, y, g, precision, lam: A.T(y), "data alone"),
        (lambda A, y, g, precision, lam: g + A.T(y - A(g)), "one gradient step"),
        (never_small_enough, "does not come to an end"),
        (lambda A, y, g, precision, lam: g.flatten(), "shape"),
        (lambda A, y, g, precision, lam: g / 0 * 0, "NaN"),
        (lambda A, y, g, precision, lam: None, "placeholder"),
        (lambda A, y, g, precision, lam: precision @ g, "raised TypeError"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)
