"""Equivariant layers of chapter 10: what is counted and measured."""

import math

import matplotlib.pyplot as plt
import pytest
import torch

from course_utils.chapters.equivariance.layers import (
    angle_errors,
    edge_filter,
    free_numbers,
    made,
    seconds,
    there_and_back,
    worst_errors,
)
from course_utils.chapters.equivariance.layers_figures import angles_figure, lifting_figure
from course_utils.chapters.equivariance.turning import turned_image
from course_utils.equivariance import Group, GroupConv, equivariant_sides


@pytest.mark.parametrize("group", ["C1", "C2", "C4", "D4"])
@pytest.mark.parametrize("width", [3, 5])
def test_free_numbers_are_the_dimension_of_the_invariant_filters(group, width):
    """The rank of the mean over the group, a projection on them."""
    H, basis = Group(group), torch.eye(width**2).reshape(-1, 1, width, width)
    averaged = torch.stack([H.act(basis, h) for h in range(H.order)]).mean(0).flatten(1)
    assert free_numbers(group, width) == int(torch.linalg.matrix_rank(averaged))


def test_the_edge_filter_points_to_the_right():
    k, ramp = edge_filter(), torch.arange(3.0).expand(3, 3)
    assert float((k * ramp).sum()) == 1 and float((k * ramp.T).sum()) == 0 == float(k.sum())


@pytest.mark.parametrize("stride", [1, 2])
def test_the_errors_over_the_sides_are_as_the_rule_says(stride):
    sides = range(27, 31)
    fits = equivariant_sides([stride], sides)
    for side, error in zip(sides, worst_errors(made("C4", 8, stride), sides, "C4", n=2), strict=True):
        assert error < 1e-5 if side in fits else error > 1e-3
    assert min(worst_errors(made("C1", 8, stride), sides, "C4", n=2)) > 0.01


def test_made_networks_depend_on_their_seed_alone():
    x = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = made("C4", 8, seed=3)(x)
        torch.manual_seed(5)
        assert torch.equal(first, made("C4", 8, seed=3)(x)) and not torch.equal(first, made("C4", 8, seed=4)(x))
        assert made("C4", 8, bias=False)(0 * x).abs().max() == 0 < made("C4", 8)(0 * x).abs().max()


def test_other_angles_are_approximate_and_quarter_turns_exact():
    place = torch.arange(21.0) - 10
    x = torch.exp(-((place[:, None] - 2) ** 2 + (place + 3) ** 2) / 18)[None, None]
    angles = [0.0, math.pi / 4, math.pi / 2]
    exact, between, quarter = angle_errors(made("C4", 8, bias=False), x, angles, 3)
    assert max(exact, quarter) < 1e-4 < between
    still, back, still_again = (float(there_and_back(x, a, 3)) for a in angles)
    assert max(still, still_again) < 1e-4 < back < 0.1
    degrees = [there_and_back(x, d, turn=turned_image) for d in (42, 90)]
    assert (degrees[0] > 1e-4).all() and not degrees[1].any(), "quarter turns take no interpolation"
    # a map that commutes with all turns shows the error of the interpolation alone: none for this one
    assert max(angle_errors(lambda v: 2 * v, x, angles, 3)) < 1e-6


def test_times_are_in_the_order_of_the_networks():
    small, large = made("C1", 4), made("C1", 64)
    (middle, low, high), (slow, _, _) = seconds([small, large], torch.zeros(1, 1, 64, 64), 4)
    assert 0 < low <= middle <= high and middle < slow


def test_the_figures_draw_what_they_are_given():
    conv, x = GroupConv("C4", 1, 1, "lift"), torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    figure = lifting_figure(conv, x, 1)
    shown = [torch.as_tensor(ax.images[0].get_array().data) for ax in figure.axes if ax.images]
    assert len(shown) == 14 and figure.axes[-1].get_xlabel() == "feature 2 of $x$, turned"
    assert torch.allclose(shown[-1], torch.rot90(shown[-7]), atol=1e-6)
    plt.close(figure)
    figure = angles_figure([0.1, 0.2], {"a": [1e-3, 1e-2], "b": [1e-4, 1e-3]})
    assert [line.get_label() for line in figure.axes[0].lines] == ["a", "b"]
    plt.close(figure)
