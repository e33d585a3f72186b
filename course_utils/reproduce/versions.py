"""What a stored job depends on besides its task: the code it can reach, the libraries, the shipped files.

The commit would be the wrong measure: every corrected sentence would cost a full run, and uncommitted edits would pass
unseen.  So the sources themselves are compared, as far as they can change a number: see ``reachable``.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata

from .._files import SHIPPED, read_json
from .experiment import Experiment
from .reachable import sources

__all__ = ["conflicts", "environment"]

LIBRARIES = ("torch", "numpy", "scipy")


def environment(experiment: Experiment) -> dict:
    """Everything outside of task and settings that the result of a job may depend on.

    Returns
    -------
    dict
        "code": digest of the sources; "libraries": versions; "files": SHA-256 of shipped weights and data by name.
    """
    code = _code(experiment.run.__module__, experiment.run.__qualname__)
    return {"code": code, "libraries": _libraries(), "files": _files()}


def conflicts(expected: dict, found: dict) -> list[str]:
    """In words, where ``found`` is not the environment ``expected``.  Further files in ``found`` do no harm.

    Example
    -------
    >>> ours = {"code": "a1", "libraries": {"torch": "2.4"}, "files": {"vae-mnist-8": "77"}}
    >>> conflicts(ours, ours | {"files": {"vae-mnist-8": "77", "new": "12"}})
    []
    >>> conflicts(ours, ours | {"code": "b2", "files": {}})
    ['other code of the course', 'other or no file vae-mnist-8']
    """
    words = [] if expected["code"] == found["code"] else ["other code of the course"]
    for name, version in expected["libraries"].items():
        if found["libraries"].get(name) != version:
            words.append(f"{name} {found['libraries'].get(name)} instead of {version}")
    changed = [name for name, digest in expected["files"].items() if found["files"].get(name) != digest]
    return words + [f"other or no file {name}" for name in changed]


def _libraries() -> dict[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


def _files() -> dict[str, str]:
    weights, data = (read_json(SHIPPED / kind / "manifest.json") for kind in ("weights", "data"))
    return {name: entry["weights"] for name, entry in weights.items()} | {n: e["sha256"] for n, e in data.items()}


@functools.lru_cache
def _code(module: str, run: str) -> str:
    if module == "__main__":
        raise ValueError("'run' of an experiment must be defined in a module that other processes can import")
    text = "\n".join(f"{name}\n{counted}" for name, counted in sorted(sources(module, run).items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
