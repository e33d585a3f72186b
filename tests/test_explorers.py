"""Every explorer of the registry draws at every point of its grid; what its chapter says of it: tests/chapters."""

import html
import io
import time

import ipywidgets
import numpy as np
import pytest
from matplotlib.figure import Figure
from measured import MEASURED
from page_tools import of_its_chapter, stored
from PIL import Image

from course_utils import figures as plots
from course_utils.explore import EXPLORERS, Explorer
from course_utils.explore.base import SWIFT
from course_utils.explore.controls import same

BORDER = 6  # pixels that must be white: nothing is cut off at the edge


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def drawn_for_its_page(explorer: Explorer) -> list[int] | None:
    """The pictures that its chapter drew, each by its number, if the chapter was run and they cover the whole grid."""
    if explorer.live is not None or (page := of_its_chapter(explorer.name)) is None:
        return None
    shown = {control["key"]: control["values"] for control in stored(page)["controls"]}
    frames = {key: [value] for key, value in explorer.default.items()} | shown
    covered = all(any(same(stop, value) for value in frames[key]) for key in frames for stop in explorer._grid[key])
    return stored(page)["frames"] if covered else None


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.slow
def test_every_explorer_draws_over_its_whole_grid(name):
    explorer = EXPLORERS[name]()
    assert explorer.name == name
    assert len(explorer.alt) > 60
    grid, pictures = explorer.grid, set()
    assert len(grid) == len({tuple(values.items()) for values in grid}) > 1
    if numbers := drawn_for_its_page(explorer):
        MEASURED.append(f"explorer {name}: {len(numbers)} pictures, drawn by its chapter")
        assert explorer.draw(**explorer.default).axes
        assert len(numbers) >= len(grid) and len(set(numbers)) > len(numbers) / 4
        return
    started = time.perf_counter()
    for values in grid:
        figure = explorer.draw(**values)
        assert isinstance(figure, Figure), values
        assert figure.axes, values
        pictures.add(plots.figure_png(figure, 40))
    seconds = (time.perf_counter() - started) / len(grid)
    MEASURED.append(f"explorer {name}: {len(grid)} pictures, {1000 * seconds:.0f} ms each")
    assert len(pictures) > len(grid) / 4, "most control values change nothing"


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.slow
def test_each_control_changes_the_picture_and_nothing_else_does(name):
    """Each control alone, from the default on: the reader sees that something has happened; back at it, as before."""
    explorer = EXPLORERS[name]()
    before = explorer.png(**explorer.default)
    for key, stops in explorer._grid.items():
        others = [stop for stop in stops if stop != explorer.default[key]]
        assert any(explorer.png(**{**explorer.default, key: stop}) != before for stop in others), key
    explorer.png(**explorer.grid[-1])
    assert explorer.png(**explorer.default) == before


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_widget_and_the_static_picture(name):
    explorer = EXPLORERS[name]()
    assert {"course-explorer", f"explorer-{name}"} <= set(explorer.widget._dom_classes)
    pictures = [child for child in explorer.widget.children if isinstance(child, ipywidgets.Image)]
    assert [child._dom_classes for child in pictures] == [("explorer-figure",)]
    assert pictures[0].format == "png"
    assert html.escape(explorer.alt) in explorer.widget.children[-1].value
    assert pictures[0].tooltip is None, "JupyterLab fails to show an image widget with a tooltip"
    for control in explorer.controls.values():
        assert control.description
        assert control.tooltip
        assert getattr(control, "continuous_update", True)
    assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()
    static = explorer.static()
    assert static.alt == explorer.alt
    image = pixels(static.data)
    assert image.shape[1] >= 2 * static.width - 1
    assert pixels(explorer.picture).shape == image.shape, "the picture that moves is as sharp"
    assert image.std() > 10  # not an empty canvas
    assert image[:BORDER].min() == image[:, :2].min() == 255, "something is cut off at the edge"


def demo(**settings):
    calls = []

    def draw(size, grid):
        calls.append((size, grid))
        if size == 3:
            raise ValueError("three is too many")
        figure = Figure(figsize=(2, 1))
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, size])
        return figure

    controls = {
        "size": ipywidgets.IntSlider(1, 1, 3, description="size", tooltip="how many"),
        "grid": ipywidgets.Checkbox(False, description="grid", tooltip="lines"),
    }
    return Explorer("demo", controls, draw, "A line.", **settings), calls


def test_a_move_redraws_once_and_an_error_stands_beside_the_figure():
    explorer, calls = demo()
    figure, problem = explorer.widget.children[2], explorer.widget.children[1]
    first = figure.value
    assert calls == [(1, False)]
    explorer.controls["size"].value = 2
    assert calls == [(1, False), (2, False)]
    assert figure.value != first
    assert explorer.seconds > 0
    with pytest.raises(ValueError, match="three is too many"):
        explorer.controls["size"].value = 3
    assert "three is too many" in problem.value
    assert problem.layout.display == "block"
    explorer.controls["size"].value = 1
    assert problem.layout.display == "none"
    assert figure.value == first


def test_after_two_slow_redraws_a_control_waits_for_its_release_until_a_swift_one(monkeypatch):
    explorer, _ = demo()
    size, grid = explorer.controls["size"], explorer.controls["grid"]
    assert size.continuous_update and explorer.picture
    for seconds, on_the_way in ((2 * SWIFT, True), (3 * SWIFT, False), (SWIFT / 2, True)):
        clock = iter([0.0, seconds])
        monkeypatch.setattr(time, "perf_counter", lambda clock=clock: next(clock))
        size.value = 3 - size.value
        assert explorer.seconds == seconds and size.continuous_update is on_the_way
    monkeypatch.undo()
    grid.value = True  # a tick has nothing to drag
    assert not hasattr(grid, "continuous_update")


def test_an_explorer_can_begin_elsewhere_and_reset_leads_there():
    explorer, calls = demo(frames={"size": [1, 2], "grid": [False]})
    assert explorer.begin_at(size=2) is explorer
    assert explorer.values == explorer.default == {"size": 2, "grid": False}
    explorer.controls["size"].value = 1
    explorer.reset()
    assert explorer.values == {"size": 2, "grid": False}
    for wrong, message in (({"length": 1}, "'length' is no control"), ({"size": 9}, "'size' cannot be 9")):
        with pytest.raises(ValueError, match=message):
            explorer.begin_at(**wrong)
    with pytest.raises(ValueError, match="must contain the default True"):
        demo(frames={"size": [1], "grid": [False]})[0].begin_at(grid=True)
    assert not calls  # nothing is drawn for it


def test_reset_redraws_once_and_keep_leaves_a_copy_with_its_values():
    explorer, calls = demo()
    explorer.controls["size"].value, explorer.controls["grid"].value = 2, True
    first = explorer.picture
    assert explorer._kept.layout.display == "none"
    reset, keep = explorer.widget.children[3].children[0].children
    keep.click()
    words, kept = explorer._kept.children
    assert explorer._kept.layout.display is None
    assert (words.value, kept.value) == ("Kept: size: 2; grid: yes", first)
    del calls[:]
    reset.click()
    assert explorer.values == explorer.default and calls == [(1, False)]
    assert explorer.picture != first == kept.value


def test_only_a_list_of_values_can_be_played():
    for wrong in ("size", "grid", "length"):
        with pytest.raises(ValueError, match="'play' must name a control that is a SelectionSlider"):
            demo(play=wrong)
    slider = ipywidgets.SelectionSlider(options=[1, 2, 5], value=2, description="size", tooltip="how many")
    explorer = Explorer("demo", {"size": slider}, lambda size: Figure(figsize=(1, 1)), "Nothing.", play="size")
    *_, player = explorer.widget.children[3].children[0].children
    assert isinstance(player, ipywidgets.Play) and (player.min, player.value, player.max) == (0, 1, 2)


def test_the_grid_is_every_combination_or_what_was_asked_for():
    assert len(demo()[0].grid) == 4  # least = default, greatest; two ticks
    explorer, _ = demo(grid={"size": [1, 2]})
    assert explorer.grid == [{"size": s, "grid": g} for s in (1, 2) for g in (False, True)]


@pytest.mark.parametrize("missing", ["description", "tooltip"])
def test_a_control_must_say_what_it_is(missing):
    settings = {"description": "size", "tooltip": "how many"} | {missing: ""}
    with pytest.raises(ValueError, match="description and a tooltip"):
        Explorer("demo", {"size": ipywidgets.IntSlider(1, 1, 3, **settings)}, lambda size: None, "A line.")


def test_a_grid_for_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="do not exist: length"):
        demo(grid={"length": [1]})
