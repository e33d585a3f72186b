"""The table of all methods: how weights are found, what a row holds, and who adds rows."""

import math

import pytest
import torch

from course_utils.chapters.classical.methods import METHODS
from course_utils.figures import methods as drawn
from course_utils.figures.methods import PROBLEMS
from course_utils.metrics import psnr
from course_utils.reproduce.experiment import Experiment
from course_utils.reproduce.jobs import jobs_of
from course_utils.reproduce.methods import KINDS, TRAINING, climb, method_row
from course_utils.reproduce.problems import SETTINGS, shared_problem
from course_utils.reproduce.registry import experiments
from course_utils.solvers import reconstruct


@pytest.mark.parametrize("best", [1e-3, 0.7, 40.0])
def test_the_climb_finds_one_weight_over_decades(best):
    found = climb(lambda w: -abs(math.log(w["lam"] / best)), {"lam": 1.0})
    assert abs(math.log(found.weights["lam"] / best)) <= math.log(2) / 4 + 1e-9 and found.at_edge == []


def test_the_climb_finds_two_weights():
    found = climb(lambda w: -(math.log(w["lam"] / 8) ** 2) - math.log(w["mu"] / 0.5) ** 2, {"lam": 1.0, "mu": 1.0})
    assert found.weights == pytest.approx({"lam": 8.0, "mu": 0.5})


def test_a_weight_at_its_limit_is_reported():
    found = climb(lambda w: w["cutoff"], {"cutoff": 0.3}, {"cutoff": (0.1, 1.0)})
    assert found.weights == {"cutoff": 1.0} and found.at_edge == ["cutoff"]


def test_a_climb_without_end_ends_and_says_so():
    found = climb(lambda w: w["lam"], {"lam": 1.0})
    assert found.at_edge == ["lam"] and found.tried < 60


@pytest.mark.parametrize("name", SETTINGS)
def test_the_shared_problems_are_reproducible_and_hold_no_test_image_in_validation(name):
    first = shared_problem(name, n_val=2, n_test=3)
    second = shared_problem.__wrapped__(name, n_val=2, n_test=3)
    assert torch.equal(first.y, second.y) and first.y.shape == (3, *first.A.shape_out)
    assert not any(torch.equal(a, b) for a in first.x_val for b in first.x)
    assert name in PROBLEMS


def test_the_lesions_and_their_surroundings_do_not_meet():
    problem = shared_problem("pet", n_val=2, n_test=6)
    around = problem.around()
    assert bool(problem.lesions.flatten(1).any(1).all()) and bool(around.flatten(1).any(1).all())
    assert not bool((around & problem.lesions).any()) and float(problem.x[around].max()) == 0.5


@pytest.mark.parametrize("name", ["fbp", "tv+", "mlem", "osem", "landweber", "tv+squared"])
def test_a_row_holds_what_its_weights_give(name):
    problem = shared_problem("pet", n_val=1, n_test=2)
    row = method_row(problem, METHODS[name])
    made = METHODS[name].make(problem, **row["weights"])
    if "iterations" in row["parameters"]:
        made.max_iter = round(row["iterations_mean"])
    linear = METHODS[name].linear
    settings = {} if row["kind"] != "variational" or linear else {"fidelity": problem.fidelity}
    again = reconstruct(problem.A, problem.y - problem.background if linear else problem.y, made, **settings)
    assert row["psnr"] == pytest.approx(psnr(again.x, problem.x).tolist(), abs=0.05)
    assert row["kind"] in KINDS and 0 < sum(row["contrast"]) / 2 < 1.5 and row["converged"] == 1.0


def test_every_chapter_with_methods_joins_the_one_table():
    table = experiments()["methods"]
    jobs = jobs_of(table)
    places = {job.experiment.run.__module__.split(".")[2] for job in jobs}
    assert {"classical", "regularisers", "tomography", "mri"} <= places
    pairs = [(job.task["problem"], job.task["method"]) for job in jobs]
    assert len(pairs) == len(set(pairs)) and {problem for problem, _ in pairs} == set(SETTINGS)


def test_joining_what_is_not_there_is_an_error(monkeypatch):
    from course_utils.chapters.tomography import methods as joining

    lonely = Experiment("nowhere", "", list, method_row, {}, joins=True)
    monkeypatch.setattr(joining, "EXPERIMENTS", {"nowhere": lonely})
    with pytest.raises(ValueError, match="no experiment 'nowhere' to join"):
        experiments()


def test_every_kind_and_every_training_has_its_colour_and_its_word():
    assert set(drawn.KINDS) == set(KINDS) and set(drawn.TRAINING) == set(TRAINING) and set(PROBLEMS) == set(SETTINGS)
