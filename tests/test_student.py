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
import torch
from chapter_tools import asked, checks_called, has_tag, is_code, tables
from solution_tools import needs_a_solution, numbers_before, reads, shared_generators, shows_something

from course_utils import GaussianBlur, GaussianMatrix, load, measure, pretrained
from course_utils.chapters.family.checks import layer_weight
from course_utils.chapters.generative_models.checks import likeliest_rho
from course_utils.chapters.start.checks import weight
from course_utils.notebooks import GITHUB, build, chapters, generate, student_path
from course_utils.reproduce import start_dictionary
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
def test_nothing_after_an_exercise_needs_its_solution(text):
    chapter = generate(text)
    lines = needs_a_solution(chapter) + shared_generators(chapter)
    assert not lines, "\n".join(lines)


@every_chapter
def test_a_solution_shows_the_verdict_of_its_check_and_nothing_else(text):
    for number, cell in enumerate(generate(text).cells, start=1):
        if is_code(cell, "solution"):
            assert not (lines := shows_something(cell)), f"cell {number}: " + "; ".join(lines)


def digits_in_noise(A, sigma):
    x = load("mnist").test[100:200]
    return measure(A, x, sigma, torch.Generator().manual_seed(3))


def ask_weight(values):
    x, A, candidates = load("mnist").val[:20], GaussianBlur(28), [0.015, 0.05, 0.15, 0.5]
    y = measure(A, x, 0.2, torch.Generator().manual_seed(1))
    return [asked(weight, value, candidates, A, x, y, 0.2) for value in values & set(candidates)]


def ask_rho(values):
    G, x = pretrained("vae-mnist-8", verbose=False), load("mnist").val[:1000]
    with torch.no_grad():
        z = torch.cat([G.encode(part) for part in x.split(500)])
    return [asked(likeliest_rho, value, G, x, z) for value in values if 0.01 < value < 1]  # a grey value


def ask_layer(values):
    G, A = pretrained("vae-mnist-8", verbose=False), GaussianMatrix(25, 28, torch.Generator().manual_seed(0))
    problem = A, digits_in_noise(A, 0.05)[:4], 0.05, G, start_dictionary(G, load("mnist").train), 0.1, 3
    return [asked(layer_weight, value, *problem) for value in values if 0.02 < value < 1]  # between which one searches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chapter", "check", "ask"),
    [
        ("00", "weight", ask_weight),
        ("03", "likeliest_rho", ask_rho),
        ("06", "layer_weight", ask_layer),
    ],
)
def test_no_number_before_a_question_answers_it(chapter, check, ask):
    values = numbers_before(generate(chapters([chapter])[0]), check)
    assert len(values) > 3
    assert not [verdict.message for verdict in ask(values) if verdict]


def test_what_a_cell_reads_before_it_has_written_it():
    assert reads("a = b\nc = a") == {"b"}
    assert reads("for k in ks:\n    total = k + start\nprint(total)") == {"ks", "start", "print"}
    assert reads("def f(x, *, s=t):\n    y = x\n    return y + g(f)") == {"t", "g"}
    assert reads("[p + q for p, r in rows if r]; {k: v for k in w}") == {"q", "rows", "v", "w"}
    assert reads("n += 1\nimport m.n as o\no(lambda u: u + h)") == {"n", "h"}
    assert reads("with open(a) as b:\n    b(c)") == {"open", "a", "c"}


def notebook_of(*cells):
    """A notebook of (tag or "text", source)."""
    made = []
    for kind, source in cells:
        cell = nbformat.v4.new_markdown_cell(source) if kind == "text" else nbformat.v4.new_code_cell(source)
        cell.metadata.tags = [kind] if kind == "solution" else []
        made.append(cell)
    return nbformat.v4.new_notebook(cells=made)


def test_what_needs_a_solution_is_reported():
    answer = ("solution", "best = 3\nhow = 1\nassert checks.it(best)")
    found = needs_a_solution(
        notebook_of(("", "best = 0"), answer, ("", "print(best)"), ("text", "See `how` and `best`."))
    )
    assert [line.split(",")[0] for line in found] == ["cell 3 uses best", "text 4 names how"]
    anew = notebook_of(("", "best = 0"), answer, ("", "best = how_else()"), ("", "print(best)"))
    assert needs_a_solution(anew) == []
    folded = ("text", "<details><summary><b>Solution</b></summary>\n\n`how`\n</details>")
    assert needs_a_solution(notebook_of(answer, folded)) == []


def test_a_solution_that_shows_or_draws_is_reported():
    assert shows_something(notebook_of(("solution", "print(1)\nplt.show()")).cells[0]) == [
        "it calls print",
        "it calls show",
        "it ends with a value",
    ]
    assert shows_something(notebook_of(("solution", "x = 1\nassert checks.it(x)")).cells[0]) == []
    made = "g = torch.Generator().manual_seed(0)\nh = seeded(1)\nx = torch.randn(3, generator=seeded(2))"
    drawn = notebook_of(("", made), ("solution", "x + torch.randn(3, generator=g)"))
    assert shared_generators(drawn) == ["cell 2 draws from g"]


def test_numbers_before_a_question_leave_out_its_own_starter():
    cells = [("", "TV(0.03)"), ("text", "Is it 7?"), ("", "x = 0.5; grid = [0.03, True]"), ("", "checks.it(x, 9)")]
    assert numbers_before(notebook_of(*cells), "it") == {0.03}


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
