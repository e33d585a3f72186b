"""The experiment on numbers of training images: small runs of its jobs, and what is stored of the full ones."""

from dataclasses import replace

import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils import load
from course_utils.chapters.equivariance import sizes_figures, training_sizes
from course_utils.training import RECIPES

EXPERIMENTS = training_sizes.EXPERIMENTS
QUICK = {"train_config": replace(training_sizes.TRAIN, steps=4, validate_every=2), "n_test": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("data", "network"), [("shapes", "augmented"), ("ct", "equivariant")])
def test_a_job_is_a_function_of_its_task(data, network):
    experiment = EXPERIMENTS[f"equivariance-{data}"]
    task = {"data": data, "network": network, "images": 10, "seed": 1}
    assert task in experiment.tasks()
    same_twice(experiment, task, QUICK)
    assert (experiment.run(**task, **QUICK)["error"] < 1e-5) == (network == "equivariant")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_stored_is_complete_and_can_be_shown(name):
    one_row_a_task(EXPERIMENTS[name], shown(name, EXPERIMENTS[name]))


def test_rivals_differ_in_one_thing():
    """The same images in the same number of steps; controls have the channels, or nearly the weights, of another."""
    networks = training_sizes.NETWORKS
    ordinary, equivariant = networks["ordinary"][0], networks["equivariant"][0]
    assert replace(equivariant, group=None) == ordinary and networks["augmented"] == (ordinary, True)
    few, many = (networks[name][0] for name in training_sizes.CONTROLS)
    assert few.group is None and 1 < few.n_weights / equivariant.n_weights < 1.2
    assert many.group == "C4" and many.n_weights == pytest.approx(ordinary.n_weights, rel=0.02)
    for name, recipe in (("ordinary", "ordinary-shapes"), ("augmented", "augmented-shapes")):
        assert RECIPES[recipe].model == ordinary and RECIPES[recipe].turned == networks[name][1]
    assert RECIPES["equivariant-shapes"].model == equivariant


def test_seeds_see_other_images_where_there_are_enough_and_tests_are_of_another_patient():
    shapes = [training_sizes.training_images("shapes", 10, seed) for seed in (0, 1)]
    assert not (shapes[0][:, None] == shapes[1][None]).flatten(2).all(2).any()
    slices = [training_sizes.training_images("ct", 50, seed) for seed in (0, 1)]
    assert torch.equal(*slices)
    split = load("ct").subjects
    assert not {*split["train"], *split["val"]} & set(split["test"])


def test_quarter_turns_of_the_test_images_are_exact():
    x, y = training_sizes.test_data("shapes", 90, 3)
    upright = training_sizes.test_data("shapes", 0, 3)[0]
    assert torch.equal(torch.rot90(x, -1, (2, 3)), upright) and y.shape[:2] == (3, training_sizes.VIEWS)
    slanted = training_sizes.test_data("shapes", 45, 3)[0]
    assert 0 <= slanted.min() and slanted.max() <= 1 and not torch.allclose(slanted, upright, atol=0.1)


def test_gains_and_spreads_are_over_the_seeds():
    rows = [
        {"network": network, "images": 10, "seed": seed, "psnr": [value, value - 1]}
        for network, values in (("ordinary", (20.0, 21.0)), ("equivariant", (22.0, 22.4)))
        for seed, value in enumerate(values)
    ]
    record = {"rows": rows, "settings": {"angles": [0, 90]}}
    assert sizes_figures.gain(record, 10, 90) == pytest.approx(1.7)
    assert sizes_figures.spread(record, "ordinary", 10) == pytest.approx(1.0)
