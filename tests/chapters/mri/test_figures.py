"""Figures of chapter 08: what they show is what was measured, and their numbers are right."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from registry import seeded, tiny_structured

from course_utils import GaussianMatrix, LearnedCovariance, LocalPrecision, measure, psnr, reconstruct
from course_utils.chapters.mri import figures as plots_mri
from course_utils.operators import cartesian_mask, radial_mask, simulate_coil_maps


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def shown(ax) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def test_kspace_shows_what_was_sampled_and_the_filled_image():
    x = torch.rand(1, 1, 32, 32, generator=seeded())
    masks = {"all": torch.ones(32, 32, dtype=torch.bool), "lines": cartesian_mask(32, 8, 4, seeded(1))}
    figure = plots_mri.kspace_figure(x, masks, alt="Two masks.")
    axes = np.array(figure.axes).reshape(3, 2)
    assert figure.alt == "Two masks." and axes[0, 1].get_title() == "lines\n25% of k-space"
    sampled = torch.fft.fftshift(masks["lines"]).numpy()
    np.testing.assert_array_equal(np.isfinite(shown(axes[0, 1])), sampled)
    assert np.nanmax(shown(axes[0, 1])) == 1  # the zero frequency
    assert np.isfinite(shown(axes[0, 0])).all()
    assert axes[2, 0].get_title() == "exact"
    kspace = torch.fft.fft2(x[0, 0]) * masks["lines"]
    np.testing.assert_allclose(shown(axes[2, 1]), torch.fft.ifft2(kspace).real * axes_scale(masks["lines"]), atol=1e-5)


def axes_scale(mask: torch.Tensor) -> float:
    """c^2 of the operator: 1 where a frequency and its opposite are both sampled."""
    both = mask & mask.flip(0, 1).roll((1, 1), (0, 1))
    return 1.0 if both.any() else 2.0


def test_a_comb_has_as_many_points_as_it_leaves_out():
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[:, ::4] = True
    spread = torch.fft.ifft2(mask.float()).abs()
    assert int((spread > 0.1).sum()) == 4
    figure = plots_mri.kspace_figure(torch.rand(1, 1, 32, 32, generator=seeded()), {"comb": mask})
    assert int((shown(figure.axes[1]) > 0.9).sum()) == 3 * 9  # those in the middle, each 3 x 3


def test_coils_and_their_root_sum_of_squares():
    x = torch.rand(1, 1, 16, 16, generator=seeded())
    figure = plots_mri.coil_figure(simulate_coil_maps(16, 3), x)
    np.testing.assert_allclose(shown(figure.axes[-1]), x[0, 0], atol=1e-5)
    assert [ax.get_title() for ax in figure.axes[4:]] == ["coil 1", "coil 2", "coil 3", "sum of squares"]


def test_white_noise_has_no_correlation_and_a_moving_mean_that_of_its_overlap():
    e = torch.randn(20, 1, 40, 40, generator=seeded())
    found = plots_mri.neighbour_correlation(e, 3)
    assert found[0] == 1 and found[1:].abs().max() < 0.02
    moving = torch.nn.functional.avg_pool2d(e, 2, stride=1)
    found = plots_mri.neighbour_correlation(moving, 3)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5, 0.0, 0.0]), atol=0.03, rtol=0)


@pytest.mark.parametrize("reach", [40, -1])
def test_a_reach_beyond_the_image_is_refused(reach):
    with pytest.raises(ValueError, match="'reach'"):
        plots_mri.neighbour_correlation(torch.ones(1, 1, 40, 40), reach)


def test_residuals_are_shown_with_their_spread():
    residuals = 0.1 * torch.randn(6, 1, 20, 20, generator=seeded())
    figure = plots_mri.residual_figure(torch.rand(6, 1, 20, 20, generator=seeded(1)), residuals, example=2)
    spread, one, curve = figure.axes[1], figure.axes[2], figure.axes[3]
    np.testing.assert_allclose(shown(spread), residuals.std(0)[0], rtol=1e-5)
    np.testing.assert_allclose(shown(one), residuals[2, 0], rtol=1e-5)
    assert [line.get_label() for line in curve.lines[1:]] == ["residual", "white"]


def test_the_covariance_of_a_pixel_is_1_at_the_pixel_and_that_of_the_dense_matrix():
    field = LocalPrecision(
        torch.rand(1, 1, 9, 9, generator=seeded(), dtype=torch.float64),
        -0.3 * torch.rand(1, 4, 9, 9, generator=seeded(1), dtype=torch.float64),
    )
    x = torch.rand(1, 1, 9, 9, generator=seeded(2), dtype=torch.float64)
    figure = plots_mri.pixel_covariances(x, field, {"a": (4, 5), "b": (0, 0)}, reach=3)
    pixels = torch.eye(81, dtype=torch.float64).reshape(81, 1, 9, 9)
    dense = torch.linalg.inv(field.precision(pixels).reshape(81, 81))
    maps = [ax for ax in figure.axes if ax.get_title().startswith("std ")]
    for ax, place in zip(maps, (4 * 9 + 5, 0), strict=True):
        expected = (dense[place] / dense[place, place]).reshape(9, 9)
        np.testing.assert_allclose(shown(ax), expected, atol=1e-8)
        assert ax.get_title() == f"std {float(dense[place, place].sqrt()):.3f}"


def test_rounds_are_joined_to_one_path():
    G = tiny_structured("covariance").float()
    A = GaussianMatrix(60, 28, seeded())
    x = G(torch.randn(1, 3, generator=seeded(1)))
    y, R = measure(A, x, 0.05, seeded(2)), LearnedCovariance(G, 0.005)
    first = reconstruct(A, y, R, solver="alternating", start=torch.zeros(1, 3), max_iter=0, trace=True)
    then = reconstruct(A, y, R, solver="alternating", start=first.z, x0=first.x, max_iter=2, tol=0.0, trace=True)
    figure = plots_mri.rounds_figure({0: first, 2: then}, x)
    path = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(path, [float(first.objective), *then.trace["f"][1:, 0, 0].tolist()], rtol=1e-5)
    assert len(path) == 3 and path[-1] < path[0]
    assert figure.axes[-1].get_title() == f"round 2\n{float(psnr(then.x, x)):.1f} dB"


def test_radial_masks_are_drawn_with_their_share():
    figure = plots_mri.kspace_figure(torch.rand(1, 1, 32, 32, generator=seeded()), {"spokes": radial_mask(32, 5)})
    share = float(radial_mask(32, 5).float().mean())
    assert figure.axes[0].get_title() == f"spokes\n{share:.0%} of k-space"
