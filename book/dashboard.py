"""The explorers of a chapter alone, for a lecture: a notebook with nothing else, shown by Voila on this machine only.

python book/dashboard.py 05           makes book/_build/dashboard/NN-slug.ipynb and shows it in the browser
python book/dashboard.py 05 --make    only makes it
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import nbformat
from prepare import PageError, has_tag

from course_utils._files import REPOSITORY
from course_utils.notebooks import NOTEBOOK_METADATA, chapters, generate

FOLDER = REPOSITORY / "book" / "_build" / "dashboard"
#: What the browser may ask for: this machine alone.  Voila's page would load icons from elsewhere, and has its own.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
#: The page serves its reader alone: nobody else on the network can run code through it.
OPTIONS = (
    "--Voila.ip=127.0.0.1",
    "--show_tracebacks=True",
    f"--Voila.tornado_settings={{'headers': {{'Content-Security-Policy': {POLICY!r}}}}}",
)


def imports(sources: list[str], used: set[str]) -> str:
    """The import statements among the sources that bring the used names, each once."""
    lines = []
    for source in sources:
        for statement in ast.parse(source).body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                names = [alias for alias in statement.names if (alias.asname or alias.name.split(".")[0]) in used]
                if names:
                    statement.names = names
                    lines.append(ast.unparse(statement))
    return "\n".join(dict.fromkeys(lines))


def questions(text: str) -> str:
    """What the chapter asks at an explorer: its text from the last heading on."""
    lines = text.splitlines()
    heads = [k for k, line in enumerate(lines) if line.startswith("#")]
    return "\n".join(lines[heads[-1] :] if heads else lines).replace("### ", "## ", 1)


def dashboard(notebook, stem: str):
    """The notebook of explorers; ``notebook`` itself is left alone.

    Parameters
    ----------
    notebook : NotebookNode
        A chapter, as ``course_utils.notebooks.generate`` makes it.
    stem : str
        ``NN-slug``.

    Raises
    ------
    PageError
        The chapter has no explorer.
    """
    title, setup, sources, shown, text = notebook.cells[0].source.partition("\n")[0], [], [], [], ""
    pending: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = cell.source
        elif has_tag(cell, "setup"):
            setup.append(cell.source)
        elif has_tag(cell, "explorer"):
            *before, last = cell.source.splitlines()
            if last.endswith(".static()"):  # the picture for pages without a kernel; the explorer itself comes next
                pending = before
            else:
                shown.append((questions(text), "\n".join([*pending, *before, last])))
                pending = []
        elif not cell.metadata.get("tags"):
            sources.append(cell.source)
    if not shown:
        raise PageError(f"{stem} has no explorer to show")
    tree = ast.parse("\n".join(source for _, source in shown))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    cells = [nbformat.v4.new_markdown_cell(title)]
    cells += [nbformat.v4.new_code_cell(source, metadata={"tags": ["setup"]}) for source in setup]
    cells.append(nbformat.v4.new_code_cell(imports(sources, used)))
    for words, source in shown:
        cells.append(nbformat.v4.new_markdown_cell(words))
        cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": ["explorer"]}))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same chapter gives the same notebook
    return nbformat.v4.new_notebook(cells=cells, metadata=nbformat.from_dict(json.loads(json.dumps(NOTEBOOK_METADATA))))


def write(text: Path, folder: Path = FOLDER) -> Path:
    """The notebook of explorers of a chapter, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{text.stem}.ipynb"
    nbformat.write(dashboard(generate(text), text.stem), target)
    return target


def command(notebook: Path) -> list[str]:
    """What starts Voila on a notebook."""
    return [sys.executable, "-m", "voila", str(notebook), *OPTIONS]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="which chapter: 05, 05-generative-regularisers or a path")
    parser.add_argument("--make", action="store_true", help="make the notebook, show nothing")
    options = parser.parse_args(arguments)
    try:
        notebook = write(chapters([options.name])[0])
    except (PageError, ValueError, OSError) as error:
        raise SystemExit(f"no dashboard: {error}") from error
    print(notebook)
    if not options.make and importlib.util.find_spec("voila") is None:
        raise SystemExit('Voila is not installed: `make dashboard` brings it, or pip install -e ".[dashboard]"')
    return 0 if options.make else subprocess.run(command(notebook)).returncode


if __name__ == "__main__":
    sys.exit(main())
