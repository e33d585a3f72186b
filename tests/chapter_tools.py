"""Tools of the tests of chapters: what a cell is, which checks it calls, its names, and how a check is asked."""

import ast
import contextlib
import io

import pytest
import torch


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


# How a check is asked: each chapter has tables RIGHT (check -> answers) and WRONG (check -> pairs of answer and hint).


def asked(check, *arguments):
    """What a check answers; it has to print this verdict, one line, and nothing else."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        verdict = check(*arguments)
    assert printed.getvalue() == f"{verdict}\n"
    return verdict


def accepts(check, answer) -> None:
    verdict = asked(check, answer)
    assert verdict, verdict.message


def refuses(check, answer, hint: str = "") -> None:
    verdict = asked(check, answer)
    assert not verdict, verdict.message
    assert hint in verdict.message, verdict.message


def rows(table: dict) -> list:
    """The entries of RIGHT or WRONG for ``pytest.mark.parametrize``, the name of the check first."""
    return [
        pytest.param(name, *(row if isinstance(row, tuple) else (row,)), id=f"{name} {k}")
        for name, answers in table.items()
        for k, row in enumerate(answers)
    ]


def _forever(*_):
    while True:
        pass


def _asks_forever(*arguments):
    """Calls whatever it was handed, without an end."""
    functions = [argument for argument in arguments if callable(argument)]
    tensors = [argument for argument in arguments if isinstance(argument, torch.Tensor)]
    while True:
        for function in functions:
            with contextlib.suppress(Exception):
                function(tensors[-1] if tensors else torch.zeros(1))


def _swallows(*_):
    while True:
        try:
            1 / 0  # noqa: B018
        except Exception:  # as a student does who wants it to go on
            continue


def _deeper(*arguments):
    return _deeper(*arguments)


#: Functions that no check may hang on, raise for, or accept.
ROUGH = {
    "no end": _forever,
    "no end, with calls": _asks_forever,
    "no end, errors swallowed": _swallows,
    "recursion": _deeper,
    "error": lambda *_: 1 / 0,
    "long error": lambda *_: [][0] if not _ else getattr(_[0], "not\nthere" * 200),
    "wrong number of arguments": lambda a, b, c, d, e, f, g, h: a,
    "nothing": lambda *_: None,
    "placeholder": lambda *_: ...,
    "text": lambda *_: "much",
    "a function": lambda *_: _forever,
    "the argument": lambda *a: a,
    "not a number": lambda *_: float("nan"),
    "infinite": lambda *_: float("inf"),
    "complex": lambda *_: 1 + 2j,
    "empty": lambda *_: torch.zeros(0),
    "empty list": lambda *_: [],
    "ragged": lambda *_: [torch.zeros(2), torch.zeros(3)],
    "a constant": lambda *_: 1.5,
    "no function": "return x",
}
#: The same for checks of a value.
ROUGH_VALUES = {
    "nothing": None,
    "placeholder": ...,
    "text": "much",
    "a function": _forever,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "complex": 1 + 2j,
    "empty": torch.zeros(0),
    "empty list": [],
    "ragged": [torch.zeros(2), torch.zeros(3)],
    "negative": -1.0,
    "a dictionary": {"lam": 1.0},
    "true": True,
}


def answer_tests(ask: dict, right: dict, wrong: dict, values: tuple[str, ...] = ()) -> tuple:
    """The tests of the checks ``ask`` of a chapter: right answers are accepted, wrong ones explained, and none of the
    ``ROUGH`` ones hangs or raises; ``values`` are the checks that ask for a value and not for a function."""
    rough = [
        pytest.param(check, answer, id=f"{name}-{kind}")
        for name, check in ask.items()
        for kind, answer in (ROUGH_VALUES if name in values else ROUGH).items()
    ]

    @pytest.mark.parametrize(("name", "answer"), rows(right))
    def accepted(name, answer):
        accepts(ask[name], answer)

    @pytest.mark.parametrize(("name", "answer", "hint"), rows(wrong))
    def explained(name, answer, hint):
        refuses(ask[name], answer, hint)

    @pytest.mark.parametrize(("check", "answer"), rough)
    def survived(check, answer):
        refuses(check, answer)

    return accepted, explained, survived
