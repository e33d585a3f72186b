"""The experiments of bilevel learning: small runs of their jobs, and what is stored of the full ones."""

import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.bilevel import LineSampling
from course_utils.chapters.bilevel import (
    dfo,
    experts,
    first_order,
    first_order_story,
    generalised,
    sampling,
    sampling_story,
    stochastic,
    stochastic_story,
    story,
    weights,
    weights_story,
)
from course_utils.chapters.bilevel.problems import exact_value, parameters

EXPERIMENTS = dfo.EXPERIMENTS | first_order.EXPERIMENTS | experts.EXPERIMENTS
EXPERIMENTS |= weights.EXPERIMENTS | sampling.EXPERIMENTS | generalised.EXPERIMENTS | stochastic.EXPERIMENTS
SMALL = {
    "bilevel-dfo": (
        {"p": 1, "solver": "fista", "iterations": 0, "alpha": 0.0}, {"evaluations": 5, "size": 24, "n": 2},
    ),
    "bilevel-first-order": ({"run": "hoag exponential"}, {"size": 24, "n": 2}),
    "bilevel-experts": ({"method": "foe", "seed": 1}, {"n_train": 2, "n_test": 2, "evaluations": 2}),
    "bilevel-weights": (
        {"method": "relaxed", "by": "gradient", "training": 0}, {"n_train": 2, "n_test": 2, "evaluations": 2},
    ),
    "bilevel-sampling": ({"price": 8.0, "seed": 1}, {"n_train": 1, "n_test": 2, "evaluations": 2}),
    "bilevel-tgv": ({"method": "tgv", "seed": 2}, {"n_train": 2, "n_test": 2, "evaluations": 4}),
    "bilevel-stochastic": ({"batch": 6, "step": 1e-5}, {"n_train": 6, "n_test": 2, "cost": 150}),
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


def test_a_generator_without_kinks_is_nearly_the_same_one():
    G = weights.generator_and_starts(weights.FAMILY)[0]
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    apart = [float((weights.softened(G, b)(z) - G(z)).abs().mean()) for b in (20.0, 200.0)]
    assert apart[1] < apart[0] / 5 and apart[0] < 0.05
    assert not any(isinstance(m, torch.nn.LeakyReLU) for m in weights.softened(G).modules())
    assert any(isinstance(m, torch.nn.LeakyReLU) for m in G.modules())


def test_relaxed_of_the_gradients_is_relaxed_of_the_solver():
    A, x, y = weights.digits("val", 2, 0, 50)
    problem, theta = weights.RelaxedWeights(A, x, y, smooth=False), (-0.5, -1.0)
    result = weights.reconstructed("relaxed", A, y, theta)
    rows = torch.tensor(theta, dtype=torch.float64).expand(2, -1)
    value = problem.value(result.z.double(), rows)
    assert torch.allclose(value, result.objective.double(), rtol=1e-4)
    expected = (result.x - x).double().square().sum((1, 2, 3))
    assert torch.allclose(problem.loss(result.z.double(), rows), expected, rtol=1e-3)


def test_patterns_have_the_lines_that_they_say():
    x = sampling.slices("train", 1)
    y = sampling.k_space(x, torch.Generator().manual_seed(0))
    assert float((torch.fft.ifft2(y, norm="ortho").real - x).std()) == pytest.approx(sampling.SIGMA, rel=0.05)
    lower = LineSampling(y, 1e-4, sampling.NU, sampling.XI)
    few, all_ = (sampling.reconstructed(y, sampling.pattern(list(range(n))), 1e-4) for n in (8, 33))
    assert float((all_ - x).norm()) < 0.5 * float((few - x).norm())
    pairs = sampling.random_pairs(9, 2.0, torch.Generator().manual_seed(1))
    assert len(set(pairs)) == 9 and pairs[:3] == [0, 1, 2]
    assert float((lower.lines * sampling.pattern(pairs)).sum()) == 17


def test_the_random_pattern_is_chosen_without_the_test_slices():
    def row(error, psnr):
        return {"training_error": error, "psnr": psnr}

    patterns = {
        "learned": row(0.1, [30.0, 31.0]), "random, a": row(2.0, [40.0, 40.0]), "random, b": row(1.0, [29.0, 29.5]),
    }  # fmt: skip
    assert sampling_story.chosen_random({"patterns": patterns}) == "random, b"
    assert sampling_story.learned_minus({"patterns": patterns}, "random, b") == [1.0, 1.5]


def test_a_run_is_tuned_by_its_training_objective():
    rows = [
        {"batch": 6, "step": step, "steps": 3, "path": [[0, 9.0, 20.0], [10, value, after]]}
        for step, value, after in ((1e-6, 5.0, 30.0), (1e-5, 4.0, 25.0))
    ]
    record = {"settings": {"batch": 6}, "rows": rows}
    assert stochastic_story.best_of(record, "few")["step"] == 1e-5


def test_gaps_to_the_grid_are_taken_image_by_image():
    rows = [
        {"method": "relaxed", "by": by, "psnr": psnr} for by, psnr in (("grid", [1.0, 2.0]), ("values", [1.5, 1.0]))
    ]
    assert weights_story.minus_grid({"rows": rows}, "relaxed", "values") == [0.5, -1.0]
