"""The code that can change the numbers of a job, as syntax trees without comments and docstrings.

- Of the chapters, of ``reproduce`` and of the module of ``run``, functions, classes and constants count if ``run``
  reaches them by name, directly or not, also by imports inside functions.  A story, a figure, a title does not.
- Of the library, every module that is reached counts whole, because solvers and regularisers register themselves and
  are found without being named.
- Of the modules in ``NEVER``, nothing counts: they draw, describe or store, and compute no number of a job.

Where names do not tell, more counts rather than less.  What a module does on import beyond giving names counts with it:
``GRIDS["tv"] = ...``, an import that nothing uses, what a decorator or a base class of the course may enter in a table.
A module that is handed on as a value counts whole.  A constant is taken to be what its own assignments say.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

__all__ = ["sources"]

PACKAGE = Path(__file__).resolve().parents[1]
#: Rooms of which only what is reached by name counts; "" is the package's own ``__init__``, which only exports.
BY_NAME = ("", "chapters", "reproduce")
NEVER = "benchmark catalogue checks explore figures live notebooks provenance results student".split()
#: Functions that reach what no name tells: in their own module; anywhere.
HIDDEN, ANYWHERE = {"eval", "exec", "globals", "vars"}, {"__import__", "import_module"}
#: In place of a name: the whole module; what it does on import.
WHOLE, ON_IMPORT = "*", ""
BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def sources(module: str, run: str) -> dict[str, str]:
    """What counts for a job, by module.

    Parameters
    ----------
    module : str
        Where the function of the job is defined; outside the course, of this module alone something counts.
    run : str
        Its ``__qualname__``.  If it is not a name of the module, the whole module counts.

    Raises
    ------
    ValueError
        The job may import a module whose name is computed, so nobody can tell what it reaches.

    Example
    -------
    >>> found = sources("course_utils.reproduce.setting", "rounded")
    >>> sorted(found), "Problem" in found["course_utils.reproduce.setting"]
    (['course_utils', 'course_utils.reproduce.setting'], False)
    """
    for seen in (_path, _split):
        seen.cache_clear()  # within one call no file comes or goes
    reached = _Reached(module, run)
    while reached.todo:
        reached.follow(*reached.todo.pop())
    return {name: "\n".join(text for _, text in sorted(counted)) for name, counted in reached.counted.items()}


@functools.cache
def _path(name: str) -> Path | None:
    """Source of a module of the course; None for any other name."""
    top, *parts = name.split(".")
    place = PACKAGE.joinpath(*parts)
    found = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return found[0] if top == PACKAGE.name and found else None


@functools.cache
def _split(dotted: str) -> tuple[str, list[str]]:
    """The module of the course that a dotted name begins with, "" if there is none, and the names after it."""
    parts, length = dotted.split("."), 0
    while length < len(parts) and _path(".".join(parts[: length + 1])):
        length += 1
    return ".".join(parts[:length]), parts[length:]


def _room(module: str) -> str:
    """The part of the course that a module belongs to: "solvers" for course_utils.solvers.pdhg."""
    return module.partition(".")[2].partition(".")[0]


class _Module:
    """The statements of one module, and what its names stand for."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        self.name, self.package = name, name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.by_name = _path(name) is None or _room(name) in BY_NAME
        tree = _Bare().visit(ast.parse(text))
        self.statements = [node for node in tree.body if _defines(node) != {"__all__"}]
        self.chains = [list(_chains(node)) for node in self.statements]
        self.defined: dict[str, list[int]] = defaultdict(list)  # name -> positions of the statements that define it
        self.imported: dict[str, set[str]] = defaultdict(set)  # name -> what it is imported from
        for position, node in enumerate(self.statements):
            for name in _defines(node):
                self.defined[name].append(position)
            for name, target in () if isinstance(node, BLOCKS) else self.imports(node):
                self.imported[name].add(target)
        exports = [word for node in tree.body if _defines(node) == {"__all__"} for word in ast.walk(node)]
        self.used = {word.value for word in exports if isinstance(word, ast.Constant)}
        self.used |= {first for chains in self.chains for first, *_ in chains}
        self.on_import = [position for position, node in enumerate(self.statements) if self._acts(node)]

    def imports(self, tree: ast.AST) -> Iterator[tuple[str, str]]:
        """(name here, dotted name there) for every import in ``tree``; ``import a.b`` gives a, and nameless a.b."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
                    if first != alias.name and not alias.asname:
                        yield "", alias.name
            elif isinstance(node, ast.ImportFrom):
                relative = "." * node.level + (node.module or "")
                source = importlib.util.resolve_name(relative, self.package) if node.level else relative
                yield from ((alias.asname or alias.name, f"{source}.{alias.name}") for alias in node.names)

    def _acts(self, node: ast.stmt) -> bool:
        """Whether a statement does more than give names when the module is imported."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return any(name not in self.used and _split(target)[0] for name, target in self.imports(node))
        if not isinstance(node, BLOCKS):
            return not _defines(node)
        above = [*node.decorator_list, *getattr(node, "bases", ()), *getattr(node, "keywords", ())]
        names = {first for expression in above for first, *_ in _chains(expression)}
        ours = any(_split(target)[0] for name in names for target in self.imported.get(name, ()))
        return ours or node.name == "__getattr__" or not names.isdisjoint(self.defined)

    @functools.cached_property
    def imported_in(self) -> list[list[tuple[str, str]]]:
        """What each statement imports, also inside functions."""
        return [list(self.imports(node)) for node in self.statements]

    @functools.cached_property
    def texts(self) -> list[str]:
        """The statements, to be compared."""
        return [ast.dump(node) for node in self.statements]


#: Experiments share most modules, and a module is read anew when its text changes.
_read = functools.lru_cache(maxsize=None)(_Module)


class _Reached:
    """What has been reached so far, from ``run`` in the module ``root`` on."""

    def __init__(self, root: str, run: str) -> None:
        self.root, self.modules = root, {}
        self.todo = [(root, run)]  # (module, name in it)
        self.seen: set[tuple[str, str]] = set()
        self.counted: dict[str, set[tuple[int, str]]] = defaultdict(set)  # module -> (position, text)

    def module(self, name: str) -> _Module | None:
        """A module that may count, read once; None for any other."""
        if name not in self.modules:
            path = None if _room(name) in NEVER else _path(name)
            if name == self.root and not path:
                path = Path(importlib.util.find_spec(name).origin)
            self.modules[name] = _read(name, path, path.read_text(encoding="utf-8")) if path else None
        return self.modules[name]

    def follow(self, name: str, wanted: str) -> None:
        """Count what defines ``wanted`` in the module ``name``, and note what that reaches."""
        module = None if (name, wanted) in self.seen else self.module(name)
        if module is None:
            return
        self.seen.add((name, wanted))
        # a module is imported after the packages that it is in
        self.todo += [(name, ON_IMPORT), (name.rpartition(".")[0], ON_IMPORT)]
        positions = module.defined.get(wanted, [])
        if wanted == WHOLE or not module.by_name:
            positions = range(len(module.statements))
        elif wanted == ON_IMPORT:
            positions = module.on_import
            if name != PACKAGE.name:
                imported = (_split(target)[0] for targets in module.imported.values() for target in targets)
                self.todo += [(other, ON_IMPORT) for other in imported if other and _room(other) in BY_NAME]
        elif wanted in module.imported:
            self.use(module, wanted, [])
        elif not positions:
            self.todo.append((name, WHOLE))
        for position in positions:
            self.count(module, position)

    def use(self, module: _Module, name: str, rest: list[str]) -> None:
        """An imported name of ``module`` is used, in ``name.rest``."""
        for target in module.imported[name]:
            self.counted[module.name].add((-1, f"{name} is {target}"))
            self.resolve(target, rest)

    def resolve(self, target: str, rest: list[str]) -> None:
        """``target.rest`` is used, where ``target`` was imported."""
        name, inner = _split(".".join([target, *rest]))
        self.todo.append((name, inner[0] if inner else WHOLE))
        package, _, last = name.rpartition(".")
        above = self.module(package)
        if above and (last in above.defined or last in above.imported):  # which hides its module of that name
            self.todo.append((package, last))

    def count(self, module: _Module, position: int) -> None:
        """Count one statement and all that its names reach."""
        if (module.name, position) in self.seen:
            return
        self.seen.add((module.name, position))
        self.counted[module.name].add((position, module.texts[position]))
        inside = defaultdict(set)
        for name, target in module.imported_in[position]:
            inside[name].add(target)
        for first, *rest in module.chains[position]:
            if ANYWHERE & {first, *rest}:
                raise ValueError(f"{module.name} imports by a computed name: nobody can tell what a job reaches")
            if first in module.imported:
                self.use(module, first, rest)
            for target in inside.get(first, ()):
                self.resolve(target, rest)
            if first in module.defined or first in HIDDEN:
                self.todo.append((module.name, first if first in module.defined else WHOLE))
        for name in inside.keys() - {first for first, *_ in module.chains[position]}:
            for target in inside[name]:
                self.resolve(target, [])


def _defines(node: ast.stmt) -> set[str]:
    """The names that a statement defines, if it does nothing else."""
    if isinstance(node, BLOCKS):
        return {node.name}
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    targets = [*targets, *(part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr))]
    stored = [part for target in targets for part in ast.walk(target) if hasattr(part, "ctx")]
    if any(isinstance(part, (ast.Attribute, ast.Subscript)) for part in stored):
        return set()
    return {part.id for part in stored if isinstance(part, ast.Name)}


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every name that is used in ``node``, with the attributes taken from it: ("torch", "randn")."""
    names, inner = [], node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield (inner.id, *reversed(names))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _chains(child)


class _Bare(ast.NodeTransformer):
    """Takes away docstrings, and whatever else is a constant by itself."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)
