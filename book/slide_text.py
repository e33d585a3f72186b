"""Texts as the slides take them: blocks that stay together, sentences, and how much room a piece needs.

Heights are estimates in pixels of a slide of 1280 x 720.  They decide where a text is divided; the browser measures,
and makes the letters smaller where an estimate was too low (``deck/deck.js``).
"""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

#: Below the title of a slide, and what stands there: letters in a line, and the heights of lines and gaps.
ROOM, LETTERS, LINE, GAP, FORMULA = 600, 78, 40, 14, 115
#: Rows of tables and printed lines are set in smaller letters.
ROW_LETTERS, ROW_LINE, PRINTED_LINE = 105, 33, 33
#: Ends of sentences, but not of abbreviations.
SENTENCE_END = re.compile(
    r"((?<!\be\.g)(?<!\bi\.e)(?<!\bcf)(?<!\bal)(?<!\bvs)[.?!][*\"”)]*)\s+(?=[A-Z*`$\\\"“(])",
)


def _formula(content: str, options: dict) -> str:
    opening, closing = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return opening + html.escape(content.strip()) + closing


MARKDOWN = (
    MarkdownIt("commonmark", {"html": True})
    .enable("table")
    .use(dollarmath_plugin, double_inline=True, renderer=_formula)
)
#: How a stored result was made is for readers, not for a class.
COMMAND = "`python -m "
#: A formula in a line and the full stop or bracket that follows it: a line must not break between them.
CLOSED = re.compile(r'(<span class="math inline">[^<]*</span>)([.,;:!?)\]]+)')

#: A table or a list: its opening, what can be divided, its closing.
DIVISIBLE = re.compile(
    r"(<table>\s*<thead>.*?</thead>\s*<tbody>|<(?:ul|ol)>)(.*)(</tbody>.*|</(?:ul|ol)>)\s*", re.DOTALL
)


def rendered(source: str) -> str:
    """Markdown as HTML.

    Example
    -------
    >>> rendered("Take $x$.")
    '<p>Take <span class="closed"><span class="math inline">\\\\(x\\\\)</span>.</span></p>\\n'
    """
    return _closed(MARKDOWN.render(source))


def _closed(part: str) -> str:
    return CLOSED.sub(r'<span class="closed">\1\2</span>', part)


@dataclass
class Block:
    """A paragraph, list, formula, ... of a text: its kind, its Markdown, its HTML."""

    kind: str
    source: str
    html: str
    level: int = 0  # of a heading

    @property
    def displayed(self) -> bool:
        """Stands by itself on the page, so the words before it lead to it."""
        return self.kind in ("math_block", "bullet_list", "ordered_list", "table", "fence", "blockquote")


def blocks(source: str) -> list[Block]:
    """The text in pieces that stay together."""
    lines, environment, found, start = source.splitlines(), {}, [], 0
    tokens = MARKDOWN.parse(source, environment)
    for k, token in enumerate(tokens):
        if token.level or token.nesting == 1:
            continue
        group, start = tokens[start : k + 1], k + 1
        first, last = group[0].map
        kind = group[0].type.removesuffix("_open")
        text = "\n".join(lines[first:last]).strip()
        if kind == "paragraph" and "$$" in text:
            kind = "math_block"  # a displayed formula with words around it
        level = int(group[0].tag[1]) if kind == "heading" else 0
        inner = group[1:-1] if kind == "heading" else group
        found.append(Block(kind, text, _closed(MARKDOWN.renderer.render(inner, MARKDOWN.options, environment)), level))
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; formulas, code, emphasis, links and brackets are not broken.

    Example
    -------
    >>> sentences("**Take $a. B$, e.g. Tikhonov.** It is linear. (Is it? Yes.) So?")
    ['**Take $a. B$, e.g. Tikhonov.**', 'It is linear.', '(Is it? Yes.)', 'So?']
    """
    kept: list[str] = []

    def hide(match) -> str:
        kept.append(match[0])
        return f"${len(kept) - 1}$"

    hidden = re.sub(r"\$[^$]+\$|`[^`]+`", hide, " ".join(text.split()))
    ends = [match.end(1) for match in SENTENCE_END.finditer(hidden)]
    found, rest = [], ""
    for first, last in zip([0, *ends], [*ends, len(hidden)], strict=True):
        rest = f"{rest} {hidden[first:last].strip()}".strip()
        if rest.count("*") % 2 == 0 and all(rest.count(a) == rest.count(b) for a, b in ("[]", "()")):
            found.append(rest)
            rest = ""
    found += [rest] if rest else []
    return [re.sub(r"\$(\d+)\$", lambda match: kept[int(match[1])], sentence) for sentence in found]


def shortened(text: str, first: bool, leads: bool, most: int = 320) -> str:
    """What of a paragraph is shown.

    Parameters
    ----------
    text : str
    first : bool
        It begins a text: as many whole sentences as have ``most`` letters, one at least.  Else none of them.
    leads : bool
        A formula, list, table or picture follows, to which its last sentence leads.

    Example
    -------
    >>> shortened("It is short. It ran once (`python -m a`). We ask: `python -m b` answers. Then", True, True, most=20)
    'It is short. It ran once. Then'
    """
    parts = [part for part in sentences(re.sub(rf"\s*\({COMMAND}[^`]*`\)", "", text)) if COMMAND not in part]
    number = int(first)
    while first and number < len(parts) and len(" ".join(parts[: number + 1])) <= most:
        number += 1
    shown = parts[:number]
    if number < len(parts) and (leads or parts[-1].endswith(":")):
        last = -1 if " " in parts[-1] else -2  # "Then" alone says nothing
        shown += parts[max(number, len(parts) + last) :]
    return " ".join(shown)


def letters(part: str) -> int:
    """Letters that a reader sees, about."""
    text = re.sub(r"\\[()]|[{}_^$]", "", re.sub(r"<[^>]+>", "", part))
    return len(html.unescape(re.sub(r"\\[a-zA-Z]+", "x", text)).strip())


def height(part: str) -> int:
    """Pixels that a piece of HTML needs on a slide.

    Example
    -------
    >>> height("<p>One line.</p>"), height("<ul><li>One.</li><li>Two.</li></ul>"), height("<pre>a\\nb</pre>")
    (54, 108, 80)
    """
    formulas = re.compile(r"\\\[.*?\\\]", re.DOTALL)
    tables = re.compile(r"<table>.*?</table>", re.DOTALL)
    printed = re.compile(r"<pre>.*?</pre>", re.DOTALL)
    total = FORMULA * len(formulas.findall(part))
    part = formulas.sub("", part)
    total += sum(PRINTED_LINE * (1 + found.strip().count("\n")) + GAP for found in printed.findall(part))
    part = printed.sub("", part)
    total += sum(ROW_LINE * lines + GAP for table in tables.findall(part) for lines in _row_lines(table))
    part = tables.sub("", part)
    for text in re.split(r"</p>\s*(?=</li>)|</p>|</li>", part):
        if number := letters(text):
            total += LINE * math.ceil(number / LETTERS) + GAP
    return total


def _row_lines(table: str) -> list[int]:
    """How many lines each row of a table needs, if its columns share the width by what they hold."""
    rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    cells = [[letters(cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)] for row in rows]
    widest = [3 + max(column) for column in zip(*cells, strict=True)]
    share = min(1.0, ROW_LETTERS / sum(widest))
    return [max(math.ceil((n + 1) / (share * most)) for n, most in zip(row, widest, strict=True)) for row in cells]


def _units(inner: str, tag: str) -> list[str]:
    """The items of a list or the rows of a table, those of lists within them not divided."""
    found, rest = [], ""
    for piece in re.split(rf"(?<=</{tag}>)\s*", inner):
        rest += piece
        if rest.count(f"<{tag}>") == rest.count(f"</{tag}>"):
            found.append(rest)
            rest = ""
    return [unit for unit in [*found, rest] if unit.strip()]


def divided(part: str, taken: int = 0) -> list[str]:
    """A list or a table that is too long for a slide in several of about equal height; other pieces as they are.

    Parameters
    ----------
    part : str
        HTML.
    taken : int
        Pixels that are already taken on the first slide.

    Example
    -------
    >>> [piece[:15] for piece in divided("<ol>\\n" + 20 * "<li>One.</li>\\n" + "</ol>")]
    ['<ol start="1">\\n', '<ol start="11">']
    """
    whole = DIVISIBLE.fullmatch(part)
    total = height(part) + taken
    if whole is None or total <= 1.2 * ROOM:  # a little too much: smaller letters do it
        return [part]
    opening, inner, closing = whole.groups()
    if "table" in opening:
        units, heights = _units(inner, "tr"), [ROW_LINE * lines + GAP for lines in _row_lines(part)[1:]]
    else:
        units = _units(inner, "li")
        heights = [height(unit) for unit in units]
    number, full = math.ceil(total / ROOM), taken
    pieces: list[list[str]] = [[]]
    for k, unit in enumerate(units):
        if pieces[-1] and full + heights[k] / 2 > total / number and len(pieces) < number:
            pieces.append([])
            full = 0
        if not pieces[-1]:
            pieces[-1].append(opening.replace("<ol>", f'<ol start="{k + 1}">') + "\n")
        pieces[-1].append(unit + "\n")
        full += heights[k]
    return ["".join(piece) + closing for piece in pieces]
