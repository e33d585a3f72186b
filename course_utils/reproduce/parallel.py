"""Jobs through joblib: in this process, in worker processes, in threads, or on a Dask cluster.

joblib and Dask are extras and imported only when asked for.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence

import torch

from .jobs import Job, perform

__all__ = ["BACKENDS", "NotPossible", "execute"]

BACKENDS = ("loky", "threading", "dask")
#: Seconds that a scheduler has to answer, and then its first worker to appear.
CLUSTER_TIMEOUT = 15
_INSTALL = "python -m pip install 'generative-regularisation-course[{extra}]'  (or, in the repository, -e '.[{extra}]')"


class NotPossible(RuntimeError):
    """A run cannot start, or cannot go on: something is missing or not there.  The message says what to do."""


def execute(
    jobs: Sequence[Job],
    workers: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    started: Callable[[Job], None] = lambda job: None,
) -> Iterator[tuple[Job, dict]]:
    """Run jobs and yield each with its outcome as soon as it is finished, in any order.

    Parameters
    ----------
    jobs : sequence of Job
        Those whose experiment says ``alone`` come last, one at a time.
    workers : int
        With 1 the jobs run in this process with all threads of torch; else that many at a time, one thread each.
    backend : "loky" (worker processes), "threading" or "dask"
    scheduler : str, optional
        Address of the Dask scheduler, "tcp://host:8786"; its workers count, not ``workers``.
    started : callable
        Told of each job that is handed out.

    Raises
    ------
    NotPossible
        joblib or Dask is not installed; no scheduler, or no worker, answers.
    """
    if backend == "dask":
        with _cluster(scheduler, {job.experiment.run.__module__ for job in jobs}) as settings:
            yield from _parallel([job for job in jobs if not _alone(job)], -1, settings, started)
            for job in filter(_alone, jobs):
                yield from _parallel([job], -1, settings, started)
        return
    serial, threads = list(jobs), torch.get_num_threads()
    if workers > 1:
        serial = list(filter(_alone, jobs))
        settings = {"backend": backend} | ({"inner_max_num_threads": 1} if backend == "loky" else {})
        yield from _parallel([job for job in jobs if not _alone(job)], workers, settings, started)
        if serial and backend == "loky":
            _release_workers()
    if backend == "threading":  # its threads have set their own
        torch.set_num_threads(threads)
    for job in serial:
        started(job)
        yield job, perform(job, threads=None)


def _alone(job: Job) -> bool:
    return job.experiment.alone(job.task)


def _indexed(index: int, job: Job, parent: int | None) -> tuple[int, dict]:
    if parent is not None:
        _end_with(parent)
    return index, perform(job, threads=1)


@functools.cache
def _end_with(parent: int) -> None:
    """A worker whose parent was killed would finish its job for nobody, beside the run that goes on."""

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _parallel(jobs: list[Job], workers: int, settings: dict, started: Callable) -> Iterator[tuple[Job, dict]]:
    """All at once; should a worker die, those it may have died of run one at a time, so that the culprit is known."""
    _joblib()  # without it nothing was started, and no worker can have died
    waiting, handed = dict(enumerate(jobs)), []
    while waiting:
        try:
            yield from _pass(waiting, list(waiting), workers, settings, started, handed)
        except _deaths():
            suspects = [index for index in handed if index in waiting] or list(waiting)
            handed.clear()
            for index in suspects:
                try:
                    yield from _pass(waiting, [index], workers, settings, started, [])
                except _deaths() as error:
                    reason = f"its worker ended: {str(error).splitlines()[0]}"
                    yield waiting.pop(index), {"error": reason, "traceback": str(error), "seconds": 0.0, "machine": {}}


def _pass(
    waiting: dict, indices: list, workers: int, settings: dict, started: Callable, handed: list
) -> Iterator[tuple[Job, dict]]:
    """Run the jobs of these indices; note the begun ones in ``handed``; finished ones leave ``waiting``."""
    joblib, parent = _joblib(), os.getpid() if settings["backend"] == "loky" else None

    def calls():  # read by joblib when a worker is free, so a job is named when it is handed out
        for index in indices:
            started(waiting[index])
            handed.append(index)
            yield joblib.delayed(_indexed)(index, waiting[index], parent)

    everything = settings["backend"] not in BACKENDS  # the scheduler of a cluster keeps the queue: workers may come
    with warnings.catch_warnings(), joblib.parallel_config(**settings):
        # loky renews workers whose memory grew; nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
        parallel = joblib.Parallel(
            n_jobs=workers, batch_size=1, return_as="generator_unordered",
            pre_dispatch="all" if everything else "n_jobs",
        )  # fmt: skip
        for index, outcome in parallel(calls()):
            yield waiting.pop(index), outcome


def _joblib():
    try:
        import joblib
    except ImportError as error:
        install = _INSTALL.format(extra="train")
        raise NotPossible(f"several jobs at a time need joblib: {install}.  Or run with --jobs 1") from error
    # Idle threads of a worker must sleep, or they slow its neighbours down; inherited by workers not yet started.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return joblib


def _release_workers() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def _deaths() -> tuple[type[BaseException], ...]:
    """What joblib and Dask raise when a worker process is gone."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        from distributed.scheduler import KilledWorker
    except ImportError:
        return (BrokenProcessPool,)
    return BrokenProcessPool, KilledWorker


def _connected(Client, scheduler: str):
    """A client of the scheduler.  Dask asserts that a thread of its own is up after ten seconds; a full machine may
    need longer, so that is tried again."""
    for _ in range(2):
        with contextlib.suppress(AssertionError):
            return Client(scheduler, timeout=CLUSTER_TIMEOUT)
    return Client(scheduler, timeout=CLUSTER_TIMEOUT)


@contextlib.contextmanager
def _cluster(scheduler: str | None, modules: set[str]):
    """Settings for joblib, while a client is connected to a scheduler whose workers can import ``modules``."""
    if not scheduler:
        raise NotPossible("backend dask needs --scheduler ADDRESS, for example tcp://localhost:8786")
    _joblib()
    try:
        from distributed import CancelledError, Client
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise NotPossible(f"backend dask needs Dask: {_INSTALL.format(extra='cluster')}") from error
    try:
        client = _connected(Client, scheduler)
    except (OSError, ValueError, TypeError) as error:
        raise NotPossible(
            f"no Dask scheduler answers at {scheduler} within {CLUSTER_TIMEOUT} s: {type(error).__name__}: {error}"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CLUSTER_TIMEOUT)
        except TimeoutError as error:
            raise NotPossible(
                f"the Dask scheduler at {scheduler} has no worker within {CLUSTER_TIMEOUT} s: start one with\n"
                f"  dask worker {scheduler} --nthreads 1"
            ) from error
        for module in modules:  # a worker that cannot read a job would be given it again and again
            try:
                client.run(exec, f"import {module}")
            except ImportError as error:
                raise NotPossible(f"a worker of the cluster at {scheduler} cannot import {module}: {error}") from error
        try:
            yield {"backend": _backend(client)}
        except (CancelledError, CommClosedError) as error:
            raise NotPossible(f"the scheduler at {scheduler} was lost; finished jobs are stored: {error}") from error


def _backend(client):
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):
        """joblib would run the jobs in this process where the cluster has a single thread."""

        def effective_n_jobs(self, n_jobs):
            return max(2, super().effective_n_jobs(n_jobs))

    return Cluster(client=client)
