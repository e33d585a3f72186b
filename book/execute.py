"""Run the chapters, once each, in a fresh kernel without a network; the book, the slides and the tests read that run.

A chapter that was run before is not run again until its text, the library, the stored results, the installed versions
or this script change.  Errors stop the build, also those that a widget's callback hides in its output.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import nbformat
import zmq
from filelock import FileLock
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget

from course_utils._files import REPOSITORY, atomic, write_json
from course_utils.notebooks import generate
from course_utils.provenance import provenance

#: What decides what a chapter shows, beside its own text.
INPUTS = ("course_utils", "results", "book/execute.py", "book/watch.py")
PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "ipywidgets", "pot", "scikit-image", "ipykernel", "nbclient")
#: Seconds for one cell; a hanging kernel must not hang the build for ever.
LONGEST_CELL = 900
#: Runs first in the kernel; after the last cell it reports the peak memory and what the checks answered.
WATCH = Path(__file__).with_name("watch.py")
REPORT = "print(__course_report__())"


class ChapterError(RuntimeError):
    """A chapter did not run cleanly."""


class WakefulOutput(OutputWidget):
    """nbclient's stand-in for an Output widget, which tells the kernel's widget what it shows.

    It sends that behind the back of the event loop, on the socket on which nbclient waits for the end of the cell.
    An end that arrives at that moment wakes nobody (nbclient, issue 312); a look at the socket does.
    """

    def send(self, data=None, metadata=None, buffers=None) -> None:
        super().send(data, metadata, buffers)
        self.kernel_client.shell_channel.socket.get(zmq.EVENTS)


def library_digest(folder: Path = REPOSITORY) -> str:
    """SHA-256 over every file that all chapters share, and over the versions they run with."""
    digest = hashlib.sha256()
    for name in INPUTS:
        for path in sorted([folder / name, *(folder / name).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    digest.update(json.dumps(versions, sort_keys=True).encode())
    return digest.hexdigest()


def chapter_digest(notebook, library: str, fast: bool) -> str:
    """What a finished run is known by."""
    return hashlib.sha256(f"{nbformat.writes(notebook)}\0{library}\0{fast}".encode()).hexdigest()


def problems(notebook) -> list[str]:
    """Errors that an executed notebook holds: in outputs, in text on stderr, and inside Output widgets."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            where = f"cell {number} ({cell.source.strip()[-60:]!r})"
            found += [f"{where}: {line}" for line in _errors(cell.get("outputs", []))]
    for identity, model in _widget_state(notebook).items():
        state = model.get("state", {})
        where = f"{model.get('model_name')} {identity[:8]}"
        found += [f"{where}: {line}" for line in _errors(state.get("outputs") or [])]
        # an explorer says in this place what went wrong in its callback
        if "explorer-problem" in state.get("_dom_classes", []) and state.get("value"):
            found.append(f"{where}: {state['value']}")
    return found


def _widget_state(notebook) -> dict:
    widgets = notebook.metadata.get("widgets", {})
    return widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})


def _errors(outputs) -> list[str]:
    """One line for each output that is an error or shows one."""
    lines = []
    for output in outputs:
        if output["output_type"] == "error":
            lines.append(f"{output['ename']}: {output['evalue']}")
        elif output["output_type"] == "stream" and (output["name"] == "stderr" or _TRACEBACK in output["text"]):
            lines.append(f"{output['name']}: {output['text'].strip()[-300:]}")
        else:
            texts = [str(text) for mime, text in output.get("data", {}).items() if mime.startswith("text/")]
            lines += [text[-300:] for text in texts if _TRACEBACK in text]
    return lines


_TRACEBACK = "Traceback (most recent call last)"


def closed(folder: Path) -> dict[str, str]:
    """Environment of a kernel that has the shipped data only: no network, no cache, no user's settings.

    Parameters
    ----------
    folder : Path
        An empty one for what the kernel reads and writes beside its work.
    """
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    shutil.copyfile(WATCH, startup / "00-watch.py")
    nowhere = "http://127.0.0.1:9"  # for programs that a cell might start
    return os.environ | {
        "COURSE_CACHE": str(folder / "cache"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **{name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")},
        "NO_PROXY": "127.0.0.1,localhost",
    }


def run(notebook, fast: bool = False, environment: Mapping[str, str] = MappingProxyType({})) -> dict:
    """Execute a notebook in place, in an empty folder.

    Parameters
    ----------
    notebook : NotebookNode
    fast : bool
        With COURSE_FAST=1.
    environment : dict of str -> str
        For the kernel, before what stands there.

    Returns
    -------
    dict
        ``seconds``; ``cells``, the seconds of each code cell; ``peak_bytes``; and ``checks``, one entry for each
        call of a check: the index of its ``cell``, its ``name``, and whether it ``accepted``.

    Raises
    ------
    ChapterError
        A cell, a callback or a stream holds an error; the message says which.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name) / "empty"
        empty.mkdir()
        settings = closed(Path(name)) | {
            "COURSE_PAGE": "1",  # explorers answer with HTML that needs no kernel
            "COURSE_FAST": "1" if fast else "0",
            **environment,
        }
        client = NotebookClient(
            notebook,
            timeout=LONGEST_CELL,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # newer kernels warn of TCP each time
            resources={"metadata": {"path": str(empty)}},
            store_widget_state=True,
        )
        client.widget_registry = {"@jupyter-widgets/output": {"OutputModel": WakefulOutput}}
        start, cells, began = time.monotonic(), [], [0.0]
        client.on_cell_execute = lambda **_: began.__setitem__(0, time.monotonic())
        client.on_cell_executed = lambda **_: cells.append(round(time.monotonic() - began[0], 2))
        try:
            client.execute(env=settings)
        except Exception as error:  # a dead kernel, a timeout, an exception in a cell: all say where
            raise ChapterError(str(error)) from error
        seconds = time.monotonic() - start
    report = json.loads(notebook.cells.pop().outputs[0]["text"])
    if found := problems(notebook):
        raise ChapterError("\n".join(found))
    code = [k for k, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    if report["sources"] != [notebook.cells[k].source for k in code]:
        raise ChapterError("the kernel ran other cells than those of the chapter")
    checks = [{"cell": code[k], "name": name, "accepted": yes} for k, name, yes in report["answers"]]
    return {"seconds": round(seconds, 1), "cells": cells[:-1], "peak_bytes": report["peak_bytes"], "checks": checks}


def execute(text: Path, folder: Path, library: str, fast: bool = False) -> Path:
    """The executed notebook of a chapter, in ``folder``, run now only if it has to be.

    Beside it lies ``NN-slug.json``: what it was made from, when, on which machine, and how long it took.

    Raises
    ------
    ChapterError
        The chapter did not run cleanly; nothing is kept of that run.
    """
    notebook = generate(text)
    target, note = folder / f"{text.stem}.ipynb", folder / f"{text.stem}.json"
    digest = chapter_digest(notebook, library, fast)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{text.stem}.lock"):  # of several processes that want it, one runs it
        if target.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8"))["digest"] == digest:
            print(f"{text.stem}: as it was", flush=True)
            return target
        print(f"{text.stem}: running ... ", end="", flush=True)
        try:
            record = run(notebook, fast)
        except ChapterError as error:
            print("failed", flush=True)
            raise ChapterError(f"{text.name}: {error}") from error
        print(f"{record['seconds']:.0f} s, {(record['peak_bytes'] or 0) / 1e9:.2f} GB", flush=True)
        with atomic(target) as temporary:
            nbformat.write(notebook, temporary)
        # the note comes last: without it the notebook counts as not run
        write_json(note, {"digest": digest, "fast": fast, **record, "provenance": provenance()})
    return target
