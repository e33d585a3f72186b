"""The checks of chapter 04 accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch

from course_utils.chapters.properties import checks

# Exercise 1: the best of several starts.


def errors(candidates, x):
    return (candidates - x[:, None]).flatten(2).norm(dim=2)


def size(x):
    return x.flatten(1).norm(dim=1)


def test_best_of_starts_accepts():
    assert checks.best_of_starts(lambda c, x: errors(c, x).amin(1) / size(x))
    assert checks.best_of_starts(lambda c, x: (errors(c, x) / size(x)[:, None]).min(1).values)


@pytest.mark.parametrize(
    ("choose", "hint"),
    [
        (lambda c, x: errors(c, x).amin(1), "divide by the norm of x"),
        (lambda c, x: errors(c, x).mean(1) / size(x), "ANY z"),
        (lambda c, x: errors(c, x).amax(1) / size(x), "worst start"),
        (lambda c, x: errors(c, x)[:, 0] / size(x), "the first start"),
        (lambda c, x: (errors(c, x).amin(1) / size(x)) ** 2, "take the root"),
        (lambda c, x: errors(c, x) / size(x)[:, None], "shape (4, 3)"),
        (lambda c, x: ..., "placeholder"),
        (lambda c: c, "raised TypeError"),
    ],
)
def test_best_of_starts_refuses(choose, hint):
    verdict = checks.best_of_starts(choose)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 2: the local Lipschitz constant.


def test_steepest_direction_accepts():
    assert checks.steepest_direction(lambda J: torch.linalg.svdvals(J)[:, 0])
    assert checks.steepest_direction(lambda J: torch.linalg.eigvalsh(J @ J.mT)[:, -1].sqrt())


@pytest.mark.parametrize(
    ("slope", "hint"),
    [
        (lambda J: J.flatten(1).norm(dim=1), "Frobenius"),
        (lambda J: J.norm(dim=2).amax(1), "worst coordinate is not the worst direction"),
        (lambda J: torch.linalg.eigvalsh(J @ J.mT)[:, -1], "take the root"),
        (lambda J: torch.linalg.svdvals(J)[:, -1], "smallest"),
        (lambda J: J.abs().amax((1, 2)), "largest entry"),
        (lambda J: None, "placeholder"),
    ],
)
def test_steepest_direction_refuses(slope, hint):
    verdict = checks.steepest_direction(slope)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: the energy distance.


def statistic(a, b, cross=2.0, own=1.0, self_pairs=False, power=1, sign=1):
    def within(p):
        n = len(p)
        return torch.cdist(p, p).pow(power).sum() / (n * (n if self_pairs else n - 1))

    return sign * (cross * torch.cdist(a, b).pow(power).mean() - own * (within(a) + within(b)))


def test_energy_distance_accepts():
    assert checks.energy_distance(statistic)
    assert checks.energy_distance(lambda a, b: float(statistic(a, b)))


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"self_pairs": True}, "n (n - 1)"),
        ({"cross": 1.0}, "counts twice"),
        ({"own": 0.0}, "within a set are missing"),
        ({"power": 2}, "not their squares"),
        ({"sign": -1}, "turned round"),
    ],
)
def test_energy_distance_refuses(settings, hint):
    verdict = checks.energy_distance(lambda a, b: statistic(a, b, **settings))
    assert not verdict
    assert hint in verdict.message, verdict.message
