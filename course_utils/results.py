"""Stored results: numbers with their provenance, in ``results/`` of the repository and inside an installed wheel.

A chapter that cannot compute a number within its minute loads it from here, and says where it came from.
"""

from __future__ import annotations

import os
from pathlib import Path

from ._check import check_kind, check_nonnegative, check_text
from ._files import SHIPPED, read_json, workplace, write_json
from .provenance import place, provenance

__all__ = ["load_result", "origin", "results_dir", "save_result"]

SCHEMA = 1


#: Where a wheel has the records of the repository; ``setup.py`` puts them there.
PACKED = SHIPPED / "results"


def results_dir() -> Path:
    """Where results are written: ``$COURSE_RESULTS``, or ``results/`` of the repository or of the current folder."""
    return Path(os.environ.get("COURSE_RESULTS") or workplace() / "results")


def save_result(name: str, content: dict, settings: dict, seconds: float) -> Path:
    """Store ``content`` with settings, run time and provenance as ``results/<name>.json``."""
    check_text("name", name)
    for what, value in (("content", content), ("settings", settings)):
        check_kind(what, value, dict, "a dictionary")
    seconds = check_nonnegative("seconds", seconds)
    path = results_dir() / f"{name}.json"
    record = {"schema": SCHEMA, "name": name, "settings": settings, "seconds": round(seconds, 1)}
    write_json(path, record | {"provenance": provenance()} | content)
    return path


def load_result(name: str) -> dict:
    """A stored result, from ``results_dir()``; if it is not there, the one that came with an installed wheel.

    With COURSE_RESULTS set, from that folder alone.

    Raises
    ------
    FileNotFoundError
        It is not there; the message says how to make it.
    ValueError
        The file is broken, or of another version of the course.

    Example
    -------
    >>> load_result("fig9")["settings"]["m"]
    150
    """
    path = results_dir() / f"{check_text('name', name)}.json"
    packed = PACKED / path.name
    if not path.is_file() and packed.is_file() and not os.environ.get("COURSE_RESULTS"):
        path = packed
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: run  python -m course_utils.reproduce {name}")
    record = read_json(path)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else None
        raise ValueError(
            f"{path} has schema {found}, this version of the course reads {SCHEMA}: "
            f"run  python -m course_utils.reproduce {name}  again"
        )
    return _renamed(record)


#: Names in stored records that have another name now.
OLD_NAMES = {"range": "hard"}


def _renamed(value):
    """Keys and words of a record with today's names."""
    if isinstance(value, dict):
        return {OLD_NAMES.get(key, key): _renamed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry) for entry in value]
    return OLD_NAMES.get(value, value) if isinstance(value, str) else value


def origin(record: dict) -> str:
    """One line that says where a stored result came from.

    Example
    -------
    >>> origin({"provenance": {"commit": "abc", "date": "2026-01-01", "machine": {"processor": "P", "threads": 2}},
    ...         "seconds": 60.0})
    'computed 2026-01-01, commit abc, on P (2 threads), in 60 s'
    """
    made = check_kind("record", record, dict, "a stored result")["provenance"]
    return f"computed {made['date']}, commit {made['commit']}, on {place(made)}, in {record['seconds']:.0f} s"
