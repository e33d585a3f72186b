"""Tools of the tests of the book and the slides: what npm brings, and the site, made once for all processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import build
import executions
import mathjax
import pytest
import reveal
from filelock import FileLock
from needs import lacking, needed

from course_utils._files import REPOSITORY, write_json
from course_utils.notebooks import chapters

#: A site that is there already, with its slides in it, is tested instead of a new one.
GIVEN = os.environ.get("COURSE_BOOK_SITE")


def packages(*modules) -> None:
    """Have what npm brings in the cache; without npm or a network the test ends, see ``needs``."""
    for module in modules:
        try:
            module.package()
        except (OSError, RuntimeError) as error:
            lacking(str(error))


def jupyter_book(module: str = "jupyter_book"):
    """A module of Jupyter Book, or the end of the test."""
    if sys.version_info < (3, 11):
        pytest.skip("the theme of the book needs Python 3.11")
    return needed(module, 'Jupyter Book is not installed: pip install -e ".[book]"')


def given() -> Path | None:
    """The site that was named, if any."""
    if GIVEN and not (Path(GIVEN) / "index.html").is_file():
        pytest.fail(f"COURSE_BOOK_SITE={GIVEN} holds no site")
    return Path(GIVEN) if GIVEN else None


def site() -> Path:
    """The folder of the pages: made from the executed chapters by the first process that asks."""
    if found := given():
        return found
    jupyter_book()
    packages(mathjax, reveal)
    for text in chapters():
        executions.executed(text)
    note = build.BUILD / ".tests.json"
    with FileLock(build.BUILD / ".tests.lock"):
        said = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        if said.get("run") != executions.RUN:
            command = [sys.executable, str(REPOSITORY / "book" / "build.py"), "--fast"]
            done = subprocess.run(command, capture_output=True, text=True)
            said = {"run": executions.RUN, "fault": done.stdout + done.stderr if done.returncode else ""}
            write_json(note, said)
    if said["fault"]:
        pytest.fail(f"the book was not made:\n{said['fault']}", pytrace=False)
    return build.FAST_SITE


def vendored() -> None:
    """What slides load."""
    packages(mathjax, reveal)
