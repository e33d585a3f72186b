"""The workflows and CI: they cannot run here, so at least they are well formed and agree with the project."""

import os
import re
import subprocess
import sys
from importlib import metadata

import pytest
import yaml

from course_utils._files import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "book"))

import build

NAME = "generative-regularisation-course"
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "files"),
    [("github-workflows", WORKFLOWS), ("dependabot", [REPOSITORY / ".github" / "dependabot.yml"])],
)
def test_the_workflows_are_what_github_reads(schema, files):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_targets_and_files_that_exist(path):
    targets = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    named = [name for step in steps for name in re.findall(r"\bmake ([a-z]+)", step.get("run", ""))]
    assert set(named) <= set(targets)
    words = " ".join(str(part) for step in steps for part in (step.get("run", ""), *step.get("with", {}).values()))
    for pattern in re.findall(r"(?:notebooks|book|tests|\.github)/[\w./*-]+", words):
        assert list(REPOSITORY.glob(pattern)) or pattern.startswith("book/_build/"), pattern
    for step in steps:  # a string: unquoted, 3.10 would be 3.1
        assert isinstance(step.get("with", {}).get("python-version", ""), str)


def test_ci_asks_for_everything_and_for_the_oldest_python_that_is_promised():
    jobs = workflow("ci")["jobs"]
    assert jobs["check"]["steps"][-1] == {"run": "make check"}
    assert jobs["test"]["steps"][-1] == {"run": "make test"}
    assert jobs["test"]["env"]["COURSE_REQUIRE_BROWSER"] == "1"
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    assert metadata.metadata(NAME)["Requires-Python"] == f">={pythons[0]}"
    script = REPOSITORY / ".ci/run"
    assert re.search(r"^make check", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert os.access(script, os.X_OK)
    for required in ("COURSE_REQUIRE_BROWSER", "COURSE_REQUIRE_SLIDES", "COURSE_BUILD_BOOK"):
        assert re.search(rf"^check: export {required} = \w+$", MAKEFILE, re.MULTILINE)


def test_the_book_is_tested_before_it_is_published_and_from_main_only():
    jobs = workflow("book")["jobs"]
    steps = jobs["build"]["steps"]
    commands = [step.get("run", "") for step in steps]
    made = commands.index("make book")
    tested = next(i for i, command in enumerate(commands) if "tests/test_book_site.py" in command)
    uploaded = next(i for i, step in enumerate(steps) if "upload-pages" in step.get("uses", ""))
    assert made < tested < uploaded
    assert steps[tested]["env"]["COURSE_BOOK_SITE"] == steps[uploaded]["with"]["path"] == "book/_build/html"
    assert build.SITE == REPOSITORY / "book/_build/html"
    assert jobs["publish"]["needs"] == "build"
    assert steps[uploaded]["if"] == jobs["publish"]["if"] == "github.ref == 'refs/heads/main'"


@pytest.mark.parametrize("name", ["links", "colab"])
def test_what_the_world_may_break_is_checked_every_week(name):
    content = workflow(name)
    schedule = content[True]["schedule"][0]["cron"]  # YAML reads the key "on" as a truth value
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule)
    assert (".github/colab.py" in yaml.safe_dump(content)) == (name == "colab")
