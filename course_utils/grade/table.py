"""Submissions, and the table that comes of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .._files import atomic
from .assembly import UnknownChapter, assemble, assignments, recognised
from .kernel import Outcome, run

__all__ = ["Row", "grade", "submissions", "write"]


@dataclass(frozen=True)
class Row:
    """What came of one notebook.

    Attributes
    ----------
    submission : str
        Its path within the folder.
    chapter : str
        ``NN-slug``; "" if it is none of the course's.
    outcomes : dict of int -> Outcome
        Of all exercises of the chapter.
    untouched : set of int
        Exercises that came back as they were handed out.
    problem : str
        Why nothing could be run; else "".
    """

    submission: str
    chapter: str = ""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    untouched: set[int] = field(default_factory=set)
    problem: str = ""

    @property
    def solved(self) -> int:
        return sum(outcome.result == "right" for outcome in self.outcomes.values())

    def result(self, number: int) -> str:
        """In one word or two: "untouched" if the starter came back and, as it should be, is not right."""
        found = self.outcomes[number].result
        return "untouched" if number in self.untouched and found not in ("right", "tampered") else found

    @property
    def remarks(self) -> str:
        """Why an exercise that somebody worked on is not right."""
        lines = [
            f"{number}: {outcome.message}"
            for number, outcome in sorted(self.outcomes.items())
            if self.result(number) not in ("right", "untouched")
        ]
        return self.problem or " | ".join(lines)


def submissions(folder: Path) -> list[Path]:
    """The notebooks of a folder, at any depth, without copies that Jupyter keeps.

    Raises
    ------
    NotADirectoryError
        It is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"folder: expected a folder of notebooks, got {folder}")
    found = (path.relative_to(folder) for path in folder.rglob("*.ipynb"))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


def grade(folder: Path, path: Path, seconds: float = 120, minutes: float = 10, fast: bool = True) -> Row:
    """Grade one notebook.  Whatever is wrong with it stands in the row; nothing of it raises.

    Parameters
    ----------
    folder, path : Path
        The notebook is ``folder / path``.
    seconds, minutes, fast
        As for ``run``.
    """
    import nbformat

    name = path.as_posix()
    try:
        notebook = nbformat.reads((folder / path).read_text(encoding="utf-8"), as_version=4)
        cells = [cell for cell in notebook.cells if isinstance(cell.get("source", ""), (str, list))]
    except Exception as error:  # an empty file, half a file, another format: nbformat has no common error
        return Row(name, problem=f"no notebook: {type(error).__name__}: {' '.join(str(error).split())[:120]}")
    try:
        assignment = recognised(cells, assignments())
    except UnknownChapter as error:
        return Row(name, problem=str(error))
    assembled = assemble(assignment, cells)
    return Row(name, assignment.stem, run(assignment, assembled, seconds, minutes, fast), assembled.untouched)


def write(rows: Iterable[Row], path: Path) -> None:
    """The table as CSV: one line for each notebook, one column for each exercise, and remarks.

    Parameters
    ----------
    rows : iterable of Row
    path : Path
    """
    found = list(rows)
    numbers = range(1, max((number for row in found for number in row.outcomes), default=0) + 1)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["submission", "chapter", "solved", "of", *(f"exercise {n}" for n in numbers), "remarks"])
        for row in found:
            words = [row.result(n) if n in row.outcomes else "" for n in numbers]
            table.writerow([row.submission, row.chapter, row.solved, len(row.outcomes), *words, row.remarks])
