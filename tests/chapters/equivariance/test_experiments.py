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
    shipped = {name: RECIPES[f"{name}-shapes"] for name in ("ordinary", "augmented", "equivariant")}
    assert replace(shipped["augmented"], turned=False) == shipped["ordinary"]
    model = replace(shipped["equivariant"].model, group=None)
    assert replace(shipped["equivariant"], model=model) == shipped["ordinary"]


def test_a_pair_keeps_its_noise_and_is_turned_as_a_pair():
    """The data of the turned network are those of the turned image, with the noise turned as well."""
    A, x = training_sizes.scan(), training_sizes.training_images("shapes", 10, 0)[:1]
    network = training_sizes.OnPairs.drawn(training_sizes.ORDINARY, 0)
    network.data = {"train": A(x), "val": A(x)}
    pair = x, torch.tensor([0])
    seen = []
    network.path = lambda y, A=None: seen.append(y) or [y.new_zeros(1, 1, 28, 28)]
    for network.turned in (False, True):
        for seed in range(8):
            network.losses(pair, torch.Generator().manual_seed(seed))
    assert all(torch.equal(y, seen[0]) for y in seen[:8])
    turned = [A(torch.rot90(x, k, (2, 3))) for k in range(4)]
    found = [[torch.allclose(y, t, atol=1e-5) for t in turned].index(True) for y in seen[8:]]
    assert len(set(found)) > 2
    network.eval()
    network.losses(pair, torch.Generator().manual_seed(1))
    assert torch.equal(seen[-1], seen[0]), "validation pairs are not turned"


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
