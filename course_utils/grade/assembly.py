"""The notebook that is graded: a chapter as it was handed out, with what the student wrote in place of the starters.

Cells outside the exercises are the course's, also where the student has edited or deleted them, because a changed
experiment must not decide about an exercise.  Cells that the student has added are kept where they stand.  Which cell
is which is told by the text of the cells around it: Colab gives cells new ids.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue import catalogue
from ..notebooks import GITHUB, chapters, generate
from ..student import student

__all__ = ["Assembled", "Assignment", "Exercise", "UnknownChapter", "assemble", "assignments"]

HEADING = re.compile(r"^### Exercise (\d+) \((\w+)\): (.+)$", re.MULTILINE)
#: A notebook is one of a chapter if it has so many of its cells.
FEWEST = 5
#: From here on two cells are two versions of one.
ALIKE = 0.7


class UnknownChapter(ValueError):
    """A notebook has too few cells of any chapter."""


@dataclass(frozen=True)
class Exercise:
    """An exercise of a chapter.

    Attributes
    ----------
    number : int
    grade : str
        "easy", "core" or "stretch".
    title : str
    check : int
        The index of its check among the cells of the copy that is handed out.
    starters : tuple of int
        The indices of the cells that the student is asked to change.
    """

    number: int
    grade: str
    title: str
    check: int
    starters: tuple[int, ...]


@dataclass(frozen=True)
class Assignment:
    """A chapter as it is handed out: its student's copy.

    Attributes
    ----------
    stem : str
        ``NN-slug``.
    checks : str
        The module of its checks.
    cells : list of NotebookNode
    exercises : list of Exercise
    """

    stem: str
    checks: str
    cells: list[Any]
    exercises: list[Exercise]


@dataclass(frozen=True)
class Assembled:
    """What is run for one submission.

    Attributes
    ----------
    sources : list of str
        Code, cell by cell.
    checks : dict of int -> int
        Index among the sources -> number of the exercise that is checked there.
    untouched : set of int
        Exercises whose starters came back as they were handed out.
    """

    sources: list[str]
    checks: dict[int, int]
    untouched: set[int]


def called(source: str) -> str | None:
    """The check that a cell calls, if it does nothing else: ``norm`` for ``checks.norm(my_norm)``."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Expr) or not isinstance(call := body[0].value, ast.Call):
        return None
    name = call.func
    found = isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "checks"
    return name.attr if isinstance(name, ast.Attribute) and found else None


def exercises(cells: Sequence[Any]) -> list[Exercise]:
    """The exercises of a student's copy.

    Raises
    ------
    ValueError
        An exercise has no check below it, before the next one begins.
    """
    found: list[Exercise] = []
    opened: re.Match[str] | None = None
    starters: list[int] = []
    for k, cell in enumerate(cells):
        if cell.cell_type == "markdown" and (heading := HEADING.search(cell.source)):
            if opened:
                raise ValueError(f"exercise {opened[1]} has no check")
            opened, starters = heading, []
        elif cell.cell_type == "code" and opened:
            if called(cell.source):
                found.append(Exercise(int(opened[1]), opened[2], opened[3], k, tuple(starters)))
                opened = None
            else:
                starters.append(k)
    if opened:
        raise ValueError(f"exercise {opened[1]} has no check")
    return found


@functools.cache
def assignments() -> list[Assignment]:
    """All chapters as they are handed out, in reading order.

    >>> [len(assignment.exercises) for assignment in assignments()][:2]
    [3, 5]
    """
    packages = {chapter.stem: chapter.package for chapter in catalogue().values()}
    found = []
    for text in chapters():
        cells = student(generate(text), text.stem, GITHUB).cells
        found.append(Assignment(text.stem, f"{packages[text.stem]}.checks", cells, exercises(cells)))
    return found


def _key(cell: Any) -> tuple[str, str]:
    """A cell as it is compared; ids and outputs do not count, because Colab changes the ones and running the others."""
    source = cell.get("source", "")
    return cell.get("cell_type", ""), ("".join(source) if isinstance(source, list) else source).strip()


def recognised(cells: Sequence[Any], known: Sequence[Assignment]) -> Assignment:
    """The chapter whose cells a notebook has.

    Raises
    ------
    UnknownChapter
        It has fewer than five of any.
    """
    theirs = {_key(cell) for cell in cells}
    common = {assignment.stem: len({_key(c) for c in assignment.cells} & theirs) for assignment in known}
    best = max(known, key=lambda assignment: common[assignment.stem])
    if common[best.stem] < FEWEST:
        raise UnknownChapter(
            f"expected a notebook of one of the chapters, got one with {common[best.stem]} cells of any"
        )
    return best


def assemble(assignment: Assignment, cells: Sequence[Any]) -> Assembled:
    """The chapter with what the student wrote.

    Parameters
    ----------
    assignment : Assignment
    cells : sequence of NotebookNode
        Those of the notebook that was handed in.
    """
    ours, theirs = [_key(cell) for cell in assignment.cells], [_key(cell) for cell in cells]
    check_at = {exercise.check: exercise.number for exercise in assignment.exercises}
    starter_of = {k: exercise.number for exercise in assignment.exercises for k in exercise.starters}
    sources: list[str] = []
    checks: dict[int, int] = {}
    untouched = {exercise.number for exercise in assignment.exercises}

    def give(k: int) -> None:
        """A cell of the course."""
        kind, source = ours[k]
        if kind == "code":
            if k in check_at:
                checks[len(sources)] = check_at[k]
            sources.append(source)

    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for k in range(i1, i2):
                give(k)
            continue
        own = [k for k in range(i1, i2) if ours[k][0] == "code"]
        asked = [k for k in own if k in starter_of]
        answers = [source for kind, source in theirs[j1:j2] if kind == "code" and source]
        if not asked and len(own) == len(answers):
            answers = []  # the same cells, edited
        else:
            fixed = [ours[k][1] for k in own if k not in starter_of]
            answers = [source for source in answers if not any(_alike(source, one) for one in fixed)]
        if asked and answers:
            untouched -= {starter_of[k] for k in asked}
        for k in own:
            if k not in asked or not answers:
                give(k)
            elif k == asked[0]:
                sources += answers
        if not asked:
            sources += answers
    return Assembled(sources, checks, untouched)


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE
