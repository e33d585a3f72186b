"""The workflows and CI: well formed, and what they call exists."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
import yaml
from needs import needed

from course_utils import __version__
from course_utils._files import REPOSITORY

NAME = "generative-regularisation-course"
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CONFIG = REPOSITORY / ".github" / "ISSUE_TEMPLATE" / "config.yml"


def workflow(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [REPOSITORY / ".github" / "dependabot.yml"]),
        ("github-issue-forms", [path for path in FORMS if path != CONFIG]),
        ("github-issue-config", [CONFIG]),
    ],
)
def test_the_workflows_and_forms_are_what_github_reads(schema, files):
    needed("check_jsonschema")
    assert files
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


def test_ci_runs_the_oldest_python_that_is_promised():
    pythons = workflow("ci")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert metadata.metadata(NAME)["Requires-Python"] == f">={pythons[0]}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("code", [0, 3])
def test_the_script_of_ci_runs_the_tests_as_make_does_and_hands_on_whether_they_passed(tmp_path, code):
    for name, does in {"make": f'echo "CI=$CI $*"; exit {code}', "chromium": "exit 0", "npm": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "TORCH")}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run([REPOSITORY / ".ci/run"], env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("CI=true test TORCH=torch==")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_binder_runs_small_experiments_and_what_it_was_asked_to_run():
    """It takes its files from the root; were there a folder ``binder``, it would look nowhere else."""
    assert not any((REPOSITORY / name).exists() for name in ("binder", ".binder", "Dockerfile"))
    command = [REPOSITORY / "start", "sh", "-c", 'echo "$COURSE_FAST $0 $1"', "jupyter", "lab"]
    environment = {key: value for key, value in os.environ.items() if key != "COURSE_FAST"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 jupyter lab\n", "")


def test_the_command_that_the_form_asks_for_says_the_versions():
    form = yaml.safe_load((FORMS[0].parent / "bug.yml").read_text(encoding="utf-8"))
    asked = next(part["attributes"]["description"] for part in form["body"] if part.get("id") == "versions")
    code = re.search(r'`python -c "(.+?)"`', asked)[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0 and __version__ in done.stdout, done.stderr
