"""Runs in the kernel of a submission: the course's own checks, and whether the notebook has tampered with them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["judge"]

#: What every check rests on.
WATCHED = ("course_utils.checks", "course_utils._budget")


def _state(modules: list[ModuleType]) -> dict[str, tuple[Any, ...]]:
    """What a module's names stand for, and the code and defaults of its functions and methods."""
    found: dict[str, tuple[Any, ...]] = {}

    def note(where: str, value: object) -> None:
        parts: tuple[Any, ...] = (value,)
        if isinstance(value, FunctionType):
            parts += (value.__code__, value.__defaults__, value.__kwdefaults__)
        found[where] = parts

    for module in modules:
        for name, value in vars(module).items():
            if name.startswith("__"):
                continue
            note(f"{module.__name__}.{name}", value)
            if isinstance(value, type) and value.__module__ == module.__name__:
                for inner, part in vars(value).items():
                    note(f"{module.__name__}.{name}.{inner}", part)
    return found


def _changed(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> list[str]:
    """Names that do not stand for the same objects as before."""
    same = {
        name
        for name, parts in before.items()
        if len(parts) == len(after.get(name, ())) and all(a is b for a, b in zip(parts, after[name], strict=True))
    }
    return sorted((before.keys() | after.keys()) - same)


def judge(module: str, token: str) -> Callable[[Callable[[Any], Any]], None]:
    """Remember the checks as they are now; the answer runs one of them and prints what came of it, behind the token.

    Parameters
    ----------
    module : str
        The chapter's checks.
    token : str
        Tells the grader's line from those that a notebook prints.
    """
    checks = importlib.import_module(module)
    modules = [checks, *map(importlib.import_module, WATCHED)]
    verdict = importlib.import_module("course_utils.checks").Verdict
    say, dumps, before = print, json.dumps, _state(modules)

    def graded(call: Callable[[Any], Any]) -> None:
        answer: Any = None
        if not (changed := _changed(before, _state(modules))):
            answer = call(checks)
            changed = _changed(before, _state(modules))
        if changed:
            found = ("tampered", f"the notebook has changed {', '.join(changed[:3])}")
        elif type(answer) is not verdict:
            found = ("tampered", f"the check answered with {type(answer).__name__}")
        else:
            found = ("right" if answer.ok else "not yet", answer.message)
        say(token + dumps(found))

    return graded
