"""What of an executed chapter goes on slides, and what the speaker reads: by rule, without marks in the chapters.

A ``##`` heading begins a column of slides, a ``###`` heading a slide below.  On slides stand formulas, lists, tables,
quotations, "Predict, then run", the first sentences of a text, pictures, explorers, and the statements of exercises.
Longer text goes into the speaker's notes.  Code, setup, hints, answers, solutions and references stay in the chapter.

A cell's ``slideshow: {slide_type: ...}`` overrules: ``skip`` leaves it out, ``slide`` shows all of it, code
included, and ``notes`` gives it to the speaker.
"""

from __future__ import annotations

import copy
import html
import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from prepare import has_tag, one_cell_per_explorer

#: Letters on one slide, formulas and rows counted as lines: more goes on a further slide of the same title.
FULL = 620
ANSWERS = re.compile(r"solution|answer|hint", re.IGNORECASE)
#: Ends of sentences, but not of abbreviations.
SENTENCE_END = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bcf\.)(?<!\bal\.)(?<!\bvs\.)(?<=[.?!])[*\"”)]*\s+(?=[A-Z*`$\\\"“])"
)


def _formula(content: str, options: dict) -> str:
    opening, closing = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return opening + html.escape(content.strip()) + closing


MARKDOWN = (
    MarkdownIt("commonmark", {"html": True})
    .enable("table")
    .use(dollarmath_plugin, double_inline=True, renderer=_formula)
)


@dataclass
class Slide:
    """One slide.  ``level`` 1 or 2 begins a column; ``parts`` and ``notes`` are HTML."""

    level: int
    title: str
    parts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = "text"  # or "picture", "explorer", "output"

    @property
    def weight(self) -> int:
        return sum(map(weight, self.parts))


@dataclass
class Block:
    """A paragraph, list, formula, ... of a text: its kind, its Markdown, its HTML."""

    kind: str
    source: str
    html: str
    level: int = 0  # of a heading


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
        found.append(Block(kind, text, MARKDOWN.renderer.render(inner, MARKDOWN.options, environment), level))
    return found


def weight(part: str) -> int:
    """How much room a piece of HTML takes, in letters."""
    text = re.sub(r"\\[a-zA-Z]+", "x", re.sub(r"<[^>]+>", "", part))
    return len(text) + 90 * (part.count(r"\[") + part.count("</tr>")) + 30 * part.count("</li>")


def is_table(printed: str) -> bool:
    """Whether printed output stands in columns; else it is a remark, for the speaker.

    Example
    -------
    >>> is_table("method   PSNR\\nhard     20.1\\nTV       18.0"), is_table("A sentence.\\nAnother one.\\nA third.")
    (True, False)
    """
    lines = printed.strip("\n").splitlines()
    return len(lines) >= 3 and sum(bool(re.search(r"\S {2,}\S", line)) for line in lines) > len(lines) / 2


def leads(part: str) -> bool:
    """Whether a paragraph belongs to what comes next: it ends with a colon, or is a heading in bold."""
    return bool(re.search(r":</p>\s*$|^<p><strong>[^<]*</strong></p>\s*$", part))


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; formulas and code are not broken.

    Example
    -------
    >>> sentences("Take $a. B$, e.g. Tikhonov. It is linear. Is it?")
    ['Take $a. B$, e.g. Tikhonov.', 'It is linear.', 'Is it?']
    """
    kept: list[str] = []

    def hide(match) -> str:
        kept.append(match[0])
        return f"${len(kept) - 1}$"

    hidden = re.sub(r"\$[^$]+\$|`[^`]+`", hide, " ".join(text.split()))
    found, rest = [], ""
    for piece in SENTENCE_END.split(hidden):
        rest = f"{rest} {piece}".strip()
        if rest.count("**") % 2 == 0 and rest.count("[") == rest.count("]"):  # no emphasis or link is torn apart
            found.append(rest)
            rest = ""
    found += [rest] if rest else []
    return [re.sub(r"\$(\d+)\$", lambda match: kept[int(match[1])], sentence) for sentence in found]


def shortened(text: str, first: bool) -> str:
    """What of a paragraph is shown: the first sentences of a text, else only a sentence that leads to what follows."""
    parts = sentences(text)
    shown = parts[:2] if first and len(" ".join(parts[:2])) <= 300 else parts[: int(first)]
    if parts[-1].endswith(":") and parts[-1] not in shown:
        shown.append(parts[-1])
    return " ".join(shown)


class Writer:
    """Reads a chapter cell by cell and keeps where it stands."""

    def __init__(self) -> None:
        self.slides: list[Slide] = []
        self.mode = ""  # "exercise", "quiz" or "references", until the next heading
        self.fold = ""  # within <details>: an "answer", which is left out, or words for the "speaker"
        self.first = True  # no paragraph of this text was shown yet

    def heading(self, block: Block) -> None:
        title = block.source.lstrip("# ").strip().lower()
        if self.mode == "references" and block.level > 2:
            return
        self.mode = next((word for word in ("exercise", "quiz", "references") if title.startswith(word)), "")
        self.first = True
        if self.mode != "references":
            self.slides.append(Slide(block.level, block.html))

    def show(self, part: str, kind: str = "text") -> None:
        """On this slide if there is room, else on a further one of the same title."""
        slide = self.slides[-1]
        alone = kind != "text" or slide.kind != "text"
        if slide.parts and (alone or slide.weight + weight(part) > FULL):
            lead = [slide.parts.pop()] if not alone and len(slide.parts) > 1 and leads(slide.parts[-1]) else []
            slide = Slide(3, slide.title, lead)
            self.slides.append(slide)
        slide.kind = kind
        slide.parts.append(part)

    def note(self, part: str) -> None:
        if self.mode != "references" and self.slides:
            self.slides[-1].notes.append(part)

    def text(self, source: str, slide_type: str = "") -> None:
        """A text cell."""
        self.first, self.fold, statement = True, "", False
        for block in blocks(source):
            folds = block.kind == "html_block"
            if folds and "<details" in block.source:
                answer = self.mode or ANSWERS.search(block.source.partition("</summary>")[0])
                self.fold = "answer" if answer else "speaker"
            if block.kind == "heading":
                self.heading(block)
                statement = self.mode == "exercise"
            elif self.mode == "references" or self.fold == "answer" or not self.slides:
                pass
            elif self.fold or slide_type == "notes" or (self.mode == "exercise" and not statement):
                self.note(re.sub(r"</?(details|summary)>", "", block.html))
            elif block.kind == "paragraph" and not (slide_type == "slide" or self.mode):
                self.paragraph(block)
            elif block.kind not in ("hr", "html_block"):
                self.show(block.html)
            if folds and "</details>" in block.source:
                self.fold = ""

    def paragraph(self, block: Block) -> None:
        if "predict, then run" in block.source[:40].lower():
            self.show(f'<div class="predict">{block.html}</div>')
            return
        shown = shortened(block.source, self.first)
        self.first = False
        if shown:
            self.show(MARKDOWN.render(shown))
        if shown != " ".join(block.source.split()):
            self.note(block.html)

    def code(self, cell, slide_type: str = "") -> None:
        """A code cell: what it shows."""
        if has_tag(cell, "setup") or has_tag(cell, "solution") or self.mode or not self.slides:
            return
        if slide_type == "slide":
            self.show(f"<pre><code>{html.escape(cell.source)}</code></pre>", "output")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.outputs:
            data = output.get("data", {})
            if slide_type == "notes":
                self.note(f"<pre>{html.escape(output.get('text', data.get('text/plain', '')))}</pre>")
            elif "text/html" in data:
                self.show(data["text/html"], "explorer" if "course-page" in data["text/html"] else "output")
            elif "image/png" in data:
                source = "".join(data["image/png"].split())
                picture = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'
                self.show(f'<figure class="picture">{picture}</figure>', "picture")
                self.note(f"<p>{html.escape(alt)}</p>")
            elif "text/markdown" in data:
                self.show(MARKDOWN.render(data["text/markdown"]), "output")
            elif output["output_type"] == "stream":
                printed = f"<pre>{html.escape(output['text'].rstrip())}</pre>"
                if is_table(output["text"]):
                    self.show(printed, "output")
                else:
                    self.note(printed)


def slides(notebook) -> list[Slide]:
    """The slides of an executed chapter, in order; ``notebook`` itself is left alone.

    Parameters
    ----------
    notebook : NotebookNode
        Run with COURSE_PAGE=1, so that its explorers are HTML.
    """
    writer = Writer()
    for cell in one_cell_per_explorer(copy.deepcopy(notebook.cells)):
        slide_type = cell.metadata.get("slideshow", {}).get("slide_type", "")
        if slide_type == "skip":
            continue
        if cell.cell_type == "markdown":
            writer.text(cell.source, slide_type)
        elif cell.cell_type == "code":
            writer.code(cell, slide_type)
    return [slide for slide in writer.slides if slide.parts or slide.level < 3 or slide.notes]
