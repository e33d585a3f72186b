"""Which edits make stored jobs stale: those that can change a number, and no other."""

import ast
import shutil
from pathlib import Path

import pytest

from course_utils.reproduce import reachable, registry
from course_utils.reproduce.reachable import PACKAGE, sources

# ------------------------------------------------------------------------------------------- a toy course

#: A course of one chapter: every way in which ``row`` reaches something, beside what it does not reach.
TOY = """
=== __init__.py
from .metrics import psnr

__all__ = ['psnr']
=== metrics.py
from ._check import check


def psnr(x):
    return check(x)


def ssim(x):
    return x
=== _check.py
def check(x):
    return x
=== solvers/__init__.py
from . import pdhg
from .base import solve
=== solvers/base.py
TABLE = {}


def solve(name):
    return TABLE[name]()
=== solvers/pdhg.py
from .base import TABLE

TABLE['pdhg'] = lambda: 1
=== training.py
STEPS = 5
=== figures/__init__.py
=== figures/style.py
COLOURS = {'tv': 1}
=== reproduce/__init__.py
from .setting import seeded

__all__ = ['seeded']
=== reproduce/setting.py
from ..training import STEPS

SEEDS = {'A': 0}


def seeded(seed):
    return SEEDS['A'] + seed


def unused():
    return STEPS
=== chapters/__init__.py
=== chapters/demo/__init__.py
=== chapters/demo/story.py
EDGES = (1, 2)


def story(record):
    return 'It is so.'
=== chapters/demo/late.py
from .tables import METHODS as ALL


def late(name):
    return ALL[name]
=== chapters/demo/models.py
def row(x):
    return helper(x)


def helper(x):
    return 1


def other(x):
    return 2
=== chapters/demo/tables.py
import functools

METHODS = {}


def method(f):
    METHODS[f.__name__] = f
    return f


@method
def tv(x):
    return 3


@functools.cache
def slow(x):
    return 4


METHODS['tikhonov'] = 5
=== chapters/demo/experiments.py
'''A topic.'''
from dataclasses import dataclass, field
from math import sqrt

from ...figures.style import COLOURS
from ...reproduce.setting import seeded
from . import models
from .story import EDGES, story

__all__ = ["EXPERIMENTS"]
GRID, SIZE = (1.0, 0.5), 7
LIMIT: int = 9
LIMIT += 1


def default():
    return [6]


@dataclass
class Problem:
    '''A problem.'''

    values: list = field(default_factory=default)

    def value(self):
        from .late import late

        return late("tv"), sqrt(8)


def row(n=SIZE):
    '''Doc.'''
    from ...solvers import base

    problem = Problem()
    return {"a": [models.row(g) for g in GRID], "b": base.solve("pdhg"), "c": seeded(EDGES[0]), "d": LIMIT,
            "e": problem.value(), "f": COLOURS}


def tasks():
    return [{"n": n} for n in range(3)]


def figure(record):
    return COLOURS


EXPERIMENTS = {"demo": ("a title", tasks, row, figure, story)}
"""
TOY = {part.partition("\n")[0]: part.partition("\n")[2] for part in TOY.split("=== ")[1:]}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """``toy(file, old, new)`` -> what counts for the job of the toy course after that edit."""
    monkeypatch.setattr(reachable, "PACKAGE", tmp_path / "toy")

    def edited(file: str = "metrics.py", old: str = "", new: str = "", run: str = "row") -> dict[str, str]:
        for name, text in TOY.items():
            assert name != file or old in text, f"{old!r} does not stand in {file}"
            path = tmp_path / "toy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            edit = text.replace(old, new) if old else text + new
            path.write_text(edit if name == file else text)
        return sources("toy.chapters.demo.experiments", run)

    return edited


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("chapters/demo/experiments.py", "'''Doc.'''", "'''Other words.'''"),
        ("chapters/demo/experiments.py", "'''A problem.'''", ""),
        ("chapters/demo/experiments.py", "problem = Problem()", "problem = Problem()  # a comment"),
        ("chapters/demo/experiments.py", "a title", "another title"),
        ("chapters/demo/experiments.py", "range(3)", "range(4)"),
        ("chapters/demo/experiments.py", "    return COLOURS\n", "    return {}\n"),
        ("chapters/demo/experiments.py", "__all__ = [", "__all__ = ['GRID', "),
        ("chapters/demo/story.py", "It is so.", "It is not so."),
        ("chapters/demo/models.py", "return 2", "return 22"),
        ("chapters/demo/tables.py", "return 4", "return 44"),
        ("figures/style.py", "'tv': 1", "'tv': 11"),
        ("reproduce/setting.py", "return STEPS", "return 2 * STEPS"),
        ("training.py", "STEPS = 5", "STEPS = 55"),
        ("metrics.py", "return x", "return 2 * x"),
    ],
)
def test_what_cannot_change_a_number_leaves_the_jobs_alone(toy, file, old, new):
    assert toy(file, old, new) == toy()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("chapters/demo/experiments.py", "GRID, SIZE = (1.0, 0.5), 7", "GRID, SIZE = (1.0, 0.25), 7"),
        ("chapters/demo/experiments.py", "(1.0, 0.5), 7", "(1.0, 0.5), 8"),
        ("chapters/demo/experiments.py", "n=SIZE", "n=3"),
        ("chapters/demo/experiments.py", "LIMIT += 1", "LIMIT += 2"),
        ("chapters/demo/experiments.py", "return [6]", "return [66]"),
        ("chapters/demo/experiments.py", "@dataclass\n", "@dataclass(frozen=True)\n"),
        ("chapters/demo/experiments.py", "from math import sqrt", "from math import cos as sqrt"),
        ("chapters/demo/experiments.py", "import EDGES, story", "import story as EDGES, story"),
        ("chapters/demo/story.py", "(1, 2)", "(1, 3)"),
        ("chapters/demo/late.py", "ALL[name]", "ALL.get(name)"),
        ("chapters/demo/models.py", "return 1", "return 11"),
        ("chapters/demo/tables.py", "return 3", "return 33"),
        ("chapters/demo/tables.py", "= 5", "= 55"),
        ("chapters/demo/tables.py", "METHODS = {}", "METHODS = {'none': None}"),
        ("reproduce/setting.py", "{'A': 0}", "{'A': 1}"),
        ("solvers/base.py", "TABLE[name]()", "TABLE[name]"),
        ("solvers/pdhg.py", "lambda: 1", "lambda: 2"),
        ("__init__.py", "from .metrics", "import torch\n\ntorch.set_default_dtype(torch.float64)\nfrom .metrics"),
        ("chapters/__init__.py", "", "print()\n"),
    ],
)
def test_what_can_change_a_number_makes_the_jobs_stale(toy, file, old, new):
    assert toy(file, old, new) != toy()


def test_what_counts_by_module(toy):
    found = toy()
    assert {name.removeprefix("toy.") for name in found} == {
        "chapters.demo.experiments", "chapters.demo.late", "chapters.demo.models", "chapters.demo.story",
        "chapters.demo.tables", "reproduce.setting", "solvers", "solvers.base", "solvers.pdhg",
    }  # fmt: skip
    assert not any(word in text for text in found.values() for word in ("It is so", "'other'", "'slow'", "'tasks'"))


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("import toy.metrics", "toy.metrics"),
        ("import toy.metrics as m", "toy.metrics"),
        ("from ... import psnr", "toy.metrics"),
        ("from ...metrics import *", "toy.metrics"),
        ("try:\n    from ...metrics import psnr\nexcept ImportError:\n    psnr = None", "toy.metrics"),
        ("from ... import metrics", "toy.metrics"),
        ("import toy.chapters.demo.models", "'other'"),
        ("MODELS = [models]", "'other'"),
        ("class Row(models.Base):\n    x = LOOSE", "LOOSE"),
        ("@models.register\ndef f():\n    return LOOSE", "LOOSE"),
        ("GRID[0] = LOOSE", "LOOSE"),
        ("for name in GRID:\n    print(LOOSE)", "LOOSE"),
        ("def __getattr__(name):\n    return LOOSE", "LOOSE"),
        ("Z = (GRID_2 := SIZE)", "GRID_2"),
    ],
)
def test_in_doubt_more_counts(toy, line, reached):
    """Lines at the top level of the job's module."""
    default = "def default():\n    return [6]"
    used = default.replace("6", "MODELS, GRID_2")
    found = toy("chapters/demo/experiments.py", default, f"{line}\n\n\n{used}")
    assert reached in found or any(reached in counted for counted in found.values())


def test_a_job_that_looks_names_up_counts_whole_and_one_that_computes_modules_is_refused(toy):
    file = "chapters/demo/models.py"
    assert "'other'" in toy(file, "return helper(x)", "return globals()['helper'](x)")["toy.chapters.demo.models"]
    with pytest.raises(ValueError, match="toy.chapters.demo.models imports by a computed name"):
        toy(file, "return helper(x)", "import importlib\n    return importlib.import_module(x)")
    assert "a title" in toy(run="Problem.value")["toy.chapters.demo.experiments"], "not a name of the module"


def test_of_modules_elsewhere_that_of_the_job_counts_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_topic.py").write_text(
        "import other_topic\nfrom course_utils.metrics import psnr\n\n\n"
        "def run(seed):\n    return other_topic.f(psnr)\n\n\ndef figure(record):\n    return 1\n"
    )
    found = sources("some_topic", "run")
    assert set(found) == {"some_topic", "course_utils", "course_utils.metrics", "course_utils._check"}
    assert "figure" not in found["some_topic"] and "other_topic is other_topic" in found["some_topic"]


# ------------------------------------------------------------------------------------- the course itself


@pytest.fixture
def stale(tmp_path, monkeypatch):
    """``stale((file, old, new), ...)`` -> the experiments whose jobs these edits of a copy of the course make stale."""
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=lambda folder, names: [
        name for name in names if not name.endswith(".py") and not Path(folder, name).is_dir()
    ])  # fmt: skip
    monkeypatch.setattr(reachable, "PACKAGE", tmp_path / PACKAGE.name)
    runs = {name: registry.experiments()[name].run for name in ("fig1", "fig9", "fig10", "covariance", "variants")}

    def counted() -> dict[str, dict[str, str]]:
        return {name: sources(run.__module__, run.__qualname__) for name, run in runs.items()}

    before = counted()

    def edited(*edits: tuple[str, str, str]) -> set[str]:
        paths = {tmp_path / PACKAGE.name / file for file, _, _ in edits}
        texts = {path: path.read_text() for path in paths}
        for file, old, new in edits:
            path = tmp_path / PACKAGE.name / file
            assert path.read_text().count(old) == 1, f"{old!r} must stand in {file} once"
            path.write_text(path.read_text().replace(old, new))
        after = counted()
        for path, text in texts.items():
            path.write_text(text)
        return {name for name in runs if before[name] != after[name]}

    return edited


FUTURE = "from __future__ import annotations"


def test_text_and_pictures_of_the_course_can_be_rewritten_without_running_again(stale):
    assert not stale(
        ("chapters/family/experiments.py", "an intermediate layer ", "a layer in between "),
        ("chapters/family/experiments.py", "All variants of R_Z and F on the problem of Fig. 9", "Variants"),
        ("chapters/family/experiments.py", '"""Weights -> regulariser, for one variant."""', '"""Other."""  # why'),
        ("chapters/family/figures.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"),
        ("chapters/mri/claims.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"),
        ("chapters/properties/story.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"),
        ("figures/style.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"),
        ("checks.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"),
    )


@pytest.mark.slow
def test_numbers_of_the_course_are_computed_again_where_they_are_used_and_only_there(stale):
    file = "chapters/family/experiments.py"
    assert stale((file, "LATENT = geometric(0.5, 1e-5, 0.25)", "LATENT = [0.1]")) == {"variants"}
    assert stale((file, '{"max_iter": 60} if', '{"max_iter": 61} if')) == {"variants"}
    assert stale((file, "n_prior: int | None = None", "n_prior: int = 9")) == {"variants"}
    everywhere = {"fig1", "fig9", "fig10", "covariance", "variants"}
    assert stale(("reproduce/setting.py", '"noise_test": 3,', '"noise_test": 4,')) == everywhere - {"fig1"}
    changed = stale(("solvers/pdhg.py", FUTURE, f"{FUTURE}\n\nLIMIT = 3"))
    assert changed == everywhere, "solvers register themselves, so any of them counts"


@pytest.mark.slow
def test_jobs_take_nothing_but_words_from_rooms_that_never_count():
    """A colour or a title may change; a number that lies beside it could change a result unseen."""
    taken = set()
    for experiment in registry.experiments().values():
        for module, text in sources(experiment.run.__module__, experiment.run.__qualname__).items():
            if reachable._room(module) in reachable.BY_NAME:
                lines = [line.split(" is ") for line in text.splitlines() if " is course_utils." in line[:100]]
                taken |= {target for _, target in lines if reachable._room(target) in reachable.NEVER}
    assert taken <= {"course_utils.figures.labels.DATA", "course_utils.figures.labels.TITLES"}
    words = ast.parse((PACKAGE / "figures/labels.py").read_text())
    constants = [node.value for node in ast.walk(words) if isinstance(node, ast.Constant)]
    assert all(isinstance(value, str) for value in constants)
