"""Make the slides: one deck for each chapter, from the same executed chapters as the book.

    python book/slides.py           -> book/_build/slides/NN-slug.html
    python book/slides.py 05        this chapter alone
    python book/slides.py --fast    with the smaller experiments, for a quick look -> book/_build/slides-fast

What goes on them: ``slide_rules``.  Explorers stay live, and no deck needs a network or a kernel.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
from pathlib import Path

import mathjax
import nbformat
import reveal
from execute import ChapterError, execute, library_digest
from prepare import PageError
from slide_rules import Slide, slides

from course_utils._files import REPOSITORY, IntegrityError
from course_utils.notebooks import chapters

BOOK = REPOSITORY / "book"
DECKS = BOOK / "_build" / "slides"
DECK_FILES = BOOK / "deck"

PAGE = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="vendor/reveal/reset.css">
<link rel="stylesheet" href="vendor/reveal/reveal.css">
<link rel="stylesheet" href="vendor/deck.css">
<script>
MathJax = {{
  startup: {{ typeset: false }},
  options: {{ enableMenu: false }},
}};
</script>
<script defer src="vendor/mathjax/{mathjax}"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script defer src="vendor/reveal/reveal.js"></script>
<script defer src="vendor/reveal/notes.js"></script>
<script defer src="vendor/deck.js"></script>
</body>
</html>
"""


def section(slide: Slide) -> str:
    """The HTML of one slide."""
    heading = f"<h1>{slide.title}</h1>" if slide.level == 1 else f"<h2>{slide.title}</h2>"
    kind = slide.kind if slide.parts else "part"
    if kind == "picture" and len(slide.parts) > 1:
        kind += " beside" if slide.beside else " below"
    body = f'<div class="body">\n{"".join(slide.parts)}\n</div>'
    notes = f'<aside class="notes">{"".join(slide.notes)}</aside>' if slide.notes else ""
    return f'<section class="{kind}">\n{heading}\n{body}\n{notes}</section>'


def deck(made: list[Slide], title: str) -> str:
    """A page of slides: a column for each ``##`` heading.

    Parameters
    ----------
    made : list of Slide
    title : str
        Plain text, for the window.
    """
    columns: list[list[str]] = []
    for slide in made:
        if slide.level <= 2 or not columns:
            columns.append([])
        columns[-1].append(section(slide))
    stacks = ["<section>\n" + "\n".join(column) + "\n</section>" for column in columns]
    # a chapter's links to other chapters lead to their slides
    body = re.sub(r'href="(\d\d-[\w-]+)\.ipynb"', r'href="\1.html"', "\n".join(stacks))
    return PAGE.format(title=html.escape(title), mathjax=mathjax.SCRIPT, slides=body)


def furnish(folder: Path) -> None:
    """Put beside the decks what they load."""
    vendor = folder / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    reveal.unpack(reveal.package(), vendor / "reveal")
    mathjax.unpack(mathjax.package(), vendor / "mathjax")
    for path in DECK_FILES.iterdir():
        shutil.copyfile(path, vendor / path.name)


def write(notebook, folder: Path, stem: str) -> Path:
    """The deck of an executed chapter.

    Raises
    ------
    PageError
        It has nothing to show: the first text must begin with the title.
    """
    made = slides(notebook)
    if not made or made[0].level != 1:
        raise PageError(f"{stem}: expected a title (# ...) in the first cell")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}.html"
    title = re.sub(r"<[^>]+>", "", made[0].title)
    target.write_text(deck(made, html.unescape(title)), encoding="utf-8")
    return target


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which chapters (default: all)")
    parser.add_argument("--fast", action="store_true", help="run the chapters with their smaller experiments")
    options = parser.parse_args(arguments)
    executed = BOOK / "_build" / ("executed-fast" if options.fast else "executed")
    decks = DECKS.with_name("slides-fast") if options.fast else DECKS
    try:
        found, library = chapters(options.names), library_digest()
        furnish(decks)
        for text in found:
            notebook = nbformat.read(execute(text, executed, library, options.fast), as_version=4)
            print(write(notebook, decks, text.stem))
    except (ChapterError, PageError, IntegrityError, OSError, RuntimeError, ValueError) as error:
        raise SystemExit(f"the slides were not made: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
