"""The explorers in real JupyterLab: headless Chromium opens each chapter's explorers and moves every control.

Chapter 00 is opened and run as it stands.  Of the others the cells of ``make dashboard``, the chapter's own for its
explorers, stand in one notebook, one chapter under the other: a page and a kernel for each of them would take
most of the time to start.

A control that brings no new picture fails.  The time from the key press to the new picture is taken inside the page
and printed beside its target (``TARGETS``), but no test depends on it, since a test machine may be busy.  With
COURSE_RECORD=1, which takes the median of several moves, the times are written to results/lab-latency.json.

Without Chromium these tests skip, or fail where CI is set.
"""

import functools
import os
import time
from contextlib import ExitStack
from pathlib import Path

import dashboard
import nbformat
import pytest
from chapter_tools import has_tag
from lab_tools import PATIENCE, SETTLED, cell_errors, drag, explore, explorer_name, lab_in, seen
from measured import MEASURED

from course_utils.notebooks import NOTEBOOK_METADATA, chapters, generate
from course_utils.results import save_result

#: Explorer -> seconds from key press to new picture.  Others: DEFAULT_TARGET.
TARGETS = {"latent": 0.15, "regularisers": 0.5, "initialisation": 0.5}
DEFAULT_TARGET = 0.5
RECORD = os.environ.get("COURSE_RECORD", "0") not in ("", "0")
PRESSES, RETRIES = 3 if RECORD else 0, 3


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """``lab(notebook, name)`` opens a notebook in JupyterLab, runs it all, and gives the page."""
    with lab_in(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


def dead_controls(measured: dict[str, float | None]) -> list[str]:
    """Those that brought no new picture."""
    return [control for control, seconds in measured.items() if seconds is None]


RECORDED = {}


@pytest.fixture(scope="module", autouse=True)
def record():
    """Keep the measured times, with provenance, if COURSE_RECORD=1 asks for it."""
    start = time.monotonic()
    yield
    if RECORDED and RECORD:
        settings = {"unit": "seconds from key press to new picture", "statistic": f"median of {PRESSES}"}
        save_result("lab-latency", {"explorers": RECORDED}, settings, time.monotonic() - start)


WITH_EXPLORER = [text for text in chapters() if any(has_tag(c, "explorer") for c in generate(text).cells)]


def shows_explorer(cell) -> bool:
    return has_tag(cell, "explorer") and not cell.source.endswith(".static()")


def cells_of(text: Path) -> list:
    """The first chapter as it stands; of the others what ``make dashboard`` shows."""
    notebook = generate(text)
    return (notebook if text == chapters()[0] else dashboard.dashboard(notebook, text.stem)).cells


@pytest.fixture(scope="module")
def explorers(lab, request):
    """``explorers(text)``: the page with the explorers of a chapter, opened by the first that asks, and their boxes."""
    asked = {item.callspec.params["text"] for item in request.session.items if "explorers" in item.fixturenames}
    rest = [text for text in WITH_EXPLORER if text in asked and text != chapters()[0]]

    with ExitStack() as stack:

        @functools.cache
        def opened(*texts):
            cells = [(text, cell) for text in texts for cell in cells_of(text)]
            for number, (_, cell) in enumerate(cells):
                cell.id = f"cell-{number}"  # those of two chapters may be equal
            notebook = nbformat.v4.new_notebook(cells=[cell for _, cell in cells], metadata=NOTEBOOK_METADATA)
            page = stack.enter_context(lab(notebook, texts[0].stem if len(texts) == 1 else "explorers"))
            drawn, found = page.locator(".jp-Notebook .jp-Cell"), {text: [] for text in texts}
            for number, (text, cell) in enumerate(cells):
                if shows_explorer(cell):
                    found[text].append(drawn.nth(number).locator(".course-explorer"))
            return page, found

        def of(text):
            page, found = opened(*(rest if text in rest else [text]))
            return page, found[text]

        yield of


@pytest.mark.parametrize("text", WITH_EXPLORER, ids=lambda path: path.stem)
def test_every_control_of_a_chapter_brings_a_new_picture(explorers, text, tmp_path):
    page, boxes = explorers(text)
    assert boxes
    dead = []
    with seen(page, tmp_path / f"{text.stem}.png"):
        for box in boxes:
            assert box.count() == 1
            name = explorer_name(box)
            target = TARGETS.get(name, DEFAULT_TARGET)
            measured = explore(page, box, PRESSES)
            assert measured, f"{name}: no control found"
            for _ in range(RETRIES):  # the machine may have been so busy that the driver lost its patience
                if again := dead_controls(measured):
                    measured |= explore(page, box, PRESSES, only=again)
            for control, seconds in measured.items():
                shown = "no new picture" if seconds is None else f"{1000 * seconds:.0f} ms"
                MEASURED.append(f"{text.stem}, {name}, {control}: {shown} (target {1000 * target:.0f} ms)")
            dead += [f"{name}, {control}" for control in dead_controls(measured)]
            RECORDED[name] = {"chapter": text.stem, "target": target, "controls": measured}
    assert not dead, "\n".join(dead)


# The driver itself: it sees a control that works, one that does nothing, and one that breaks.

DEMO = """
import ipywidgets
from matplotlib.figure import Figure
from course_utils.explore import Explorer

def draw(size, shape, grid, colour="black", pen="thin"):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    marks, width = {"line": "-", "dots": "o"}[shape], {"thin": 1, "thick": 3}[pen]
    axes.plot([0, size], [0, 1], marks, color=colour, linewidth=width)
    axes.grid(grid)
    return figure

controls = {
    "size": ipywidgets.FloatLogSlider(1, min=-2, max=2, description="size", tooltip="length"),
    "shape": ipywidgets.Dropdown(options=["line", "dots"], description="shape", tooltip="how it is drawn"),
    "grid": ipywidgets.Checkbox(False, description="grid", tooltip="lines behind"),
    "colour": ipywidgets.ToggleButtons(options=["black", "red"], description="colour", tooltip="of the line"),
    "pen": ipywidgets.ToggleButtons(options=["thin", "thick"], description="pen", tooltip="of the line"),
}
Explorer("demo", controls, draw, alt="A line.")
# CELL
quiet = {
    "kind": ipywidgets.Dropdown(options=["a", "b"], description="kind", tooltip="size counts for b only"),
    "size": ipywidgets.IntSlider(1, 0, 3, description="size", tooltip="length"),
}
Explorer("quiet", quiet, lambda kind, size: draw(size if kind == "b" else 1, "line", kind == "b"), alt="A line.")
# CELL
dead = {"nothing": ipywidgets.IntSlider(1, 0, 5, description="nothing", tooltip="changes nothing")}
Explorer("dead", dead, lambda nothing: draw(1, "line", False), alt="A line.")
# CELL
broken = {"value": ipywidgets.IntSlider(1, 0, 5, description="value", tooltip="breaks at 2")}
Explorer("broken", broken, lambda value: draw(1 / (2 - value), "line", False), alt="A line.")
"""


DRAGGED = """
import time

def explorer(name, seconds):
    def draw(size):
        time.sleep(seconds)
        figure = Figure(figsize=(6, 3))
        axes = figure.subplots()
        axes.plot([0, size], [0, 1])
        axes.set(xlim=(0, 200), title=str(size))
        return figure

    slider = ipywidgets.IntSlider(0, 0, 200, description="size", tooltip="length", layout={"width": "600px"})
    return Explorer(name, {"size": slider}, draw, alt="A line.")

explorer("swift", 0)
# CELL
explorer("slow", SLOW)
"""
SLOW = 0.4


@pytest.fixture(scope="module")
def page(lab):
    """All of these explorers in one notebook, because a page and a kernel take long to start."""
    parts = f"{DEMO}# CELL{DRAGGED.replace('SLOW', str(SLOW))}".split("# CELL\n")
    cells = [nbformat.v4.new_code_cell(part) for part in parts]
    with lab(nbformat.v4.new_notebook(cells=cells, metadata=NOTEBOOK_METADATA), "demos") as opened:
        yield opened


@pytest.mark.parametrize("name", ["swift", "slow"])
def test_a_dragged_slider_redraws_on_the_way_and_ends_at_its_last_value(page, name):
    box = page.locator(f".explorer-{name}")
    for attempt in range(RETRIES):  # the machine may have been busy
        length, times = drag(page, box)
        before, settled = sum(at < 0 for at in times), max(times)
        MEASURED.append(
            f"drag {name}: {before} pictures in {length:.1f} s, the last {1000 * settled:.0f} ms after the release"
        )
        stands = box.evaluate("box => box.stands()")
        box.locator(".noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.evaluate(SETTLED)
        assert box.evaluate("box => box.stands()") == stands, "the picture is not that of the last value"
        if name == "slow":  # two pictures on the way say that it is slow, when the next is already asked for
            assert before <= (3 if attempt == 0 else 0) and len(times) <= before + 1
        if name == "slow" or before > 1:
            return
        page.keyboard.press("Home")
        page.evaluate(SETTLED)
    pytest.fail("\n".join(MEASURED[-RETRIES:]))


def test_the_driver_measures_sees_dead_controls_and_sees_errors(page):
    demo, quiet, dead, broken = (page.locator(f".explorer-{n}") for n in ("demo", "quiet", "dead", "broken"))
    assert explorer_name(demo) == "demo"
    measured = explore(page, demo, presses=1)
    assert set(measured) == {"size", "shape", "grid", "colour", "pen"}
    assert demo.locator("button.mod-active").all_inner_texts() == ["black", "thin"]  # put back
    assert all(seconds is not None and 0.002 < seconds < PATIENCE for seconds in measured.values()), measured
    stood = quiet.inner_text()
    assert None not in explore(page, quiet, presses=1, patience=2).values()
    assert quiet.inner_text() == stood  # put back, although the slider has no room for all moves
    assert explore(page, dead, patience=2) == {"nothing": None}
    assert cell_errors(page) == []
    with pytest.raises(AssertionError, match="after a move: ZeroDivisionError"):
        explore(page, broken, patience=2)
