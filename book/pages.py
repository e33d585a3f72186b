"""The parts of the book's own pages that are made and not written, so that each fact stands in one place."""

from __future__ import annotations

import base64
import io
import re

import api
import yaml
from PIL import Image, ImageOps
from prepare import KEY
from questions import questions

from course_utils._files import REPOSITORY
from course_utils.catalogue import catalogue
from course_utils.explore import EXPLORERS
from course_utils.figures.methods import HEAD, PROBLEMS, cells
from course_utils.notebooks import chapters, generate
from course_utils.provenance import place
from course_utils.reproduce.registry import experiments
from course_utils.results import load_result, origin

BOOK = REPOSITORY / "book"
#: The pages after the chapters, in order.
PARTS = {
    "Study and teach": ("methods", "progress", "teaching", "syllabus"),
    "Look up": ("notation", "library", "sources", "run-times", "bibliography", "credits"),
}
#: Pixels of the picture on a chapter's card.
THUMBNAIL = (480, 270)
#: Sections of chapter 00 that make up the page on notation.
LOOKED_UP = ("Conventions", "Notation", "Glossary")
#: A numbered section of a chapter: "## 3 The adjoint".
SECTION = re.compile(r"^## (\d+) (.+)$", re.MULTILINE)
#: An exercise: "### Exercise 2 (core): filter the views".
EXERCISE = re.compile(r"^### Exercise (\d+) \((\w+)\): (.+)$", re.MULTILINE)


def prose(notebook) -> str:
    """All the Markdown of a chapter."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def title(notebook) -> str:
    """``05 The three regularisers``."""
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# ").strip()


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def first_picture(notebook) -> tuple[bytes, str]:
    """The first picture that an executed chapter shows, with its description.

    Raises
    ------
    ValueError
        There is none.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if picture := output.get("data", {}).get("image/png"):
                return base64.b64decode(picture), cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    raise ValueError(f"{title(notebook)} shows no picture")


def thumbnail(picture: bytes) -> bytes:
    """The picture, small, on a white card of the proportions 16 : 9."""
    image = ImageOps.pad(Image.open(io.BytesIO(picture)).convert("RGB"), THUMBNAIL, Image.Resampling.LANCZOS, "white")
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def cards(descriptions: dict[str, str]) -> str:
    """The chapters as cards: picture, title, question.

    Parameters
    ----------
    descriptions : dict of str -> str
        What the picture ``images/NN-slug.png`` shows, by ``NN-slug``.
    """
    parts = [
        f":::{{grid-item-card}} {chapter.number:02d} {chapter.title}\n"
        f":link: notebooks/{chapter.stem}\n:link-type: doc\n"
        f":img-top: images/{chapter.stem}.png\n:img-alt: {descriptions[chapter.stem]}\n\n{chapter.question}\n:::"
        for chapter in catalogue().values()
    ]
    return "::::{grid} 1 2 2 3\n:gutter: 3\n\n" + "\n".join(parts) + "\n::::"


def contents() -> str:
    """What Jupyter Book reads as ``_toc.yml``."""
    parts = [{"caption": "Chapters", "chapters": [{"file": f"notebooks/{c.stem}"} for c in catalogue().values()]}]
    rooms = [{"file": f"library/{room}"} for room in api.ROOMS]
    for caption, files in PARTS.items():
        entries = [{"file": file} | ({"sections": rooms} if file == "library" else {}) for file in files]
        parts.append({"caption": caption, "chapters": entries})
    return yaml.safe_dump({"format": "jb-book", "root": "index", "parts": parts}, sort_keys=False, allow_unicode=True)


def teaching() -> str:
    """The notes on all chapters, one file each."""
    return "\n".join((BOOK / "teaching" / f"{text.stem[:2]}.md").read_text(encoding="utf-8") for text in chapters())


def notation() -> str:
    """Conventions, notation and glossary, from chapter 00; its exercises stay there."""
    text = prose(generate(chapters(["00"])[0]))
    parts = []
    for wanted in LOOKED_UP:
        found = re.search(rf"^## \d+ ({wanted}.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        if found is None:
            raise ValueError(f"chapter 00 has no numbered section '{wanted}'")
        parts.append(f"## {found[1].strip()}\n{found[2].rstrip()}")
    return "\n\n".join(parts)


def sections() -> dict[str, dict[int, str]]:
    """Chapter number -> section number -> title, for all numbered sections."""
    found = {}
    for text in chapters():
        found[text.stem[:2]] = {int(n): name for n, name in SECTION.findall(prose(generate(text)))}
    return found


def sources() -> str:
    """Which part of the paper or the lectures each section teaches, one table a chapter."""
    named = sections()
    parts = []
    for text in chapters():
        number = text.stem[:2]
        origins = yaml.safe_load((BOOK / "sources" / f"{number}.yml").read_text(encoding="utf-8"))
        rows = [[str(n), name, origins[n]] for n, name in named[number].items()]
        heading = f"## [{title(generate(text))}](notebooks/{text.stem}.ipynb)"
        parts.append(f"{heading}\n\n{table(['', 'section', 'from'], rows)}")
    return "\n\n".join(parts)


def run_times(records: dict[str, dict]) -> str:
    """Seconds and memory of each chapter's run, and on what; ``records`` as book/execute.py stores them."""
    rows, machines = [], set()
    for text in chapters():
        record = records[text.stem]
        made = record["provenance"]
        versions = made["versions"]
        machines.add(f"- {made['date']}: {place(made)}; Python {versions['python']}, PyTorch {versions['torch']}")
        rows.append(
            [
                f"[{title(generate(text))}](notebooks/{text.stem}.ipynb)",
                f"{record['seconds']:.0f}&nbsp;s",
                f"{max(record['cells']):.0f}&nbsp;s",
                f"{record['peak_bytes'] / 1e9:.1f}&nbsp;GB",
                "small" if record["fast"] else "full",
            ]
        )
    rows.append(["all", f"{sum(record['seconds'] for record in records.values()):.0f}&nbsp;s", "", "", ""])
    head = ["chapter", "run", "slowest cell", "peak memory", "experiments"]
    return f"{table(head, rows)}\n\n" + "\n".join(sorted(machines))


#: Where the explorer of the front page begins: so few data that what a method expects decides.
FRONT = {"method": "hard", "lam": 0.01, "m": 25}


def explorer(name: str, **start) -> str:
    """An explorer that works without a kernel, as a block of raw HTML; ``start``: where its controls stand at first."""
    return f"````{{raw}} html\n{EXPLORERS[name]().begin_at(**start).page()}\n````"


def exercises() -> str:
    """Every exercise, quiz and prediction of every chapter, as lists with the marks that the page's script reads."""
    parts = []
    for text in chapters():
        notebook = generate(text)
        lines = [
            f'- <span data-exercise="{text.stem[:2]}-{number}"></span>Exercise {number} ({grade}): {name}'
            for number, grade, name in EXERCISE.findall(prose(notebook))
        ]
        asked = [
            q for cell in notebook.cells if cell.cell_type == "markdown" for q in questions(cell.source, text.stem)
        ]
        for kind, name in {"quiz": "Quiz", "prediction": "Predictions"}.items():
            if keys := [question.key for question in asked if question.kind == kind]:
                lines.append(f'- {name}: <span data-{kind}="{" ".join(keys)}">{len(keys)} questions</span>')
        parts.append(f"## [{title(notebook)}](notebooks/{text.stem}.ipynb)\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def script(name: str) -> str:
    """The script of one page; in the page itself, as one in _static would be put into every page."""
    return f"<script>\n{(BOOK / name).read_text(encoding='utf-8')}</script>"


def methods() -> str:
    """Every row of the record of all methods, the best of each problem first."""
    record = load_result("methods")
    lines = []
    for name, words in PROBLEMS.items():
        rows = sorted((r for r in record["rows"] if r["problem"] == name), key=lambda r: -sum(r["psnr"]))
        lines += [[words, row["kind"], *cells(row)] for row in rows]
    return table(["problem", "kind", *HEAD], lines)


def methods_notes() -> str:
    """Where the rows come from, and the story that they tell."""
    record = load_result("methods")
    return f"{origin(record)}\n\n{experiments()['methods'].story(record)}"


def cited(text: str) -> str:
    """Keys of references in backticks become links into the bibliography."""
    return KEY.sub(r"{cite}`\1`", text)
