"""The checks of chapter 06 accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch

from course_utils import GaussianMatrix, load, measure, pretrained
from course_utils.chapters.family import checks
from course_utils.chapters.family.deviations import layer_jacobian, shuffled
from course_utils.regularisers import Intermediate, Sphere
from course_utils.reproduce import start_dictionary
from course_utils.solvers import s_rec


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def G():
    return pretrained("vae-mnist-8", verbose=False)


# Exercise 1: the sphere.


@pytest.mark.parametrize(
    "project",
    [
        lambda z: z.shape[1] ** 0.5 * z / z.norm(dim=1, keepdim=True),
        Sphere().project,
        lambda z: torch.stack([8**0.5 * row / row.norm() for row in z]),
    ],
)
def test_sphere_accepts(project):
    assert checks.project_to_sphere(project)


def divide_in_place(z):
    z /= z.norm(dim=1, keepdim=True)
    return z


@pytest.mark.parametrize(
    ("project", "hint"),
    [
        (lambda z: z, "this is z itself"),
        (lambda z: z / z.norm(dim=1, keepdim=True), "unit sphere"),
        (lambda z: 8 * z / z.norm(dim=1, keepdim=True), "radius d that the paper prints"),
        (lambda z: 8**0.5 * z / z.norm(), "every row has its own norm"),
        (lambda z: z * (8**0.5 / z.norm(dim=1, keepdim=True)).clamp_max(1), "a sphere is no ball"),
        (lambda z: 8**0.5 * z / z.pow(2).sum(1, keepdim=True), "squared norm"),
        (lambda z: None, "placeholder"),
        (lambda z: z[:, :3], "shape"),
        (lambda: 1, "raised TypeError"),
        (divide_in_place, "in place"),
    ],
)
def test_sphere_refuses(project, hint):
    verdict = checks.project_to_sphere(project)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 2: one step of eq. (8).


def step(A, project, x, y, eta, sign=1, factor=1.0):
    return project(x - sign * factor * eta * A.T(A(x) - y))


def test_projected_step_accepts():
    assert checks.projected_step(step)
    assert checks.projected_step(lambda A, P, x, y, eta: P(x + eta * A.T(y - A(x))))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda A, P, x, y, eta: x, "this is x itself"),
        (lambda A, P, x, y, eta: x - eta * A.T(A(x) - y), "project it"),
        (lambda *a: step(*a, sign=-1), "uphill"),
        (lambda *a: step(*a, factor=2), "no factor 2"),
        (lambda A, P, x, y, eta: P(x - A.T(A(x) - y)), "eta is missing"),
        (lambda A, P, x, y, eta: P(x) - eta * A.T(A(x) - y), "project it"),
        (lambda A, P, x, y, eta: P(x - eta * A.T(A(x))), "data are missing"),
        (lambda A, P, x, y, eta: A(x), "shape"),
        (lambda A, P, x: x, "raised TypeError"),
        (lambda A, P, x, y, eta: x.zero_(), "in place"),
        ("no function", "expected a function"),
    ],
)
def test_projected_step_refuses(answer, hint):
    verdict = checks.projected_step(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: two images with the same data.


@pytest.fixture(scope="module")
def eight():
    return GaussianMatrix(8, 28, seeded(0))


def test_same_data_accepts(eight, G):
    found = s_rec(eight, G, seeded(11), pairs=100, descend=4)
    assert checks.same_data(found.z[found.worst.argmin()], eight, G)


@pytest.mark.parametrize(
    ("pair", "hint"),
    [
        (torch.randn(2, 8, generator=seeded(1)), "descend on both z"),
        (torch.ones(2, 8), "differ by at least"),
        (20 * torch.randn(2, 8, generator=seeded(1)), "far from N(0, I)"),
        (torch.full((2, 8), float("nan")), "NaN"),
        (torch.randn(2, 3), "shape"),
        (None, "placeholder"),
        ([1, 2], "must be a tensor"),
    ],
)
def test_same_data_refuses(pair, hint, eight, G):
    verdict = checks.same_data(pair, eight, G)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 4: how many measurements are enough.


def test_enough_measurements_accepts():
    assert checks.enough_measurements(lambda d: 2 * d + 1)


@pytest.mark.parametrize(
    ("enough", "hint"),
    [
        (lambda d: d, "parameters are free"),
        (lambda d: d + 1, "parameters are free"),
        (lambda d: 2 * d, "need not contain 0"),
        (lambda d: 2 * d + 2, "more than the argument needs"),
        (lambda d: d - 1, "too few"),
        (lambda d: None, "whole number"),
        (lambda: 1, "raised TypeError"),
    ],
)
def test_enough_measurements_refuses(enough, hint):
    verdict = checks.enough_measurements(enough)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 5: what a deviation costs.


def best_v(J, r, lam):
    return torch.linalg.solve(J.T @ J + lam * torch.eye(J.shape[1], dtype=J.dtype), J.T @ r)


def kernel(J, r, lam):
    return torch.linalg.solve(torch.eye(len(r), dtype=J.dtype) + J @ J.T / lam, r)


def test_deviation_cost_accepts():
    assert checks.deviation_cost(lambda J, r, lam: r @ kernel(J, r, lam))
    v = best_v
    assert checks.deviation_cost(
        lambda J, r, lam: (J @ v(J, r, lam) - r).square().sum() + lam * v(J, r, lam).square().sum()
    )


@pytest.mark.parametrize(
    ("cost", "hint"),
    [
        (lambda J, r, lam: lam / (1 + lam) * (r @ r), "that of relaxed"),
        (lambda J, r, lam: kernel(J, r, lam).square().sum(), "misfit alone"),
        (lambda J, r, lam: lam * torch.linalg.solve(J @ J.T, r) @ r, "fits r exactly"),
        (lambda J, r, lam: r @ r, "not the best"),
        (lambda J, r, lam: r @ kernel(J, r, 1 / lam), "wrong side"),
        (lambda J, r, lam: r @ kernel(J, r, lam) / lam, "a factor lam"),
        (lambda J, r, lam: best_v(J, r, lam).square().sum(), "misfit is missing"),
        (lambda J, r, lam: lam * best_v(J, r, lam).square().sum(), "misfit is missing"),
        (lambda J, r, lam: kernel(J, r, lam), "shape"),
        (lambda J, r, lam: None, "placeholder"),
        (lambda J: 1, "raised TypeError"),
    ],
)
def test_deviation_cost_refuses(cost, hint):
    verdict = checks.deviation_cost(cost)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 6: the weight for few data.


@pytest.fixture(scope="module")
def scarce(G):
    data = load("mnist")
    A = GaussianMatrix(25, 28, seeded(0))
    return A, measure(A, data.test[100:104], 0.05, seeded(3)), 0.05, G, start_dictionary(G, data.train), 0.1, 3


@pytest.mark.parametrize(
    ("lam", "hint"),
    [
        (0.03, "too small: the activations fit the noise"),
        (5.0, "too large"),
        (-1.0, "logarithm"),
        ("much", "must be a number"),
        (None, "placeholder"),
    ],
)
def test_layer_weight_refuses(lam, hint, scarce):
    verdict = checks.layer_weight(lam, *scarce)
    assert not verdict
    assert hint in verdict.message, verdict.message


def test_layer_weight_accepts_and_names_the_norm_of_one_entry(scarce):
    low, high = 0.03, 1.0
    while high / low > 1.15:
        middle = (low * high) ** 0.5
        verdict = checks.layer_weight(middle, *scarce)
        if verdict:
            break
        low, high = (middle, high) if "too small" in verdict.message else (low, middle)
    assert checks.layer_weight((low * high) ** 0.5, *scarce)


# Exercise 7: relaxed on a mask.


def test_masked_image_accepts():
    assert checks.masked_image(lambda seen, y, g, lam: torch.where(seen, (y + lam * g) / (1 + lam), g))
    assert checks.masked_image(lambda seen, y, g, lam: (seen * y + lam * g) / (seen + lam))


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (lambda seen, y, g, lam: (y + lam * g) / (1 + lam), "in the hole there are no data"),
        (lambda seen, y, g, lam: g, "data have not been used"),
        (lambda seen, y, g, lam: torch.where(seen, y, g), "forgotten G(z)"),
        (lambda seen, y, g, lam: seen * (y + lam * g) / (1 + lam), "what minimises it"),
        (lambda seen, y, g, lam: torch.where(seen, (lam * y + g) / (1 + lam), g), "exchanged"),
        (lambda seen, y, g, lam: torch.where(seen, g, (y + lam * g) / (1 + lam)), "exchanged"),
        (lambda seen, y, g, lam: torch.where(seen, y + lam * g, g), "sum of the weights"),
        (lambda seen, y, g, lam: y.mul_(2), "in place"),
        (lambda seen, y, g, lam: g[0], "shape"),
        (lambda seen: seen, "raised TypeError"),
    ],
)
def test_masked_image_refuses(image, hint):
    verdict = checks.masked_image(image)
    assert not verdict
    assert hint in verdict.message, verdict.message


# The control of section 5.


@pytest.mark.parametrize("layer", [1, 5])
def test_the_jacobian_of_a_layer_is_that_of_finite_differences(layer, G):
    R, z = Intermediate(G, 1.0, 1.0, layer=layer), torch.randn(1, 8, generator=seeded(2))
    J, h = layer_jacobian(R, z), R.G_1(z)
    v = torch.randn(h.shape, generator=seeded(3))
    step = 1e-3
    difference = (R.G_2(h + step * v) - R.G_2(h - step * v)).flatten() / (2 * step)
    assert torch.allclose(J @ v.flatten(), difference, atol=0.02 * float(difference.abs().max()))


def test_shuffled_weights_are_the_same_weights_and_leave_the_generator_alone(G):
    before = {name: value.clone() for name, value in G.state_dict().items()}
    other = shuffled(G, 3, seeded(4))
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    for (name, ours), theirs in zip(G.decoder.named_parameters(), other.decoder.parameters(), strict=True):
        assert torch.equal(ours.flatten().sort().values, theirs.flatten().sort().values)
        assert torch.equal(ours, theirs) == (int(name[0]) < 3 or ours.numel() == 1), name
