"""Colab's ipywidgets 7 and IPython 7: the students' copies show their explorers there.

pip puts the front end of ``colab-requirements.txt`` into a folder of its own, which a kernel finds before the packages
of the tests: a quarter of a minute instead of an environment with another torch.

To run all copies whole takes nearly three minutes of one core, and of that only what reaches the front end is not
already known from the chapters, which run whole with the newest front end.  So one kernel runs the chapters whole that
a visitor sees first, 00 and 01, and of the other copies each cell that shows an explorer and all that it needs, in
their order: half a minute.  ``COURSE_COLAB=all`` runs every cell of every copy; GitHub does so in a job of its own.
"""

import ast
import functools
import importlib.util
import json
import os
import re
import subprocess
import symtable
import sys
from pathlib import Path

import execute
import nbformat
import pytest
from chapter_tools import has_tag, is_code, tables
from needs import lacking
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils._files import REPOSITORY
from course_utils.explore.widgets import VIEW
from course_utils.notebooks import COLAB_SETUP, chapters, student_path

WHOLE = [text.stem for text in chapters(None if os.environ.get("COURSE_COLAB") == "all" else ["00", "01"])]
NAME = "generative-regularisation-course"
LINES = Path(__file__).with_name("colab-requirements.txt").read_text(encoding="utf-8").splitlines()
COLAB = {
    canonicalize_name(line.name): line for line in map(Requirement, (line for line in LINES if line[:1].isalpha()))
}
#: What a package is called that is imported by another name.
INSTALLED_AS = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "ot": "pot",
    "pywt": "pywavelets",
    "IPython": "ipython",
}
#: Moves the first control of the explorer that the cell before has shown.
MOVE = """\
from course_utils.explore.controls import same as __same__, stops as __stops__
__before__, __control__ = {name}.picture, next(iter({name}.controls.values()))
__control__.value = next(value for value in __stops__(__control__) if not __same__(value, __control__.value))
assert {name}.picture != __before__, "the control moves, the picture stays"
"""
MODULES = "import json, sys\nprint(json.dumps(sorted(sys.modules)))"

every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


def asked_for() -> dict[str, Requirement]:
    """What the course asks for, extras left out."""
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lines = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.M | re.S)[1]
    return {canonicalize_name(line.name): line for line in map(Requirement, re.findall(r'"(.*?)"', lines))}


def fetch(folder: Path, environment: dict[str, str]) -> str:
    """Colab's front end into a folder; what went wrong, or nothing."""
    lines = [str(line) for name, line in COLAB.items() if name == "ipywidgets" or name not in asked_for()]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-input", "--retries=1", "--no-compile"]
    command += ["--disable-pip-version-check", "--target", str(folder), *lines]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return "" if done.returncode == 0 else f"pip cannot fetch Colab's front end: {done.stderr.strip()[-300:]}"


@functools.cache
def uses_and_gives(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell uses, and those that it assigns or imports."""
    top, *inner = tables(symtable.symtable(source, "cell", "exec"))
    used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    used |= {s.get_name() for table in inner for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return used, {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}


def shows_explorer(cell) -> bool:
    return is_code(cell, "explorer") and not cell.source.endswith(".static()")


def needed_by_explorers(cells: list) -> list:
    """The cells tagged ``setup`` or ``explorer``, and every one in front of the last that gives a name they use."""
    last = max(k for k, cell in enumerate(cells) if has_tag(cell, "explorer"))
    kept = {k for k, cell in enumerate(cells) if has_tag(cell, "setup") or has_tag(cell, "explorer")}
    while True:
        wanted = set().union(*(uses_and_gives(cells[k].source)[0] for k in kept))
        found = {k for k in range(last) if uses_and_gives(cells[k].source)[1] & wanted} | kept
        if found == kept:
            return [cells[k] for k in sorted(kept)]
        kept = found


def test_an_explorer_gets_every_cell_that_it_needs():
    sources = ("import a", "x = a.f(y)", "def f(k):\n    return k + late", "late = 2", "x += 1", "z = x", "f(1)")
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[-1].metadata.tags = ["explorer"]
    assert [cell.source for cell in needed_by_explorers(cells)] == [sources[2], sources[3], sources[6]]
    cells[-1].source = "f(x)"
    assert [cell.source for cell in needed_by_explorers(cells)] == [*sources[:5], "f(x)"]


def cells_of(text: Path) -> list:
    """What is run of a copy; each cell knows its chapter, and is followed by a move if it shows an explorer."""
    cells = [cell for cell in nbformat.read(student_path(text), as_version=4).cells if is_code(cell)]
    found = []
    for cell in cells if text.stem in WHOLE else needed_by_explorers(cells):
        cell.metadata.chapter = text.stem
        cell.id = f"{text.stem}-{len(found)}"  # cells that are equal in two chapters have one id
        found.append(cell)
        if shows_explorer(cell):
            found.append(nbformat.v4.new_code_cell(MOVE.format(name=cell.source.strip().splitlines()[-1])))
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The copies, run one after the other in one kernel."""
    front = tmp_path_factory.mktemp("front")
    if problem := fetch(front, dict(os.environ)):
        lacking(problem)
    cells = [cell for text in chapters() for cell in cells_of(text)]
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(MODULES)])
    path = os.pathsep.join([str(front), str(REPOSITORY)])
    execute.run(notebook, fast=True, environment={"PYTHONPATH": path, "COURSE_PAGE": "0"})
    return notebook


@pytest.mark.slow
def test_the_self_test_says_with_what_explorers_work(ran):
    """The first to ask for the run, which then counts for no single chapter."""
    said = "".join(output.get("text", "") for cell in ran.cells for output in cell.get("outputs", []))
    assert "explorers: ipywidgets 7.7.1 and ipython 7.34.0 work" in said and "Ready." in said


@every_chapter
@pytest.mark.slow
def test_every_explorer_of_a_copy_has_a_view_whose_model_is_there(text, ran):
    models = ran.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    shown = [cell for cell in ran.cells if cell.metadata.get("chapter") == text.stem and shows_explorer(cell)]
    assert shown
    for cell in shown:
        (view,) = [data[VIEW] for output in cell.outputs if VIEW in (data := output.get("data", {}))]
        box = models[view["model_id"]]
        assert (box["model_name"], box["model_module_version"]) == ("VBoxModel", "1.5.0"), "of ipywidgets 7"
        controls, _, picture, *_ = [models[child.removeprefix("IPY_MODEL_")] for child in box["state"]["children"]]
        assert picture["model_name"] == "ImageModel" and picture["buffers"][0]["data"]
        for child in controls["state"]["children"]:
            state = models[child.removeprefix("IPY_MODEL_")]["state"]
            assert state["description"] and (state.get("description_tooltip") or state.get("tooltip"))


@every_chapter
@pytest.mark.slow
def test_the_picture_in_front_of_an_explorer_keeps_its_alternative_text(text, ran):
    cells = [cell for cell in ran.cells if cell.metadata.get("chapter") == text.stem and is_code(cell, "explorer")]
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == sum(map(shows_explorer, cells))
    assert all(len(output.metadata["image/png"]["alt"]) > 60 for output in pictures)


@pytest.mark.slow
def test_colab_or_the_setup_cell_has_all_that_the_copies_import(ran):
    loaded = set(json.loads(ran.cells[-1].outputs[0]["text"]))
    imported = set()
    for name in loaded:
        if name.partition(".")[0] == "course_utils":
            tree = ast.parse(Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(node.module)
    outside = {name.partition(".")[0] for name in imported & loaded} - sys.stdlib_module_names - {"course_utils"}
    assert {"torch", "ipywidgets", "yaml", "ot"} <= outside
    there = set(COLAB) | installed_by_setup()
    assert {canonicalize_name(INSTALLED_AS.get(name, name)) for name in outside} <= there


def installed_by_setup() -> set[str]:
    return set(re.findall(r'"([a-z-]+)"', re.search(r"run\(\[\*pip, .*\]", COLAB_SETUP)[0])) - {"-e"}


def test_the_course_asks_for_no_more_than_colab_and_the_setup_cell_have():
    assert installed_by_setup() == {"pot", "pywavelets", "safetensors"}
    for name, wanted in asked_for().items():
        if name not in installed_by_setup() | {"ipywidgets"}:  # the tests above are about that one
            (there,) = COLAB[name].specifier
            assert wanted.specifier.contains(there.version), f"{wanted} is more than Colab's {COLAB[name]}"


def test_without_an_index_pip_says_what_it_cannot_fetch(tmp_path):
    problem = fetch(tmp_path, os.environ | {"PIP_NO_INDEX": "1"})
    assert "Colab's front end" in problem and "ipywidgets==7.7.1" in problem
