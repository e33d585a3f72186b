"""What a stored job depends on besides its task: the code it can reach, the libraries, the shipped files.

The commit would be the wrong measure: every corrected sentence would cost a full run, and uncommitted edits would pass
unseen.  So the sources themselves are compared, as syntax trees without comments and docstrings: those of the module
of ``run`` and of every module of the course it imports, directly or not.  What only draws or stores results is left
out.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from importlib import metadata
from pathlib import Path

from .._files import SHIPPED, read_json
from .experiment import Experiment

__all__ = ["conflicts", "environment"]

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "numpy", "scipy")
#: Modules of the course that draw, store or describe, but compute no number of a job.
NO_NUMBERS = ("figures", "explore", "checks", "results", "provenance", "reproduce.experiment")
NOT_IN_CHAPTERS = ("figures", "covariance_figures", "record_figures", "story", "claims")


def environment(experiment: Experiment) -> dict:
    """Everything outside of task and settings that the result of a job may depend on.

    Returns
    -------
    dict
        "code": digest of the sources; "libraries": versions; "files": SHA-256 of shipped weights and data by name.
    """
    draws = frozenset(f.__name__ for f in (experiment.figure, experiment.story, experiment.collect) if f)
    return {"code": _code(experiment.run.__module__, draws), "libraries": _libraries(), "files": _files()}


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
def _code(module: str, draws: frozenset[str]) -> str:
    if module == "__main__":
        raise ValueError("'run' of an experiment must be defined in a module that other processes can import")
    sources = _sources(module, draws)
    return hashlib.sha256("\n".join(f"{name} {sources[name]}" for name in sorted(sources)).encode()).hexdigest()[:16]


def _sources(module: str, draws: frozenset[str]) -> dict[str, str]:
    """Syntax trees of ``module`` without the functions ``draws``, and of all modules of the course it imports."""
    seen, todo = {}, [module]
    while todo:
        name = todo.pop()
        path = _path(name) or (Path(importlib.util.find_spec(name).origin) if name == module else None)
        if path is None or name in seen:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        todo += [found for found in _imports(tree, package) if not _without_numbers(found)]
        seen[name] = ast.dump(_bare(tree, draws if name == module else frozenset()))
    return seen


def _path(name: str) -> Path | None:
    """Source of a module of the course; None for any other name."""
    top, *parts = name.split(".")
    place = PACKAGE.joinpath(*parts)
    found = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return found[0] if top == PACKAGE.name and found else None


def _without_numbers(name: str) -> bool:
    inner = name.removeprefix(f"{PACKAGE.name}.")
    return inner.startswith(NO_NUMBERS) or inner.split(".")[-1] in NOT_IN_CHAPTERS


def _imports(tree: ast.AST, package: str) -> list[str]:
    """Absolute names of what is imported anywhere in the module; some are of functions, not of modules."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            source = importlib.util.resolve_name(relative, package) if node.level else relative
            names += [source] + [f"{source}.{alias.name}" for alias in node.names]
    return names


def _bare(tree: ast.Module, draws: frozenset[str]) -> ast.Module:
    """Without docstrings, without the functions ``draws``, without the list of experiments (titles, settings)."""

    def kept(node: ast.stmt) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = {getattr(node, "name", None)} | {getattr(target, "id", None) for target in targets}
        return not names & (draws | {"EXPERIMENTS", "__all__"})

    tree.body = [node for node in tree.body if kept(node)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = body[1:]
    return tree
