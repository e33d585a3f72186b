"""The explorer of chapter 10: turned data, the record of its curves, and the page against the library."""

import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from page_tools import made

from course_utils.chapters.equivariance import explorer, turn_figures, turning
from course_utils.equivariance import act_on_data, disc, reconstruction_error
from course_utils.metrics import psnr
from course_utils.results import load_result


@pytest.fixture(scope="module")
def record():
    return load_result("equivariance-turns")


# Turning


def test_quarter_turns_of_data_are_those_of_the_library_and_turns_can_be_composed():
    y, A = turning.scans(0.1)[:2], turning.scan()
    for k in range(4):
        assert torch.equal(turning.turned_data(y, 90 * k), act_on_data(A, y, "C4", k))
    for first, then in ((6, 36), (-42, 138), (174, 12), (-180, 6)):
        once = turning.turned_data(turning.turned_data(y, first), then)
        assert torch.equal(once, turning.turned_data(y, first + then))
    assert not torch.equal(turning.turned_data(y, 180), y) and torch.equal(turning.turned_data(y, 360), y)
    with pytest.raises(ValueError, match="'degrees' must be a multiple of 6"):
        turning.turned_data(y, 45)


@pytest.mark.parametrize("degrees", [6, 42, -78, 132, 174])
def test_between_quarter_turns_turned_data_are_those_of_the_interpolated_object(degrees):
    """Up to what interpolation changes; turned the other way round they are far from it."""
    x, y = turning.objects()[:4], turning.scans(0.0)[:4]

    def distance(angle):
        wanted = turning.scan()(turning.turned_image(x, angle))
        return float((turning.turned_data(y, degrees) - wanted).norm() / y.norm())

    assert distance(degrees) < 0.04 < 0.2 < distance(-degrees)


def test_the_shapes_stay_in_the_circle_and_only_the_circle_counts():
    x = turning.objects()
    assert x.shape == (turning.N_IMAGES, 1, 56, 56) and not (x * ~disc(56)).any()
    corners = (~disc(56)).float().expand(2, 1, 56, 56)
    assert not turning.relative(corners, x[:2]).any()
    assert turning.relative(x[:2], x[:2]).tolist() == [1.0, 1.0]


# The record


def test_a_job_measures_what_the_library_measures():
    y = turning.scans(0.1)[:2]
    rows = {name: turning.turns_job(name, 0.1, n_images=2, angles=(0, 42, 90)) for name in turning.NETWORKS}
    json.dumps(rows)
    for name, row in rows.items():
        assert row["error"][0] == 0
        solve = turning.network(name)
        library = reconstruction_error(lambda v, A, solve=solve: solve(v, A), y, turning.scan(), "C4", 1)
        assert row["error"][2] == pytest.approx(float(library.mean()), rel=0.1, abs=1e-5)  # corners count there
        x = turning.turned_image(turning.objects()[:2], 42)
        with torch.no_grad():
            moved = solve(turning.turned_data(y, 42), turning.scan())
        assert row["psnr"][1] == pytest.approx(float(psnr(moved, x).mean()), abs=1e-4)
    assert rows["equivariant"]["error"][2] < 1e-5 < 0.01 < rows["equivariant"]["error"][1]
    assert min(rows[name]["error"][2] for name in ("ordinary", "augmented")) > 0.01


def test_the_record_is_that_of_the_shipped_networks(record):
    at = record["settings"]["angles"].index(42)
    assert record["settings"]["angles"] == list(turning.ANGLES)
    for name in turning.NETWORKS:
        found = turning.turns_job(name, 0.1, angles=(42,))
        row = turn_figures.row_of(record, name)
        for what in ("error", "psnr", "psnr_turned", "interpolation"):
            assert row[what][at] == pytest.approx(found[what][0], rel=1e-3)


def test_story_and_figure_read_the_record(record):
    changed = json.loads(json.dumps(record))
    row = turn_figures.row_of(changed, "ordinary")
    row["error"] = [0.25] * len(row["error"])
    row["psnr"] = [value - 3 for value in row["psnr_turned"]]
    assert turn_figures.loss(changed, "ordinary") == pytest.approx(3)
    assert "ordinary 0.25 at quarter turns, 0.250 between them" in turn_figures.turns_story(changed)
    assert "better by 3.00 dB" in turn_figures.turns_story(changed)
    figure = turn_figures.turns_figure(changed)
    assert set(figure.axes[0].lines[0].get_ydata()) == {0.25}
    plt.close(figure)
    lines = [line.strip("| ").split(" | ") for line in turn_figures.turns_table(changed).data.splitlines()[2:]]
    assert lines[0][:4] == ["ordinary", "0.1", "0.250", "0.250"]
    assert float(lines[0][7]) - float(lines[0][6]) == pytest.approx(3, abs=0.02)
    quarter = turn_figures.between(record, "equivariant", quarter=True)
    assert quarter < 1e-5 < turn_figures.between(record, "equivariant", "interpolation")


# The explorer


def test_small_numbers_are_written_as_powers_of_ten():
    assert [turn_figures.small(v) for v in (0.0, 0.0461, 6.2e-7, 9.6e-5)] == ["0", "0.046", "6·10⁻⁷", "1·10⁻⁴"]


@pytest.mark.parametrize("difference", [explorer.MOVED, explorer.TRUE])
def test_the_kernels_figure_shows_what_it_says(record, difference):
    angle, image, sigma = 42, 2, 0.1
    figure = explorer.turn_explorer().draw(angle=angle, image=image, sigma=sigma, difference=difference)
    y = turning.scans(sigma)[image : image + 1]
    truth = turning.turned_image(turning.objects()[image : image + 1], angle)
    for k, name in enumerate(turning.NETWORKS, 1):
        with torch.no_grad():
            upright, x = (turning.network(name)(turning.turned_data(y, a), turning.scan()) for a in (0, angle))
        wanted = x - (truth if difference == explorer.TRUE else turning.turned_image(upright, angle))
        np.testing.assert_allclose(figure.axes[k].images[0].get_array(), x[0, 0], atol=1e-6)
        np.testing.assert_allclose(figure.axes[k + 4].images[0].get_array(), wanted[0, 0], atol=1e-6)
        error = float(turning.relative(x - turning.turned_image(upright, angle), upright))
        assert f"error {error:.3f}" in figure.axes[k + 4].get_title()
        assert f"{name}, {float(psnr(x, truth)):.1f} dB" == figure.axes[k].get_title()
    curve = figure.axes[8].lines[0]
    assert curve.get_ydata() == turn_figures.row_of(record, "ordinary", sigma)["error"]


#: angle, image, noise, what to compare with
SETTINGS = [
    (90, 0, 0.1, "moved"), (42, 1, 0.1, "moved"), (-138, 2, 0.0, "true"), (180, 3, 0.1, "true"), (0, 1, 0.0, "moved"),
    (-6, 3, 0.0, "moved"),
]  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: " ".join(map(str, setting)))
def test_the_page_has_the_data_and_the_images_of_the_library(show, setting):
    angle, image, sigma, difference = setting
    shown, text = made("turn")
    with show(text) as page:
        for key, value in (("image", image), ("sigma", sigma), ("difference", difference)):
            places = [option for _, option in shown.controls[key]._options_full]
            page.locator(f"[data-key={key}]").select_option(index=places.index(value))
        page.locator("[data-key=angle]").fill(str(turning.ANGLES.index(angle)))
        page.wait_for_function("document.querySelector('.course-page').turn.done", timeout=120_000)
        found = page.evaluate(
            "(({ y, truth, found }) => ({ y: [...y], truth: [...truth], found: Object.fromEntries("
            "Object.entries(found).map(([name, { x, moved, true: gone, error, psnr }]) =>"
            "[name, { x: [...x], moved: [...moved], true: [...gone], error, psnr }])) }))"
            "(document.querySelector('.course-page').turn)"
        )
        words = page.locator(".cp-caption").all_inner_texts()

    def close(got, wanted):
        return float((torch.tensor(got) - wanted.flatten()).norm() / wanted.norm()) < 1e-4

    assert close(found["y"], turning.turned_data(turning.scans(sigma)[image : image + 1], angle))
    assert close(found["truth"], turning.turned_image(turning.objects()[image : image + 1], angle))
    for k, name in enumerate(turning.NETWORKS, 1):
        got, wanted = found["found"][name], explorer.turned(name, image, angle, sigma)
        assert close(got["x"], wanted["x"]) and close(got["true"], wanted["true"])
        np.testing.assert_allclose(got["moved"], wanted["moved"].flatten(), atol=1e-4)
        assert got["error"] == pytest.approx(wanted["error"], abs=1e-5)
        assert got["psnr"] == pytest.approx(wanted["psnr"], abs=1e-3)
        assert words[k] == f"{name},\n{wanted['psnr']:.1f} dB"
        if wanted["error"] > 5e-4:
            assert words[k + 4] == f"{name}, ±{explorer.SPANS[difference]}\nerror {wanted['error']:.3f}"
    assert (found["found"]["equivariant"]["error"] < 1e-5) == (angle % 90 == 0)
    assert math.isfinite(found["found"]["ordinary"]["psnr"])
