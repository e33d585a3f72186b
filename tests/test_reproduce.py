"""The runner of the experiments: nothing finished is lost, nothing damaged is trusted, every backend says the same."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from needs import needed
from toy_experiments import EXPERIMENTS as TOYS

from course_utils.reproduce import parallel, registry, versions
from course_utils.reproduce.__main__ import main
from course_utils.reproduce.compare import differences
from course_utils.reproduce.experiment import Experiment
from course_utils.reproduce.jobs import Store, check_plain, jobs_of, perform, runs_dir
from course_utils.reproduce.parallel import NotPossible
from course_utils.reproduce.runner import run_experiments
from course_utils.results import load_result

HERE = Path(__file__).parent
joblib_only = pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="joblib is not installed")
#: The command line with the toys for experiments, as a process of its own.
COMMAND = [
    sys.executable, "-c",
    "import sys, toy_experiments as toys; from course_utils.reproduce.__main__ import main;"
    "sys.exit(main(sys.argv[1:], toys.EXPERIMENTS))",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Results, jobs and the log of what was computed, away from the real ones; visible to subprocesses."""
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def log() -> list[str]:
    """What was computed, "draws 3", in order."""
    path = Path(os.environ["TOY_LOG"])
    return [line.rsplit(" ", 1)[0] for line in path.read_text().splitlines()] if path.is_file() else []


def processes() -> set[int]:
    return {int(line.rsplit(" ", 1)[1]) for line in Path(os.environ["TOY_LOG"]).read_text().splitlines()}


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and was not collected yet does not."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError) as error:
        return isinstance(error, FileNotFoundError) and not Path("/proc/self").exists()  # not Linux: os.kill knows


def wait_until(condition, seconds: float = 60.0, process=None) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"it ended too soon, with {process.poll()}"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def run(*names: str, **settings) -> list:
    return run_experiments([TOYS[name] for name in names], progress=False, **settings)


def serial_record(name: str) -> dict:
    """The record of a serial run with one thread of torch, which is what workers have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run(name, fresh=True)
    finally:
        torch.set_num_threads(before)
    return load_result(name)


# ----------------------------------------------------------------------------------------------- the record


def test_a_record_holds_rows_settings_provenance_and_the_seconds_of_every_job():
    (report,) = run("fig2")
    record = load_result("fig2")
    assert report.path.name == "fig2.json" and not report.errors
    assert [row["seed"] for row in record["rows"]] == list(range(6))
    assert record["rows"][2]["pair"] == [2, 3] and record["settings"] == {"size": 50}
    assert [job["task"] for job in record["jobs"]] == [f"fig2 seed={seed}" for seed in range(6)]
    assert record["seconds"] == pytest.approx(sum(job["seconds"] for job in record["jobs"]), abs=0.06)
    assert record["run"]["backend"] == "serial" and record["run"]["computed"] == 6
    assert record["run"]["commits"] == [record["provenance"]["commit"]]
    assert {"date", "device", "machine", "versions"} <= set(record["provenance"])


def test_a_second_run_computes_nothing_and_leaves_the_file_alone(folders):
    run("fig2")
    before = (folders / "results/fig2.json").read_bytes()
    (report,) = run("fig2")
    assert report.reused == 6 and report.path and len(log()) == 6
    assert (folders / "results/fig2.json").read_bytes() == before
    (folders / "results/fig2.json").unlink()
    run("fig2")
    assert not differences(load_result("fig2"), json.loads(before)) and len(log()) == 6
    run("fig2", fresh=True)
    assert len(log()) == 12


def test_a_results_file_that_says_something_else_is_replaced(folders):
    run("fig2")
    record = load_result("fig2")
    record["rows"][0]["norm"] += 1.0
    (folders / "results/fig2.json").write_text(json.dumps(record))
    run("fig2")
    assert load_result("fig2")["rows"][0]["norm"] == pytest.approx(record["rows"][0]["norm"] - 1.0) and len(log()) == 6


def test_differences_ignore_times_and_provenance_only():
    first = {"rows": [{"psnr": 20.0, "ms_per_image": 3.0}], "seconds": 1.0, "provenance": {"commit": "a"}, "m": True}
    assert not differences(first, first | {"seconds": 2.0, "provenance": {"commit": "b"}, "run": {}})
    assert differences(first, first | {"m": 1}) == ["record.m: True and 1"]
    assert differences(first, {"rows": [], "m": True}) == ["record.rows: 1 and 0 entries"]
    assert differences({"a": 1}, {"b": 1}) == ["record.a: only in one of them", "record.b: only in one of them"]
    assert differences({"a": 1.0}, {"a": 1.01}) and not differences({"a": 1.0}, {"a": 1.01}, tolerance=0.02)
    assert differences({"a": {"run": 1}}, {"a": {"run": 2}}) == ["record.a.run: 1 and 2"]


# ------------------------------------------------------------------------------------------- stored jobs


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=joblib_only)])
@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(jobs, folders):
    """SIGKILL in the middle: what was finished is there, is not computed again, and the record is that of one run."""
    victim = subprocess.Popen([*COMMAND, "slow", "--jobs", str(jobs)], stderr=subprocess.DEVNULL)
    stored = folders / "runs/reproduce/slow"
    try:
        wait_until(lambda: len(list(stored.glob("[!.]*.json"))) >= 3, process=victim)
    finally:
        victim.send_signal(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
    kept = len(list(stored.glob("[!.]*.json")))
    assert 3 <= kept < 8 and not (folders / "results/slow.json").is_file()
    wait_until(lambda: not any(map(alive, processes())), seconds=10)
    finished = {json.loads(path.read_text())["task"]["seed"] for path in stored.glob("[!.]*.json")}
    before = len(log())
    assert before <= kept + jobs, "nothing but what was running is lost"
    (report,) = run("slow")
    again = {int(line.split()[1]) for line in log()[before:]}
    assert report.reused == kept and again == set(range(8)) - finished and len(log()) == before + 8 - kept
    assert not differences(load_result("slow"), serial_record("slow"), tolerance=1e-6)


def test_damaged_jobs_are_named_and_computed_again(folders, capsys):
    run("fig2")
    good = load_result("fig2")
    jobs = jobs_of(TOYS["fig2"])
    paths = [Store(runs_dir()).path(job) for job in jobs]
    altered = json.loads(paths[0].read_text())
    altered["output"]["norm"] += 1e-3
    paths[0].write_text(json.dumps(altered))
    paths[1].write_text(paths[1].read_text()[:-30])
    paths[2].write_text("[]")
    paths[3].write_text(paths[4].read_text())  # of another task
    (report,) = run("fig2")
    said = capsys.readouterr().err
    assert report.reused == 2 and not report.errors
    assert all(f"{path} is " in said for path in paths[:4]) and said.count("it is computed again") == 4
    assert log()[6:] == [f"draws {seed}" for seed in range(4)]
    assert not differences(load_result("fig2"), good)
    assert all(Store(runs_dir()).load(job) for job in jobs)


def test_settings_code_and_weights_decide_whether_a_stored_job_still_holds(folders, monkeypatch):
    store = Store(runs_dir())
    run("fig2")
    toy = TOYS["fig2"]
    job = jobs_of(toy)[0]
    assert store.load(job)
    other = Experiment(toy.name, toy.title, toy.tasks, toy.run, {"size": 51})
    assert store.load(jobs_of(other)[0]) is None
    for part, value in (("code", "0"), ("libraries", {"torch": "1.0"})):
        with monkeypatch.context() as patch:
            patch.setattr(versions, f"_{part}", lambda *_, value=value: value)
            assert store.load(jobs_of(toy)[0]) is None, part
    files = versions._files()
    monkeypatch.setattr(versions, "_files", lambda: files | {"one-more": "77"})
    assert store.load(jobs_of(toy)[0]), "a model more does no harm"
    monkeypatch.setattr(versions, "_files", lambda: files | {"vae-mnist-8": "77"})
    assert store.load(jobs_of(toy)[0]) is None, "other weights"


# --------------------------------------------------------------------------------------- failing and bad jobs


def test_a_failing_job_is_named_and_the_others_are_kept(capsys):
    assert main(["failing", "fig2", "--jobs", "1"], TOYS) == 1
    said = capsys.readouterr()
    assert "FAILED failing seed=2: ArithmeticError: seed 2 does not converge" in said.err
    assert "none: 1 failed" in said.out and "fig2.json" in said.out
    assert load_result("fig2")
    with pytest.raises(FileNotFoundError):
        load_result("failing")
    (report,) = run("failing")
    assert report.reused == 1 and len(report.errors) == 1


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"a": torch.ones(1)}, TypeError, r"output.a is of type Tensor"),
        ({"a": [1.0, float("inf")]}, ValueError, r"output.a\[1\] is inf; results hold finite numbers"),
        ({"a": {1: 2}}, TypeError, r"output.a has the key 1; keys must be text"),
        ({"a": torch.ones(1).numpy()[0]}, TypeError, r"output.a is of type float32"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        check_plain(value, "output")


def test_bad_experiments_are_named_and_the_others_go_on():
    draws = TOYS["fig2"].run

    def broken():
        raise FileNotFoundError("no such model")

    bad = {
        "empty": Experiment("empty", "", lambda: [], draws, {}),
        "twice": Experiment("twice", "", lambda: [{"seed": 1}, {"seed": 1}], draws, {}),
        "broken": Experiment("broken", "", broken, draws, {}),
        "reserved": Experiment("reserved", "", lambda: [{"seed": 1}], draws, {}, lambda tasks, outputs: {"run": 1}),
        "local": Experiment("local", "", lambda: [{"seed": 1}], draws, {"size": torch.ones(1)}),
        "nan": TOYS["nan"],
    }
    *reports, good = run_experiments([*bad.values(), TOYS["fig2"]], progress=False)
    assert good.path and load_result("fig2")
    said = dict(zip(bad, ["; ".join(report.errors) for report in reports], strict=True))
    assert "there are no tasks" in said["empty"] and "two of its tasks are the same" in said["twice"]
    assert "FileNotFoundError: no such model" in said["broken"] and "reserved keys: ['run']" in said["reserved"]
    assert "settings.size is of type Tensor" in said["local"] and "output.psnr[1] is nan" in said["nan"]
    assert not any(report.path for report in reports)


def test_a_worker_of_another_version_computes_nothing(monkeypatch):
    job = jobs_of(TOYS["fig2"])[0]
    monkeypatch.setattr(versions, "_code", lambda *_: "0")
    outcome = perform(job, threads=1)
    assert "would not compute the same: other code of the course" in outcome["error"] and not log()


def test_a_job_sets_and_restores_the_threads_of_torch_and_prints_nothing(capsys):
    before = torch.get_num_threads()
    job = jobs_of(TOYS["alone"])[0]
    assert perform(job, threads=before + 2)["output"]["threads"] == before + 2
    assert torch.get_num_threads() == before and capsys.readouterr().out == ""


# ----------------------------------------------------------------------------------------------- backends


@joblib_only
@pytest.mark.slow
def test_threads_and_processes_say_what_one_process_says():
    """One pool of two processes for all that needs one: equal records, a job alone, a job that kills its worker."""
    expected = serial_record("fig2")
    for backend in ("threading", "loky"):
        run("fig2", workers=2, backend=backend, fresh=True)
        record = load_result("fig2")
        assert not differences(record, expected), backend
        assert record["run"]["backend"] == backend and record["run"]["workers"] == 2
    assert os.getpid() in processes() and len(processes()) > 1

    deadly, alone = run("deadly", "alone", workers=2)
    assert [error.split(":")[0] for error in deadly.errors] == ["deadly seed=3"] and len(deadly.outcomes) == 2
    rows = load_result("alone")["rows"]
    assert log()[-1] == "big True", "it waits until the others are finished"
    assert [row["process"] == os.getpid() for row in rows] == [True, False, False, False]
    assert [row["threads"] for row in rows] == [torch.get_num_threads(), 1, 1, 1]
    assert not alone.errors


def test_without_joblib_several_jobs_are_refused_and_one_at_a_time_runs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert main(["fig2", "--jobs", "2"], TOYS) == 1
    said = capsys.readouterr().err
    assert "generative-regularisation-course[train]" in said and "--jobs 1" in said
    assert main(["fig2", "--jobs", "1"], TOYS) == 0


def test_a_cluster_that_is_not_there_is_one_clear_error(monkeypatch, capsys):
    needed("distributed")
    monkeypatch.setattr(parallel, "CLUSTER_TIMEOUT", 1)
    assert main(["fig2", "--backend", "dask"], TOYS) == 1
    assert "needs --scheduler ADDRESS" in capsys.readouterr().err
    assert main(["fig2", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"], TOYS) == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:1 within 1 s" in capsys.readouterr().err
    assert main(["fig2", "--backend", "dask", "--scheduler", "nowhere"], TOYS) == 1
    assert "no Dask scheduler answers at nowhere" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["fig2", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"], TOYS) == 1
    assert "generative-regularisation-course[cluster]" in capsys.readouterr().err
    assert not log()


@pytest.mark.parametrize("late", [2, 3])
def test_a_client_whose_thread_comes_late_is_tried_twice_more(late):
    calls = []

    def client(scheduler, timeout):
        calls.append(scheduler)
        assert len(calls) > late, "its thread is not up yet"
        return "connected"

    if late == 2:
        assert parallel._connected(client, "tcp://here") == "connected"
    else:
        with pytest.raises(AssertionError):
            parallel._connected(client, "tcp://here")
    assert calls == ["tcp://here"] * 3


@contextlib.contextmanager
def cluster(folder: Path, workers: int):
    """A Dask scheduler and its workers as processes of their own: (address, workers); all are gone afterwards."""
    address_file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    flags = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(address_file)]
    with open(folder / "dask.log", "w") as noise, contextlib.ExitStack() as stack:

        def start(command):
            process = subprocess.Popen(command, cwd=folder, stdout=noise, stderr=noise)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        scheduler = start(dask + flags)
        wait_until(lambda: address_file.is_file() and address_file.read_text().strip().endswith("}"), process=scheduler)
        address = json.loads(address_file.read_text())["address"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        yield address, [start([*worker, "--no-dashboard", "--host", "127.0.0.1"]) for _ in range(workers)]


@pytest.mark.slow
def test_a_cluster_loses_a_worker_half_way_and_the_record_is_the_serial_one(folders):
    needed("distributed")
    expected = serial_record("slow")
    before = len(log())
    Path(os.environ["TOY_LOG"]).write_text("")
    with cluster(folders, workers=2) as (address, workers):
        from distributed import Client

        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        command = [*COMMAND, "slow", "--fresh", "--backend", "dask", "--scheduler", address]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: workers[1].pid in processes() and len(log()) >= 3, process=running)
        workers[1].send_signal(signal.SIGKILL)
        done = len(log())
        out, err = running.communicate(timeout=100)
        assert running.returncode == 0, out + err
        assert before == 8 and done < 8, "it was killed half-way"
        assert processes() == {worker.pid for worker in workers}, "both worked, and nobody else"
        assert set(log()) == {f"draws {seed}" for seed in range(8)}
    record = load_result("slow")
    assert record["run"]["backend"] == "dask" and record["run"]["computed"] == 8
    assert not differences(record, expected)


@pytest.mark.slow
def test_a_cluster_of_one_thread_computes_and_one_without_the_module_says_so(folders, monkeypatch, capsys):
    needed("distributed")
    monkeypatch.setattr(parallel, "CLUSTER_TIMEOUT", 30)
    with cluster(folders, workers=1) as (address, workers):
        assert main(["fig2", "--backend", "dask", "--scheduler", address], TOYS) == 0
        assert processes() == {workers[0].pid}
        stranger = Experiment("stranger", "", lambda: [{"seed": 1}], differences, {})
        monkeypatch.setattr(differences, "__module__", "not_on_the_cluster")
        monkeypatch.setattr(versions, "_code", lambda *_: "0")
        with pytest.raises(NotPossible, match="cannot import not_on_the_cluster"):
            run_experiments([stranger], backend="dask", scheduler=address, progress=False)


# -------------------------------------------------------------------------------------- the command line


def test_unknown_names_and_bad_options_are_refused_with_what_is_known(capsys):
    for arguments, message in (
        (["fig12"], "unknown: fig12; known: all, list, fig2, slow"),
        (["fig2", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["fig2", "--scheduler", "tcp://x:1"], "--scheduler goes with --backend dask"),
        (["fig2", "--backend", "ray"], "invalid choice: 'ray'"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments, TOYS)
        assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not log()


@pytest.mark.parametrize("variable", ["COURSE_RESULTS", "COURSE_RUNS"])
def test_a_folder_that_cannot_be_written_is_found_before_anything_is_computed(variable, folders, monkeypatch, capsys):
    (folders / "a-file").write_text("")
    monkeypatch.setenv(variable, str(folders / "a-file" / "results"))
    assert main(["fig2", "--jobs", "1"], TOYS) == 1
    assert f"cannot write into {folders / 'a-file' / 'results'}" in capsys.readouterr().err and not log()


def test_list_says_what_is_there(folders, capsys):
    main(["fig2", "--jobs", "1"], TOYS)
    capsys.readouterr()
    (folders / "results/slow.json").write_text("{")
    assert main(["list"], TOYS) == 0
    said = capsys.readouterr().out
    assert re.search(r"fig2 +six draws\n +0 s, \d{4}-\d\d-\d\d \(0 days old\); 6 of 6 jobs stored", said)
    assert re.search(r"slow .*\n +unreadable result: .*not valid JSON.*; 0 of 8 jobs stored", said)
    assert re.search(r"nan .*\n +no result; 0 of 1 jobs stored", said)


def test_figures_and_stories_come_from_the_stored_records_alone(folders, capsys):
    main(["fig2", "--jobs", "1"], TOYS)
    computed = len(log())
    assert main(["fig2", "--figures", str(folders / "pictures")], TOYS) == 0
    said = capsys.readouterr().out
    assert "6 norms." in said and "computed 2" in said and len(log()) == computed
    assert (folders / "pictures/fig2.png").read_bytes().startswith(b"\x89PNG")
    assert main(["slow", "--figures", str(folders / "pictures")], TOYS) == 1
    assert "run  python -m course_utils.reproduce slow" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("course_utils.reproduce.__main__.run_experiments", stop)
    assert main(["fig2"], TOYS) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


# ------------------------------------------------------------------------------ the experiments of the course


def test_the_course_has_every_figure_of_the_paper_in_its_order():
    found = registry.experiments()
    assert [name for name in found if name.startswith("fig")] == [f"fig{n}" for n in range(1, 13)]
    assert list(found)[:12] == [f"fig{n}" for n in range(1, 13)]


@pytest.mark.slow
def test_every_experiment_of_the_course_has_jobs_that_other_processes_can_run():
    pickle = needed("cloudpickle")
    for experiment in registry.experiments().values():
        jobs = jobs_of(experiment)
        assert jobs and experiment.title and experiment.figure and experiment.story, experiment.name
        assert len({job.label for job in jobs}) == len(jobs), f"{experiment.name}: labels name jobs"
        module = importlib.import_module(experiment.run.__module__)
        assert getattr(module, experiment.run.__name__) is experiment.run, "at module level"
        assert pickle.loads(pickle.dumps(jobs[0])).key == jobs[0].key
