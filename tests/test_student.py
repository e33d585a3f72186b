"""The students' copies: equal to the chapters but for the solutions, and they run without them.

One of them is run by nbval, where it lies; that the others can do without the solutions is read off their code.
"""

import builtins
import os
import re
import subprocess
import symtable
import sys

import execute
import nbformat
import pytest
from chapter_tools import checks_called, has_tag, is_code, tables

from course_utils.notebooks import GITHUB, build, chapters, generate, student_path
from course_utils.student import student

every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


def committed(text):
    return nbformat.reads(student_path(text).read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)


def without_folded_solutions(cell) -> str:
    """The source of a cell; in text, without what folds under "Solution"."""
    if is_code(cell):
        return cell.source
    parts = cell.source.split("<details>")
    folded = ("<summary><b>Solution</b>", "</details>")
    rest = [part.partition(folded[1])[2] if part.startswith(folded[0]) else "<details>" + part for part in parts[1:]]
    return "".join([parts[0], *rest]).strip()


def undefined(notebook) -> list[str]:
    """Names that a code cell uses before any cell in front of it, or the cell itself, has defined them."""
    known, lines = set(dir(builtins)), []
    for number, cell in enumerate(notebook.cells, start=1):
        if not is_code(cell):
            continue
        top, *inner = tables(symtable.symtable(cell.source, "cell", "exec"))
        known |= {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
        used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
        used |= {s.get_name() for table in inner for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        lines += [f"cell {number} uses {name}" for name in sorted(used - known)]
    return lines


@every_chapter
def test_a_copy_is_its_chapter_cell_by_cell_without_the_solutions(text):
    note, *copied = committed(text).cells
    full = generate(text).cells
    kept = [cell for cell in full if not has_tag(cell, "solution") and without_folded_solutions(cell)]
    assert len(kept) < len(full)
    assert [cell.id for cell in copied] == [cell.id for cell in kept]
    for ours, theirs in zip(kept, copied, strict=True):
        assert (ours.cell_type, ours.metadata) == (theirs.cell_type, theirs.metadata)
        if ours.cell_type == "code":
            assert theirs.source == ours.source
            assert theirs.outputs == [] and theirs.execution_count is None
        else:  # what is gone are whole folded solutions, nothing else
            assert theirs.source.split() == without_folded_solutions(ours).split()
    assert "Student's copy" in note.source and f"](../{text.stem}.ipynb)" in note.source
    assert f"https://github.com/{GITHUB}/blob/main/notebooks/{text.stem}.ipynb" in note.source


@every_chapter
def test_a_copy_gives_no_solution_away_and_keeps_checks_hints_and_answers(text):
    full, copy = generate(text), committed(text)
    prose = ["\n".join(c.source for c in notebook.cells if c.cell_type == "markdown") for notebook in (full, copy)]
    assert "<b>Solution" not in prose[1]
    for kept in ("<b>Hint", "Answer</", "<b>What to find"):
        assert prose[0].count(kept) == prose[1].count(kept)
    assert prose[1].count("<details") == prose[1].count("</details>") > 0
    asked = [name for cell in full.cells if is_code(cell) for name in checks_called(cell)]
    assert {name for cell in copy.cells if is_code(cell) for name in checks_called(cell)} == set(asked)


@every_chapter
def test_a_copy_needs_nothing_that_only_a_solution_defines(text):
    assert not (lines := undefined(committed(text))), "\n".join(lines)


@every_chapter
def test_relative_links_of_a_copy_lead_somewhere(text):
    prose = "\n".join(cell.source for cell in committed(text).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((?!https?://|#)([^)\s]+)\)|(?:href|src)=\"(?!http|#)([^\"]+)\"", prose):
        target = "".join(target).partition("#")[0]
        assert (student_path(text).parent / target).is_file(), target


def test_links_move_one_folder_up_unless_they_lead_to_a_chapter():
    source = (
        "[a](01-inverse-problems.ipynb#x) [b](../results/fig9.json) ![c](c.png) [d](#e) [f](https://g.org/h)\n"
        '<img src="i.png"> <a href="05-small.ipynb">j</a>'
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    moved = student(notebook, "05-small", GITHUB).cells[1].source
    assert moved == (
        "[a](01-inverse-problems.ipynb#x) [b](../../results/fig9.json) ![c](../c.png) [d](#e) [f](https://g.org/h)\n"
        '<img src="../i.png"> <a href="05-small.ipynb">j</a>'
    )
    assert notebook.cells[0].source == source  # the given one is as it was


def test_a_folded_solution_goes_with_its_cell_and_a_name_that_it_defined_is_reported(tmp_path):
    text = tmp_path / "05-small.py"
    fold = "# <details><summary><b>{}</b> (open after trying)</summary>\n#\n# 42\n# </details>\n"
    text.write_text(
        "# %% [markdown]\n# A question\n#\n" + fold.format("Hint") + "# %% [markdown]\n" + fold.format("Solution")
        + "# %% tags=[\"solution\"]\nimport math\nx = 42\n# %%\ny = 1\n\n\ndef f(a):\n    return a * x + later\n\n\n"
        "# %%\nlater = [k for k in range(y)]\nmath.pi\n",
        encoding="utf-8",
    )  # fmt: skip
    build(text)
    sources = [cell.source for cell in committed(text).cells[1:]]
    assert len(sources) == 3 and "Hint" in sources[0] and sources[1].startswith("y = 1")
    assert undefined(committed(text)) == ["cell 3 uses later", "cell 3 uses x", "cell 4 uses math"]
    assert undefined(generate(text)) == ["cell 4 uses later"]


def nbval(path, folder) -> subprocess.CompletedProcess:
    """Run a notebook by nbval, lax: assertions stand in the cells, no output is stored that could be compared."""
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "--nbval-lax", "--nbval-current-env"]
    command += ["--nbval-cell-timeout=300", "-p", "no:cacheprovider", "-p", "no:odl_plugins"]
    command += ["-c", os.devnull, "--rootdir", str(path.parent), str(path)]
    environment = execute.closed(folder) | {"COURSE_FAST": "1"}
    return subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_nbval_runs_a_copy_from_its_own_folder_without_solutions(tmp_path):
    path = student_path(chapters(["00"])[0])
    before = path.read_bytes()
    done = nbval(path, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = sum(is_code(cell) for cell in nbformat.read(path, as_version=4).cells)
    assert f"{cells} passed" in done.stdout
    assert path.read_bytes() == before


@pytest.mark.slow
def test_nbval_sees_a_failing_cell_and_a_failing_callback(tmp_path):
    slider = "import ipywidgets\nipywidgets.interact(lambda k: 1 / k, k=ipywidgets.IntSlider(0))"
    cells = [nbformat.v4.new_code_cell(source) for source in ("1", "assert 1 > 2", slider)]
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = nbval(path, tmp_path / "kernel")
    assert done.returncode == 1 and "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
