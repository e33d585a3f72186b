"""The grader: what of a submission is run, and what the table says of those that do not run or play tricks.

A small assignment with checks of chapter 01 stands for the chapters, because a kernel then needs seconds.
"""

import csv
import importlib
import json
import re

import nbformat
import pytest

import course_utils._budget
from course_utils import checks as common
from course_utils import grade
from course_utils.grade import __main__ as command
from course_utils.grade import assembly as assembling
from course_utils.grade import inside, table

CHECKS = "course_utils.chapters.inverse_problems.checks"
FILTER = "def best_filter(s, b, sigma):\n    return {}"
RIGHT = FILTER.format("s**2 * b / (s**2 * b + sigma**2)")
START = FILTER.format("s  # your turn")


def markdown(source):
    return nbformat.v4.new_markdown_cell(source)


def code(source):
    return nbformat.v4.new_code_cell(source)


def handed_out():
    """Three exercises that ask for the same."""
    cells = [markdown("# 99 Small"), code(f"import {CHECKS} as checks")]
    cells += [code("scale = 1.0"), markdown("Text."), markdown("More text.")]
    for number in (1, 2, 3):
        cells += [
            markdown(f"### Exercise {number} (easy): a filter\n\nWrite it."),
            code(START.replace("best_filter", f"filter_{number}")),
            code(f"checks.best_filter(filter_{number})"),
            markdown(f"Afterwards {number}."),
            code(f"after_{number} = scale"),
        ]
    return cells


def answer(number, source=RIGHT):
    return source.replace("best_filter", f"filter_{number}")


@pytest.fixture
def small():
    cells = handed_out()
    return grade.Assignment("99-small", CHECKS, cells, assembling.exercises(cells))


def changed(**cells):
    """The notebook with other sources: ``c6="..."`` for the seventh cell."""
    found = handed_out()
    for name, source in cells.items():
        found[int(name[1:])].source = source
    return found


# What is run


def test_every_exercise_of_every_chapter_has_a_check_and_a_starter():
    for assignment in grade.assignments():
        assert [e.number for e in assignment.exercises] == list(range(1, len(assignment.exercises) + 1))
        assert all(e.starters and assembling.called(assignment.cells[e.check].source) for e in assignment.exercises)
        untouched = grade.assemble(assignment, assignment.cells)
        assert untouched.untouched == {e.number for e in assignment.exercises}
        assert untouched.sources == [c.source.strip() for c in assignment.cells if c.cell_type == "code"]
        assert assembling.recognised(assignment.cells[:20], grade.assignments()) is assignment


def test_answers_are_taken_and_everything_else_is_as_it_was_handed_out(small):
    theirs = changed(c2="scale = float('nan')", c6=answer(1), c7="checks.best_filter(max)", c9="raise SystemExit")
    theirs.insert(11, code("helper = 7"))
    del theirs[4], theirs[-1]
    found = grade.assemble(small, theirs)
    whole = grade.assemble(small, handed_out())
    assert set(found.sources) == {*whole.sources, answer(1), "helper = 7"} - {answer(1, START)}
    assert found.untouched == {2, 3}
    order = [found.sources.index(line) for line in ("scale = 1.0", answer(1), "after_1 = scale", answer(2, START))]
    assert order == sorted(order)
    assert [found.sources[k] for k in found.checks] == [f"checks.best_filter(filter_{n})" for n in (1, 2, 3)]
    assert found.sources.index(answer(1)) < min(found.checks)


def test_an_answer_may_be_in_several_cells_and_its_check_may_be_gone(small):
    theirs = changed(c6="factor = 1")
    theirs[7:8] = [code(answer(1))]
    found = grade.assemble(small, theirs)
    at = [found.sources.index(line) for line in ("factor = 1", answer(1), "checks.best_filter(filter_1)")]
    assert at == sorted(at) and found.untouched == {2, 3}
    assert answer(1, START) not in found.sources


def test_a_copy_with_an_exercise_without_a_check_is_refused():
    cells = handed_out()
    for rest in (cells[:7], cells[:7] + cells[8:]):
        with pytest.raises(ValueError, match="exercise 1 has no check"):
            assembling.exercises(rest)


# What comes of it


@pytest.fixture
def graded(small, tmp_path, monkeypatch):
    """Grade cells as a notebook."""
    monkeypatch.setattr(table, "assignments", lambda: [small])

    def row(cells, seconds=60.0, minutes=2.0):
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
        (path,) = grade.submissions(tmp_path)
        return grade.grade(tmp_path, path, seconds, minutes)

    return row


@pytest.mark.slow
def test_right_and_wrong_answers_and_those_that_do_not_run(graded):
    row = graded(changed(c6=answer(1), c11=answer(2, FILTER.format("s")), c16="filter_3 = 1 / 0"))
    assert [row.result(n) for n in (1, 2, 3)] == ["right", "not yet", "error"] and row.solved == 1
    assert "1:" not in row.remarks and "2: " in row.remarks and "not defined" in row.remarks
    assert "before it: ZeroDivisionError: division by zero" in row.remarks


@pytest.mark.slow
def test_a_cell_without_an_end_costs_its_seconds_and_the_next_is_graded(graded):
    row = graded(changed(c6="while True:\n    pass", c11=answer(2)), seconds=8.0)
    assert [row.result(n) for n in (1, 2, 3)] == ["error", "right", "untouched"]
    assert re.search("1: NameError.*; before it: stopped after [0-9]+ s$", row.remarks)


@pytest.mark.slow
def test_a_dead_kernel_leaves_what_was_graded(graded):
    row = graded(changed(c6=answer(1), c11="import os\nos._exit(1)", c16=answer(3)))
    assert [row.result(n) for n in (1, 2, 3)] == ["right", "not reached", "not reached"]
    assert "the kernel died" in row.remarks


@pytest.mark.slow
def test_a_notebook_is_stopped_when_its_time_is_up(graded):
    row = graded(changed(c6=answer(1)), minutes=1e-6)
    assert row.result(1) == "not reached" and "was stopped after" in row.remarks


#: The name ``checks`` is the notebook's, the module is everybody's.
OWN = f"import sys\nsys.modules['{CHECKS}'].best_filter = print"


@pytest.mark.slow
def test_who_tampers_with_the_checks_is_told_apart(graded):
    row = graded(changed(c6="class checks:\n    best_filter = print", c11=f"{answer(2)}\n{OWN}"))
    assert [row.result(n) for n in (1, 2, 3)] == ["error", "tampered", "tampered"] and row.solved == 0
    assert "the notebook has changed" in row.remarks


def verdicts(said):
    return [json.loads(line.removeprefix("token")) for line in said.splitlines() if line.startswith("token")]


@pytest.mark.parametrize("target", ["best_filter", "examine", "Verdict.__bool__", "_budget.limited"])
def test_every_part_of_a_check_is_watched(target, monkeypatch, capsys):
    checks = importlib.import_module(CHECKS)
    places = {"Verdict": common, "_budget": course_utils._budget, "examine": common}
    owner, _, name = f"{target}".rpartition(".")
    module = places.get(owner or name, checks)
    holder = getattr(module, owner) if owner == "Verdict" else module
    graded = inside.judge(CHECKS, "token")
    monkeypatch.setattr(holder, name, lambda *_, **__: True)
    graded(lambda checks: checks.best_filter(lambda s, b, sigma: s))
    ((result, message),) = verdicts(capsys.readouterr().out)
    assert result == "tampered" and name in message


def test_code_that_is_put_into_a_check_or_comes_while_it_runs_is_seen(monkeypatch, capsys):
    checks = importlib.import_module(CHECKS)
    graded = inside.judge(CHECKS, "token")
    before = checks.best_filter.__code__

    def late(s, b, sigma):
        monkeypatch.setattr(common, "judge", lambda *_: (True, "fine"))
        return s

    try:
        checks.best_filter.__code__ = (lambda candidate: True).__code__
        graded(lambda checks: checks.best_filter(late))
    finally:
        checks.best_filter.__code__ = before
    graded(lambda checks: True)
    graded(lambda checks: checks.best_filter(late))
    assert [result for result, _ in verdicts(capsys.readouterr().out)] == 3 * ["tampered"]


# Files and the command


def test_what_is_no_notebook_gets_a_line(tmp_path, capsys):
    (tmp_path / "b").mkdir()
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "a.ipynb").write_text("")
    (tmp_path / "b" / "c.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (tmp_path / "d.ipynb").write_bytes(b"\xff\xfe\x00")
    (tmp_path / ".ipynb_checkpoints" / "e.ipynb").write_text("")
    assert command.main([str(tmp_path)]) == 0
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["submission"] for row in rows] == ["a.ipynb", "b/c.ipynb", "d.ipynb"]
    assert [row["remarks"].partition(":")[0] for row in rows[::2]] == ["no notebook", "no notebook"]
    assert rows[1]["remarks"].startswith("expected a notebook of one of the chapters, got one with 0 cells")
    assert {row["solved"] for row in rows} == {"0"}


def test_the_table_has_a_column_for_every_exercise(tmp_path):
    right, wrong = grade.Outcome("right", "well"), grade.Outcome("not yet", 'it is "5", too small')
    rows = [
        grade.Row("anna/1.ipynb", "01-a", {1: right, 2: wrong}),
        grade.Row("ben/1.ipynb", "02-b", {1: wrong, 2: wrong, 3: right}, {1, 3}),
    ]
    grade.write(rows, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["solved"], first["of"], first["exercise 3"]) == ("1", "2", "")
    assert first["remarks"] == '2: it is "5", too small' == second["remarks"]
    assert [second[f"exercise {n}"] for n in (1, 2, 3)] == ["untouched", "not yet", "right"]


def test_a_wrong_call_says_what_is_wrong(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 1 and "holds no notebooks" in capsys.readouterr().out
    for arguments in (
        [str(tmp_path / "nowhere")],
        [str(tmp_path), "--seconds", "0"],
        [str(tmp_path), "--minutes", "x"],
    ):
        with pytest.raises(SystemExit):
            command.main(arguments)
    assert "expected a positive number, got 0" in capsys.readouterr().err
