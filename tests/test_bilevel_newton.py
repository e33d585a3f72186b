"""The semi-smooth Newton method: the certified minimiser, whole steps at the end, and a matrix that is the Hessian."""

import pytest
import torch
from registry import seeded

from course_utils import add_noise
from course_utils.bilevel import HuberSignals, SmoothTV, box_signals, semismooth_newton, solve_lower

F64 = torch.float64


def signals(n=3, size=40):
    return add_noise(box_signals(n, seeded(1), size), 0.1, seeded(2))


@pytest.mark.parametrize("log_alpha", [-2.0, -0.5, 0.3])
def test_the_minimiser_is_that_of_the_certified_solver(log_alpha):
    lower, theta = HuberSignals(signals()), torch.tensor([log_alpha], dtype=F64)
    newton, certified = semismooth_newton(lower, theta), solve_lower(lower, theta, 1e-18, "lbfgs")
    assert bool(newton.reached.all()) and bool(certified.reached.all())
    apart = (newton.x - certified.x).norm(dim=1)
    assert bool((apart <= newton.accuracy.sqrt() + certified.error).all())
    assert bool((newton.steps < certified.iterations).all())


def test_the_last_step_is_whole_and_its_factor_is_far_below_those_before():
    lower, theta = HuberSignals(signals()), torch.tensor([-0.5], dtype=F64)
    found = semismooth_newton(lower, theta)
    for k in range(3):
        n = int(found.steps[k])
        factors = found.slopes[1 : n + 1, k] / found.slopes[:n, k]
        assert float(found.lengths[n - 1, k]) == 1 and int(found.moved[n - 1, k]) == 0
        assert float(factors[-1]) < 1e-8 < 1e-3 < float(factors[:-1].min())


def test_phi_falls_in_every_step():
    lower, theta = HuberSignals(signals()), torch.tensor([-0.5], dtype=F64)
    last = lower.value(lower.y, theta)
    for n in range(1, 6):
        value = lower.value(semismooth_newton(lower, theta, 0.0, max_iter=n).x, theta)
        assert bool((value < last).all())
        last = value


def test_the_newton_matrix_is_the_hessian_where_there_is_one():
    lower, theta = HuberSignals(signals(1), nu=0.05), torch.tensor([-0.5], dtype=F64)
    x = torch.randn(1, 40, generator=seeded(3), dtype=F64) / 3
    expected = torch.autograd.functional.hessian(lambda v: lower.value(v[None], theta)[0], x[0])
    assert torch.allclose(lower.newton_matrix(x, theta)[0], expected, atol=1e-12)
    assert 0 < int(lower.bent(x).sum()) < 39


def test_a_signal_does_not_depend_on_its_neighbours():
    y, theta = signals(), torch.tensor([-0.5], dtype=F64)
    together = semismooth_newton(HuberSignals(y), theta)
    alone = semismooth_newton(HuberSignals(y[1:2]), theta)
    assert torch.allclose(together.x[1], alone.x[0], atol=1e-12) and int(together.steps[1]) == int(alone.steps[0])


def test_it_starts_where_it_is_told_and_stops_at_once_at_the_minimiser():
    lower, theta = HuberSignals(signals()), torch.tensor([-0.5], dtype=F64)
    first = semismooth_newton(lower, theta)
    again = semismooth_newton(lower, theta, 1e-16, first.x)
    assert int(again.steps.sum()) == 0 and again.lengths.shape == (0, 3) and bool(again.reached.all())
    short = semismooth_newton(lower, theta, max_iter=1)
    assert not bool(short.reached.any()) and bool((short.accuracy > 0).all())


def test_it_asks_for_the_piecewise_affine_gradient():
    with pytest.raises(TypeError, match="'lower'"):
        semismooth_newton(SmoothTV(signals(), nu=0.1, xi=0.1), torch.tensor([-0.5], dtype=F64))
