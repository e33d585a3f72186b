"""What a solution may leave behind: nothing.  The student's copy has no solutions, so nothing after one may need it.

A cell that a reader runs after an exercise uses no name that its solution assigns, and finds the random generators as
the solution left them, that is, untouched.  A solution shows nothing but the line of its check, so that no text can
speak of what it shows.  And no number that stands before a question is the answer to it.
"""

import ast
import re

from chapter_tools import has_tag, is_code

#: Calls that show something; a solution's illustration belongs into a cell of its own that needs no solution.
SHOWS = {"print", "show", "display", "markdown_table", "image_rows", "show_image", "image_strips", "static", "Markdown"}
NAME = re.compile(r"(?<!`)`([A-Za-z_]\w*)(?:\([^`]*\))?`(?!`)")
FOLDED = re.compile(r"^<details>.*?^</details>", re.MULTILINE | re.DOTALL)


class _Reads(ast.NodeVisitor):
    """Names that are read before the code itself has written them, in the order in which code runs."""

    def __init__(self, known=()) -> None:
        self.known, self.found = set(known), set()

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.known.add(node.id)
        elif node.id not in self.known:
            self.found.add(node.id)

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node):
        for name in ast.walk(node.target):
            if isinstance(name, ast.Name) and name.id not in self.known:
                self.found.add(name.id)
        self.visit(node.value)

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node):
        self.visit(node.iter)
        self.visit(node.target)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    def visit_Import(self, node):
        self.known |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import

    def _inside(self, known, *parts):
        inner = _Reads(self.known | set(known))
        for part in parts:
            inner.visit(part)
        self.found |= inner.found

    def visit_comprehension_of(self, node, *results):
        inner = _Reads(self.known)
        for generator in node.generators:
            inner.visit(generator.iter)
            inner.visit(generator.target)
            for condition in generator.ifs:
                inner.visit(condition)
        for result in results:
            inner.visit(result)
        self.found |= inner.found

    def visit_ListComp(self, node):
        self.visit_comprehension_of(node, node.elt)

    visit_SetComp = visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node):
        self.visit_comprehension_of(node, node.key, node.value)

    def visit_Lambda(self, node):
        self._inside(_parameters(node.args), node.body)

    def visit_FunctionDef(self, node):
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.decorator_list]:
            self.visit(default)
        own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self._inside(_parameters(node.args) | own | {node.name}, *node.body)
        self.known.add(node.name)

    def visit_ClassDef(self, node):
        self._inside({node.name}, *node.bases, *node.body)
        self.known.add(node.name)


def _parameters(arguments) -> set[str]:
    parts = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {part.arg for part in parts if part}


def reads(source: str) -> set[str]:
    """Names that a cell reads before it has written them."""
    visitor = _Reads()
    visitor.visit(ast.parse(source))
    return visitor.found


def writes(source: str) -> set[str]:
    """Names that a cell assigns, imports or defines at its top level, in loops too."""
    visitor = _Reads()
    visitor.visit(ast.parse(source))
    return visitor.known


def needs_a_solution(notebook) -> list[str]:
    """Cells that use what a solution assigns, until another cell has assigned it anew; and texts that name it.

    The starter's own value counts as assigned by the solution: a later cell would show one thing with solutions and
    another without.
    """
    theirs, plain, lines = {}, set(), []
    for number, cell in enumerate(notebook.cells, start=1):
        if is_code(cell, "solution"):
            theirs |= dict.fromkeys(writes(cell.source), number)
        elif is_code(cell):
            used = reads(cell.source) & set(theirs)
            lines += [f"cell {number} uses {name}, which is of the solution in cell {theirs[name]}" for name in used]
            written = writes(cell.source)
            theirs = {name: where for name, where in theirs.items() if name not in written}
            plain |= written
        else:
            named = set(NAME.findall(FOLDED.sub("", cell.source))) & set(theirs) - plain
            lines += [
                f"text {number} names {name}, which only the solution in cell {theirs[name]} has" for name in named
            ]
    return sorted(lines)


def shows_something(cell) -> list[str]:
    """What a solution shows besides the verdict of its check."""
    body = ast.parse(cell.source).body
    called = [node.func for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.Call)]
    names = {getattr(function, "attr", getattr(function, "id", "")) for function in called}
    lines = [f"it calls {name}" for name in sorted(names & SHOWS)]
    if body and isinstance(body[-1], ast.Expr):
        lines.append("it ends with a value")
    return lines


def shared_generators(notebook) -> list[str]:
    """Solutions that draw from a generator that stands outside: later cells would draw other numbers without them."""
    made, lines = set(), []
    for number, cell in enumerate(notebook.cells, start=1):
        if not is_code(cell):
            continue
        if has_tag(cell, "solution"):
            lines += [f"cell {number} draws from {name}" for name in sorted(reads(cell.source) & made)]
            continue
        for statement in ast.walk(ast.parse(cell.source)):
            if isinstance(statement, ast.Assign) and re.search(r"Generator\(|^seeded\(", ast.unparse(statement.value)):
                if isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func).endswith(
                    ("Generator", "manual_seed", "seeded")
                ):
                    made |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return lines


def numbers_before(notebook, check: str) -> set[float]:
    """The numbers in code that stand before the exercise of a check; its own starter is not counted."""
    before, last = set(), set()
    for cell in filter(is_code, notebook.cells):
        if f"checks.{check}(" in cell.source:
            return before
        before |= last
        constants = [node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
        last = {float(value) for value in constants if type(value) in (int, float)}
    raise ValueError(f"no cell calls checks.{check}")
