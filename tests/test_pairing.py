"""Every chapter is a pair: the text is the source, the notebook is generated from it."""

import json
import sys

import pytest

from course_utils.notebooks import COLAB_SETUP, NOTEBOOKS, build, chapters, differences, generate, main

CHAPTERS = chapters()

TEXT = """\
# %% [markdown]
# # A title

# %% tags=["setup"]
x = 1

# %%
x = 1

# %% tags=["explorer"] mystnb={"image": {"alt": "A parabola."}} scrolled=true
x
"""


@pytest.fixture
def pair(tmp_path):
    text = tmp_path / "05-small.py"
    text.write_text(TEXT, encoding="utf-8")
    build(text)
    return text


def test_there_are_chapters_and_no_widows():
    found = {pattern: {path.stem for path in NOTEBOOKS.glob(pattern)} for pattern in ("*.py", "*.ipynb", "student/*")}
    assert all(stems == {path.stem for path in CHAPTERS} for stems in found.values())
    assert "00-start-here" in found["*.py"]


@pytest.mark.parametrize("text", CHAPTERS, ids=lambda path: path.stem)
def test_the_pair_agrees(text):
    assert not (lines := differences(text)), "\n".join(lines)


def test_jupyterlab_folds_solutions_and_nothing_else():
    hidden = [
        (cell.metadata.get("jupyter", {}).get("source_hidden", False), "solution" in cell.metadata.get("tags", []))
        for cell in generate(CHAPTERS[0]).cells
    ]
    assert (True, True) in hidden and all(folded == solution for folded, solution in hidden)


@pytest.mark.parametrize("text", CHAPTERS, ids=lambda path: path.stem)
def test_the_first_code_cell_is_the_standard_setup(text):
    first = next(cell for cell in generate(text).cells if cell.cell_type == "code")
    assert first.source == COLAB_SETUP, f"{text.name}: the first code cell is not chapters.COLAB_SETUP"
    assert first.metadata.get("tags") == ["setup"], f'{text.name}: the first code cell wants tags=["setup"]'


def test_the_notebook_is_the_same_each_time_and_keeps_only_known_metadata(pair):
    path = pair.with_suffix(".ipynb")
    before = path.read_bytes()
    path.unlink()
    build(pair)
    assert path.read_bytes() == before
    cells = json.loads(before)["cells"]
    assert [cell["metadata"] for cell in cells] == [
        {},
        {"tags": ["setup"]},
        {},
        {"mystnb": {"image": {"alt": "A parabola."}}, "tags": ["explorer"]},
    ]
    assert len({cell["id"] for cell in cells}) == 4  # equal sources, different ids


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# A title", "# Another", "cell 1 (markdown, '# Another'): source differs"),
        (
            "x = 1",
            "x = 2",
            "cell 2 (code, 'x = 2'): source differs from 05-small.py: 'x = 1' there, 'x = 2' here",
        ),
        ("A parabola.", "A line.", "cell 4 (code, 'x'): metadata differs"),
        (
            '"outputs": []',
            '"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]',
            "holds outputs",
        ),
        ('"execution_count": null', '"execution_count": 3', "execution count"),
    ],
)
def test_an_edit_of_the_notebook_alone_is_named(pair, old, new, complaint):
    path = pair.with_suffix(".ipynb")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert any(complaint in line for line in differences(pair)), differences(pair)


def test_a_new_cell_and_a_missing_notebook_are_named(pair):
    pair.write_text(TEXT + "\n# %%\ny = 2\n", encoding="utf-8")
    assert "05-small.py has 5 cells, 05-small.ipynb has 4" in differences(pair)[0]
    build(pair)
    pair.with_suffix(".ipynb").unlink()
    assert differences(pair) == ["05-small.ipynb is missing"]


def test_chapters_are_found_by_number_stem_and_path_and_unknown_ones_refused(pair):
    for name in ("05", "05-small", str(pair)):
        assert chapters([name], pair.parent) == [pair]
    with pytest.raises(ValueError, match=r"name: expected one chapter .*05-small.*got '07'"):
        chapters(["07"], pair.parent)


def test_the_command_lists_and_refuses(capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == [path.stem for path in CHAPTERS]
    with pytest.raises(SystemExit):
        main(["check", "no-such-chapter"])
    assert "no-such-chapter" in capsys.readouterr().err


def test_the_setup_cell_does_nothing_on_a_laptop_and_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *a, **k: pytest.fail("the setup cell started a program"))
    exec(compile(COLAB_SETUP, "setup", "exec"), {})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install -e"):
        exec(compile(COLAB_SETUP, "setup", "exec"), {})


def test_the_setup_cell_on_colab_clones_once_and_leaves_torch_alone(monkeypatch):
    commands = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append([str(word) for word in command]))
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(compile(COLAB_SETUP, "setup", "exec"), {})
    assert [command[0] == "git" for command in commands] == [True, False]
    assert "--no-deps" in commands[1]
    assert not {"torch", "numpy"} & set(commands[1])
