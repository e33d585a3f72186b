"""Stochastic inexact gradients: with all examples it is gradient descent, every example is used, budgets hold."""

import pytest
import torch
from registry import seeded

from course_utils import add_noise
from course_utils.bilevel import Bilevel, SmoothTV, box_signals, hypergradient, isgd, learn_lbfgsb

F64 = torch.float64
START = torch.tensor([-2.0], dtype=F64)


def problem(n=6, penalty=None):
    x = box_signals(n, seeded(1), 32)
    return Bilevel(SmoothTV(add_noise(x, 0.1, seeded(2)), nu=0.05, xi=1e-3), x, penalty)


def test_a_batch_of_all_is_a_step_along_the_whole_hypergradient():
    whole = problem(penalty=lambda theta: 0.1 * theta.square().sum())
    found = isgd(whole, START, seeded(0), 6, eps=1e-7, step=0.1, max_steps=1)
    exact = hypergradient(whole, START, 1e-18, 1e-9)
    assert torch.allclose(found.theta, START - 0.1 * exact.gradient, atol=1e-6)
    assert abs(found.history[0]["value"] - exact.value) < 1e-5


def test_an_epoch_of_estimates_has_the_whole_gradient_as_its_mean():
    whole, still = problem(), 1e-12
    found = isgd(whole, START, seeded(0), 2, eps=1e-7, step=still, max_steps=3, decay=0.0)
    exact = hypergradient(whole, START, 1e-18, 1e-9)
    assert abs(sum(entry["value"] for entry in found.history[:3]) / 3 - exact.value) < 1e-5
    moved = (START - found.theta) / still / 3
    assert torch.allclose(moved, exact.gradient, rtol=1e-3)


def test_it_comes_near_the_best_and_keeps_the_bounds():
    whole = problem()
    best = learn_lbfgsb(whole, START)
    found = isgd(whole, START, seeded(0), 2, step=0.3, halfway=20, max_steps=150)
    assert abs(float(found.theta - best.theta)) < 0.15 and not found.converged
    kept = isgd(whole, START, seeded(0), 2, [-3.0], [-1.5], step=0.3, max_steps=30)
    assert float(kept.theta) == -1.5


def test_accuracies_and_steps_decay_and_the_budget_holds():
    found = isgd(problem(), START, seeded(0), 3, eps=0.1, step=0.1, decay=1.0, halfway=4, max_steps=9)
    assert found.history[4]["eps"] == pytest.approx(0.05) and found.history[8]["step"] == pytest.approx(0.1 / 3)
    few = isgd(problem(), START, seeded(0), 3, max_cost=50)
    *_, before, last = few.history
    assert before["lower"] + before["cg"] >= 50 and len(few.history) < 20 and last["lower"] == before["lower"]


def test_the_order_comes_from_the_generator_alone():
    runs = [isgd(problem(), START, seeded(k), 2, max_steps=4).theta for k in (0, 0, 1)]
    assert runs[0].equal(runs[1]) and not runs[0].equal(runs[2])


def test_a_batch_cannot_be_larger_than_the_examples():
    with pytest.raises(ValueError, match="'batch'"):
        isgd(problem(), START, seeded(0), 7)
