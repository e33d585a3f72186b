"""The pages on the library: every name that a room exports, from its docstring, on one page a room."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from functools import cache

from course_utils._files import REPOSITORY
from course_utils.notebooks import GITHUB

#: The rooms in the order in which the theory needs them, with the title of their page.
ROOMS = {
    "operators": "Operators",
    "data": "Data",
    "metrics": "Metrics",
    "generators": "Generators",
    "families": "Families of networks",
    "denoisers": "Denoisers",
    "reconstructors": "Reconstructors",
    "regularisers": "Regularisers",
    "solvers": "Solvers",
    "filters": "Spectral filters",
    "choosing": "Choosing lambda",
    "bayes": "The Bayesian view",
    "equivariance": "Equivariance",
    "bilevel": "Bilevel learning",
    "training": "Training",
    "tuning": "Tuning",
    "properties": "Properties",
    "stability": "Worst-case stability",
}


def _module(room: str):
    return importlib.import_module(f"course_utils.{room}")


@cache
def rooms() -> dict[str, list[str]]:
    """Room -> the names on its page: what it exports, but for what it passes on from another room that exports it."""
    found = {room: [] for room in ROOMS}
    for room in ROOMS:
        for name in _module(room).__all__:
            defined = getattr(getattr(_module(room), name), "__module__", "").split(".")
            home = defined[1] if defined[0] == "course_utils" else room
            shown = home if home in ROOMS and name in _module(home).__all__ else room
            if name not in found[shown]:
                found[shown].append(name)
    return found


def described(room: str, name: str) -> str | None:
    """The docstring of an exported name, or the ``#:`` comment above a constant."""
    value = getattr(_module(room), name)
    if callable(value):
        return inspect.getdoc(value)
    return _constants(room).get(name, (None, None))[1]


@cache
def _constants(room: str) -> dict[str, tuple[str, str]]:
    """Constant with a comment ``#:`` above it -> the module of the room that defines it, the comment."""
    package, found = _module(room), {}
    inside = [f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(getattr(package, "__path__", ()))]
    for module in (importlib.import_module(name) for name in [package.__name__, *inside]):
        text = inspect.getsource(module)
        for comment, name in re.findall(r"((?:^#: .*\n)+)^(\w+)\b.*=", text, re.MULTILINE):
            found[name] = module.__name__, re.sub(r"^#: ", "", comment, flags=re.MULTILINE).strip()
    return found


def _address(room: str, name: str) -> str:
    """Where Sphinx finds a name: in its room, but a constant where it is defined, as there its comment is."""
    return f"{_constants(room)[name][0] if name in _constants(room) else f'course_utils.{room}'}.{name}"


def _parent(value: type) -> str:
    """The nearest class above that has an entry too, as a half-sentence."""
    shown = {(name, room) for room, names in rooms().items() for name in names}
    for above in value.__mro__[1:]:
        for room in ROOMS:
            if (above.__name__, room) in shown and above is getattr(_module(room), above.__name__):
                return f", with all that :py:obj:`{above.__name__} <{_address(room, above.__name__)}>` has"
    return ""


def _entry(room: str, name: str) -> str:
    """The directive that writes one name, and where its source is."""
    value, parent = getattr(_module(room), name), ""
    if inspect.isclass(value):
        directive, module, parent = "autoclass", value.__module__, _parent(value)
        options = [":members:", ":member-order: bysource"]
        if fields := getattr(value, "_fields", None):  # of a named tuple, which describes them itself, by number
            options.append(f":exclude-members: {', '.join(fields)}")
    elif callable(value):
        directive, module, options = "autofunction", value.__module__, []
    else:
        directive, module, options = "autodata", _constants(room)[name][0], [":no-value:"]
    path = inspect.getsourcefile(importlib.import_module(module)).removeprefix(f"{REPOSITORY}/")
    source = f"`{path} <https://github.com/{GITHUB}/blob/main/{path}>`__"
    return "\n   ".join([f".. {directive}:: {_address(room, name)}", *options, "", f"Defined in {source}{parent}."])


def page(room: str) -> str:
    """The page of a room, in MyST Markdown."""
    head = f".. automodule:: course_utils.{room}\n   :no-members:"
    entries = "\n\n".join([head, *(_entry(room, name) for name in rooms()[room])])
    return f"# {ROOMS[room]}\n\n```{{eval-rst}}\n{entries}\n```\n"


def overview() -> str:
    """The rooms with what is on their pages."""
    lines = []
    for room, title in ROOMS.items():
        names = ", ".join(f"{{py:obj}}`{name} <{_address(room, name)}>`" for name in rooms()[room])
        lines.append(f"- [{title}](library/{room}.md): {names}")
    return "\n".join(lines)
