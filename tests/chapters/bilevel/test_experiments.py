"""The experiments of bilevel learning: small runs of their jobs, and what is stored of the full ones."""

import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.chapters.bilevel import dfo, experts, first_order, first_order_story, story
from course_utils.chapters.bilevel.problems import exact_value, parameters

EXPERIMENTS = dfo.EXPERIMENTS | first_order.EXPERIMENTS | experts.EXPERIMENTS
SMALL = {
    "bilevel-dfo": (
        {"p": 1, "solver": "fista", "iterations": 0, "alpha": 0.0}, {"evaluations": 5, "size": 24, "n": 2},
    ),
    "bilevel-first-order": ({"run": "hoag exponential"}, {"size": 24, "n": 2}),
    "bilevel-experts": ({"method": "foe", "seed": 1}, {"n_train": 2, "n_test": 2, "evaluations": 2}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_job_is_a_function_of_its_task(name):
    task, size = SMALL[name]
    assert task in EXPERIMENTS[name].tasks()
    same_twice(EXPERIMENTS[name], task, size)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_stored_is_complete_and_can_be_shown(name):
    one_row_a_task(EXPERIMENTS[name], shown(name, EXPERIMENTS[name]))


def test_the_exact_value_is_as_exact_as_it_says():
    problem = parameters(1, 2, 24)
    theta = torch.tensor([-0.5], dtype=torch.float64)
    rough, error, _ = exact_value(problem, theta, tol=1e-4)
    fine, finer, _ = exact_value(problem, theta, tol=1e-20)
    assert abs(rough - fine) <= error + finer and finer < 1e-8 < error


def test_a_cost_is_that_of_the_first_point_that_is_near_enough():
    row = {"path": [[10, 3.0, 0.0], [20, 1.04, 0.0], [30, 1.2, 0.0], [40, 1.001, 0.0]]}
    assert [story.cost_to(row, 1.0, share) for share in (0.05, 0.01, 1e-4)] == [20, 40, None]
    assert story.end_value(row) == 1.001


def test_a_step_up_is_one_only_beyond_the_errors():
    def path(*values, error=0.0):
        return {"path": [[k, 0, value, error, value] for k, value in enumerate(values)]}

    assert first_order_story.rises(path(3.0, 2.0, 2.5, 1.0, 1.1)) == 2
    assert first_order_story.rises(path(3.0, 2.0, 2.5, error=0.3)) == 0


def test_the_search_for_experts_begins_with_differences():
    x, y = experts.crops("train", 2, 0)
    lower = experts.lower_level("foe", y)
    theta = experts.first_experts(lower)
    answers = lower.answers(x, lower.parts(theta)[2])
    assert torch.allclose(answers[:, 0, :, :-1], x[:, 0].diff(dim=2), atol=1e-12)
    assert torch.allclose(answers[:, 1, :-1], x[:, 0].diff(dim=1), atol=1e-12)
    assert experts.crops("train", 2, 0)[1].equal(y) and not experts.crops("train", 2, 1)[1].equal(y)
