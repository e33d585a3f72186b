"""The chapters: where they lie, and how each notebook is made from its text.

    python -m course_utils.notebooks list            the chapters found
    python -m course_utils.notebooks build [names]   notebooks/NN-slug.py -> notebooks/NN-slug.ipynb, and the copy
                                                    without solutions, notebooks/student/NN-slug.ipynb; and what
                                                    is made in README.md and chapter 00: lists of chapters, map
    python -m course_utils.notebooks check [names]   do they agree?  Names the cells that differ

The text (py:percent) is the source; both notebooks are generated from it, always in this direction, without
outputs and with the same bytes every time.  A name is ``05``, ``05-generative-regularisers`` or a path.
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import os
from collections import Counter
from pathlib import Path

from . import _command, topics
from ._files import REPOSITORY, atomic
from .catalogue import catalogue
from .student import FOLDER, student

__all__ = [
    "COLAB_SETUP",
    "FAST",
    "GITHUB",
    "NOTEBOOKS",
    "build",
    "chapters",
    "differences",
    "generate",
    "relist",
    "student_path",
]

#: Where the course lives on GitHub.  CONTRIBUTING says how to change it.
GITHUB = "generative-regularisation/course"
NOTEBOOKS = REPOSITORY / "notebooks"
#: COURSE_FAST=1 in the environment: the chapters shrink their experiments (tests, Binder, a hurried reader).
FAST = os.environ.get("COURSE_FAST", "0") not in ("", "0")

#: The first code cell of every chapter, tag "setup".  The pairing test compares, so that it cannot drift.
COLAB_SETUP = f"""\
# On Colab this cell fetches the course and leaves torch and numpy as they are. Elsewhere it only checks.
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; must be said before torch comes
if "google.colab" in sys.modules:
    repository, course = "https://github.com/{GITHUB}", Path("/content/course")
    if not course.is_dir():
        run(["git", "clone", "-q", "--depth=1", repository, course], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    run([*pip, "-e", course, "pot", "pywavelets", "safetensors"], check=True)
    sys.path.insert(0, str(course))
elif find_spec("course_utils") is None:
    raise ModuleNotFoundError("course_utils is missing: `pip install -e .` in the folder of the course")"""

#: What of a cell's metadata goes into the notebook; the same list stands in the header of every chapter.
CELL_METADATA = ("tags", "mystnb", "slideshow")
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def chapters(names: list[str] | None = None, folder: Path = NOTEBOOKS) -> list[Path]:
    """The texts of the chapters, in reading order.

    Parameters
    ----------
    names : list of str, optional
        Which ones: a number (``"05"``), a stem (``"05-generative-regularisers"``) or a path.  Default: all.
    folder : Path
        Where to look.

    Raises
    ------
    ValueError
        A name that fits no chapter, or more than one; the message lists the chapters.

    Example
    -------
    >>> all(path.suffix == ".py" for path in chapters())
    True
    """
    found = sorted(folder.glob("[0-9][0-9]-*.py"))
    if not names:
        return found
    chosen = []
    for name in names:
        stem = Path(name).stem
        fits = [path for path in found if path.stem == stem or path.stem.split("-")[0] == stem]
        if len(fits) != 1:
            known = ", ".join(path.stem for path in found) or "none"
            raise ValueError(f"name: expected one chapter of {folder} ({known}), got {name!r}")
        chosen += fits
    return chosen


def generate(text: Path):
    """The notebook that a chapter's text stands for: no outputs, only the metadata that the course uses.

    Solutions are folded in JupyterLab.  A cell's id is made from its content, so an edit changes one id and an
    insertion moves none.

    Parameters
    ----------
    text : Path
        A py:percent file.

    Returns
    -------
    nbformat.NotebookNode

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    return copy.deepcopy(_parsed(text.read_text(encoding="utf-8")))


@functools.cache
def _parsed(source: str):
    """The same from the content of the file, parsed once; not to be changed."""
    import jupytext
    import nbformat

    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if "solution" in cell.metadata.get("tags", []):
                cell.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab shows it folded
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    nbformat.validate(notebook)
    return notebook


#: What ``relist`` writes stands between two lines.
LISTED = "<!-- chapters, made from chapter.yml -->", "<!-- end of the chapters -->"
MAPPED = "<!-- map, made from book/map.yml -->", "<!-- end of the map -->"


def _list_of_readme() -> list[str]:
    lines = ["| | chapter | the question | open |", "|---|---|---|---|"]
    for chapter in catalogue().values():
        path = f"notebooks/student/{chapter.stem}.ipynb"
        full = f"notebooks/{chapter.stem}.ipynb"
        binder = f"https://mybinder.org/v2/gh/{GITHUB}/main?urlpath=lab/tree/{path}"
        colab = f"https://colab.research.google.com/github/{GITHUB}/blob/main/{path}"
        ways = f"[Binder]({binder}) · [Colab]({colab}) · [with solutions]({full})"
        lines.append(f"| {chapter.number:02d} | [{chapter.title}]({full}) | {chapter.question} | {ways} |")
    return lines


def _list_of_start() -> list[str]:
    lines = ["| | chapter | its question |", "|---|---|---|"]
    for chapter in catalogue().values():
        name = chapter.title if chapter.number == 0 else f"[{chapter.title}]({chapter.stem}.ipynb)"
        lines.append(f"| {chapter.number:02d} | {name} | {chapter.question} |")
    return lines


def _map() -> list[str]:
    return topics.folds(topics.read())


#: File -> what begins a line of text there, and the two lines -> what is made between them.
LISTS = {
    REPOSITORY / "README.md": ("", {LISTED: _list_of_readme}),
    NOTEBOOKS / "00-start-here.py": ("# ", {LISTED: _list_of_start, MAPPED: _map}),
}


def relist(path: Path) -> str:
    """The text of a file with its lists as ``chapter.yml`` and ``book/map.yml`` have them.

    Raises
    ------
    ValueError
        The file has not both lines of a list.
    """
    begin, lists = LISTS[path]
    text = path.read_text(encoding="utf-8")
    for marks, made in lists.items():
        first, last = (f"{begin}{mark}\n" for mark in marks)
        before, found, rest = text.partition(first)
        _, closed, after = rest.partition(last)
        if not (found and closed):
            raise ValueError(f"{path} must have a line {first.strip()!r} and below it a line {last.strip()!r}")
        lines = "".join(f"{begin}{line}".rstrip() + "\n" for line in ["", *made(), ""])
        text = before + first + lines + last + after
    return text


def student_path(text: Path) -> Path:
    """Where the copy without solutions lies: in the folder ``student`` beside the text."""
    return text.parent / FOLDER / f"{text.stem}.ipynb"


def _both(text: Path) -> dict:
    """Path -> notebook, for the two notebooks that a chapter's text stands for."""
    full = generate(text)
    return {text.with_suffix(".ipynb"): full, student_path(text): student(full, text.stem, GITHUB)}


def build(text: Path) -> list[Path]:
    """Write the two notebooks of a chapter; returns their paths.  Equal ones are left alone.

    Parameters
    ----------
    text : Path
        A py:percent file.
    """
    import nbformat

    written = _both(text)
    for target, notebook in written.items():
        content = nbformat.writes(notebook) + "\n"
        if not target.is_file() or target.read_text(encoding="utf-8") != content:
            with atomic(target) as temporary:
                temporary.write_text(content, encoding="utf-8", newline="\n")
    return list(written)


def differences(text: Path) -> list[str]:
    """How the committed notebooks differ from the chapter's text, one line a difference; empty if they agree.

    Compared are, cell by cell, the type, the source, the metadata and the id; outputs must be absent.

    Parameters
    ----------
    text : Path
        A py:percent file; its notebook is expected beside it, the copy without solutions in ``student``.
    """
    return [line for path, expected in _both(text).items() for line in _compared(text, path, expected)]


def _compared(text: Path, path: Path, expected) -> list[str]:
    """How one notebook differs from what it should be."""
    import nbformat

    shown = path.relative_to(text.parent).as_posix()
    if not path.is_file():
        return [f"{shown} is missing"]
    found = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
    lines = []
    if len(expected.cells) != len(found.cells):
        lines.append(f"{text.name} has {len(expected.cells)} cells, {shown} has {len(found.cells)}")
    for number, (ours, theirs) in enumerate(zip(expected.cells, found.cells, strict=False), start=1):
        where = f"{shown}, cell {number} ({theirs.cell_type}, {theirs.source.strip()[:40]!r})"
        for key in ("cell_type", "source", "metadata", "id"):
            a, b = ours.get(key), theirs.get(key)
            if a != b:
                lines.append(f"{where}: {key} differs from {text.name}{_detail(a, b)}")
        if theirs.get("outputs") or theirs.get("execution_count") is not None:
            lines.append(f"{where}: holds outputs or an execution count")
    if expected.metadata != found.metadata or (found.nbformat, found.nbformat_minor) != (4, 5):
        lines.append(f"{shown}: the notebook's own metadata or format differs")
    return lines


def _detail(ours, theirs) -> str:
    """The first line on which two values part."""
    for a, b in zip(str(ours).splitlines(), str(theirs).splitlines(), strict=False):
        if a != b:
            return f": {a.strip()!r} there, {b.strip()!r} here"
    return ": one of them is longer"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("list", "build", "check"))
    parser.add_argument("names", nargs="*", help="which chapters (default: all)")
    options = parser.parse_args(arguments)
    try:
        found = chapters(options.names)
    except ValueError as error:
        parser.error(str(error))
    bad = 0
    for path in LISTS:
        listed = relist(path)
        if options.action == "build" and listed != path.read_text(encoding="utf-8"):
            with atomic(path) as temporary:
                temporary.write_text(listed, encoding="utf-8", newline="\n")
            print(path.relative_to(REPOSITORY))
        elif options.action == "check" and listed != path.read_text(encoding="utf-8"):
            bad += 1
            print(f"{path.relative_to(REPOSITORY)}: a list there is not what chapter.yml and book/map.yml say")
    for text in found:
        if options.action == "build":
            print(*(path.relative_to(REPOSITORY) for path in build(text)), sep="\n")
        elif options.action == "list":
            print(text.stem)
        else:
            lines = differences(text)
            bad += bool(lines)
            print(*(lines or [f"{text.stem}: text and notebooks agree"]), sep="\n")
    if bad:
        print(f"{bad} files differ; `python -m course_utils.notebooks build` mends that")
    return 1 if bad else 0


if __name__ == "__main__":
    _command.run(main)
