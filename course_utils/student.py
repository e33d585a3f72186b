"""The student's copy of a chapter: the same notebook without its solutions, for notebooks/student/.

It is made from the chapter's notebook, never written by hand; ``python -m course_utils.notebooks build`` makes both.
"""

from __future__ import annotations

import json
import re

__all__ = ["FOLDER", "student"]

#: The folder of the copies, inside that of the chapters.
FOLDER = "student"
#: A folded solution in the text of an exercise.  Hints and answers of a quiz have another summary, and stay.
SOLUTION = re.compile(r"^<details><summary><b>Solution</b>.*?^</details>\n*", re.MULTILINE | re.DOTALL)
#: The target of a relative link or picture, in Markdown or HTML.
RELATIVE = re.compile(r"""(\]\(|(?:href|src)=")(?![a-z]+:|[#/])([^)\s"]+)""")
CHAPTER = re.compile(r"\d\d-[\w-]+\.ipynb(#.*)?")


def _moved(match: re.Match) -> str:
    """A relative link as it reads one folder further down; the other chapters have copies there too."""
    return match[0] if CHAPTER.fullmatch(match[2]) else f"{match[1]}../{match[2]}"


def student(notebook, stem: str, github: str):
    """The copy without solutions; ``notebook`` itself is left alone.

    Left out are code cells tagged ``solution`` and folded solutions in the text.  Everything else stays, with the ids
    of the cells it comes from; a note in front says where the solutions are.

    Parameters
    ----------
    notebook : NotebookNode
        A chapter, without outputs.
    stem : str
        ``NN-slug``.
    github : str
        ``owner/name``: relative links lead nowhere on Colab, so the note has the full address as well.

    Example
    -------
    >>> import nbformat
    >>> cells = [nbformat.v4.new_code_cell(text) for text in ("x = 0", "x = 42")]
    >>> cells[1].metadata.tags = ["solution"]
    >>> copy = student(nbformat.v4.new_notebook(cells=cells), "05-small", "owner/name")
    >>> [cell.source for cell in copy.cells[1:]]
    ['x = 0']
    """
    import nbformat

    note = (
        "> **Student's copy.** The solutions are left out; hints and the answers of the quiz are here, folded. "
        f"The same chapter [with solutions](../{stem}.ipynb) "
        f"([on GitHub](https://github.com/{github}/blob/main/notebooks/{stem}.ipynb), if that link leads nowhere)."
    )
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    kept = [nbformat.v4.new_markdown_cell(note, id="student-copy")]
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = RELATIVE.sub(_moved, SOLUTION.sub("", cell.source)).strip()
        if cell.source and "solution" not in cell.metadata.get("tags", []):
            kept.append(cell)
    copy.cells = kept
    nbformat.validate(copy)
    return copy
