"""The book's pages on the library: every exported name is on one page, and says in a sentence what it is."""

import inspect
import re
import sys
from collections import Counter

import pytest

import course_utils
from course_utils._files import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "book"))

import api
import pages

ENTRIES = [(room, name) for room, names in api.rooms().items() for name in names]

#: Functions whose docstring has no example yet, and those that name no source (some need none).  Take names off here
#: when they get one, and add none.
NO_EXAMPLE = """
    adapt algorithms_of alternate alternating_gradient_descent conjugate_gradients divergence eliminate family fista
    gradient gradient_descent gradient_descent_from_range lbfgs lbfgs_from_range levenberg_marquardt linearised
    objective_of palm pdhg projected_gradient_descent proximal_gradient solves sparse_tv_palm staged tikhonov_by_svd
    validation_score warm_palm
"""
NO_SOURCE = """
    add_noise algorithms_of alternate as_generator available build card configure decoder divergence
    duplicate_threshold eliminate emd_floor encoder family feature_network fourier geometric gradient
    gradient_descent_from_range interpolate inverse_fourier jacobian kl_to_standard_normal lbfgs_from_range measure
    n_parameters nearest objective_of operator_norm path_smoothness plane_projections poisson_noise pretrained
    reparametrise samples score_card shape_parameters simulate_coil_maps solves sparse_tv_palm stack staged strangers
    subset sweep train validation_score warm_palm
"""


@pytest.mark.parametrize(("room", "name"), ENTRIES)
def test_an_exported_name_says_in_one_sentence_what_it_is(room, name):
    words = api.described(room, name)
    assert words, f"{room}.{name} has no docstring; a constant needs a comment '#:' above it"
    first = words.split("\n\n")[0]
    assert first[-1] == "." and "\n" not in first and len(first) < 120, first


def test_every_exported_name_is_on_one_page():
    entry = re.compile(r"^\.\. auto(?:class|function|data):: course_utils\.(\w+)\..*?(\w+)$", re.MULTILINE)
    written = {room: entry.findall(api.page(room)) for room in api.ROOMS}
    assert all(room == found for room, entries in written.items() for found, _ in entries)
    count = Counter(name for entries in written.values() for _, name in entries)
    exported = {name for room in api.ROOMS for name in api._module(room).__all__} | set(course_utils.__all__)
    assert set(count) == exported and set(count.values()) == {1}


def test_what_the_pages_name_is_there():
    for room in api.ROOMS:
        for path in re.findall(r"Defined in `(\S+) <", api.page(room)):
            assert (REPOSITORY / path).is_file(), path
        assert f"- file: library/{room}\n" in pages.contents() and f"(library/{room}.md)" in api.overview()


@pytest.mark.parametrize(("mark", "known"), [(">>> ", NO_EXAMPLE), ("Source\n------\n", NO_SOURCE)])
def test_functions_without_an_example_or_a_source_become_fewer(mark, known):
    functions = [(room, name) for room, name in ENTRIES if not inspect.isclass(getattr(api._module(room), name))]
    lacking = {name for room, name in functions if name.islower() and mark not in api.described(room, name)}
    assert not lacking - set(known.split()), f"without {mark.split()[0]!r}"
    assert not set(known.split()) - lacking, "take these off the list above"
