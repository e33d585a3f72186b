"""How much a student's function may do, so that a loop without an end ends in a sentence and not in a hang.

Two counters.  Neither is a clock, so the answer does not depend on the machine, and both work on every platform:
signals do not reach a kernel on Windows, and a thread cannot be stopped from outside.

- ``Metered`` counts the calls of a function that a check hands over: most loops of the exercises call one.
- ``limited`` counts the lines of the student's own code, by ``sys.settrace``: a loop that calls nothing ends, too.
"""

from __future__ import annotations

import copy
import functools
import os
import site
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .operators import LinearOperator

__all__ = ["LINES", "Metered", "Overrun", "limited", "metered"]

#: Calls of one function, or of one operator, that a check hands over.  The longest right answers need some hundreds.
CALLS, CALLS_OF_OPERATOR = 4_000, 20_000
#: Lines of the student's own code in one call.  A loop over the pixels of a few small images needs some ten thousand.
LINES = 300_000


class Overrun(BaseException):
    """The budget is spent.  No ``Exception``, because ``except Exception`` in the student's loop must not stop it."""


class Metered:
    """A function that counts its calls and raises ``Overrun`` after ``limit`` of them.

    Attributes
    ----------
    calls : int
    first, last : lists of tuples
        The arguments of the first three and of the last two calls: what changes from one round of a loop to the next?

    Parameters
    ----------
    function : callable
    name : str
        What the student calls it.
    limit : int
    why : callable, optional
        The ``Metered`` -> a clause on the likely reason.

    Example
    -------
    >>> f = Metered(abs, "f", limit=2)
    >>> f(-1), f(-2), f.calls
    (1, 2, 2)
    >>> f(-3)
    Traceback (most recent call last):
    ...
    course_utils._budget.Overrun: it called f more than 2 times, so a loop in it does not come to an end
    """

    def __init__(self, function: Callable, name: str, limit: int = CALLS, why: Callable | None = None) -> None:
        self.function, self.name, self.limit, self.why = function, name, limit, why
        self.calls = 0
        self.first: list[tuple] = []
        self.last: list[tuple] = []

    def __call__(self, *args, **kwargs):
        self.calls += 1
        self.first, self.last = [*self.first, args][:3], [*self.last[-1:], args]
        if self.calls > self.limit:
            reason = self.why(self) if self.why else ""
            raise Overrun(
                f"it called {self.name} more than {self.limit:,} times, so a loop in it does not come to an end"
                + (f"; {reason}" if reason else "")
            )
        return self.function(*args, **kwargs)


def metered(argument, name: str):
    """``argument`` as a check hands it over: functions and operators count their calls, the rest is as it was."""
    if isinstance(argument, LinearOperator):
        counted: Any = copy.copy(argument)  # shares the tensors; the two maps below belong to the copy alone
        counted._forward = Metered(argument._forward, name, CALLS_OF_OPERATOR)
        counted._adjoint = Metered(argument._adjoint, f"{name}.T", CALLS_OF_OPERATOR)
        return counted
    return Metered(argument, name) if callable(argument) and not isinstance(argument, Metered) else argument


@functools.cache
def _libraries() -> tuple[str, ...]:
    """The folders of Python, of what is installed, and of the course: their lines are not the student's."""
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages(), str(Path(__file__).parent)]
    return tuple({os.path.join(os.path.realpath(folder), "") for folder in folders})


@functools.cache
def _own(filename: str) -> bool:
    """Whether code of this file is the student's: a cell, a doctest, a file of their own."""
    return not (filename.startswith("<frozen") or os.path.realpath(filename).startswith(_libraries()))


def limited(function: Callable, *args, lines: int = LINES, **kwargs):
    """``function(*args, **kwargs)``, which may run ``lines`` lines of code outside the libraries.

    Where a trace function is set already, a debugger's, it is left in place and nothing is counted.

    Raises
    ------
    Overrun
        The function ran more lines than that.

    Example
    -------
    >>> def forever():
    ...     while True:
    ...         pass
    >>> limited(forever, lines=1000)
    Traceback (most recent call last):
    ...
    course_utils._budget.Overrun: it ran more than 1,000 lines, so a loop in it does not come to an end
    """
    if sys.gettrace() is not None:
        return function(*args, **kwargs)
    left = lines

    def count(frame, event, arg):
        nonlocal left
        if event == "line":
            left -= 1
            if left < 0:
                raise Overrun(f"it ran more than {lines:,} lines, so a loop in it does not come to an end")
        return count

    def enter(frame, event, arg):
        return count if _own(frame.f_code.co_filename) else None

    sys.settrace(enter)
    try:
        return function(*args, **kwargs)
    finally:
        sys.settrace(None)
