"""Sweeps, stored results and the full-size experiments (here at a small size)."""

import json
import subprocess

import pytest
import torch
from registry import seeded, tiny

from course_utils import GaussianMatrix, Hard, Identity, Relaxed, Tikhonov, measure, provenance, results
from course_utils.benchmark.compressed_sensing import plain_loop
from course_utils.benchmark.timing import multiplications
from course_utils.chapters.regularisers import compressed_sensing
from course_utils.generators import GeneratorConfig, build
from course_utils.solvers import gradient_descent, objective_of
from course_utils.tuning import geometric, sweep


def test_geometric_runs_both_ways():
    assert geometric(1.0, 0.01, 0.1) == pytest.approx([1.0, 0.1, 0.01])
    assert geometric(1.0, 9.0, 3.0) == pytest.approx([1.0, 3.0, 9.0])
    with pytest.raises(ValueError, match="'factor' must be > 0 and not 1"):
        geometric(1.0, 2.0, 1.0)


def test_sweep_finds_the_best_weight_and_says_when_it_lies_at_the_edge():
    """Denoising of noise around 0 by Tikhonov: the more the better, so the best weight is the greatest."""
    A = Identity(8)
    x = torch.zeros(3, 1, 8, 8)
    x[:, :, 2:4] = 0.2
    y = measure(A, x, 0.5, seeded())
    tried = [0.01, 0.1, 1.0]
    found = sweep(A, y, x, Tikhonov, tried)
    assert found.best == {"lam": 1.0} and found.at_edge() == ["lam"]
    assert found.psnr.shape == (3, 3)
    inside = sweep(A, y, x, Tikhonov, [0.01, 25.0, 1e6])
    assert inside.best == {"lam": 25.0} and inside.at_edge() == []
    with pytest.raises(ValueError, match="'lam' must hold at least 1 number"):
        sweep(A, y, x, Tikhonov, [])


def test_sweep_over_two_weights_keeps_problems_and_weights_together():
    G, A = tiny(), GaussianMatrix(40, 28, seeded()).double()
    x = G.sample(2, seeded(1))
    y, z0 = A(x), G.sample_latent(2, seeded(2))
    found = sweep(A, y, x, lambda lam, mu: Relaxed(G, lam, mu), [0.1, 1.0], [0.5, 2.0], start=z0, max_iter=5)
    assert found.parameters[1] == {"lam": 0.1, "mu": 2.0}
    one = sweep(A, y, x, lambda lam, mu: Relaxed(G, lam, mu), [1.0], [0.5], start=z0, max_iter=5)
    assert torch.allclose(found.psnr[2], one.psnr[0], atol=1e-6)


def test_results_keep_their_provenance(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path))
    results.save_result("demo", {"rows": [1, 2]}, {"seed": 0}, 1.5)
    record = results.load_result("demo")
    assert record["rows"] == [1, 2] and record["settings"] == {"seed": 0}
    assert {"commit", "date", "device", "machine", "versions"} <= set(record["provenance"])
    assert record["provenance"]["commit"] in results.origin(record)
    assert record["provenance"]["device"] in results.origin(record)
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(record | {"schema": 99}))
    with pytest.raises(ValueError, match="has schema 99, this version of the course reads 1"):
        results.load_result("demo")
    path.write_text("{")
    with pytest.raises(ValueError, match="is not valid JSON"):
        results.load_result("demo")
    path.write_text("[1]")
    with pytest.raises(ValueError, match="has schema None"):
        results.load_result("demo")
    with pytest.raises(FileNotFoundError, match="run  python -m course_utils.reproduce nothing"):
        results.load_result("nothing")


def test_the_device_is_the_one_that_computed(monkeypatch):
    processor = provenance.machine()["processor"]
    assert provenance.provenance()["device"] == provenance.provenance("cpu")["device"] == processor
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Some GPU")
    made, on_gpu = provenance.provenance(), provenance.provenance("cuda:0")
    assert made["machine"]["gpu"] == "Some GPU" and made["device"] == processor, "it is there, but was not used"
    assert on_gpu["device"] == provenance.place(on_gpu) == "Some GPU"
    assert processor in provenance.place(made)
    del made["device"]
    assert provenance.place(made) == "Some GPU", "records from before devices were named"


def test_the_commit_is_dirty_when_anything_but_a_result_is_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)

    def git(*arguments):
        identity = ("-c", "user.name=A", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/fig9.json"):
        (tmp_path / name).write_text("old")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    clean = provenance.provenance()["commit"]
    (tmp_path / "results" / "fig9.json").write_text("new")
    assert provenance.provenance()["commit"] == clean and "dirty" not in clean
    (tmp_path / "code.py").write_text("new")
    assert provenance.provenance()["commit"] == f"{clean}-dirty"
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path / "elsewhere")
    assert provenance.provenance()["commit"].startswith("unknown")


def test_a_failed_write_leaves_the_old_result(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path))
    results.save_result("demo", {"rows": [1]}, {}, 1.0)
    with pytest.raises(TypeError):
        results.save_result("demo", {"rows": object()}, {}, 1.0)
    assert results.load_result("demo")["rows"] == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["demo.json"]


@pytest.mark.parametrize("name", ["fig1", "fig9", "benchmark"])
def test_shipped_results_are_complete(name):
    record = results.load_result(name)
    assert record["rows"] and record["seconds"] > 0
    assert record["provenance"]["machine"]["processor"]


def test_fig9_holds_the_papers_table():
    record = results.load_result("fig9")
    names = {(row["generator"], row["method"]) for row in record["rows"]}
    generative = {(g, m) for g in ("ae", "vae", "wgan") for m in ("hard", "relaxed", "sparse")}
    assert names == generative | {("none", "tikhonov"), ("none", "tv")}
    assert all(len(row["psnr"]) == record["settings"]["n_test"] == 100 for row in record["rows"])


@pytest.mark.slow
def test_fig9_runs_small_and_agrees_with_the_stored_rows(monkeypatch):
    """Four test images with the stored weights give the stored numbers: nothing has drifted."""
    stored = {(r["generator"], r["method"]): r for r in results.load_result("fig9")["rows"]}
    pairs = [("none", "tikhonov"), ("none", "tv"), ("vae", "hard"), ("vae", "relaxed"), ("vae", "sparse")]
    monkeypatch.setattr(compressed_sensing, "LAMBDAS", {method: [stored[g, method]["lam"]] for g, method in pairs})
    monkeypatch.setattr(compressed_sensing, "MUS", {m: [stored["vae", m]["mu"]] for m in ("relaxed", "sparse")})
    rows = [
        {"generator": g, "method": m} | compressed_sensing.compressed_sensing_row(g, m, n_val=2, by_paper=False)
        for g, m in pairs
    ]
    for row in rows:
        now, then = torch.tensor(row["psnr"]), torch.tensor(stored[row["generator"], row["method"]]["psnr"])
        assert abs(float(now.median() - then.median())) < 0.3, row["method"]
        assert float(((now - then).abs() < 0.5).float().mean()) > 0.85, row["method"]


def test_plain_loop_is_algorithm_1():
    """The yardstick of the benchmark solves the same problem by the same steps as the library."""
    G, A = tiny(), GaussianMatrix(40, 28, seeded()).double()
    y, z0 = A(G.sample(1, seeded(1))), G.sample_latent(1, seeded(2))
    z, f = plain_loop(A, y, G, 0.01, z0, max_iter=12)
    ours, _ = gradient_descent(objective_of(A, y, Hard(G, 0.01)), z0, max_iter=12)
    assert torch.allclose(z, ours["v"], atol=1e-9) and f == pytest.approx(float(ours["f"]))


def test_multiplications_against_a_count_by_hand():
    G = build(GeneratorConfig("ae", 8), seed=0)
    assert multiplications(G) == 8 * 3136 + 64 * 49 * 32 * 16 + 32 * 196 * 16 * 16 + 16 * 9 * 784


def test_a_commit_is_dirty_if_more_is_changed_than_what_runs_write(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    weights = tmp_path / "course_utils" / "shipped" / "weights"
    files = [tmp_path / "results" / "a.json", weights / "manifest.json", weights / "vae.safetensors"]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before", encoding="utf-8")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    for path in files:
        path.write_text("after", encoding="utf-8")
        assert provenance._commit().endswith("-dirty") == (path == files[-1])
