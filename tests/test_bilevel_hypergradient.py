"""Hypergradients: against finite differences, within their bound at loose accuracies, and against unrolling."""

import math

import pytest
import torch
from registry import seeded
from test_bilevel_lower import CASES, F64, Saddle

from course_utils.bilevel import (
    Bilevel,
    LowerLevel,
    condition_penalty,
    hypergradient,
    solve_hessian,
    solve_lower,
    unrolled_gradient,
)


@pytest.fixture(params=CASES)
def case(request):
    lower, theta = CASES[request.param]()
    if request.param == "lines of k-space":
        theta = theta.clamp(0.3, 0.8)  # difference quotients need room on both sides
    truth = torch.rand(lower.start().shape, generator=seeded(3), dtype=F64).round()
    penalty = condition_penalty(lower, 1e-6) if request.param == "signals" else None
    return Bilevel(lower, truth, penalty), theta


def objective(problem, theta, tol=1e-26):
    x = solve_lower(problem.lower, theta, tol, "lbfgs", max_iter=5000).x
    return float(problem.loss(x).sum()) + problem.penalised(theta)[0]


def difference(f, theta, j, h=1e-4):
    """The central difference of fourth order along axis j."""
    e = torch.zeros_like(theta)
    e[j] = h
    return (8 * (f(theta + e) - f(theta - e)) - (f(theta + 2 * e) - f(theta - 2 * e))) / (12 * h)


def exact(problem, theta):
    return hypergradient(problem, theta, 1e-26, 1e-12, "lbfgs", max_iter=5000)


def test_it_is_the_derivative(case):
    problem, theta = case
    found = exact(problem, theta)
    for j in range(0, len(theta), max(1, len(theta) // 4)):
        expected = difference(lambda t: objective(problem, t), theta, j)
        assert float(found.gradient[j]) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert found.bound < 1e-6 * max(1.0, float(found.gradient.norm()))


def test_the_bound_holds_at_every_accuracy(case):
    problem, theta = case
    best = exact(problem, theta)
    errors, bounds = [], []
    for tol in (1e-2, 1e-5, 1e-9, 1e-14):
        for cg_tol in (1.0, 1e-3, 1e-6):
            found = hypergradient(problem, theta, tol, cg_tol)
            errors.append(float((found.gradient - best.gradient).norm()))
            bounds.append(found.bound)
            assert errors[-1] <= found.bound + best.bound
            assert found.low <= best.value * (1 + 1e-9) and best.value <= found.high * (1 + 1e-9)
            assert found.reached and bool((found.residual <= cg_tol).all())
    assert bounds[-1] < 1e-3 * bounds[0] and errors[-1] < 1e-5  # both fall with the accuracies


def test_unrolling_tends_to_it(case):
    problem, theta = case
    if problem.lower.constants(theta)[1] / problem.lower.constants(theta)[0] > 200:
        theta = theta.clone()
        theta[0] -= 1  # easier, so that few steps are enough
    best = exact(problem, theta)

    def error(n, method):
        return float((unrolled_gradient(problem, theta, n, method)[1] - best.gradient).norm() / best.gradient.norm())

    last = error(320, "fista")
    assert last < error(20, "fista") and (last < 1e-3 or error(1500, "gd") < 1e-3)


@pytest.mark.parametrize("method", ["gd", "fista"])
def test_unrolling_differentiates_what_it_computes(method):
    lower, theta = CASES["signals"]()
    problem = Bilevel(lower, lower.y.round())
    value, gradient = unrolled_gradient(problem, theta, 7, method)
    assert abs(value - objective(problem, theta)) > 1e-3 * value  # seven steps are far from the minimum
    for j in range(3):
        expected = difference(lambda t: unrolled_gradient(problem, t, 7, method)[0], theta, j)
        assert float(gradient[j]) == pytest.approx(expected, rel=1e-7, abs=1e-8)


def test_warm_starts_save_work_and_a_known_solution_costs_nothing():
    lower, theta = CASES["signals"]()
    problem = Bilevel(lower, lower.y.round())
    cold = hypergradient(problem, theta, 1e-10, 1e-6)
    near = hypergradient(problem, theta + 1e-3, 1e-10, 1e-6)
    warm = hypergradient(problem, theta + 1e-3, 1e-10, 1e-6, x0=cold.solution.x, q0=cold.q)
    assert warm.lower_iterations < near.lower_iterations and warm.cg_iterations < near.cg_iterations
    again = hypergradient(problem, theta, 1e-10, 1e-6, x0=cold.solution)
    assert again.lower_iterations == 0 and torch.equal(again.gradient, cold.gradient)


def test_an_unfinished_system_is_said_and_still_bounded():
    lower, theta = CASES["signals"]()
    problem = Bilevel(lower, lower.y.round())
    best, short = exact(problem, theta), hypergradient(problem, theta, 1e-12, 1e-8, cg_iter=5)
    assert not short.reached and short.cg_iterations == 10
    assert 1e-6 < float((short.gradient - best.gradient).norm()) <= short.bound
    unsolved = hypergradient(problem, theta, 1e-12, 1e-8, max_iter=5)
    assert not unsolved.reached and float((unsolved.gradient - best.gradient).norm()) <= unsolved.bound


def test_a_problem_that_is_not_convex_is_named():
    lower = Saddle(torch.ones(1, 3, dtype=F64), (3,))
    # after one step the first two coordinates are right, so that the adjoint looks along the third alone
    problem, theta = Bilevel(lower, torch.tensor([[1.0, 1.0, 0.0]], dtype=F64)), torch.tensor([1.0], dtype=F64)
    with pytest.raises(ValueError, match="'lower' must be strongly convex.*negative curvature"):
        hypergradient(problem, theta, 1e-8, max_iter=3)
    b = torch.tensor([[1.0, 2.0]], dtype=F64)
    stretch = torch.tensor([0.5, 3.0], dtype=F64)
    with pytest.raises(ValueError, match="less than its mu"):
        solve_hessian(lambda v: stretch * v, b, 1e-10, mu=1.0)
    with pytest.raises(ValueError, match="'lower' must be strongly convex"):
        solve_hessian(lambda v: v * math.nan, b, 1e-10)
    found = solve_hessian(lambda v: stretch * v, b, 1e-12, mu=0.5)
    assert torch.allclose(found.q, b / stretch) and bool(found.reached.all())


class Ridge(LowerLevel):
    """||x - y||^2 / 2 + theta ||x||^2 / 2, in closed form."""

    parameters = 1

    def value(self, x, theta):
        return ((x - self.y).square().sum(1) + theta * x.square().sum(1)) / 2

    def mu(self, theta):
        return 1 + theta[0]

    L = mu


def test_a_lower_level_of_ones_own_needs_no_more_than_a_value():
    y, truth = torch.tensor([[1.0, 2.0], [0.0, 4.0]], dtype=F64), torch.tensor([[0.5, 1.5], [0.5, 2.0]], dtype=F64)
    theta = torch.tensor([0.3], dtype=F64)
    found = hypergradient(Bilevel(Ridge(y, (2,)), truth), theta)
    x = y / 1.3
    assert float(found.gradient) == pytest.approx(float((2 * (x - truth) * -y / 1.3**2).sum()), rel=1e-9)
    assert math.isinf(found.bound)  # it knows nothing of its second derivatives, and says so
