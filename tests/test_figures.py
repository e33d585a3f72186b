"""Figures: alternative text reaches the notebook, images carry their numbers, colours can be told apart."""

import itertools

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from course_utils import figures as plots
from course_utils import metrics
from course_utils.chapters.properties import figures as plots_properties


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def images(n=2, level=0.5):
    return torch.full((n, 1, 28, 28), level)


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


def test_a_figure_hands_its_alternative_text_to_the_notebook():
    figure, _ = plots.subplots(alt="A parabola.")
    shown, metadata = figure._repr_mimebundle_()
    assert shown["image/png"].startswith(b"\x89PNG")
    assert metadata == {"image/png": {"alt": "A parabola."}}


def test_the_notebook_takes_picture_and_text_from_there():
    from IPython.core.formatters import DisplayFormatter

    figure, _ = plots.subplots(alt="A parabola.")
    shown, metadata = DisplayFormatter().format(figure)
    assert shown["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == "A parabola."


def test_image_rows_shows_truth_columns_residuals_and_psnr():
    truth = images()
    close, far = truth + 0.01, truth + 0.1
    figure = plots.image_rows({"close": close, "far": far, "again": far}, truth)
    assert titles(figure)[:3] == ["truth", "close\n40.0 dB", "far\n20.0 dB"]
    assert titles(figure)[8:11] == ["", "40.0 dB", "20.0 dB"]  # the second problem, below the residuals of the first
    residual = figure.axes[5].images[0]
    np.testing.assert_allclose(residual.get_array(), 0.01, atol=1e-6)
    assert residual.get_clim() == pytest.approx((-0.1, 0.1))  # one scale for all residuals
    assert figure.axes[6].images[0].get_clim() == residual.get_clim()
    assert "far, mean PSNR 20.0 dB" in figure.alt and "Below each image" in figure.alt
    assert figure.axes[-1].get_ylabel() == "grey value"


def test_residuals_stand_beside_their_images_where_the_figure_would_be_tall():
    truth = images(3)
    figure = plots.image_rows({"close": truth + 0.01, "far": truth + 0.1}, truth)
    assert titles(figure)[:5] == ["truth", "close\n40.0 dB", "residual", "far\n20.0 dB", "residual"]
    assert titles(figure)[5:10] == ["", "40.0 dB", "", "20.0 dB", ""]
    np.testing.assert_allclose(figure.axes[7].images[0].get_array(), 0.01, atol=1e-6)
    np.testing.assert_allclose(figure.axes[9].images[0].get_array(), 0.1, atol=1e-6)
    assert len(figure.axes) == 16 and "Beside each image" in figure.alt
    width, height = figure.get_size_inches()
    assert width > height


def test_image_rows_without_truth_or_residuals():
    figure = plots.image_rows({"a": images(), "b": images()})
    assert titles(figure) == ["a", "b", "", ""]
    figure = plots.image_rows({"a": images() + 0.1}, images(), residuals=False)
    assert len(figure.axes) == 4
    assert plots.image_rows({"a": images()}, images()).alt.startswith("Rows")  # zero residual: no division by zero


@pytest.mark.parametrize(
    ("columns", "truth", "words"),
    [
        ({}, None, "at least one batch"),
        ({"a": images(), "b": images(3)}, None, "'columns['b']' must have shape (2, 1, 28, 28), got (3, 1, 28, 28)"),
        ({"a": images(3)}, images(2), "'columns['a']' must have shape"),
        ({"a": images()[0]}, None, "must have shape"),
    ],
)
def test_image_rows_names_what_is_wrong(columns, truth, words):
    with pytest.raises(ValueError, match="columns") as error:
        plots.image_rows(columns, truth)
    assert words in str(error.value)


def test_psnr_in_a_title_is_that_of_the_library():
    truth, noisy = images(1), images(1) + 0.1 * torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    figure = plots.image_rows({"noisy": noisy}, truth)
    assert titles(figure)[1] == f"noisy\n{float(metrics.psnr(noisy, truth)):.1f} dB"


def test_show_image_takes_tensors_and_arrays_and_marks_what_is_missing():
    _, ax = plots.subplots()
    shown = plots.show_image(ax, torch.arange(4.0).reshape(1, 1, 2, 2), "title", None)
    assert shown.get_clim() == (0, 3)
    assert ax.get_title() == "title"
    assert len(ax.get_xticks()) == 0
    missing = np.array([[np.nan, 0.0], [0.5, 1.0]])
    shown = plots.show_image(ax, missing, limits=None)
    assert shown.get_clim() == (0, 1)
    red, green, blue, _ = shown.to_rgba(shown.get_array())[0, 0]
    assert blue > red + 0.1  # not a grey that an image could have


@pytest.mark.parametrize("scale", ["linear", "semilogx", "semilogy", "loglog"])
def test_curves(scale):
    ax = plots.curves([1, 10, 100], {"TV": [1, 2, 3], "ours": torch.tensor([3.0, 2.0, 1.0])}, "m", "PSNR (dB)", scale)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("m", "PSNR (dB)")
    assert ax.get_xscale() == ("log" if scale in ("semilogx", "loglog") else "linear")
    assert ax.get_yscale() == ("log" if scale in ("semilogy", "loglog") else "linear")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["TV", "ours"]
    assert ax.lines[0].get_color() == plots.METHODS["tv"]["color"]  # a method keeps its colour
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [3, 2, 1])


def test_curves_with_a_band_into_given_axes():
    _, ax = plots.subplots()
    assert plots.curves([1, 2], {"tv": [3, 4]}, "x", "y", spread={"tv": [1, 1]}, ax=ax) is ax
    assert len(ax.collections) == 1
    assert ax.get_legend() is None  # one curve needs none


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="'scale' must be one of"):
        plots.curves([1], {"a": [1]}, "x", "y", "log")


def simulated(colour, matrix):
    return np.array(matrix) @ np.array(to_rgb(colour))


#: Linear approximations of full colour blindness: Viénot, Brettel, Mollon, Color Res. Appl. 24 (1999), in RGB.
PROTANOPIA = [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]
DEUTERANOPIA = [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]


@pytest.mark.parametrize("matrix", [np.eye(3), PROTANOPIA, DEUTERANOPIA], ids=["all cones", "no red", "no green"])
def test_generators_and_methods_differ_in_colour_and_in_dashes_and_marker(matrix):
    for group in (("ae", "vae", "wgan"), ("tikhonov", "tv", "hard", "relaxed", "sparse")):
        for a, b in itertools.combinations(group, 2):
            one, two = plots.METHODS[a], plots.METHODS[b]
            assert one["marker"] != two["marker"]
            assert one["linestyle"] != two["linestyle"]
            distance = np.linalg.norm(simulated(one["color"], matrix) - simulated(two["color"], matrix))
            assert distance > 0.15, (a, b, distance)


def test_the_style_leaves_the_readers_settings_alone():
    before = dict(matplotlib.rcParams)
    plots.curves([1, 2], {"a": [1, 2]}, "x", "y")
    plots.image_rows({"a": images()})
    assert dict(matplotlib.rcParams) == before


def test_figure_png_has_the_size_asked_for():
    from matplotlib.figure import Figure

    png = plots.figure_png(Figure(figsize=(2, 1)), dpi=50)
    assert int.from_bytes(png[16:20], "big") == 100
    assert int.from_bytes(png[20:24], "big") == 50


def test_strips_have_their_headings_over_the_first_row_only():
    strips = [torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)]
    figure = plots_properties.strip_grid({"AE": strips, "VAE": strips}, ["near", "far"], "Strips.")
    assert [ax.get_title() for ax in figure.axes] == ["near", "far", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["AE", "", "VAE", ""]
    plt.close(figure)


def test_no_mark_is_cut_by_the_upper_edge():
    rows = [{"data": "shapes", "family": "vae", "d": 10, "emd": 23.1}]
    figure = plots_properties.distances(rows, {"shapes": 20.0})
    low, high = figure.axes[0].get_ylim()
    assert low == 0 and 23.1 * 1.03 < high < 23.1 * 1.2
    plt.close(figure)
