"""From an executed chapter to its page: what folds, what goes, and where the links lead."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable

import nbformat
import questions

from course_utils.explore.page import share_blocks
from course_utils.notebooks import GITHUB

WIDGET = "application/vnd.jupyter.widget-view+json"
#: A key of references.bib in backticks, as the chapters' lists of references carry them.
KEY = re.compile(r"(?<!\})`([a-z]+\d{4}[a-z]*)`")
FOLDED = {
    "setup": ("hide-input", "Setup: show what this cell does on Colab"),
    "solution": ("hide-cell", "Solution (open after trying)"),
}


class PageError(ValueError):
    """A chapter cannot be shown without a kernel."""


def has_tag(cell, tag: str) -> bool:
    return cell.cell_type == "code" and tag in cell.metadata.get("tags", [])


def keys(notebook) -> set[str]:
    """The keys of references that a chapter names."""
    return {key for cell in notebook.cells if cell.cell_type == "markdown" for key in KEY.findall(cell.source)}


def openers(stem: str, pdf: bool = False) -> str:
    """Links that open this chapter elsewhere, where it can be run without the solutions; and its slides."""
    path = f"notebooks/student/{stem}.ipynb"
    links = {
        "Colab": f"https://colab.research.google.com/github/{GITHUB}/blob/main/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{GITHUB}/main?urlpath=lab/tree/{path}",
        "with solutions, on GitHub": f"https://github.com/{GITHUB}/blob/main/notebooks/{stem}.ipynb",
    }
    run = " · ".join(f"[{name}]({link})" for name, link in links.items())
    # the slides are no page of the book, so that only HTML can lead there
    slides = [f'<a href="../slides/{stem}.{ending}">{name}</a>'
              for ending, name in (("html", "slides"), ("pdf", "slides as PDF"))[: 1 + pdf]]  # fmt: skip
    return f"Run this chapter: {run}  \nTeach it: {' · '.join(slides)}"


def page(notebook, stem: str, known: Iterable[str], pdf: bool = False):
    """The notebook that becomes the page of a chapter; ``notebook`` itself is left alone.

    Parameters
    ----------
    notebook : NotebookNode
        An executed chapter.
    stem : str
        ``NN-slug``.
    known : iterable of str
        The keys of the bibliography; they become links into it.
    pdf : bool
        There are slides as PDF to lead to.

    Raises
    ------
    PageError
        A widget would be dead on the page, or a key is not in the bibliography.
    """
    result = nbformat.from_dict(json.loads(json.dumps(notebook)))
    result.metadata.pop("widgets", None)  # the state of widgets that the page does not show
    result.cells = one_cell_per_explorer(result.cells)
    made = [
        output.data
        for cell in result.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    for data, text in zip(made, share_blocks([data["text/html"] for data in made]), strict=True):
        data["text/html"] = text
    if unknown := keys(result) - set(known):
        raise PageError(f"{stem}: references.bib has no {', '.join(sorted(unknown))}")
    title, _, rest = result.cells[0].source.partition("\n")
    result.cells[0].source = f"{title}\n\n{openers(stem, pdf)}\n{rest}"
    for cell in result.cells:
        if cell.cell_type == "markdown":
            continue
        cell.metadata.pop("execution", None)
        _without_widgets(cell, stem)
        for tag, (fold, prompt) in FOLDED.items():
            if has_tag(cell, tag):
                _fold(cell, fold, prompt)
        if not cell.metadata.get("tags") and (prompt := shown_only(cell.source)):
            _fold(cell, "hide-input", prompt)
    try:
        questions.hide(result.cells, stem)
        for cell in result.cells:
            if cell.cell_type == "markdown":
                cell.source = KEY.sub(r"{cite}`\1`", questions.marked(cell.source, stem))
    except ValueError as error:
        raise PageError(str(error)) from error
    return result


def _fold(cell, how: str, prompt: str) -> None:
    cell.metadata.tags = [*cell.metadata.get("tags", []), how]
    cell.metadata.setdefault("mystnb", {})["code_prompt_show"] = prompt


#: Functions that only look something up or open a figure; what is assigned from them teaches nothing.
LOOKED_UP = ("subplots", "load_result")
#: Rooms whose functions are called for their answer, not to show something: the checks of the exercises.
ANSWERS = ("checks",)


def _called(node: ast.AST) -> list[str]:
    """The dotted name of a call: ["plt", "show"] for ``plt.show()``; empty for anything else."""
    names, node = [], node.func if isinstance(node, ast.Call) else None
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def shown_only(source: str) -> str:
    """How to call a cell that only imports, or only draws, prints and asserts; "" for one that computes something.

    A page folds the code of such a cell, because it teaches nothing of the subject; what the cell shows stays.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a command of IPython
        return ""
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = sum(node.end_lineno - node.lineno + 1 for node in imports)
    if imports and 2 * lines >= len(source.splitlines()):
        return "Imports and settings: show the code"
    for node in statements:
        if isinstance(node, ast.Assign | ast.Expr):
            name = _called(node.value)
            shows = bool(name) and name[0] not in ANSWERS
            if not shows or isinstance(node, ast.Assign) and name[-1] not in LOOKED_UP:
                return ""
        elif not isinstance(node, ast.Assert):
            return ""
    return "Drawn and printed: show the code" if any(isinstance(node, ast.Expr) for node in statements) else ""


def one_cell_per_explorer(cells: list) -> list:
    """Two cells make an explorer, its picture and itself; the page shows one of them.

    What works without a kernel holds the picture already.  Where there is none, the picture stays.
    """
    kept = []
    for cell in cells:
        before = kept[-1] if kept else None
        if has_tag(cell, "explorer") and before is not None and has_tag(before, "explorer"):
            *lines, last = before.source.splitlines()
            if not last.endswith(".static()"):
                raise PageError(f"expected <explorer>.static() in the cell before {cell.source!r}, got {last!r}")
            if any("text/html" in output.get("data", {}) for output in cell.outputs):
                cell.source = "\n".join([*lines, cell.source])
                kept.pop()
            else:
                continue
        kept.append(cell)
    return kept


def _without_widgets(cell, stem: str) -> None:
    """Drop what only a kernel can show; there must be something else to see."""
    for output in cell.outputs:
        data = output.get("data", {})
        if data.pop(WIDGET, None) is not None and not any(mime in data for mime in ("text/html", "image/png")):
            raise PageError(f"{stem}: {cell.source.strip()[-60:]!r} shows a widget, which is dead on a page")
