"""Each head kept for the test in turn: tasks, gains slice by slice, table, figure, story."""

import matplotlib.pyplot as plt
import pytest

from course_utils.chapters.mri import folds
from course_utils.data.brain import FOLDS


@pytest.fixture
def record():
    """Three heads of two slices each: covariance is 2, 3, 4 dB ahead of TV, the rest behind by 1 dB."""
    ahead = {"S1": 2.0, "Colin27": 3.0, "ITK": 4.0}
    rows = []
    for k, test in enumerate(FOLDS):
        for spokes in folds.SPOKES:
            for method in folds.METHODS:
                shift = 0.0 if method == "tv" else ahead[test] if method == "covariance" else -1.0
                rows.append({
                    "test": test, "method": method, "spokes": spokes,
                    "psnr": [20.0 + k + shift, 22.0 + k + shift],
                })  # fmt: skip
    return {"rows": rows}


def test_every_head_and_method_has_its_task(monkeypatch):
    monkeypatch.setattr(folds, "shipped", lambda name: True)
    tasks = folds.folds_tasks()
    assert len(tasks) == len(FOLDS) * len(folds.METHODS) * len(folds.SPOKES)
    monkeypatch.setattr(folds, "shipped", lambda name: "without" not in name)
    there = {(t["test"], t["method"]) for t in folds.folds_tasks()}
    assert there == {("S1", m) for m in folds.METHODS} | {("Colin27", "tv"), ("ITK", "tv")}


def test_no_generator_is_tested_on_a_head_that_it_has_seen():
    names = {(test, m): folds.needed(m, test) for test in FOLDS for m in folds.METHODS if m != "tv"}
    assert len(set(names.values())) == len(names)
    assert all(name.endswith(f"-without-{test}") or test == "S1" for (test, _), name in names.items())


def test_the_job_asks_for_that_head(monkeypatch):
    asked = {}
    monkeypatch.setattr(folds, "mri_row", lambda *place, **more: asked.update(place=place, **more) or {})
    folds.folds_job("ITK", "tv", 25)
    assert asked == {"place": ("tv", 25, folds.SIGMA), "test": "ITK"}


def test_gains_are_by_slice_and_spread_is_over_heads(record):
    by_head = folds.gains(record["rows"], "covariance", "tv", 25)
    assert by_head == {"S1": [2.0, 2.0], "Colin27": [3.0, 3.0], "ITK": [4.0, 4.0]}
    assert folds.over_heads(by_head) == (3.0, 1.0)


def test_table_and_story_say_what_the_rows_say(record):
    heading, lines = folds.folds_table(record, 25)
    assert heading[1:4] == [f"test head {test}" for test in FOLDS] and len(lines) == len(folds.METHODS)
    of = {line[0]: line for line in lines}
    assert of["TV"][1:5] == ["21.0 ± 1.4", "22.0 ± 1.4", "23.0 ± 1.4", "22.0 ± 1.0"] and of["TV"][5] == ""
    assert of["covariance"][5] == "+3.0 ± 1.0"
    assert "25 spokes: covariance minus TV +3.0 +- 1.0 dB over heads (S1 +2.0" in folds.folds_story(record)
    fewer = {"rows": [r for r in record["rows"] if (r["test"], r["method"]) != ("ITK", "hard")]}
    assert len(folds.folds_table(fewer, 25)[1]) == len(folds.METHODS) - 1, "no mean over fewer heads than the others"


def test_figure_has_a_mark_for_every_head(record):
    figure = folds.folds_figure(record)
    assert len(figure.axes) == 2 and figure.axes[0].get_ylabel().startswith("PSNR minus")
    shown = figure.axes[0].get_legend_handles_labels()[1]
    assert shown == [f"test head {test}" for test in folds.LINES]
    plt.close(figure)
