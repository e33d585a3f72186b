"""Runs experiments: what is stored is not computed again, what is finished is stored at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from .._files import atomic
from ..provenance import provenance
from ..results import load_result, results_dir, save_result
from .compare import differences
from .experiment import Experiment
from .jobs import Job, Store, as_read, check_plain, jobs_of, runs_dir
from .parallel import NotPossible, execute

__all__ = ["Report", "run_experiments"]

#: Keys of a record that an experiment's own content must leave alone.
RESERVED = {"schema", "name", "settings", "seconds", "provenance", "run", "jobs"}


@dataclass(eq=False)
class Report:
    """What became of one experiment in one run.

    Attributes
    ----------
    experiment : Experiment
    jobs : list of Job
    outcomes : dict
        Job key -> outcome, of those finished without an error, in this run or an earlier one.
    reused : int
        Jobs whose stored result was taken.
    errors : list of str
        One line a failed job, which it names; or why there is no result.
    started, finished : float or None
        Readings of the clock, when the first job was handed out and the last one came back.
    path : Path or None
        Of the results file, once it is complete.
    """

    experiment: Experiment
    jobs: list[Job] = field(default_factory=list)
    outcomes: dict[str, dict] = field(default_factory=dict)
    reused: int = 0
    errors: list[str] = field(default_factory=list)
    started: float | None = None
    finished: float | None = None
    path: Path | None = None

    @property
    def seconds(self) -> float:
        """The sum of the seconds of its finished jobs, in this run or an earlier one."""
        return sum(outcome["seconds"] for outcome in self.outcomes.values())

    @property
    def wall_seconds(self) -> float:
        """From the first job to the last, in this run."""
        return self.finished - self.started if self.finished else 0.0


def run_experiments(
    experiments: Sequence[Experiment],
    workers: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    fresh: bool = False,
    progress: bool = True,
) -> list[Report]:
    """Run the jobs that are not stored yet, and write ``results/<name>.json`` of each experiment that is complete.

    All jobs share the workers, so that none idles at the end of a figure.  A job that fails is reported and the others
    go on; after a kill the same call continues where it stopped.

    Parameters
    ----------
    experiments : sequence of Experiment
    workers, backend, scheduler : see ``execute``
    fresh : bool
        Compute again what is stored.
    progress : bool
        Show a bar with the running jobs; where there is no terminal, one line a finished job.

    Returns
    -------
    list of Report
        In the order of ``experiments``.

    Raises
    ------
    NotPossible
        A folder cannot be written, or ``execute`` says so.
    """
    store = Store(runs_dir())
    for folder in (results_dir(), store.folder):
        _check_writable(folder)
    serial = workers == 1 and backend != "dask"
    how = {"backend": "serial" if serial else backend, "threads_per_job": torch.get_num_threads() if serial else 1}
    how |= {"workers": workers} if backend != "dask" else {}
    commit = provenance()["commit"]

    reports = [_prepare(experiment, store, fresh) for experiment in experiments]
    owner = {job: report for report in reports for job in report.jobs}
    waiting = [job for job, report in owner.items() if job.key not in report.outcomes]
    for report in reports:
        _complete(report, how)
    with _Progress(len(owner), len(owner) - len(waiting), progress) as shown:

        def started(job: Job) -> None:
            owner[job].started = owner[job].started or time.perf_counter()
            shown.started(job)

        for job, outcome in execute(waiting, workers, backend, scheduler, started):
            report = owner[job]
            report.finished = time.perf_counter()
            if "error" in outcome:
                report.errors.append(f"{job.label}: {outcome['error']}")
            else:
                report.outcomes[job.key] = outcome | {"commit": commit}
                store.save(job, report.outcomes[job.key])
            shown.finished(job, outcome)
            _complete(report, how)
    return reports


def _check_writable(folder: Path) -> None:
    try:
        with atomic(folder / ".writable"):
            pass
        (folder / ".writable").unlink()
    except OSError as error:
        raise NotPossible(str(error)) from error


def _prepare(experiment: Experiment, store: Store, fresh: bool) -> Report:
    """Its jobs, and those of their results that are stored and good."""
    report = Report(experiment)
    try:
        report.jobs = jobs_of(experiment)
    except Exception as error:  # of one experiment; the others go on
        report.errors.append(f"{experiment.name}: no tasks: {type(error).__name__}: {error}")
    for job in [] if fresh else report.jobs:
        try:
            stored = store.load(job)
        except ValueError as error:
            print(f"{error}; it is computed again", file=sys.stderr)
            continue
        if stored:
            report.outcomes[job.key] = stored
    report.reused = len(report.outcomes)
    return report


def _complete(report: Report, how: dict) -> None:
    """Write the results file if all jobs are there and it does not say the same already."""
    if not report.jobs or len(report.outcomes) < len(report.jobs):
        return
    experiment, outcomes = report.experiment, [report.outcomes[job.key] for job in report.jobs]
    try:
        content = experiment.collect([job.task for job in report.jobs], [outcome["output"] for outcome in outcomes])
        check_plain(content, experiment.name)
        if taken := RESERVED & set(content):
            raise ValueError(f"the content uses reserved keys: {sorted(taken)}")
    except Exception as error:
        report.errors.append(f"{experiment.name}: collect: {type(error).__name__}: {error}")
        return
    run = how | {
        "wall_seconds": round(report.wall_seconds, 1),
        "computed": len(report.jobs) - report.reused,
        "reused": report.reused,
        "commits": sorted({outcome["commit"] for outcome in outcomes}),
        "processors": sorted({outcome["machine"]["processor"] for outcome in outcomes}),
    }
    jobs = [{"task": job.label, "seconds": report.outcomes[job.key]["seconds"]} for job in report.jobs]
    report.path = results_dir() / f"{experiment.name}.json"
    if report.reused < len(report.jobs) or not report.path.is_file() or not _same_stored(experiment, content):
        save_result(experiment.name, {"run": run, "jobs": jobs} | content, experiment.settings, report.seconds)


def _same_stored(experiment: Experiment, content: dict) -> bool:
    try:
        record = load_result(experiment.name)
    except (FileNotFoundError, ValueError):
        return False
    extra = RESERVED - {"settings"}
    stored = {key: value for key, value in record.items() if key not in extra}
    return not differences(stored, as_read(content | {"settings": experiment.settings}))


class _Progress:
    """A bar with the running jobs; where there is no terminal, one line a finished job."""

    def __init__(self, total: int, done: int, on: bool):
        self.terminal, self.on = sys.stderr.isatty(), on
        self.total, self.done = total, done
        self.bar = tqdm(total=total, initial=done, unit="job", disable=not (on and self.terminal), dynamic_ncols=True)
        self.running: dict[str, None] = {}

    def __enter__(self):
        self.bar.__enter__()
        return self

    def __exit__(self, *error):
        self.bar.__exit__(*error)

    def _names(self) -> None:
        names = [label[:50] for label in list(self.running)]
        self.bar.set_postfix_str(", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else ""))

    def started(self, job: Job) -> None:
        self.running[job.label] = None
        self._names()

    def finished(self, job: Job, outcome: dict) -> None:
        self.running.pop(job.label, None)
        self.done += 1
        if "error" in outcome:
            self.bar.write(f"FAILED {job.label}\n{outcome['traceback']}", file=sys.stderr)
        elif self.on and not self.terminal:
            print(f"{self.done} of {self.total}: {job.label}, {outcome['seconds']:.1f} s", file=sys.stderr, flush=True)
        self._names()
        self.bar.update()
