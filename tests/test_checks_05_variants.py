"""The checks of chapter 05, Part III, accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch

from course_utils.chapters.family import checks
from course_utils.regularisers import Sphere

# Exercise 5: the sphere.


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


# Exercise 6: one step of eq. (8).


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
