"""Tools of the tests of chapters: what a cell is, which checks it calls, and which names it has."""

import ast


def check_name(statement: ast.stmt) -> str | None:
    """``name`` if the statement is ``checks.name(...)``, its assignment, or its assertion."""
    value = getattr(statement, "test", None) or getattr(statement, "value", None)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if isinstance(value.func.value, ast.Name) and value.func.value.id == "checks":
            return value.func.attr
    return None


def checks_called(cell, kind: type = ast.stmt) -> list[str]:
    """Names of the checks that a code cell calls in statements of their own, in order."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # a magic; complained of elsewhere
        return []
    return [name for statement in body if isinstance(statement, kind) and (name := check_name(statement))]


def has_tag(cell, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def is_code(cell, tag: str | None = None) -> bool:
    return cell.cell_type == "code" and (tag is None or has_tag(cell, tag))


def alt_text(cell) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def tables(table):
    """A symbol table and all tables inside it."""
    yield table
    for child in table.get_children():
        yield from tables(child)
