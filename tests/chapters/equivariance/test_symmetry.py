"""What turns do to networks, masks, interpolated images and functionals."""

import math

import matplotlib.pyplot as plt
import pytest
import torch
from registry import seeded

from course_utils import TV, ParallelBeam, load
from course_utils.chapters.equivariance.symmetry import (
    ELEMENTS,
    FUNCTIONALS,
    MASKS,
    averaged,
    bar_and_disc,
    changes,
    corner_grey,
    denoised,
    enough_invariance,
    functionals,
    images_move,
    inpainted,
    moves_data,
    refined,
    repeated,
    scene,
    square,
    turned_back,
)
from course_utils.chapters.equivariance.symmetry_figures import motions_figure
from course_utils.equivariance import SymmetricTV, act_on_data

from . import answers_symmetry

FORWARD, CORNERS, ANISOTROPIC = "TV, forward differences", "TV, mean over four corners", "anisotropic TV"


@pytest.mark.parametrize("views", [6, 10])
def test_the_exercise_on_data_is_the_action_of_the_library(views):
    A = ParallelBeam.full(12, n_angles=views)
    y = A(torch.rand(2, 1, 12, 12, generator=seeded()))
    for answer in answers_symmetry.RIGHT["turned_data"][:3]:
        assert torch.equal(answer(y), act_on_data(A, y, "D4", 1))


def lopsided(x):
    """A map with a preferred direction."""
    return torch.tanh(x + x.roll(1, -1).square() * x.roll(2, -2))


def test_an_average_over_turns_is_equivariant_and_its_error_is_that_of_the_identity():
    x, truth = (torch.rand(3, 1, 8, 8, generator=seeded(k), dtype=torch.float64) for k in (0, 1))
    mean_of = averaged(lopsided, images_move)
    mean = mean_of(x)
    for g in (1, 2, 3):
        assert torch.allclose(turned_back(mean_of, x, images_move, g), mean)
    assert not torch.allclose(turned_back(mean_of, x, images_move, 5), mean), "mirrorings are not averaged over"
    answers = torch.stack([turned_back(lopsided, x, images_move, g) for g in range(4)])
    assert not torch.allclose(answers[1], answers[0])
    spread = (answers - mean).square().mean(0)
    assert torch.allclose((mean - truth).square(), (answers - truth).square().mean(0) - spread)


def test_changes_are_zero_for_what_a_motion_does_not_change():
    x = load("shapes").test[:2].double()
    found = changes(lambda v: v + 0.1, x, images_move, x)
    assert list(found) == list(ELEMENTS) and all(float(v["error"].max()) == 0 for v in found.values())
    # looks at the neighbours on the right and below alike: only the transposition leaves it as it is
    found = changes(lambda v: (v + v.roll(-1, -1) + v.roll(-1, -2)) / 3, x, images_move, x)
    assert float(found["transposed"]["error"].max()) < 1e-12 < 1e-2 < float(found["half turn"]["error"].min())


def test_the_action_on_data_is_that_of_the_operator():
    A = ParallelBeam.full(12, n_angles=6)
    x = torch.rand(1, 1, 12, 12, generator=seeded())
    for g in ELEMENTS.values():
        assert torch.allclose(moves_data(A)(A(x), g), A(images_move(x, g)), atol=1e-5)


def test_corners_of_the_rectangle():
    x = load("shapes").test[:20]
    assert torch.equal(corner_grey(x, x), torch.full((20,), 0.5))
    cut = x.clone()
    for k, image in enumerate(x[:, 0]):
        row, column = (image[:28, :28] > 0).nonzero()[0].tolist()  # its upper-left corner is met first
        cut[k, 0, row, column] = 0.1
    assert torch.allclose(corner_grey(x, cut), torch.full((20,), 0.4))


@pytest.mark.slow
def test_a_band_is_not_equivariant_and_a_cross_is():
    x = bar_and_disc()
    assert torch.equal(torch.rot90(MASKS["cross"]), MASKS["cross"]) and not torch.equal(MASKS["band"].T, MASKS["band"])
    one, other = inpainted(MASKS["band"], x, TV(0.02), 1)
    middle = (..., slice(24, 32), slice(11, 17))
    assert one[middle].max() < 0.05 and other[middle].min() > 0.4, "the bar is cut; turned, it is seen"
    one, other = inpainted(MASKS["cross"], x, SymmetricTV(0.02), 1)
    assert (one - other).norm() < 1e-6 * one.norm()


def test_a_run_that_does_not_converge_is_refused(monkeypatch):
    from course_utils.chapters.equivariance import symmetry

    whole = symmetry.reconstruct
    monkeypatch.setattr(symmetry, "reconstruct", lambda *a, **k: whole(*a, **k | {"max_iter": 20}))
    with pytest.raises(RuntimeError, match="has not converged"):
        denoised(FUNCTIONALS[FORWARD], scene(16), 0.5)


def test_turned_scenes_are_turned_exactly():
    for draw in (scene, square):
        assert torch.allclose(draw(20, math.pi / 2), torch.rot90(draw(20), 1, (2, 3)), atol=1e-12)
    assert float((square(64, math.pi / 4).sum() / square(64).sum() - 1).abs()) < 0.01, "the same area"
    x = scene(16)
    turned = repeated(x, math.pi / 2, 4, "bicubic")
    assert len(turned) == 4 and torch.allclose(turned[-1], x, atol=1e-8)


def noisy_box():
    x = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    x[..., 3:9, 2:12] = 0.5
    return x + 0.05 * torch.randn(x.shape, generator=seeded(), dtype=torch.float64)


@pytest.mark.slow
def test_the_table_of_functionals():
    found = functionals(noisy_box(), 0.1, [name for name in FUNCTIONALS if name != "TGV"])
    for name, row in found.items():
        exact = name in (CORNERS, ANISOTROPIC, "Haar wavelets")
        assert (row["quarter turn"] < 1e-12) == (row["prox, quarter turn"] < 1e-6) == exact, name
        assert row["transposed"] < 1e-12 and row["prox, transposed"] < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", [FORWARD, CORNERS, "db4 wavelets"])
def test_how_much_invariance_is_enough(name):
    x = torch.nn.functional.pad(noisy_box(), [4] * 4)
    left, right = enough_invariance(FUNCTIONALS[name], x, 0.1, 1)
    assert (left <= right + 1e-6).all()
    if name != CORNERS:
        assert (left > 0.2 * right).all() and left.min() > 1e-4


@pytest.mark.slow
def test_finer_grids_help_the_isotropic_ones_only():
    errors = refined((12, 24), {name: FUNCTIONALS[name] for name in (FORWARD, CORNERS, ANISOTROPIC)}, math.pi / 4)
    assert errors[FORWARD][1] < 0.7 * errors[FORWARD][0] and errors[CORNERS][1] < 0.7 * errors[CORNERS][0]
    assert errors[ANISOTROPIC][1] > 0.8 * errors[ANISOTROPIC][0] > 0.1
    assert errors["interpolation"][1] < errors[CORNERS][1]


def test_the_first_picture_shows_what_a_network_makes_of_each_motion():
    v = torch.rand(1, 1, 5, 5, generator=seeded(), dtype=torch.float64)
    shown = [torch.as_tensor(ax.images[0].get_array()) for ax in motions_figure(v, lambda u: 1 - u).axes]
    turned, transposed = torch.rot90(v[0, 0]), v[0, 0].T
    for k, expected in {0: v[0, 0], 1: turned, 4: transposed, 6: 1 - turned, 9: 1 - transposed}.items():
        assert torch.allclose(shown[k], expected)
    plt.close("all")
