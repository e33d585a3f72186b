"""The chapters as the tests read them: each executed once, by the first test that asks, in whichever process."""

import functools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import execute
import nbformat
import pytest
from filelock import FileLock
from measured import MEASURED

from course_utils._files import REPOSITORY, write_json
from course_utils.notebooks import generate

FOLDER = REPOSITORY / "book" / "_build" / "executed-fast"
#: One name for all processes of a run.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()} {time.time()}"


@dataclass
class Execution:
    """An executed chapter.

    Attributes
    ----------
    notebook : NotebookNode
        With outputs.  Not to be changed.
    record : dict
        Seconds, memory and what the checks answered; see ``execute.run``.
    """

    notebook: nbformat.NotebookNode
    record: dict


@functools.cache
def _library() -> str:
    return execute.library_digest()


@functools.cache
def _found(text: Path) -> Execution | str:
    failure = FOLDER / f".{text.stem}.failed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / f".{text.stem}.tests.lock"):
        if failure.is_file() and (note := json.loads(failure.read_text(encoding="utf-8")))["run"] == RUN:
            return note["message"]  # another process has tried
        try:
            path = execute.execute(text, FOLDER, _library(), fast=True)
        except execute.ChapterError as error:
            write_json(failure, {"run": RUN, "message": str(error)})
            return str(error)
        return Execution(nbformat.read(path, as_version=4), json.loads(path.with_suffix(".json").read_text("utf-8")))


def executed(text: Path) -> Execution:
    """The chapter, executed with COURSE_FAST=1; a chapter that does not run fails the test.

    As for the book, a run is used again until something changes that it depends on.
    """
    found = _found(text)
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def at_hand(text: Path) -> Execution | None:
    """The executed chapter if it was run before, and nothing has changed since that it depends on; it is not run."""
    path = FOLDER / f"{text.stem}.ipynb"
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        return None
    current = execute.chapter_digest(generate(text), _library(), fast=True)
    return Execution(notebook, record) if record["digest"] == current else None


def tell(text: Path) -> None:
    """Enter the measured times of a chapter into the table at the end."""
    record = executed(text).record
    cells = f"slowest cell {max(record['cells']):.1f} s"
    memory = f"{record['peak_bytes'] / 1e9:.2f} GB" if record["peak_bytes"] else "memory not measured"
    MEASURED.append(f"{text.stem}: executed in {record['seconds']:.0f} s in fast mode, {memory}; {cells}")
