"""An inliner: ES modules become one classic script, because a page opened from a file may not import modules.

It knows one form of import and export, which is all that the course's scripts need: ``import { a, b } from "./c.js";``
on a line of its own, and ``export`` before a function, a class or a constant.  Anything else is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["bundle"]

IMPORT = re.compile(r'^import \{ (\w+(?:, \w+)*) \} from "(\.\.?/[^"]+)";\n?', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) (\w+))", re.MULTILINE)
#: A comment that has its lines to itself: the reader of a page need not load it.
COMMENT = re.compile(r"^ *(?://[^\n]*|/\*\*.*?\*/)\n", re.MULTILINE | re.DOTALL)
#: What is left of imports and exports when the known forms are taken away.
OTHER = re.compile(r"^\s*(?:import|export)\b.*|^.*\bimport(?:\s*\(|\.meta\b).*", re.MULTILINE)


def bundle(entry: Path, virtual: Mapping[Path, str] | None = None) -> str:
    """An ES module with all that it imports, as one expression of a classic script; its value holds the exports.

    Each module that is reached is written once, after those it imports, in a function of its own: names of different
    modules cannot meet.  Comments that have their lines to themselves are left out.

    Parameters
    ----------
    entry : Path
        The module to begin with.
    virtual : mapping of Path -> str, optional
        Modules that are no files, by the place where an import looks for them.

    Raises
    ------
    FileNotFoundError
        A module is neither a file nor virtual.
    ValueError
        A module imports what another does not export, modules import each other in a circle, or an import or export
        has a form that is not known.  The message names the file and the line.

    Example
    -------
    >>> modules = {
    ...     Path("one.js"): "// the first number\\nexport const one = 1;",
    ...     Path("two.js"): 'import { one } from "./one.js";\\nexport const two = one + one;',
    ... }
    >>> print(bundle(Path("two.js"), modules))
    (() => {
    "use strict";
    // one.js
    const $0 = (() => {
    const one = 1;
    return { one };
    })();
    // two.js
    const $1 = (({ one }) => {
    const two = one + one;
    return { two };
    })($0);
    return $1;
    })()
    """
    texts = {_place(path): text for path, text in (virtual or {}).items()}
    exports: dict[Path, list[str]] = {}  # of the modules written so far, in their order
    written: list[str] = []

    def write(path: Path, above: tuple[Path, ...], asked: str) -> None:
        if path in above:
            circle = " -> ".join(step.name for step in (*above[above.index(path) :], path))
            raise ValueError(f"{asked}: modules import each other in a circle, {circle}")
        if path in exports:
            return
        if path not in texts and not path.is_file():
            raise FileNotFoundError(f"{asked}: there is no module {path}")
        text = COMMENT.sub("", texts[path] if path in texts else path.read_text(encoding="utf-8"))
        body = EXPORT.sub("", IMPORT.sub("", text)).strip("\n")
        if unknown := OTHER.search(body):
            raise ValueError(f"{path}: the inliner does not know this form: {unknown[0].strip()}")
        names, values = [], []
        for line in IMPORT.finditer(text):
            asked, source = f"{path}: {line[0].strip()}", _place(path.parent / line[2])
            write(source, (*above, path), asked)
            if missing := set(line[1].split(", ")) - set(exports[source]):
                raise ValueError(f"{asked}: {source.name} does not export {', '.join(sorted(missing))}")
            names.append(f"{{ {line[1]} }}")
            values.append(f"${list(exports).index(source)}")
        exports[path] = EXPORT.findall(text)
        written.append(
            # imported names are parameters, so that the names $0, $1, ... are looked up outside the module
            f"// {path.name}\nconst ${len(written)} = (({', '.join(names)}) => {{\n{body}\n"
            f"return {{ {', '.join(exports[path])} }};\n}})({', '.join(values)});\n"
        )

    write(_place(entry), (), "the entry")
    return f'(() => {{\n"use strict";\n{"".join(written)}return ${len(written) - 1};\n}})()'


def _place(path: Path) -> Path:
    """One name for one file, however many ``..`` lead to it."""
    return Path(os.path.abspath(path))
