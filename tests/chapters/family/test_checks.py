"""The checks of chapter 06 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import copy
import functools
import math

import numpy as np
import pytest
import torch
from chapter_tools import answer_tests, asked

from course_utils import GaussianMatrix, load, measure, pretrained
from course_utils.chapters.family import checks
from course_utils.chapters.family.deviations import layer_jacobian, shuffled
from course_utils.regularisers import Intermediate
from course_utils.reproduce import start_dictionary
from course_utils.solvers import s_rec


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@functools.cache
def vae():
    return pretrained("vae-mnist-8", verbose=False)


@pytest.fixture(scope="module")
def G():
    return vae()


# The shell


def moved(z, squares):
    return z * (squares / z.square().sum(1, keepdim=True)).sqrt()


def into(z, width, low=True, high=True):
    d, size = z.shape[1], z.square().sum(1, keepdim=True)
    return moved(z, size.clamp(max(d - width, 0) if low else None, d + width if high else None))


def to_shell(z):
    return into(z, 2 * (2 * z.shape[1]) ** 0.5)


def row_by_row(z):
    found = []
    for row in z.tolist():
        d, squared = len(row), sum(v * v for v in row)
        wanted = min(max(squared, d - 2 * math.sqrt(2 * d)), d + 2 * math.sqrt(2 * d))
        found.append([v * math.sqrt(wanted / squared) for v in row])
    return found


def change_in_place(z):
    z *= 2
    return z


# How long a step of eq. (8) may be


def step(A, x, x_new, power=1.0, factor=1.0):
    difference = x_new - x
    return factor * (difference.flatten(1).square().sum(1) / A(difference).square().sum(1)) ** power


def by_trying(A, x, x_new):
    """Bisection in eta on the inequality itself, for data 0."""
    g, found = A.T(A(x)), []
    for k in range(len(x)):
        low, high = 1e-3, 1e3
        for _ in range(80):
            eta = (low * high) ** 0.5
            d = (x_new - x)[k]
            above = d.square().sum() / eta + 2 * (d * g[k]).sum() + A(x)[k].square().sum()
            low, high = (eta, high) if above >= A(x_new)[k].square().sum() else (low, eta)
        found.append(low)
    return found


# Two images with the same data


@functools.cache
def eight():
    return GaussianMatrix(8, 28, seeded(0))


@functools.cache
def good_pair():
    found = s_rec(eight(), vae(), seeded(11), pairs=100, descend=4)
    return found.z[found.worst.argmin()]


def same_data(answer):
    value = answer() if getattr(answer, "__name__", "") == "<lambda>" else answer
    return checks.same_data(value, eight(), vae())


def stopped_early():
    """A descent that was stopped early."""
    z = good_pair().clone()
    return z + 0.03 * torch.randn(2, 8, generator=seeded(5))


# What a deviation costs


def best_v(J, r, lam):
    return torch.linalg.solve(J.T @ J + lam * torch.eye(J.shape[1], dtype=J.dtype), J.T @ r)


def kernel(J, r, lam):
    return torch.linalg.solve(torch.eye(len(r), dtype=J.dtype) + J @ J.T / lam, r)


def price(J, r, lam):
    return r @ kernel(J, r, lam)


def by_least_squares(J, r, lam):
    v = best_v(J, r, lam)
    return (J @ v - r).square().sum() + lam * v.square().sum()


def by_singular_values(J, r, lam):
    U, S, _ = np.linalg.svd(J.numpy(), full_matrices=False)
    return float((lam / (lam + S**2) * (U.T @ r.numpy()) ** 2).sum())


# The weight for few data


@functools.cache
def scarce():
    data = load("mnist")
    A = GaussianMatrix(25, 28, seeded(0))
    return A, measure(A, data.test[100:104], 0.05, seeded(3)), 0.05, vae(), start_dictionary(vae(), data.train), 0.1, 3


@functools.cache
def weight():
    low, high = 0.03, 1.0
    while high / low > 1.15:
        middle = (low * high) ** 0.5
        verdict = asked(checks.layer_weight, middle, *scarce())
        if verdict:
            return middle
        low, high = (middle, high) if "too small" in verdict.message else (low, middle)
    return (low * high) ** 0.5


def layer_weight(answer):
    value = answer() if getattr(answer, "__name__", "") == "<lambda>" else answer
    return checks.layer_weight(value, *scarce())


# Relaxed on a mask


def masked(seen, y, g, lam):
    return torch.where(seen, (y + lam * g) / (1 + lam), g)


def pixel_by_pixel(seen, y, g, lam):
    x = g.clone()
    for i, j in seen.nonzero().tolist():
        x[..., i, j] = (y[..., i, j] + lam * g[..., i, j]) / (1 + lam)
    return x


def two(on_seen, in_hole=lambda y, g, lam: g):
    return lambda seen, y, g, lam: torch.where(seen, on_seen(y, g, lam), in_hole(y, g, lam))


def average(y, g, lam):
    return (y + lam * g) / (1 + lam)


ASK = {name: getattr(checks, name) for name in checks.__all__} | {"same_data": same_data, "layer_weight": layer_weight}
VALUES = ("same_data", "layer_weight")
RIGHT = {
    "project_to_shell": [
        to_shell,
        row_by_row,
        lambda z: to_shell(z).numpy(),
        lambda z: to_shell(z.float()),
        lambda z: list(to_shell(z)),
    ],
    "longest_step": [
        step,
        by_trying,
        lambda A, x, x_new: step(A, x_new, x),
        lambda *a: step(*a).numpy(),
        lambda A, x, x_new: step(A, x.flatten(1).reshape(x.shape), x_new).float(),
    ],
    "same_data": [
        lambda: good_pair(),
        lambda: list(good_pair()),
        lambda: (good_pair()[:1], good_pair()[1:]),
        lambda: good_pair().double().numpy(),
        lambda: good_pair().clone().requires_grad_(),
        lambda: good_pair().flip(0),
    ],
    "enough_measurements": [
        lambda d: 2 * d + 1,
        lambda d: torch.tensor(2 * d + 1),
        lambda d: float(2 * d + 1),
        lambda d: np.int64(d + d + 1),
    ],
    "deviation_cost": [
        price,
        by_least_squares,
        by_singular_values,
        lambda J, r, lam: float(price(J, r, lam)),
        lambda J, r, lam: price(J.float(), r.float(), lam),
        lambda J, r, lam: r[None] @ kernel(J, r, lam)[:, None],
    ],
    "layer_weight": [
        lambda: weight(),
        lambda: torch.tensor(weight()),
        lambda: np.array([weight()]),
        lambda: np.float32(weight()),
    ],
    "masked_image": [
        masked,
        lambda seen, y, g, lam: (seen * y + lam * g) / (seen + lam),
        pixel_by_pixel,
        lambda *a: masked(*a).numpy(),
        lambda *a: masked(*a).float(),
    ],
}
WRONG = {
    "project_to_shell": [
        (lambda z: z, "this is z itself"),
        (lambda z: z / z.norm(dim=1, keepdim=True), "unit sphere"),
        (lambda z: moved(z, torch.full_like(z[:, :1], z.shape[1])), "no thickness"),
        (lambda z: z.shape[1] * z / z.norm(dim=1, keepdim=True), "radius d that the paper prints"),
        (lambda z: into(z, 2 * z.shape[1] ** 0.5), "is 2 d"),
        (lambda z: into(z, (2 * z.shape[1]) ** 0.5), "not one"),
        (lambda z: into(z, 4 * z.shape[1]), "the root of the variance"),
        (lambda z: into(z, 2 * (3 * z.shape[1]) ** 0.5), "less the square of the mean"),
        (
            lambda z: moved(
                z, (z.norm(dim=1) - z.shape[1] ** 0.5).clamp(-(2**0.5), 2**0.5).add(z.shape[1] ** 0.5)[:, None] ** 2
            ),
            "stated for the squared length",
        ),
        (
            lambda z: moved(
                z,
                z.norm(dim=1, keepdim=True).clamp(
                    max(z.shape[1] - 8**0.5 * z.shape[1] ** 0.5, 0), z.shape[1] + 8**0.5 * z.shape[1] ** 0.5
                )
                ** 2,
            ),
            "take their roots",
        ),
        (lambda z: into(z, 2 * (2 * z.shape[1]) ** 0.5, low=False), "too short must move"),
        (lambda z: into(z, 2 * (2 * z.shape[1]) ** 0.5, high=False), "too long must move"),
        (lambda z: -to_shell(z), "only the sign"),
        (lambda z: None, "placeholder"),
        (lambda z: z[:, :3], "shape"),
        (lambda: 1, "raised TypeError"),
        (change_in_place, "in place"),
    ],
    "longest_step": [
        (lambda A, x, x_new: torch.ones(len(x)), "safe for all pairs"),
        (lambda *a: step(*a, power=0.5), "both norms are squared"),
        (lambda *a: step(*a, power=-1.0), "turned over"),
        (lambda *a: step(*a, factor=0.5), "no factor 1/2"),
        (lambda *a: step(*a, factor=2.0), "is that of the data term already"),
        (lambda A, x, x_new: step(A, 0 * x, x_new), "on the difference"),
        (lambda *a: step(*a).min(), "each pair has its own"),
        (lambda A, x, x_new: (x_new - x).flatten(1).square().sum(1) - A(x_new - x).square().sum(1), "both are equal"),
        (lambda A, x, x_new: None, "placeholder"),
        (lambda A, x: x, "raised TypeError"),
        ("no function", "expected a function"),
    ],
    "same_data": [
        (torch.randn(2, 8, generator=seeded(1)), "descend on both z"),
        (lambda: stopped_early(), "on the way"),
        (torch.ones(2, 8), "differ by at least"),
        (20 * torch.randn(2, 8, generator=seeded(1)), "far from N(0, I)"),
        (torch.full((2, 8), float("nan")), "NaN"),
        (torch.randn(2, 3), "shape"),
        (torch.zeros(8, 2), "one latent vector a row"),
        (None, "placeholder"),
        ([1, 2], "must be a tensor"),
    ],
    "enough_measurements": [
        (lambda d: d, "parameters are free"),
        (lambda d: d + 1, "parameters are free"),
        (lambda d: 2 * d, "need not contain 0"),
        (lambda d: 2 * d + 2, "one direction, not two"),
        (lambda d: d * d, "add up"),
        (lambda d: 17, "right for d = 8 only"),
        (lambda d: 3 * d, "only two at a time"),
        (lambda d: 5 * d, "more than the argument needs"),
        (lambda d: d - 1, "too few"),
        (lambda d: 2 * d + 1.5, "whole number"),
        (lambda d: None, "still empty"),
        (lambda: 1, "raised TypeError"),
    ],
    "deviation_cost": [
        (lambda J, r, lam: lam / (1 + lam) * (r @ r), "that of relaxed"),
        (lambda J, r, lam: kernel(J, r, lam).square().sum(), "misfit alone"),
        (lambda J, r, lam: lam * torch.linalg.solve(J @ J.T, r) @ r, "fits r exactly"),
        (lambda J, r, lam: r @ r, "not the best"),
        (lambda J, r, lam: r @ kernel(J, r, 1 / lam), "wrong side"),
        (lambda J, r, lam: price(J, r, lam) / lam, "a factor lam"),
        (lambda J, r, lam: best_v(J, r, lam).square().sum(), "misfit is missing"),
        (lambda J, r, lam: lam * best_v(J, r, lam).square().sum(), "misfit is missing"),
        (lambda J, r, lam: lam * (r @ torch.linalg.solve(J @ J.T + lam, r)), "times torch.eye"),
        (lambda J, r, lam: r @ torch.linalg.solve(J @ J.T / lam + 1, r), "times torch.eye"),
        (lambda J, r, lam: r @ (r + J @ (J.T @ r) / lam), "not inverted"),
        (lambda J, r, lam: price(J, r, lam).sqrt(), "squares are asked for"),
        (lambda J, r, lam: 0.5 * price(J, r, lam), "half of"),
        (lambda J, r, lam: kernel(J, r, lam), "shape"),
        (lambda J, r, lam: None, "placeholder"),
        (lambda J: 1, "raised TypeError"),
    ],
    "layer_weight": [
        (0.03, "too small: the activations fit the noise"),
        (5.0, "too large"),
        (-1.0, "logarithm"),
        (0, "must be positive"),
        ("much", "must be a number"),
        ([0.1, 0.2], "one number"),
        (None, "placeholder"),
    ],
    "masked_image": [
        (lambda seen, y, g, lam: average(y, g, lam), "in the hole there are no data"),
        (lambda seen, y, g, lam: g, "data have not been used"),
        (lambda seen, y, g, lam: y, "G(z) has not been used"),
        (two(lambda y, g, lam: y), "forgotten G(z)"),
        (two(average, lambda y, g, lam: 0 * g), "what minimises it"),
        (two(average, lambda y, g, lam: lam * g), "does not matter there"),
        (two(lambda y, g, lam: (lam * y + g) / (1 + lam)), "exchanged"),
        (two(lambda y, g, lam: g, average), "exchanged"),
        (two(lambda y, g, lam: y + lam * g), "sum of the weights"),
        (two(lambda y, g, lam: average(y, g, lam / 2)), "not halved"),
        (two(lambda y, g, lam: average(y, g, 2 * lam)), "not doubled"),
        (two(lambda y, g, lam: (y + g) / 2), "a weighted one"),
        (two(lambda y, g, lam: (1 - lam) * y + lam * g), "not 1 - lam and lam"),
        (lambda seen, y, g, lam: y.mul_(2), "in place"),
        (lambda seen, y, g, lam: g[0], "shape"),
        (lambda seen: seen, "raised TypeError"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG, values=VALUES
)


# The control of section 5.


@pytest.mark.parametrize("layer", [1, 5])
def test_the_jacobian_of_a_layer_is_that_of_finite_differences(layer, G):
    R = Intermediate(copy.deepcopy(G).double(), 1.0, 1.0, layer=layer)
    z = torch.randn(1, 8, generator=seeded(2), dtype=torch.float64)
    J, h = layer_jacobian(R, z), R.G_1(z)
    v = torch.randn(h.shape, generator=seeded(3), dtype=h.dtype)
    step = 1e-8  # so small that no leaky ReLU is switched on the way
    difference = (R.G_2(h + step * v) - R.G_2(h - step * v)).flatten() / (2 * step)
    assert torch.allclose(J @ v.flatten(), difference, atol=1e-5 * float(difference.abs().max()))


def test_shuffled_weights_are_the_same_weights_and_leave_the_generator_alone(G):
    before = {name: value.clone() for name, value in G.state_dict().items()}
    other = shuffled(G, 3, seeded(4))
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    for (name, ours), theirs in zip(G.decoder.named_parameters(), other.decoder.parameters(), strict=True):
        assert torch.equal(ours.flatten().sort().values, theirs.flatten().sort().values)
        assert torch.equal(ours, theirs) == (int(name[0]) < 3 or ours.numel() == 1), name
