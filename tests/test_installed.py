"""The course elsewhere: cloned by Git for Windows, used by someone without a home, installed as a wheel."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from needs import lacking
from toy_experiments import EXPERIMENTS

from course_utils import __version__, pretrained, results
from course_utils._files import REPOSITORY, IntegrityError, cache_dir
from course_utils.reproduce import jobs
from course_utils.reproduce.jobs import runs_dir
from course_utils.reproduce.runner import run_experiments

WEIGHTS = "course_utils/shipped/weights"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def windows_clone(tmp_path):
    """``windows_clone(names)``: these files of the repository, committed and cloned as Git for Windows does."""

    def clone(names) -> Path:
        source, target = tmp_path / "source", tmp_path / "clone"
        for name in names:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, source / name)
        git(source, "init", "-q")
        git(source, "add", ".")
        git(source, "commit", "-qm", "as it is")
        git(tmp_path, "-c", "core.autocrlf=true", "clone", "-q", str(source), str(target))
        return target

    return clone


SHIPPED = [f"{WEIGHTS}/{name}" for name in ("manifest.json", "vae-mnist-8.json", "vae-mnist-8.safetensors")]


def test_a_clone_on_windows_has_the_same_bytes_and_its_weights_load(windows_clone):
    names = [*SHIPPED, "README.md", "notebooks/00-start-here.py", "results/fig9.json"]
    clone = windows_clone([".gitattributes", *names])
    for name in names:
        assert (clone / name).read_bytes() == (REPOSITORY / name).read_bytes(), name
    G = pretrained("vae-mnist-8", verbose=False, folder=clone / WEIGHTS)
    assert G(torch.zeros(1, 8)).shape == (1, 1, 28, 28)


def test_without_git_attributes_they_would_not(windows_clone):
    with pytest.raises(IntegrityError, match="vae-mnist-8.json is damaged or altered"):
        pretrained("vae-mnist-8", verbose=False, folder=windows_clone(SHIPPED) / WEIGHTS)


def homeless():
    raise RuntimeError("Could not determine home directory.")


def test_a_cache_needs_no_home(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    for unset in ("", None):
        monkeypatch.delenv("COURSE_CACHE") if unset is None else monkeypatch.setenv("COURSE_CACHE", unset)
        with pytest.raises(RuntimeError, match="set COURSE_CACHE to a folder"):
            cache_dir()
    monkeypatch.undo()
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    assert cache_dir() == Path.home() / ".cache" / "generative-regularisation"


def test_the_repository_goes_before_what_came_with_a_wheel(monkeypatch, tmp_path):
    packed, place = tmp_path / "packed", tmp_path / "place"
    for folder, names in ((packed, ("both", "one")), (place / "results", ("both",))):
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.json").write_text(json.dumps({"schema": results.SCHEMA, "from": folder.name}))
    monkeypatch.setattr(results, "PACKED", packed)
    monkeypatch.setattr(results, "workplace", lambda: place)
    monkeypatch.delenv("COURSE_RESULTS", raising=False)
    assert [results.load_result(name)["from"] for name in ("both", "one")] == ["results", "packed"]
    monkeypatch.setenv("COURSE_RESULTS", str(place))
    with pytest.raises(FileNotFoundError, match="place.one.json is not there"):
        results.load_result("one")


def test_a_finished_run_is_written_even_if_the_wheel_has_the_same_record(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "PACKED", tmp_path / "packed")
    for module in (results, jobs):
        monkeypatch.setattr(module, "workplace", lambda: tmp_path)
    for name in ("COURSE_RESULTS", "COURSE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    written = tmp_path / "results" / "fig2.json"
    for _ in range(2):  # the second time all jobs are stored, and the record of the wheel says the same
        (report,) = run_experiments([EXPERIMENTS["fig2"]], 1, progress=False)
        assert report.path == written and written.is_file()
        (tmp_path / "packed").mkdir(exist_ok=True)
        written.rename(tmp_path / "packed" / "fig2.json")


def test_in_the_repository_results_and_runs_lie_there_wherever_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("COURSE_RESULTS", "COURSE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    assert results.results_dir() == REPOSITORY / "results"
    assert runs_dir() == REPOSITORY / "runs" / "reproduce"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the wheel of the course was installed.  It is built from a copy: building leaves things."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("course_utils", "results"):
        shutil.copytree(REPOSITORY / name, folder / "course" / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(REPOSITORY / name, folder / "course")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    built = [*pip, "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(folder / "course")]
    done = subprocess.run(built, capture_output=True, text=True)
    if "No matching distribution found for setuptools" in done.stderr:
        lacking("pip cannot fetch setuptools, with which the wheel is built")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    target = [*pip, "install", "-q", "--no-deps", "--no-compile", "--target", str(folder / "packages"), str(wheel)]
    subprocess.run(target, check=True, capture_output=True)
    return folder / "packages"


@pytest.mark.slow
def test_an_installed_wheel_has_records_weights_and_data(installed, tmp_path):
    code = """
        import course_utils, json
        from course_utils import load, pretrained
        from course_utils.results import load_result, results_dir
        pretrained("vae-mnist-8"), load("mnist")
        print(json.dumps([course_utils.__file__, load_result("fig9")["settings"]["m"], str(results_dir())]))
    """
    code = "\n".join(line.strip() for line in code.splitlines())
    environment = {k: v for k, v in os.environ.items() if k not in ("COURSE_RESULTS", "HOME")}
    environment |= {"PYTHONPATH": str(installed), "COURSE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path, m, place = json.loads(done.stdout.splitlines()[-1])
    assert Path(path).parent == installed / "course_utils" and m == 150
    assert Path(place) == tmp_path / "results", "a wheel writes into the current folder, not among the packages"


@pytest.mark.slow
def test_a_wheel_has_every_record_of_the_repository(installed):
    packed = installed / "course_utils" / "shipped" / "results"
    stored = REPOSITORY / "results"
    assert {path.name for path in packed.iterdir()} == {path.name for path in stored.glob("*.json")}
    assert all((packed / path.name).read_bytes() == path.read_bytes() for path in stored.glob("*.json"))


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_package_and_bears_its_version(installed):
    """What goes along beside Python is listed in pyproject.toml; a file of a new kind would be left behind."""
    source = REPOSITORY / "course_utils"
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    found = {path.relative_to(installed / "course_utils") for path in (installed / "course_utils").rglob("*")}
    missing = [str(path) for path in wanted - found if "__pycache__" not in path.parts]
    assert not missing and Path("py.typed") in found
    (about,) = installed.glob("*.dist-info/METADATA")
    assert re.search(r"^Version: (.+)$", about.read_text(encoding="utf-8"), re.MULTILINE)[1] == __version__


def test_one_version_everywhere():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["version"] == __version__
    assert f"\n## {__version__}" in changes, "CHANGELOG.md says nothing of this version"


#: What of the public face has no annotation, because it is asked only for what it can do: its docstring says what.
SAID_IN_WORDS = {
    "KullbackLeibler.check_model: A",
    "WGAN.batches_per_step: config",
    "WGAN.step: batch, config, generator, return, update",
    "WGAN.trained: return",
    "Dictionary.projected: R_Z",
    "Dictionary.best: objective",
    "Hard.problem: A",
    "build: config",
    "zero_filled: A",
}


def unannotated() -> set[str]:
    """Of all that ``course_utils`` exports, the functions and methods that do not annotate everything, and what."""
    import course_utils

    found = set()
    for name in course_utils.__all__:
        value = getattr(course_utils, name)
        functions = {name: value}
        if inspect.isclass(value):
            functions = {
                f"{name}.{key}": member
                for key, member in vars(value).items()
                if inspect.isfunction(member) and (not key.startswith("_") or key in ("__init__", "__call__"))
            }
        for key, function in functions.items():
            signature = inspect.signature(function)
            lacks = [
                parameter.name
                for parameter in signature.parameters.values()
                if parameter.annotation is parameter.empty
                and parameter.name not in ("self", "cls")
                and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            ]
            if signature.return_annotation is signature.empty and not key.endswith("__init__"):
                lacks.append("return")
            if lacks:
                found.add(f"{key}: {', '.join(sorted(lacks))}")
    return found


def test_the_public_face_is_annotated():
    """``py.typed`` promises it to whoever checks types; an entry of the list that is not needed any more goes."""
    assert unannotated() == SAID_IN_WORDS
