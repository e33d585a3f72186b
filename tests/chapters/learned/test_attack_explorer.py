"""The explorer of attacks: stored perturbations, their record, and the page against the library."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from page_tools import made

from course_utils.chapters.learned import attack_explorer as explorer
from course_utils.chapters.learned import worst_found
from course_utils.chapters.learned.scans import home
from course_utils.results import load_result

SEARCH = {"n_starts": 1, "steps": 2, "draws": 2}


@pytest.fixture(scope="module")
def record():
    return load_result("attack-explorer")


def test_a_job_stores_what_it_found_and_measures_what_it_stores(monkeypatch):
    monkeypatch.setattr(worst_found, "SOURCES", ("fbp", "proximal"))  # to tune TV takes long
    row = worst_found.worst_job("proximal", n_images=2, n_val=2, search=SEARCH)
    json.dumps(row)
    small, large = row["found"]
    problem, method = home(2), worst_found.RIVALS["proximal"].make(None)
    for found in (small, large):
        e = found["size"] * worst_found.unit_perturbations(found["e"], problem.A.shape_out)
        assert e.flatten(1).norm(dim=1).tolist() == pytest.approx(
            2 * [found["budget"] * 0.1 * problem.A.m**0.5], rel=1e-4
        )
        with torch.no_grad():
            moved = method(problem.y[:2] + e, problem.A) - method(problem.y[:2], problem.A)
        assert found["effect"]["proximal"] == pytest.approx(moved.flatten(1).norm(dim=1).tolist(), abs=0.01)
        assert set(found["effect"]) == set(worst_found.SOURCES)
        assert all(np.array(found["effect"]["proximal"]) > 1.5 * np.array(found["random_max"]))
        assert all(np.array(found["psnr_after"]) < found["psnr_before"])
    assert all(np.array(large["effect"]["proximal"]) > small["effect"]["proximal"])


def test_the_record_is_that_of_the_explorer(record):
    """Effects, as they were stored, are those of the perturbations that the explorer shows; none is left out."""
    assert [row["source"] for row in record["rows"]] == list(explorer.SOURCES)
    problem = home(n_test=explorer.N_NOISE)
    for source in explorer.SOURCES:
        for budget in worst_found.BUDGETS:
            found = worst_found.found_at(record, source, budget)
            assert len(found["e"]) == explorer.N_IMAGES
            e = explorer.perturbation(source, 3, budget)
            assert float(e.norm()) == pytest.approx(found["size"], rel=1e-4)
            for target in ("fbp", "post-processing", source):
                moved = explorer._images(target, 3, source, budget) - explorer._images(target, 3, "random", 0.0)
                assert found["effect"][target][3] == pytest.approx(float(moved.norm()), rel=0.02, abs=0.02)
    assert problem.y.shape[0] == explorer.N_NOISE


def test_a_smaller_size_is_a_smaller_copy_of_the_next_larger_one_that_was_searched():
    for size, of in ((0.15, 0.3), (0.3, 0.3), (0.35, 1.0), (0.9, 1.0)):
        e, whole = (explorer.perturbation("proximal", 1, s) for s in (size, of))
        assert torch.allclose(e, size / of * whole, atol=1e-6)
    a, b = (explorer.perturbation("random", image, 1.0) for image in (0, 1))
    assert float(a.norm()) == pytest.approx(float(b.norm())) and abs(float((a * b).sum())) < 0.1 * float(a.norm()) ** 2
    assert not explorer.perturbation("tv", 0, 0.0).any()


def test_the_story_and_the_figure_read_the_record(record):
    words = worst_found.worst_story(record)
    assert words.count("worst found") == len(explorer.SOURCES)
    doubled = json.loads(json.dumps(record))
    for row in doubled["rows"]:
        for found in row["found"]:
            found["effect"] = {name: [2 * value for value in values] for name, values in found["effect"].items()}
    before, after = (worst_found.gains(r, "tv", "tv", 1.0) for r in (record, doubled))
    assert after == pytest.approx(2 * before)
    assert f"worst found {after.mean():.2f}" in worst_found.worst_story(doubled)
    doubled["rows"][1]["found"][1]["converged"] = 0.75
    assert "25 % not converged" in worst_found.worst_story(doubled)
    figure = worst_found.worst_figure(record)
    shown = [float(text.get_text()) for text in figure.axes[1].texts]
    own = [worst_found.gains(record, source, source, 1.0).mean() for source in explorer.SOURCES]
    assert shown[5::6] == pytest.approx(own, abs=0.006)
    plt.close(figure)


#: method, kind, size, image
SETTINGS = [
    ("fbp", "own", 1.0, 0), ("tv", "own", 0.3, 1), ("tv", "primal-dual", 0.6, 2), ("post-processing", "own", 0.5, 3),
    ("proximal", "random", 1.0, 1), ("proximal", "own", 0.2, 2), ("primal-dual", "proximal", 1.0, 0),
    ("post-processing", "tv", 0.0, 2),
]  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: " ".join(map(str, setting)))
def test_the_page_has_the_data_and_the_images_of_the_library(show, setting):
    method, kind, size, image = setting
    source = method if kind == "own" else kind
    with show(made("attack")[1]) as page:
        page.locator("[data-key=method]").select_option(label=explorer.NAMES[method])
        page.locator("[data-key=kind]").select_option(label={v: k for k, v in explorer.KINDS.items()}[kind])
        page.locator("[data-key=image]").select_option(label=str(image))
        page.locator("[data-key=size]").fill(str(round(20 * size)))
        page.wait_for_function("document.querySelector('.course-page').attack.done", timeout=120_000)
        found = page.evaluate(
            "(({y, e, before, after}) => ({y: [...y], e: [...e], before: [...before], after: [...after]}))"
            "(document.querySelector('.course-page').attack)"
        )
        words = page.locator(".cp-live p").last.inner_text()
    y, e = home(n_test=explorer.N_NOISE).y[image], explorer.perturbation(source, image, size)
    before, after = explorer._images(method, image, "random", 0.0), explorer._images(method, image, source, size)

    def error(name, wanted):
        return float((torch.tensor(found[name]) - wanted.flatten()).norm() / wanted.norm().clamp_min(1e-6))

    assert error("y", y) < 1e-5
    assert error("e", e) < 1e-5
    tolerance = 1e-2 if method == "tv" else 1e-3  # of TV, each stops when its own bound is small
    assert error("before", before) < tolerance and error("after", after) < tolerance
    change = float((after - before).norm())
    assert f"‖e‖ = {size:.2f} of the noise" in words
    assert float(words.split("change ")[1].split(" ")[0].rstrip(",")) == pytest.approx(change, rel=0.02, abs=0.05)
    assert (" ‖e‖, at most" in words) == (size > 0)


def test_the_table_agrees_with_the_record_and_with_the_theorem_on_tv(record):
    lines = [line.strip("| ").split(" | ") for line in explorer.attacks_table().data.splitlines()[2:]]
    sources = {name: source for source, name in explorer.NAMES.items()}
    assert [line[0] for line in lines[::2]] == list(sources)
    for name, size, deviations, change, seen, largest, clipped in lines:
        gain = worst_found.gains(record, sources[name], sources[name], float(size)).mean()
        assert float(change) == pytest.approx(gain, abs=0.03)
        assert float(deviations) == pytest.approx(float(size) * 2430**0.5, abs=0.06)
        assert float(seen) <= 1 or name != "TV"
        assert float(clipped) <= float(change) + 0.01 and float(largest) > 0


def test_the_kernels_words_say_what_is_shown():
    figure = explorer.attack_explorer().draw(method="proximal", kind="own", size=0.3, image=2)
    change = explorer._images("proximal", 2, "proximal", 0.3) - explorer._images("proximal", 2, "random", 0.0)
    gain = float(change.norm() / explorer.perturbation("proximal", 2, 0.3).norm())
    words = figure.texts[0].get_text()
    assert f"change {float(change.norm()):.2f} = {gain:.2f} ‖e‖, at most {float(change.abs().max()):.2f} in" in words
    assert torch.allclose(torch.tensor(figure.axes[6].images[0].get_array()), change[0, 0])
