"""The frame: what README, Makefile, environment and CI promise is there, and they agree with each other."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from needs import lacking

from course_utils._files import REPOSITORY
from course_utils.catalogue import catalogue
from course_utils.notebooks import GITHUB, LISTS, chapters, relist

NAME = "generative-regularisation-course"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def text_files():
    """The files of the project that name its address."""
    names = ("README.md", "CONTRIBUTING.md", "CITATION.cff", "book/_config.yml")
    return [REPOSITORY / name for name in names] + sorted((REPOSITORY / "book").glob("*.md")) + chapters()


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_a_fresh_python_lets_idle_threads_sleep_unless_told_otherwise(before, after):
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    if before:
        environment["OMP_WAIT_POLICY"] = before
    command = "import course_utils, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == after, done.stderr


def test_every_target_of_make_runs_something_that_exists():
    if shutil.which("make") is None:
        lacking("make is not installed")
    targets = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)
    assert {"lab", "test", "quick", "book"} <= set(targets)
    for target in targets:
        command = ["make", "-n", "-B", "--no-print-directory", target]  # as if nothing were there
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for module in re.findall(r"python -m (\S+)", done.stdout):
            assert importlib.util.find_spec(module), f"make {target}: no module {module}"
        for script in re.findall(r"(?:^|\s)([\w./-]+\.(?:py|ipynb))\b", done.stdout):
            assert (REPOSITORY / script).is_file(), f"make {target}: no file {script}"


def test_every_link_into_the_repository_leads_somewhere_and_every_picture_is_described():
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text):
            assert len(alternative) > 10 or target.endswith("badge.svg"), f"{name}: {target} has no description"
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert (REPOSITORY / target).exists(), f"{name} links to {target}, which is not there"


def test_the_chapters_that_describe_themselves_are_those_that_are_written_and_those_that_are_listed():
    stems = [chapter.stem for chapter in catalogue().values()]
    assert stems == [text.stem for text in chapters()]
    for path in LISTS:
        assert relist(path) == path.read_text(encoding="utf-8"), f"{path.name}: python -m course_utils.notebooks build"


def test_the_example_of_the_readme_runs(capsys):
    variables = {}
    exec(re.search(r"```python\n(.*?)```", README, re.DOTALL)[1], variables)
    assert variables["psnr"](variables["result"].x, variables["x"]).min() > 10
    assert "tensor([" in capsys.readouterr().out


@pytest.mark.parametrize("path", text_files(), ids=lambda path: path.name)
def test_there_is_one_address(path):
    text = path.read_text(encoding="utf-8")
    own = r"(?:mybinder\.org/v2/gh|colab\.research\.google\.com/github|github\.com)/([\w.-]+/[\w.-]+?)(?=[/\s\")]|$)"
    elsewhere = {found for found in re.findall(own, text) if found.endswith("/course")} - {GITHUB}
    assert not elsewhere, f"{path.name} names {elsewhere}, course_utils.notebooks.GITHUB is {GITHUB}"


def bounds(lines) -> dict[str, frozenset[str]]:
    """Name -> bounds: "numpy>=1.26,!=2.0" -> {"numpy": {">=1.26", "!=2.0"}}, in whichever order they stand."""
    found = dict(re.match(r"([\w-]+)([^;]*)", line).groups() for line in lines)
    return {name: frozenset(bound.replace(" ", "").split(",")) for name, bound in found.items()}


def test_the_conda_environment_asks_for_what_the_package_asks_for_without_cuda():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    *plain, pip = environment["dependencies"]
    assert pip == {"pip": ["-e .[lab]"]}
    conda_names = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
    asked = [line for line in metadata.requires(NAME) if "extra ==" not in line or re.search("extra == .lab", line)]
    found = bounds(plain)
    assert {conda_names.get(name, name): bound for name, bound in bounds(asked).items()}.items() <= found.items()
    assert found["python"] == {"=3.11"}
    assert not any(word in line for line in plain for word in ("cuda", "gpu"))


def test_the_spelling_is_british_and_names_of_libraries_are_left_alone(tmp_path):
    typos = shutil.which("typos", path=Path(sys.executable).parent)
    if typos is None:
        lacking("typos is not installed")

    def said(line: str) -> str:
        (tmp_path / "page.md").write_text(line, encoding="utf-8")
        command = [typos, "--config", str(REPOSITORY / "pyproject.toml"), "--format", "brief", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True).stdout

    for wrong in ("the color of", "a regularization that", "the center is", "we minimize it", "we recieve data"):
        assert f"`{wrong.split()[1]}`" in said(wrong)
    assert not said('`scipy.optimize`, `color=`, `ha="center"`, the colour of the regularisation, Ax')


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert str(citation["version"]) == metadata.version(NAME)
    assert citation["repository-code"] == f"https://github.com/{GITHUB}"
    assert citation["references"][0]["doi"] in README


def test_the_package_holds_no_pickles():
    files = [path.name for path in (REPOSITORY / "course_utils" / "shipped").rglob("*") if path.is_file()]
    allowed = (".npz", ".json", ".safetensors", "-LICENSE.txt")
    assert files and [name for name in files if not name.endswith(allowed)] == []


def test_nothing_that_is_shipped_is_left_out_of_git():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    folders = ("course_utils/shipped", "notebooks", "results", "data_scripts", "book")
    built, files = {"__pycache__", ".ipynb_checkpoints", "_build"}, []
    for folder in folders:
        for where, inner, names in os.walk(REPOSITORY / folder):
            inner[:] = set(inner) - built
            files += [os.path.join(where, name) for name in names]
    assert len(files) > 100
    done = subprocess.run(
        ["git", "check-ignore", "--stdin"], input="\n".join(files), cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "", f".gitignore leaves out:\n{done.stdout}"
