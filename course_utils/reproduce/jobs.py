"""Jobs of experiments: what identifies one, how it is run in a worker, how its result is stored and trusted again."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import math
import os
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from .._files import read_json, workplace, write_json
from ..provenance import machine
from .experiment import Experiment
from .versions import conflicts, environment

__all__ = ["Job", "Store", "as_read", "check_plain", "jobs_of", "perform", "runs_dir"]

SCHEMA = 1


def runs_dir() -> Path:
    """Where finished jobs lie: ``reproduce/`` in ``$COURSE_RUNS``, or in ``runs/`` of ``workplace()``."""
    return Path(os.environ.get("COURSE_RUNS") or workplace() / "runs") / "reproduce"


def check_plain(value, where: str) -> None:
    """Refuse what a JSON file cannot hold or would change: tensors, tuples as keys, NaN.

    Raises
    ------
    TypeError, ValueError
        The message names the place in ``value``.

    Example
    -------
    >>> check_plain({"psnr": [1.0, float("nan")]}, "output")
    Traceback (most recent call last):
    ValueError: output.psnr[1] is nan; results hold finite numbers (None where there is none)
    """
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}; keys must be text")
            check_plain(entry, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            check_plain(entry, f"{where}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; results hold finite numbers (None where there is none)")
    elif not (value is None or type(value) in (str, bool, int, float)):
        raise TypeError(f"{where} is of type {type(value).__name__}; results hold plain numbers, text, lists, dicts")


def _text(value) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def as_read(value):
    """Plain values as a JSON file gives them back: tuples are lists."""
    return json.loads(_text(value))


def digest(value) -> str:
    """SHA-256 of plain values, the same for equal ones."""
    return hashlib.sha256(_text(value).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Job:
    """One task of an experiment, in the environment (code, libraries, files) it is to run in."""

    experiment: Experiment
    task: dict
    environment: dict

    @functools.cached_property
    def key(self) -> str:
        """Digest of task, settings, code and libraries: equal keys mean equal results."""
        parts = {"task": self.task, "settings": self.experiment.settings}
        parts |= {name: self.environment[name] for name in ("code", "libraries")}
        return digest(parts)[:24]

    @property
    def label(self) -> str:
        """For people: ``fig9 generator=vae methods=hard,relaxed``."""
        words = [f"{key}={_short(value)}" for key, value in self.task.items()]
        return " ".join([self.experiment.name, *words])[:120]


def _short(value) -> str:
    if isinstance(value, (list, tuple, dict)):
        return ",".join(str(entry) for entry in list(value)[:4]) + (",..." if len(value) > 4 else "")
    return str(value)


def jobs_of(experiment: Experiment) -> list[Job]:
    """The jobs of an experiment and of those that join it, tasks and settings checked."""
    return [job for part in (experiment, *experiment.parts) for job in _jobs_of(part)]


def _jobs_of(experiment: Experiment) -> list[Job]:
    tasks, found = experiment.tasks(), environment(experiment)
    if not tasks:
        raise ValueError(f"{experiment.name}: there are no tasks")
    check_plain(tasks, f"{experiment.name}: tasks")
    check_plain(experiment.settings, f"{experiment.name}: settings")
    jobs = [Job(experiment, task, found) for task in tasks]
    if len({job.key for job in jobs}) < len(jobs):
        raise ValueError(f"{experiment.name}: two of its tasks are the same")
    return jobs


def perform(job: Job, threads: int | None) -> dict:
    """Run a job here and now; an error becomes part of the outcome, so that other jobs go on.

    Parameters
    ----------
    job : Job
    threads : int or None
        For torch; None leaves them as they are.

    Returns
    -------
    dict
        "seconds", "machine", and either "output" or "error" (one line) with "traceback".
    """
    before, started, outcome = torch.get_num_threads(), time.perf_counter(), {}
    # Two threads of one process share sys.stdout and the number of threads: there, let jobs print, and change it once.
    owner = threading.current_thread() is threading.main_thread()
    try:
        if wrong := conflicts(job.environment, environment(job.experiment)):
            raise RuntimeError(f"this worker would not compute the same: {', '.join(wrong)}")
        torch.set_num_threads(threads or before)
        started = time.perf_counter()  # the first check in a process takes a second
        with contextlib.redirect_stdout(io.StringIO()) if owner else contextlib.nullcontext():
            output = job.experiment.run(**job.task)
        if not isinstance(output, dict):
            raise TypeError(f"run must return a dict, got {type(output).__name__}")
        check_plain(output, "output")
        outcome["output"] = as_read(output)
    except Exception as error:
        outcome |= {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    finally:
        if owner:
            torch.set_num_threads(before)
    return outcome | {"seconds": round(time.perf_counter() - started, 2), "machine": machine()}


class Store:
    """Finished jobs, one file each, written whole or not at all: ``<folder>/<experiment>/<key>.json``."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, job: Job) -> Path:
        """Where the result of a job is, or will be."""
        return self.folder / job.experiment.name / f"{job.key}.json"

    def save(self, job: Job, outcome: dict) -> None:
        """Store a finished job with a digest of its output."""
        files = job.environment["files"]
        kept = {name: outcome[name] for name in ("output", "seconds", "machine", "commit")}
        head = {"schema": SCHEMA, "task": job.task, "files": files, "sha256": digest(kept["output"])}
        write_json(self.path(job), head | kept)

    def load(self, job: Job) -> dict | None:
        """The stored outcome of a job; None if there is none, or none that still holds.

        Raises
        ------
        ValueError
            The file is damaged; the message names it.
        """
        path = self.path(job)
        if not path.is_file():
            return None
        stored = read_json(path)
        try:
            whole = stored["schema"] == SCHEMA and stored["sha256"] == digest(stored["output"])
            whole = whole and stored["task"] == as_read(job.task) and stored["seconds"] >= 0
            current = not conflicts(job.environment | {"files": stored["files"]}, job.environment)
            found = {name: stored[name] for name in ("output", "seconds", "machine", "commit")}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {type(error).__name__} {error}") from error
        if not whole:
            raise ValueError(f"{path} is damaged or altered: its digest, task or schema is not the expected one")
        return found if current else None
