"""The explorer of chapter 11 shows true errors below their bounds, and costs that grow."""

import numpy as np
import pytest

from course_utils.chapters.bilevel.explorer import sweep_accuracy


@pytest.mark.parametrize("delta", [1, -3, -6])
def test_errors_lie_below_their_bounds_and_costs_grow(delta):
    found = sweep_accuracy(-2.0, delta)
    assert (found.error <= found.bound * (1 + 1e-6) + 1e-10).all()
    assert (np.diff(found.lower) > 0).all() and (np.diff(found.bound) <= 0).all()


def test_the_finer_level_cannot_make_up_for_the_rougher_one():
    rough, fine = sweep_accuracy(-2.0, -1), sweep_accuracy(-2.0, -6)
    assert rough.error[-1] > 100 * fine.error[-1] and rough.cg[-1] < fine.cg[-1]
