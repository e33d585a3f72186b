"""Every chapter runs from a clean kernel, with the shipped data and no network, and has all its parts.

Each notebook is run once by nbval (lax: assertions stand in the cells), as a copy in an empty folder, with
COURSE_FAST=1.  In the copy each exercise's check cell must refuse the starter; the solutions hold their own
assertions.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import conftest
import nbformat
import pytest

from course_utils.notebooks import chapters, generate

CHAPTERS = chapters()
TESTS = Path(__file__).parent
#: What the caller put in front; a course that is not installed is found that way.
PYTHONPATH = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
SECONDS, PEAK_BYTES = 120, 1.5e9  # a chapter in fast mode on a busy machine; what Binder leaves a kernel
GRADES = {"easy", "core", "stretch"}

#: Runs first in every kernel: any connection but to this machine is refused, and says so.
NO_NETWORK = """\
import socket

def refuse_far(method):
    def guarded(self, address, *rest):
        far = self.family in (socket.AF_INET, socket.AF_INET6)
        if far and address[0] not in ("127.0.0.1", "::1", "localhost", ""):
            raise OSError(f"the chapters run without a network; something asked for {address[0]}")
        return method(self, address, *rest)
    return guarded

socket.socket.connect = refuse_far(socket.socket.connect)
socket.socket.connect_ex = refuse_far(socket.socket.connect_ex)
"""


@dataclass
class Run:
    """What one run of a notebook gave."""

    passed: bool
    log: str
    cells: list[dict]
    seconds: float
    peak_bytes: float | None


def closed_environment(folder: Path) -> dict[str, str]:
    """Environment of a kernel that has the shipped data only: no network, no cache, no user settings."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-no-network.py").write_text(NO_NETWORK, encoding="utf-8")
    nowhere = "http://127.0.0.1:9"  # for programs that a cell might start
    return os.environ | {
        "COURSE_FAST": "1",
        "COURSE_CACHE": str(folder / "cache"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **{name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")},
        "NO_PROXY": "127.0.0.1,localhost",
    }


def run_notebook(notebook) -> Run:
    """Run a notebook with nbval in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "chapter.ipynb"
        nbformat.write(notebook, path)
        return run_file(path)


def run_file(path: Path) -> Run:
    """Run a notebook with nbval where it lies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "report.json"
        environment = closed_environment(folder)
        environment |= {"CELL_REPORT": str(report), "PYTHONPATH": os.pathsep.join([str(TESTS), *PYTHONPATH])}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:odl_plugins",
            "--color=no",
            "--nbval-lax",
            "--nbval-current-env",
        ]
        command += ["--nbval-cell-timeout=300", "-p", "cell_report", "-p", "no:cacheprovider"]
        command += ["-c", os.devnull, "--rootdir", str(path.parent), str(path)]
        start = time.monotonic()
        done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=900)
        seconds = time.monotonic() - start
        found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {"cells": [], "peak_bytes": None}
        return Run(done.returncode == 0, done.stdout + done.stderr, found["cells"], seconds, found["peak_bytes"])


def check_name(statement: ast.stmt) -> str | None:
    """``name`` if the statement is ``checks.name(...)``, its assignment, or its assertion."""
    value = getattr(statement, "test", None) or getattr(statement, "value", None)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if isinstance(value.func.value, ast.Name) and value.func.value.id == "checks":
            return value.func.attr
    return None


def checks_called(cell, kind: type = ast.stmt) -> list[str]:
    """Names of the checks that a code cell calls in statements of their own, in order."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # a magic; complained of elsewhere
        return []
    return [name for statement in body if isinstance(statement, kind) and (name := check_name(statement))]


def has_tag(cell, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def is_code(cell, tag: str | None = None) -> bool:
    return cell.cell_type == "code" and (tag is None or has_tag(cell, tag))


def refuse_starters(notebook):
    """Copy of the notebook in which a check cell fails if it accepts what the reader starts from."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        if is_code(cell) and not has_tag(cell, "solution") and checks_called(cell):
            lines = []
            for statement in ast.parse(cell.source).body:
                if check_name(statement):
                    lines.append(f"_verdict = {ast.unparse(statement.value)}")
                    lines.append("assert not _verdict, 'the starter passes its own check'")
                    statement.value = ast.Name("_verdict", ast.Load())
                lines.append(ast.unparse(statement))
            cell.source = "\n".join(lines)
    return copy


@functools.cache
def run_chapter(text: Path) -> Run:
    """Run a chapter once for all tests of this module."""
    run = run_notebook(refuse_starters(generate(text)))
    slow = sorted(run.cells, key=lambda cell: -cell["seconds"])[:1]
    slowest = f"{slow[0]['seconds']:.1f} s for {slow[0]['source'].splitlines()[-1].strip()[:40]!r}" if slow else "-"
    memory = f"{run.peak_bytes / 1e9:.2f} GB" if run.peak_bytes else "memory not measured"
    conftest.MEASURED.append(f"{text.stem}: {run.seconds:.0f} s in fast mode, {memory}; slowest cell {slowest}")
    return run


def alt_text(cell) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


@dataclass
class Section:
    """A heading with what stands under it, up to the next heading of its level or higher."""

    level: int
    title: str
    text: str
    code: list


def sections(notebook) -> list[Section]:
    """All headings of a notebook, in order."""
    found, still_open = [], []
    for cell in notebook.cells:
        if is_code(cell):
            for section in still_open:
                section.code.append(cell)
            continue
        for line in re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL).splitlines():
            if heading := re.match(r"(#+) +(.+)", line):
                section = Section(len(heading[1]), heading[2].strip(), "", [])
                still_open = [other for other in still_open if other.level < section.level] + [section]
                found.append(section)
            else:
                for section in still_open:
                    section.text += line + "\n"
    return found


def missing_parts(notebook) -> list[str]:
    """What a chapter lacks of the parts that every chapter has; see CONTRIBUTING."""
    complaints = []
    cells = notebook.cells
    first_code = next((i for i, cell in enumerate(cells) if is_code(cell)), len(cells))
    opening = "\n".join(cell.source for cell in cells[:first_code])
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    able = re.search(r"You will be able to.*?\n((?:(?:[-*]|\d\.|  ) ?\S.*\n?)+)", opening, re.DOTALL)
    objectives = re.findall(r"^(?:[-*]|\d\.) ", able[1], re.MULTILINE) if able else []

    def want(condition, complaint):
        if not condition:
            complaints.append(complaint)

    want(re.match(r"# \S", opening), "the first cell does not start with a title")
    want("?" in opening, "no driving question before the first code cell")
    want(
        3 <= len(objectives) <= 5,
        f"'You will be able to' wants a list of 3-5 objectives, found {len(objectives)}",
    )
    want("rerequisites" in opening, "no prerequisites before the first code cell")
    want(
        len(re.findall(r"\d+\s*min", opening)) >= 2,
        "no minutes to read and to run before the first code cell",
    )
    want("redict" in prose, "no 'predict, then run'")
    parts = sections(notebook)
    for part in ("paper and ours", "quiz", "take-?aways", "references", "fail"):
        want(any(re.search(part, p.title, re.IGNORECASE) for p in parts), f"no heading '{part}'")
    grades = []
    for part in parts:
        words = set(re.findall(r"\w+", part.title.lower()))
        if "quiz" in words:
            folded, closed = part.text.count("<details"), part.text.count("</details>")
            want(folded >= 3 and folded == closed, f"'{part.title}': {folded} folded answers, {closed} closed")
        if re.match(r"exercise\b", part.title, re.IGNORECASE) and words & GRADES:
            grades += words & GRADES
            asked = [n for cell in part.code if not has_tag(cell, "solution") for n in checks_called(cell)]
            solved = [n for cell in part.code if has_tag(cell, "solution") for n in checks_called(cell, ast.Assert)]
            want(asked, f"'{part.title}': no cell that calls checks.<name>(...)")
            want(set(asked) <= set(solved), f"'{part.title}': no solution asserts checks.{'/'.join(asked)}")
    want(len(grades) >= 3, f"{len(grades)} graded exercises, at least three wanted")
    want(set(grades) == GRADES, f"no exercise graded {', '.join(sorted(GRADES - set(grades)))}")
    explorers = [cell for cell in cells if is_code(cell, "explorer")]
    want(explorers, "no cell tagged explorer")
    for cell in explorers:
        want(len(alt_text(cell)) >= 20, f"explorer {cell.source.splitlines()[-1]!r} has no alt text")
    for cell in cells:
        if is_code(cell):
            magic = re.search(r"^\s*[%!].*$", cell.source, re.MULTILINE)  # nbval lets a wrong magic pass
            want(not magic, f"magic or shell line {magic and magic.group()!r}")
        want("![](" not in cell.source, "a picture without alt text")
    return complaints


def bad_outputs(notebook, run: Run) -> list[str]:
    """Pictures without alt text, warnings, and reprs that a reader of this run would meet."""
    code = [cell for cell in notebook.cells if is_code(cell)]
    complaints = []
    for shown in run.cells:
        cell = code[shown["cell"]]
        where = f"cell {shown['cell']} ({cell.source.strip().splitlines()[-1][:50]!r})"
        if shown["images"] and len(alt_text(cell)) < 20:
            complaints.append(f"{where}: shows a picture and has no alt text")
        if shown["stderr"]:
            complaints.append(f"{where}: writes to stderr: {shown['stderr'].strip()[:300]}")
        complaints += [f"{where}: shows the repr {text[:80]!r}" for text in shown["reprs"]]
    return complaints


every_chapter = pytest.mark.parametrize("text", CHAPTERS, ids=lambda path: path.stem)


@every_chapter
def test_the_chapter_has_all_its_parts(text):
    assert not (lines := missing_parts(generate(text))), "\n".join(lines)


@every_chapter
def test_the_chapter_runs_without_a_network_and_its_solutions_pass(text):
    run = run_chapter(text)
    assert run.passed, run.log
    assert len(run.cells) == sum(is_code(cell) for cell in generate(text).cells)


@every_chapter
def test_the_chapter_keeps_its_budget(text):
    run = run_chapter(text)
    assert run.seconds < SECONDS
    assert run.peak_bytes is None or run.peak_bytes < PEAK_BYTES


@every_chapter
def test_what_the_chapter_shows_is_clean(text):
    assert not (lines := bad_outputs(generate(text), run_chapter(text))), "\n".join(lines)


# The harness itself: a good small chapter passes, and each fault is caught.

GOOD = """\
# %% [markdown]
# # 05 Small
# Why?
#
# **You will be able to**
# - one
# - two
# - three
#
# Prerequisites: none. 5 min to read, 1 min to run.

# %% tags=["setup"]
class Checks:
    def equal(self, answer):
        return answer == 42
checks = Checks()

# %% [markdown]
# ## Pictures
# Predict, then run.

# %% tags=["explorer"] mystnb={"image": {"alt": "A straight line through the origin."}}
import matplotlib.pyplot as plt
plt.plot([0, 1])
plt.show()

# %% [markdown]
# ### Exercise 1 (easy): answer

# %%
answer = 0

# %%
checks.equal(answer)

# %% tags=["solution"]
answer = 42
assert checks.equal(answer)

# %% [markdown]
# ### Exercise 2 (core): again

# %%
verdict = checks.equal(1)

# %% tags=["solution"]
assert checks.equal(42)

# %% [markdown]
# ### Exercise 3 (stretch): and again

# %%
checks.equal(2)

# %% tags=["solution"]
assert checks.equal(42)

# %% [markdown]
# ## Paper and ours
# ## Quiz
# <details><summary>a</summary>1</details>
# <details><summary>b</summary>1</details>
# <details><summary>c</summary>1</details>
#
# ## Take-aways
# ## Where it fails
# ## References
"""


def small(tmp_path, old="", new=""):
    assert old in GOOD
    text = tmp_path / "05-small.py"
    text.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return generate(text)


def test_a_good_small_chapter_passes(tmp_path):
    notebook = small(tmp_path)
    assert missing_parts(notebook) == []
    run = run_notebook(refuse_starters(notebook))
    assert run.passed, run.log
    assert bad_outputs(notebook, run) == []
    assert [cell["images"] for cell in run.cells][1] == 1
    assert sys.platform == "win32" or 2e7 < run.peak_bytes < PEAK_BYTES


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Why?", "Because.", "driving question"),
        ("# - one\n# - two\n", "", "objectives, found 1"),
        ("# - one\n", "# - one\n#   and a half\n# - a\n# - b\n# - c\n", "objectives, found 6"),
        ("Prerequisites", "Before", "prerequisites"),
        ("5 min to read, ", "", "minutes"),
        ("Predict, ", "", "predict"),
        ("## Paper and ours", "", "paper and ours"),
        ("## Where it fails", "", "fail"),
        ("<details><summary>b</summary>1</details>", "", "2 folded answers"),
        ("</details>", "", "2 closed"),
        ("(stretch)", "(core)", "no exercise graded stretch"),
        ("# %%\nverdict = checks.equal(1)\n", "", "no cell that calls"),
        ('# %% tags=["solution"]\nanswer = 42', "# %%\nanswer = 42", "no solution asserts checks.equal"),
        ('tags=["explorer"]', "", "no cell tagged explorer"),
        (' mystnb={"image": {"alt": "A straight line through the origin."}}', "", "no alt text"),
        ("answer = 0", "# %time answer = 0", "magic"),
        ("# Predict", "# ![](a.png)\n# Predict", "without alt text"),
    ],
)
def test_a_missing_part_is_named(tmp_path, old, new, complaint):
    found = missing_parts(small(tmp_path, old, new))
    assert any(complaint in line for line in found), found


def test_each_fault_at_run_time_is_caught(tmp_path):
    faults = """
# %%
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    assert "without a network" in str(error)

# %%
plt.plot([1, 0])
plt.show()

# %%
import warnings
warnings.warn("noise")

# %%
object()

# %%
checks.equal(42)
"""
    notebook = small(tmp_path, "## References\n", "## References\n" + faults)
    run = run_notebook(refuse_starters(notebook))
    assert [cell["passed"] for cell in run.cells[-5:]] == [True, True, True, True, False]
    assert "the starter passes its own check" in run.log
    found = "\n".join(bad_outputs(notebook, run))
    assert all(fault in found for fault in ("no alt text", "stderr: ", "noise", "object at 0x")), found
