"""python -m course_utils.reproduce NAME: see the package's docstring."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import textwrap
import time
from pathlib import Path

from .. import _command
from .._files import atomic
from ..results import load_result, origin, results_dir
from . import __doc__ as usage
from .experiment import Experiment
from .jobs import Store, jobs_of, runs_dir
from .parallel import BACKENDS, NotPossible
from .registry import experiments as find
from .runner import Report, run_experiments


def main(arguments: list[str] | None = None, experiments: dict[str, Experiment] | None = None) -> int:
    """The command line; returns the exit status.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    experiments : dict, optional
        Default: those of the course.
    """
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.reproduce",
        description=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="experiments, 'all' or 'list'")
    parser.add_argument("--jobs", type=int, metavar="N", help="jobs at a time (default: one a core)")
    parser.add_argument("--backend", choices=BACKENDS, default="loky", help="of joblib: processes, threads, cluster")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of the Dask cluster, e.g. tcp://localhost:8786")
    parser.add_argument("--fresh", action="store_true", help="compute again what is stored")
    parser.add_argument("--figures", metavar="FOLDER", help="compute nothing: draw stored results, tell their story")
    options = parser.parse_args(arguments)
    known = find() if experiments is None else experiments
    if options.names == ["list"]:
        return _list(known)
    if unknown := [name for name in options.names if name not in (*known, "all")]:
        parser.error(f"unknown: {', '.join(unknown)}; known: all, list, {', '.join(known)}")
    if options.jobs is not None and options.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {options.jobs}")
    if options.scheduler and options.backend != "dask":
        parser.error("--scheduler goes with --backend dask")
    chosen = list(known.values()) if "all" in options.names else [known[n] for n in dict.fromkeys(options.names)]
    if options.figures:
        return _draw(chosen, Path(options.figures))
    began = time.perf_counter()
    try:
        reports = run_experiments(
            chosen, options.jobs or _cores(), options.backend, options.scheduler, fresh=options.fresh
        )
    except NotPossible as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; finished jobs are stored, the same command goes on from here", file=sys.stderr)
        return 130
    return _table(reports, time.perf_counter() - began)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _table(reports: list[Report], wall: float) -> int:
    """What was done; the exit status is 1 if anything failed."""
    width = max(len(report.experiment.name) for report in reports)
    print(f"{'':{width}}  jobs  stored  seconds  from first to last job  result")
    for report in reports:
        size = f" ({report.path.stat().st_size / 1e3:.0f} kB)" if report.path else ""
        complete = f"{report.path.name}{size}" if report.path else f"none: {len(report.errors)} failed"
        times = f"{report.seconds:7.1f}  {report.wall_seconds:22.1f}"
        print(f"{report.experiment.name:{width}}  {len(report.jobs):4}  {report.reused:6}  {times}  {complete}")
    print(f"{sum(r.seconds for r in reports):.0f} s of work, {wall:.0f} s by the clock; results in {results_dir()}")
    errors = [error for report in reports for error in report.errors]
    for error in errors:
        print(f"FAILED {error}", file=sys.stderr)
    if errors:
        print("What finished is stored; the same command runs the failed jobs again.", file=sys.stderr)
    return 1 if errors else 0


def _list(known: dict[str, Experiment]) -> int:
    """Name, title, age and seconds of the result, and how many jobs are stored for the code as it is."""
    store = Store(runs_dir())
    for name, experiment in known.items():
        try:
            record = load_result(name)
            day = datetime.date.fromisoformat(record["provenance"]["date"])
            age = (datetime.date.today() - day).days
            state = f"{record['seconds']:.0f} s, {day} ({age} days old)"
        except FileNotFoundError:
            state = "no result"
        except (ValueError, KeyError) as error:
            state = f"unreadable result: {error}"
        print(f"{name:16} {experiment.title}\n{'':16} {state}; {_stored(experiment, store)}", flush=True)
    return 0


def _stored(experiment: Experiment, store: Store) -> str:
    try:
        jobs = jobs_of(experiment)
    except ValueError as error:
        return f"no tasks ({error})"
    good = 0
    for job in jobs:
        try:
            good += store.load(job) is not None
        except ValueError:
            continue  # named when it is run
    return f"{good} of {len(jobs)} jobs stored"


def _draw(chosen: list[Experiment], folder: Path) -> int:
    """Figures as PNG, stories as text, from the stored records alone."""
    import matplotlib

    matplotlib.use("Agg")
    status = 0
    for experiment in chosen:
        try:
            record = load_result(experiment.name)
            print(f"{experiment.name}: {experiment.title}\n  {origin(record)}")
            figures = {experiment.name: experiment.figure} if experiment.figure else {}
            figures |= {f"{experiment.name}-{name}": draw for name, draw in experiment.more_figures.items()}
            for name, draw in figures.items():
                with atomic(folder / f"{name}.png") as path:
                    draw(record).savefig(path, dpi=120, bbox_inches="tight", format="png")
                print(f"  drawn: {folder / name}.png")
            if experiment.story:
                print(textwrap.indent(textwrap.fill(experiment.story(record), 100), "  "))
        except (FileNotFoundError, PermissionError, ValueError, KeyError) as error:
            status = 1
            print(f"FAILED {experiment.name}: {type(error).__name__}: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    _command.run(main)
