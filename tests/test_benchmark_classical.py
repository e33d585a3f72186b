"""Classical methods beside other libraries: the same minimiser by one objective, and what is missing is named."""

import importlib
import math

import pytest
import torch

from course_utils import TV, GaussianBlur, ParallelBeam, measure, reconstruct
from course_utils.benchmark import classical as classical_module
from course_utils.benchmark import rivals
from course_utils.benchmark.timing import seeded
from course_utils.operators import Identity


@pytest.fixture(scope="module")
def record():
    """A tiny run: of the minimisers only TV and wavelets, without the libraries that only some machines have."""
    weights = {"denoising": {"TV": 0.2, "wavelet": 0.2}, "deblurring": {"TV": 0.01}, "tomography": {}}
    real = importlib.import_module

    def only_here(name, *rest):
        if name.split(".")[0] in ("odl", "deepinv"):
            raise ImportError(name)
        return real(name, *rest)

    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classical_module, "WEIGHTS", weights)
        patch.setattr(rivals.importlib, "import_module", only_here)
        found = classical_module.classical(said.append, digits=2, shapes=2, judged=1, repeats=1)
    return found, said


def rows(record, **wanted):
    return [row for row in record[0]["rows"] if all(row[key] == value for key, value in wanted.items())]


def test_every_row_says_what_was_measured(record):
    for row in record[0]["rows"]:
        assert {"task", "library", "setting", "version", "ms_alone", "ms_batch", "batch"} <= set(row)
        assert row["ms_alone"] > 0 and row["ms_batch"] > 0 and row["batch"] in (1, 2)
        assert "excess" in row or "difference" in row or row["library"] == "ours"
    for row in rows(record, library="scikit-image"):
        (ours,) = rows(record, library="ours", task=row["task"])
        assert row["times_alone"] == pytest.approx(row["ms_alone"] / ours["ms_alone"], rel=0.05, abs=0.06)
    assert [row["task"] for row in rows(record, library="CVXPY")] == ["TV denoising", "TV deblurring"]


def test_ours_reaches_the_best_objective_and_no_judge_finds_a_lower_one(record):
    ours = [row for row in rows(record, library="ours") if "excess" in row]
    assert len(ours) == 3 and all(-1e-6 <= row["excess"] <= classical_module.WITHIN for row in ours)
    assert all(abs(row["excess"]) <= 1e-6 for row in rows(record, library="CVXPY"))
    (wavelets,) = rows(record, task="wavelet denoising", library="scikit-image")
    assert abs(wavelets["excess"]) <= 1e-6
    (tv,) = rows(record, task="TV denoising", library="scikit-image")
    assert -1e-6 <= tv["excess"] <= 1e-3
    (radon,) = rows(record, task="filtered back-projection", library="scikit-image")
    assert radon["difference"] < 0.05


def test_a_library_that_is_missing_is_named(record):
    found, said = record
    assert set(found["settings"]["not_installed"]) == {"ODL", "DeepInverse"}
    assert sum("not installed" in line for line in said) == 2
    assert {row["library"] for row in found["rows"]} == {"ours", "scikit-image", "CVXPY"}


def test_what_does_not_reach_the_objective_is_named_too(monkeypatch):
    rough = {"rough": lambda A, y, lam: [("as it is", y.clone)]}
    monkeypatch.setattr(classical_module, "COMPARED", {"TV denoising": rough})
    run = classical_module._Run(lambda line: None, judged=1, repeats=1)
    A = Identity(8)
    y = measure(A, torch.zeros(1, 1, 8, 8), 0.1, seeded(0))
    run.compare("TV denoising", A, y, TV(0.2), 0.2, judge=False)
    assert run.unequal == ["TV denoising: rough"] and run.rows[-1]["excess"] > 0.1
    assert "times_alone" not in run.rows[-1]  # nor is its time set beside ours


@pytest.mark.parametrize(("task", "library"), [
    (task, library) for task, found in rivals.COMPARED.items() for library in found if library != "scikit-image"
])  # fmt: skip
def test_the_optional_libraries_solve_the_same_problem(task, library):
    """TGV of DeepInverse is another functional: it has to stay above ours."""
    pytest.importorskip(rivals.PACKAGES[library], exc_type=(ImportError, RuntimeError))
    size = 12
    A = {"den": Identity, "deb": GaussianBlur, "tom": ParallelBeam.full}[task.split()[1][:3]](size)
    x = torch.zeros(1, 1, size, size)
    x[..., 3:8, 4:10] = 1.0
    y, lam = measure(A, x, 0.05, seeded(0)), 0.05
    R = classical_module.METHODS[task.split()[0]](lam)
    best = reconstruct(A.double(), y.double(), R, tol=1e-10, max_iter=20_000).objective
    A = A.float()
    excess = math.inf
    for _, call in rivals.COMPARED[task][library](A, y, lam):
        found = call()
        excess = min(excess, float(((A(found) - y).pow(2).sum() + lam * R(found).sum()) / best - 1))
        if excess <= 1e-3:
            break
    assert excess > 1e-3 if task.startswith("TGV") else -1e-4 <= excess <= 1e-3


@pytest.mark.parametrize("task", rivals.STEPPED)
def test_so_many_steps_are_the_same_images(task):
    pytest.importorskip("odl" if "ODL" in rivals.STEPPED[task] else "skimage")
    A = ParallelBeam(13, 20, 19, detector_width=19.0)
    y = A(torch.rand(1, 1, 13, 13, generator=seeded(0)))
    methods = {"Landweber": "Landweber", "CGLS": "CGLS", "MLEM": "MLEM"}
    method = getattr(classical_module, methods.get(task, "FilteredBackProjection"))(*([5] if task in methods else []))
    ours = reconstruct(A, y, method).x
    for rival in rivals.STEPPED[task].values():
        assert float((rival(A, y, 5)() - ours).norm() / ours.norm()) < 0.05
