"""The course elsewhere: cloned by Git for Windows, used by someone without a home, installed as a wheel."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from needs import lacking
from toy_experiments import EXPERIMENTS

from course_utils import pretrained, results
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
