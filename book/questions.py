"""Questions with choices: a task list in the text of a chapter, which the page turns into buttons.

Below a prediction ("**Predict, then run.** ...") the list ends its cell, and the code cells that follow, up to the next
text, are what is predicted: the page folds what they show until the reader has answered.  In a quiz the folded answer
follows the list, and begins with the right choice in bold.  ``- [ ] ____ dB`` asks for a number instead.
"""

from __future__ import annotations

import ast
import hashlib
import html
import re
from dataclasses import dataclass

CHOICES = re.compile(r"^- \[ \] .*(?:\n(?:- \[ \]|  ) *\S.*)*$", re.MULTILINE)
PREDICTION = re.compile(r"\*\*Predict[^*]*\*\*")
ANSWER = re.compile(r"\n\n<details><summary>(?:<b>)?Answer(?:</b>)?</summary>\n\n\*\*(.+?)\*\*(?=\s)", re.DOTALL)
#: What is folded until the reader has answered, and what the folds are called.
PROMPT = "What it shows: answer first"
WITH_CODE = "The experiment, which tells the outcome: answer first"


@dataclass(frozen=True)
class Question:
    """One list of choices.

    Attributes
    ----------
    kind : str
        "prediction" or "quiz".
    key : str
        What the browser keeps the answer under; another wording is another question.
    choices : tuple of str
        In Markdown; a single one with a gap asks for a number.
    right : int or None
        Which choice a quiz calls right.
    span : tuple of int
        Where the list stands in the cell.
    """

    kind: str
    key: str
    choices: tuple[str, ...]
    right: int | None
    span: tuple[int, int]


def plain(text: str) -> str:
    """One line, without the full stop."""
    return " ".join(text.split()).rstrip(".")


def questions(source: str, stem: str) -> list[Question]:
    """The questions with choices in a text cell.

    Parameters
    ----------
    source : str
    stem : str
        ``NN-slug``, for keys and messages.

    Raises
    ------
    ValueError
        A list that belongs to no question, too few or too many choices, or an answer that does not begin with one.

    Example
    -------
    >>> (asked,) = questions("**Predict, then run.** Which?\\n\\n- [ ] TV\\n- [ ] H1", "02-small")
    >>> asked.kind, asked.choices, asked.right
    ('prediction', ('TV', 'H1'), None)
    """
    found = []
    for match in CHOICES.finditer(source):
        choices = tuple(plain(item) for item in re.split(r"^- \[ \] ", match[0], flags=re.MULTILINE)[1:])
        where = f"{stem}, choices from {choices[0]!r}"
        asked = source[: match.start()].rstrip().rpartition("\n\n")[2]
        answer = ANSWER.match(source, match.end())
        numeric = len(choices) == 1 and choices[0].startswith("____")
        right = None
        if answer is None:
            if not PREDICTION.search(asked) or source[match.end() :].strip():
                raise ValueError(f"{where}: expected a prediction above, and nothing below in the cell; or an answer")
        elif (said := plain(answer[1])) in choices:
            right = choices.index(said)
        else:
            raise ValueError(f"{where}: expected the answer to begin with one of them in bold, got {said!r}")
        if not (2 <= len(set(choices)) == len(choices) <= 4 or numeric and answer is None):
            raise ValueError(f"{where}: expected 2 to 4 different choices, or '____ unit', got {len(choices)}")
        digest = hashlib.sha256("\n".join([plain(asked), *choices]).encode()).hexdigest()[:10]
        kind = "prediction" if answer is None else "quiz"
        found.append(Question(kind, f"{stem[:2]}-{digest}", choices, right, match.span()))
    return found


def marked(source: str, stem: str) -> str:
    """The text with its lists in blocks that the page's script looks for; without the script they stay lists."""
    for question in reversed(questions(source, stem)):
        first, last = question.span
        values = {"kind": question.kind, "key": question.key}
        values |= {"right": str(question.right)} if question.right is not None else {}
        data = "".join(f' data-{name}="{html.escape(value)}"' for name, value in values.items())
        items = "\n".join(f"- {choice}" for choice in question.choices)
        source = f'{source[:first]}<div class="course-choices"{data}>\n\n{items}\n\n</div>{source[last:]}'
    return source


def hide(cells: list, stem: str) -> None:
    """Fold what the reader shall predict; ``cells`` are changed, before their texts are marked.

    Where the code asserts the outcome, the code goes into the fold as well.
    """
    waiting = False
    for cell in cells:
        if cell.cell_type == "markdown":
            asked = questions(cell.source, stem)
            waiting = bool(asked) and asked[-1].kind == "prediction"
        elif waiting and cell.outputs:
            tells = any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))
            tags = cell.metadata.get("tags", [])
            whole = tells or "hide-input" in tags
            cell.metadata.tags = [*tags, "hide-cell" if whole else "hide-output", "predicted"]
            prompt = WITH_CODE if whole else PROMPT
            cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=prompt, code_prompt_hide="What it shows")
