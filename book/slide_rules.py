"""What of an executed chapter goes on slides, and what the speaker reads: by rule, without marks in the chapters.

A ``##`` heading begins a column of slides, a ``###`` heading a slide below.  On slides stand formulas, lists, tables,
quotations, the first sentences of a text, pictures, explorers, and the statements of exercises.  Longer text goes into
the speaker's notes.  Code, setup, hints, answers, solutions and references stay in the chapter.

A prediction ("**Predict, then run.** ...") stands alone on its slide, so that the class can answer first.  What the
experiment shows, and the sentence that says so, come on the next one.

A cell's ``slideshow: {slide_type: ...}`` overrules: ``skip`` leaves it out, ``slide`` shows all of it, code
included, and ``notes`` gives it to the speaker.  ``slideshow: {cut: 0.5}`` divides a picture whose letters would be too
small in two, at the blank lines near that part of its way down, or across if it is much wider than high; ``cut: [0.3,
0.7]`` in three.  With ``keep: 0.1`` the first tenth, with labels or names, is repeated in the further parts.
"""

from __future__ import annotations

import base64
import copy
import html
import io
import re
import textwrap
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from prepare import has_tag, one_cell_per_explorer
from slide_text import ROOM, Block, blocks, divided, height, rendered, shortened

from course_utils.explore.page import share_blocks

ANSWERS = re.compile(r"solution|answer|hint", re.IGNORECASE)
PREDICTION = re.compile(r"\*\*Predict[^*]*\*\*")
#: How a list of choices begins; see ``questions``.
CHOICE = "- [ ] "
#: Pixels for a picture; how wide a column of words beside it must be; the pixels that the title of a chapter takes.
WIDTH, HEIGHT, COLUMN, TITLE = 1240, 630, 300, 220
#: Where a picture may be cut: so many blank lines, at most this share of its size from the place that was named.
BLANK, NEAR = 3, 0.03
#: Letters in a printed line that can be read on a slide.
LONGEST = 110


@dataclass
class Slide:
    """One slide.  ``level`` 1 or 2 begins a column; ``parts`` and ``notes`` are HTML."""

    level: int
    title: str
    parts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = "text"  # or "question", "picture", "explorer", "output"
    beside: bool = False  # of a picture: words stand beside it, not below
    space: float = 0  # of a picture: pixels for words, as if they stood below

    def has_room(self, part: str, kind: str) -> bool:
        """Whether one more part may stand on it."""
        if self.kind in ("text", "output") and kind in ("text", "output"):
            return sum(map(height, [*self.parts, part])) <= ROOM - TITLE * (self.level == 1)
        words = kind == "text" and part.startswith("<p>")
        return words and sum(map(height, [*self.parts[1:], part])) <= self.space


def is_table(printed: str) -> bool:
    """Whether printed output stands in columns; else it is a remark, for the speaker.

    Example
    -------
    >>> is_table("method   PSNR\\nhard     20.1\\nTV       18.0"), is_table("A sentence.\\nAnother one.\\nA third.")
    (True, False)
    """
    lines = printed.strip("\n").splitlines()
    return len(lines) >= 3 and sum(bool(re.search(r"\S {2,}\S", line)) for line in lines) > len(lines) / 2


def report(printed: str) -> list[str]:
    """What an experiment has printed: a few lines that can be read on a slide, without longer ones and run times.

    A long line that the one before announces is broken instead.

    Example
    -------
    >>> report("The loss is 1.\\n" + 60 * "so " + "\\nIt took 7 s.")
    ['The loss is 1.']
    >>> [len(line) for line in report("Three losses:\\n" + 60 * "so ")]
    [13, 109, 73]
    """
    lines, announced = [], False
    for line in printed.strip("\n").splitlines():
        if not re.search(r"\d s\b", line):
            if len(line) <= LONGEST:
                lines.append(line)
            elif announced:
                lines += textwrap.wrap(line, LONGEST, initial_indent="  ", subsequent_indent="  ")
        announced = line.rstrip().endswith(":")
    return lines if len(lines) <= 14 else []


def joined(outputs: list) -> list:
    """What a cell prints in several goes is one text: (kind, text or data) pairs."""
    found: list[tuple] = []
    for output in outputs:
        if output["output_type"] != "stream":
            found.append(("data", output.get("data", {})))
        elif found and found[-1][0] == "text":
            found[-1] = ("text", found[-1][1] + output["text"])
        else:
            found.append(("text", output["text"]))
    return found


def cut(picture: bytes, places: float | list[float] | None, keep: float | None = None) -> list[bytes]:
    """A picture in parts, divided at blank lines near ``places``: shares of its height, or of its width if it is wide.

    What stands before the blank line at ``keep``, labels of rows or the names of columns, is repeated in each further
    part, because a part must not lose what says what it shows.

    Raises
    ------
    ValueError
        A place is not in (0, 1) or has no blank line near it, or a place does not lie behind the one before.
    """
    if places is None:
        return [picture]
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    axis = int(pixels.shape[1] > 1.5 * pixels.shape[0])  # 0: down, 1: across

    def drawn(part, axis: int) -> np.ndarray:
        return np.flatnonzero((part < 250).any(axis=(1 - axis, 2)))

    lines = drawn(pixels, axis)
    ends = np.flatnonzero(np.diff(lines) > BLANK)
    gaps = [(int(lines[k]) + 1, int(lines[k + 1])) for k in ends]  # first blank line, and first one drawn again

    def gap(place: float) -> int:
        wanted = place * pixels.shape[axis]
        first, last = min(gaps, key=lambda g: max(g[0] - wanted, wanted - g[1], 0.0), default=(0, 0))
        if not (0 < place < 1 and first - NEAR * pixels.shape[axis] <= wanted <= last + NEAR * pixels.shape[axis]):
            there = ", ".join(f"{(a + b) / 2 / pixels.shape[axis]:.3f}" for a, b in gaps) or "none"
            raise ValueError(f"'cut' and 'keep': expected a place with blank lines (there: {there}), got {place}")
        return (first + last) // 2

    at = [gap(place) for place in np.atleast_1d(places)]
    kept = 0 if keep is None else gap(keep)
    if sorted({kept, *at}) != [kept, *at]:
        raise ValueError(f"'cut' and 'keep': expected places one behind the other, got {keep} and {places}")
    strip = pixels[:kept] if axis == 0 else pixels[:, :kept]
    parts = []
    for k, part in enumerate(np.split(pixels, at, axis=axis)):
        part = np.concatenate([strip, part], axis) if k else part
        rows, columns = drawn(part, 0), drawn(part, 1)
        buffer = io.BytesIO()
        Image.fromarray(part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).save(buffer, "png")
        parts.append(buffer.getvalue())
    return parts


class Writer:
    """Reads a chapter cell by cell and keeps where it stands."""

    def __init__(self) -> None:
        self.slides: list[Slide] = []
        self.mode = ""  # "exercise", "quiz" or "references", until the next heading
        self.fold = ""  # within <details>: an "answer", which is left out, or words for the "speaker"
        self.first = True  # no paragraph of this text was shown yet
        self.asked = False  # a prediction waits for its experiment
        self.remark = ""  # the one line that an experiment has printed, to stand after its picture
        self.lead = ""  # words that belong to the next piece
        self.section = ""  # the title of what an exercise interrupts
        self.resumed = False  # an exercise has ended: the next slide goes on with its section

    def heading(self, block: Block) -> None:
        title = block.source.lstrip("# ").strip().lower()
        if self.mode == "references" and block.level > 2:
            return
        self.flush()
        self.mode = next((word for word in ("exercise", "quiz", "references") if title.startswith(word)), "")
        self.first, self.resumed = True, False
        if self.mode != "exercise" or block.level < 3:  # "## Exercises" is a section too
            self.section = block.html
        if self.mode != "references":
            self.slides.append(Slide(block.level, block.html))

    def next_slide(self) -> Slide:
        """The last slide if nothing stands on it yet, else a further one of the same title."""
        if self.resumed:
            self.slides.append(Slide(3, self.section))
        elif self.slides[-1].parts:
            self.slides.append(Slide(3, self.slides[-1].title))
        self.resumed = False
        return self.slides[-1]

    def show(self, part: str, kind: str = "text") -> None:
        """On this slide if there is room, else on further ones of the same title."""
        if kind in ("picture", "explorer"):
            self.flush()
        lead, self.lead = self.lead, ""
        pieces = divided(part, taken=height(lead))
        for piece in [lead + pieces[0], *pieces[1:]]:
            slide = self.slides[-1]
            if self.resumed or (slide.parts and not slide.has_room(piece, kind)):
                slide = self.next_slide()
            if not slide.parts:
                slide.kind = kind
            slide.parts.append(piece)

    def flush(self) -> None:
        """Show the words that wait for something to lead to."""
        lead, self.lead = self.lead, ""
        if lead:
            self.show(lead)

    def say(self) -> None:
        """Show what an experiment has printed, below its picture or before what is said of it."""
        remark, self.remark = self.remark, ""
        if remark:
            self.show(f"<p><code>{html.escape(remark)}</code></p>")

    def picture(self, source: bytes, alt: str) -> None:
        image = Image.open(io.BytesIO(source))
        proportion = image.width / image.height
        width = min(WIDTH, HEIGHT * proportion)
        data = base64.b64encode(source).decode()
        picture = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
        self.show(f'<figure class="picture">{picture}</figure>', "picture")
        slide = self.slides[-1]
        slide.beside = WIDTH - width >= COLUMN
        slide.space = 0.85 * HEIGHT * (WIDTH - width) / WIDTH if slide.beside else HEIGHT - width / proportion

    def note(self, part: str) -> None:
        if self.mode != "references" and self.slides:
            self.slides[-1].notes.append(part)

    def text(self, source: str, slide_type: str = "") -> None:
        """A text cell."""
        self.flush()
        self.say()
        self.first, self.fold, statement = True, "", False
        found = blocks(source)
        for block, following in zip(found, [*found[1:], None], strict=True):
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
            elif block.kind == "paragraph":
                leads = following.displayed if following else not self.mode and block.source.endswith(":")
                self.paragraph(block, leads, whole=slide_type == "slide" or bool(self.mode))
            elif block.source.startswith(CHOICE):
                self.choices(block.html.replace("<li>[ ] ", "<li>"))
            elif block.kind not in ("hr", "html_block"):
                self.show(block.html)
            if folds and "</details>" in block.source:
                self.fold = ""

    def paragraph(self, block: Block, leads: bool, whole: bool) -> None:
        if (prediction := PREDICTION.search(block.source)) is not None:
            self.ask(block.source[: prediction.start()], block.source[prediction.start() :])
            return
        shown = block.source if whole else shortened(block.source, self.first, leads)
        self.first = False
        if shown and leads:
            self.lead += rendered(shown)
        elif shown:
            self.show(rendered(shown))
        if " ".join(shown.split()) != " ".join(block.source.split()):
            self.note(block.html)

    def ask(self, before: str, question: str) -> None:
        """A prediction, with the sentences of its paragraph that lead to it, alone on a slide."""
        slide = self.next_slide()
        slide.kind = "question"
        context = rendered(shortened(before, True, False, most=len(before))) if before.strip() else ""
        slide.parts.append(f'{context}<div class="predict">{rendered(question)}</div>')
        self.asked = True
        self.first = False  # what else this text says, the speaker may say

    def choices(self, made: str) -> None:
        """What can be answered to a prediction stands with it; in a quiz below its question."""
        slide = self.slides[-1]
        if slide.kind == "question" and self.asked:
            slide.parts[-1] = f"{slide.parts[-1].removesuffix('</div>')}{made}</div>"
        else:
            self.show(made)

    def code(self, cell, slide_type: str = "") -> None:
        """A code cell: what it shows."""
        if has_tag(cell, "solution") and self.mode == "exercise":
            self.mode, self.resumed = "", True
        if has_tag(cell, "setup") or has_tag(cell, "solution") or self.mode or not self.slides:
            return
        if slide_type == "slide":
            self.show(f"<pre><code>{html.escape(cell.source)}</code></pre>", "output")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        outputs = joined(cell.outputs)
        answers, self.asked = self.asked, False
        only_prints = all(kind == "text" for kind, _ in outputs)
        for kind, data in outputs:
            if slide_type == "notes":
                self.note(f"<pre>{html.escape(data if kind == 'text' else data.get('text/plain', ''))}</pre>")
            elif kind == "text":
                lines = report(data) if answers and only_prints else []
                if is_table(data) or len(lines) > 1:
                    shown = data.rstrip() if is_table(data) else "\n".join(lines)
                    self.show(f"<pre>{html.escape(shown)}</pre>", "output")
                else:
                    self.remark = lines[0] if lines else self.remark
                    self.note(f"<pre>{html.escape(data.rstrip())}</pre>")
            elif "text/html" in data:
                self.show(data["text/html"], "explorer" if "course-page" in data["text/html"] else "output")
            elif "image/png" in data:
                marks = cell.metadata.get("slideshow", {})
                for part in cut(base64.b64decode(data["image/png"]), marks.get("cut"), marks.get("keep")):
                    self.picture(part, alt)
                self.note(f"<p>{html.escape(alt)}</p>")
            elif "text/markdown" in data:
                self.show(rendered(data["text/markdown"]), "output")


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
    writer.flush()
    writer.say()
    found = [slide for slide in writer.slides if slide.parts or slide.level < 3 or slide.notes]
    shared = iter(share_blocks([part for slide in found for part in slide.parts]))
    for slide in found:
        slide.parts = [next(shared) for _ in slide.parts]
    return found
