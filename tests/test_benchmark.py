"""The benchmark's parts run, say what they did, and are honest about what is not installed."""

import importlib

import numpy as np
import pytest
import torch

from course_utils import ParallelBeam
from course_utils.benchmark import peers as peers_module
from course_utils.benchmark.timing import best_of, gradient_cost
from course_utils.benchmark.tomography import _against_paper
from course_utils.generators import GeneratorConfig, build


def test_best_of_returns_the_fastest_call_and_its_result():
    import time

    waits = iter([0.05, 0.0, 0.05])
    calls = iter(["first", "second", "third"])

    def call():
        time.sleep(next(waits))
        return next(calls)

    seconds, found = best_of(3, call)
    assert found == "second" and seconds < 0.05


def test_nothing_is_faster_than_the_floor():
    cost = gradient_cost(build(GeneratorConfig("ae", 8), seed=0), batch=16)
    assert cost["ratio_to_floor"] > 0.3 and cost["floor_ms"] > 0  # the rate is measured at another moment


def row(method, solver, batch, ms, objective):
    return {"method": method, "solver": solver, "batch": batch, "ms_per_reconstruction": ms,
            "mean_objective_of_first": objective}  # fmt: skip


def test_a_faster_solver_counts_only_at_no_higher_objective():
    rows = [
        row("hard", "lbfgs", 128, 1.0, 3.0), row("hard", "lm", 128, 4.0, 2.0), row("hard", "paper", 16, 40.0, 2.0),
        row("sparse", "warm", 128, 1.0, 9.0), row("sparse", "paper", 16, 40.0, 8.0),
    ]  # fmt: skip
    found = _against_paper(rows)
    assert found["hard"]["solver"] == "lm" and found["hard"]["times_less"] == 10
    assert found["sparse"] is None


def test_deepinverse_projects_the_same_image():
    pytest.importorskip("deepinv", exc_type=(ImportError, RuntimeError))
    A = ParallelBeam.full(28)
    x = torch.zeros(2, 1, 28, 28)
    x[..., 8:18, 10:20] = 1.0
    forward, adjoint = peers_module._deepinv_projector(A, x)
    mass = forward().sum((1, 2, 3)) / A.shape_out[0]  # its bins are as wide as a pixel
    assert torch.allclose(mass, torch.full((2,), 100.0), rtol=0.02)
    assert adjoint().shape == x.shape


@pytest.mark.parametrize("library", ["scikit-image", "astra, line", "ODL on astra"])
def test_the_peers_project_the_same_image(library):
    """What is timed is the same transform: total attenuation per view agrees with ours."""
    if library != "scikit-image":
        pytest.importorskip("astra")
    if library.startswith("ODL"):
        pytest.importorskip("odl")
    A = ParallelBeam.full(28)
    x = torch.zeros(1, 1, 28, 28)
    x[..., 8:18, 10:20] = 1.0
    forward, adjoint = peers_module.PROJECTORS[library](A, x[0, 0].numpy(), A(x)[0].numpy())
    bin_width = 1.0 if library == "scikit-image" else A.bin_width
    mass = np.asarray(forward()).sum() * bin_width / (100 * A.shape_out[0])
    assert mass == pytest.approx(1, abs=0.02)
    assert np.asarray(adjoint()).size == 28 * 28


def test_a_peer_that_is_missing_is_named_not_hidden(monkeypatch):
    real = importlib.import_module

    def none(name, *rest):
        if name.split(".")[0] in ("astra", "odl", "deepinv"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(peers_module.importlib, "import_module", none)
    monkeypatch.setattr(peers_module, "SIDES", (28,))
    monkeypatch.setattr(peers_module, "_denoising", lambda add: None)
    monkeypatch.setattr(peers_module, "_inversion", lambda add: None)
    said = []
    found = peers_module.peers(said.append)
    assert found["settings"]["not_installed"] == ["astra, line", "ODL on astra", "DeepInverse"]
    assert {row["library"] for row in found["rows"]} == {"ours", "scikit-image"}
    assert any("not installed" in line for line in said)
