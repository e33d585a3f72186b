"""The experiments of the wider family: small runs of their jobs, and what is stored of the full ones."""

import pytest
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.chapters.family import experiments as family
from course_utils.chapters.family import srec

EXPERIMENTS = family.EXPERIMENTS | srec.EXPERIMENTS
SMALL = {
    "variants": ({"generator": "vae", "variant": "mixture"}, {"n_val": 2, "n_test": 3, "n_prior": 300}),
    "srec": ({"m": 8, "generator": "vae"}, {"pairs": 60, "descend": 3}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_job_is_a_function_of_its_task(name):
    task, size = SMALL[name]
    assert task in EXPERIMENTS[name].tasks()
    same_twice(EXPERIMENTS[name], task, size)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_stored_is_complete_and_can_be_shown(name):
    one_row_a_task(EXPERIMENTS[name], shown(name, EXPERIMENTS[name]))


def test_every_generator_has_the_variants_it_allows():
    tasks = {(t["generator"], t["variant"]) for t in family.variant_tasks()}
    assert ("wgan", "critic") in tasks and ("vae", "critic") not in tasks
    assert ("vae", "encoder") in tasks and ("wgan", "encoder") not in tasks
    assert {v for _, v in tasks} == set(family.VARIANTS)
