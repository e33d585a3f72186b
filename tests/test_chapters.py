"""Every chapter has all its parts and runs from a clean kernel, with the shipped data and no network.

What a reader meets is read off one execution, with COURSE_FAST=1 in an empty folder; see ``executions``.  The pages and
the slides are made from the same one.
"""

import ast
import re
import sys
from dataclasses import dataclass

import execute
import pytest
from chapter_tools import alt_text, checks_called, has_tag, is_code
from executions import tell

from course_utils.notebooks import chapters, generate

SECONDS, PEAK_BYTES = 120, 1.5e9  # a chapter in fast mode on a busy machine; what Binder leaves a kernel
GRADES = {"easy", "core", "stretch"}


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
            words = re.search(r"^# (?:>|#|\*\*|- ).*$", cell.source, re.MULTILINE)
            want(not words, f"text in a cell of code {words and words.group()!r}")
        want("![](" not in cell.source, "a picture without alt text")
    return complaints


def starters_accepted(notebook, record: dict) -> list[str]:
    """Checks that accept what the reader starts from, solutions that they do not accept, and checks that never ran."""
    complaints = []
    for number, cell in enumerate(notebook.cells):
        if not is_code(cell):
            continue
        answers = [(entry["name"], entry["accepted"]) for entry in record["checks"] if entry["cell"] == number]
        solution = has_tag(cell, "solution")
        for name in checks_called(cell):
            if name not in [answered for answered, _ in answers]:
                complaints.append(f"cell {number}: checks.{name} did not answer")
        for name, accepted in answers:
            if accepted != solution:
                what = "the solution fails" if solution else "the starter passes"
                complaints.append(f"cell {number}: {what} checks.{name}")
    return complaints


#: What Python shows of an object without a text of its own.
ADDRESS = re.compile(r"^<.* at 0x[0-9a-f]+>$|<.*object at 0x[0-9a-f]+>", re.MULTILINE)


def bad_outputs(notebook) -> list[str]:
    """Pictures without alt text, and reprs, that a reader of this execution would meet."""
    complaints = []
    for number, cell in enumerate(notebook.cells):
        if not is_code(cell):
            continue
        where = f"cell {number} ({cell.source.strip().splitlines()[-1][:50]!r})"
        data = [output.get("data", {}) for output in cell.outputs]
        if any(mime.startswith("image/") for shown in data for mime in shown) and len(alt_text(cell)) < 20:
            complaints.append(f"{where}: shows a picture and has no alt text")
        # a picture or a widget brings a text twin that nobody sees; alone it is what the reader gets
        alone = [shown["text/plain"] for shown in data if list(shown) == ["text/plain"]]
        complaints += [f"{where}: shows the repr {text[:80]!r}" for text in alone if ADDRESS.search(text)]
    return complaints


every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


@every_chapter
def test_the_chapter_has_all_its_parts(text):
    assert not (lines := missing_parts(generate(text))), "\n".join(lines)


@every_chapter
def test_the_chapter_runs_without_a_network_and_keeps_its_budget(text, executed):
    run = executed(text)
    tell(text)
    code = [cell for cell in run.notebook.cells if is_code(cell)]
    assert [cell.source for cell in code] == [cell.source for cell in generate(text).cells if is_code(cell)]
    assert all(cell.execution_count for cell in code) and len(run.record["cells"]) == len(code) > 0
    assert run.record["seconds"] < SECONDS
    assert run.record["peak_bytes"] is None or run.record["peak_bytes"] < PEAK_BYTES


@every_chapter
def test_the_checks_refuse_the_starters_and_accept_the_solutions(text, executed):
    run = executed(text)
    assert not (lines := starters_accepted(run.notebook, run.record)), "\n".join(lines)


@every_chapter
def test_what_the_chapter_shows_is_clean(text, executed):
    assert not (lines := bad_outputs(executed(text).notebook)), "\n".join(lines)


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


@pytest.mark.slow
def test_a_good_small_chapter_passes(tmp_path):
    notebook = small(tmp_path)
    assert missing_parts(notebook) == []
    record = execute.run(notebook, fast=True)
    assert starters_accepted(notebook, record) == [] and bad_outputs(notebook) == []
    answers = [(entry["name"], entry["accepted"]) for entry in record["checks"]]
    assert answers == [("equal", False), ("equal", True)] * 3
    assert sys.platform == "win32" or 2e7 < record["peak_bytes"] < PEAK_BYTES


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
        ("answer = 0", "answer = 0\n\n# > **Note.**", "text in a cell of code"),
        ("# Predict", "# ![](a.png)\n# Predict", "without alt text"),
    ],
)
def test_a_missing_part_is_named(tmp_path, old, new, complaint):
    found = missing_parts(small(tmp_path, old, new))
    assert any(complaint in line for line in found), found


@pytest.mark.slow
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
object()

# %%
checks.equal(42)

# %%
if False:
    checks.equal(0)

# %%
for answer in (0, 42):
    print(checks.equal(answer))

# %% tags=["solution"]
checks.equal(0)
"""
    notebook = small(tmp_path, "## References\n", "## References\n" + faults)
    record = execute.run(notebook, fast=True)
    last = len(notebook.cells) - 1
    assert starters_accepted(notebook, record) == [
        f"cell {last - 3}: the starter passes checks.equal",
        f"cell {last - 1}: the starter passes checks.equal",
        f"cell {last}: the solution fails checks.equal",
    ]
    assert notebook.cells[-2].outputs[0]["text"] == "False\nTrue\n"  # shown as without the notes
    found = "\n".join(bad_outputs(notebook))
    assert "no alt text" in found and "object at 0x" in found
    silent = {"checks": [entry for entry in record["checks"] if entry["cell"] != last - 3]}
    assert f"cell {last - 3}: checks.equal did not answer" in starters_accepted(notebook, silent)
