"""One submission in one kernel, cell by cell, within a budget of time."""

from __future__ import annotations

import ast
import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from .assembly import Assembled, Assignment

__all__ = ["Outcome", "run"]

#: What an exercise may come to; only the first gives a point.
RESULTS = ("right", "not yet", "error", "tampered", "not reached")
#: Seconds for the libraries to come in.
LOADING = 300


@dataclass(frozen=True)
class Outcome:
    """What came of an exercise: one of ``RESULTS``, and one line on it."""

    result: str
    message: str


def _call(source: str, judge: str) -> str:
    """The cell that lets the course's checks judge: names are the notebook's, only ``checks`` is ours."""
    return f"{judge}(lambda checks: {ast.unparse(ast.parse(source.strip(), mode='eval').body)})"


def _errors(outputs: list[Any]) -> list[str]:
    """One line for each error among the outputs of a cell."""
    return [" ".join(f"{o['ename']}: {o['evalue']}".split())[:200] for o in outputs if o["output_type"] == "error"]


def run(
    assignment: Assignment, assembled: Assembled, seconds: float = 120, minutes: float = 10, fast: bool = True
) -> dict[int, Outcome]:
    """Run a submission and judge its exercises: number -> outcome, one for every exercise of the chapter.

    Parameters
    ----------
    assignment : Assignment
    assembled : Assembled
    seconds : float
        What one cell may take; after that it is interrupted, and the next one runs.
    minutes : float
        What the whole notebook may take.
    fast : bool
        With the smaller experiments (COURSE_FAST=1).  The checks are the same.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    token = secrets.token_hex(16)
    judge = f"_judge_{secrets.token_hex(8)}"
    begin = (
        f"from course_utils.grade.inside import judge as {judge}\n{judge} = {judge}({assignment.checks!r}, {token!r})"
    )
    sources = [_call(source, judge) if k in assembled.checks else source for k, source in enumerate(assembled.sources)]
    cells = [nbformat.v4.new_code_cell(source) for source in [begin, *sources]]
    found: dict[int, Outcome] = {}
    fault, before, stopped = "", "", ""
    with tempfile.TemporaryDirectory() as empty:
        client = NotebookClient(
            nbformat.v4.new_notebook(cells=cells),
            timeout_func=lambda cell: LOADING if cell is cells[0] else seconds,
            interrupt_on_timeout=True,
            allow_errors=True,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": empty}},
            iopub_timeout=30,
            raise_on_iopub_timeout=False,
        )
        environment = os.environ | {
            "COURSE_FAST": str(int(fast)),
            "OMP_WAIT_POLICY": "PASSIVE",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        end = time.monotonic() + 60 * minutes
        with client.setup_kernel(env=environment):
            for k, cell in enumerate(cells):
                if time.monotonic() > end:
                    stopped = f"the notebook was stopped after {minutes:g} minutes"
                    break
                began = time.monotonic()
                try:
                    client.execute_cell(cell, k)
                except DeadKernelError:
                    stopped = f"the kernel died {time.monotonic() - began:.0f} s into a cell: memory, or an exit"
                    break
                errors = _errors(cell.outputs)
                if errors and errors[0].startswith("KeyboardInterrupt"):
                    errors = [f"stopped after {time.monotonic() - began:.0f} s"]
                if k == 0 and errors:
                    raise RuntimeError(f"the course's checks could not be loaded: {errors[0]}")
                if (number := assembled.checks.get(k - 1)) is None:
                    before = next(iter(errors), before)
                    continue
                text = "".join(
                    o["text"] for o in cell.outputs if o["output_type"] == "stream" and o["name"] == "stdout"
                )
                said = [line.removeprefix(token) for line in text.splitlines() if line.startswith(token)]
                if said:
                    found[number] = Outcome(*json.loads(said[-1]))
                else:
                    fault = next(iter(errors), "the check gave no answer")
                    also = f"; before it: {before}" if before and before != fault else ""
                    found[number] = Outcome("error", fault + also)
                before = ""
    for exercise in assignment.exercises:
        found.setdefault(exercise.number, Outcome("not reached", stopped))
    return found
