"""Make the slides: one deck for each chapter, from the same executed chapters as the book.

    python book/slides.py           -> book/_build/slides/NN-slug.html
    python book/slides.py 05        this chapter alone
    python book/slides.py --fast    with the smaller experiments, for a quick look -> book/_build/slides-fast
    python book/slides.py --pdf     each also printed, NN-slug.pdf beside it; needs Chromium and playwright

What goes on them: ``slide_rules``.  Explorers stay live, and no deck needs a network or a kernel; in a PDF an explorer
is a picture.  The book carries the decks of all its chapters, see ``build``.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import browser
import mathjax
import nbformat
import reveal
from execute import ChapterError, execute, library_digest
from prepare import PageError
from slide_rules import Slide, slides

from course_utils._files import REPOSITORY, IntegrityError, atomic
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


#: All slides are drawn, with their pictures and the first picture of every explorer.  While they are laid out on paper
#: they are in no document, so that there are none.
DRAWN = """window.Reveal?.isReady() && Reveal.getSlides().length > 0
  && Reveal.getSlides().every(slide => slide.dataset.drawn === "yes")
  && [...document.images].every(image => image.complete)
  && ![...document.querySelectorAll(".course-page")].some(explorer => explorer.dataset.busy === "yes")"""


def on_paper(opened, deck: Path, patience: float = 120) -> Path:
    """A deck as a PDF beside it, a slide a page, by an opened browser.

    Parameters
    ----------
    opened : playwright's Browser
    deck : Path
    patience : float
        Seconds that its slides may take to be drawn.

    Raises
    ------
    RuntimeError
        They were not drawn in time.
    """
    from playwright.sync_api import Error

    page = opened.new_page(viewport={"width": 1280, "height": 720})
    page.emulate_media(media="print")  # before the slides are measured
    try:
        page.goto(f"{deck.resolve().as_uri()}?print-pdf")
        page.wait_for_function(DRAWN, timeout=1000 * patience)
        target = deck.with_suffix(".pdf")
        with atomic(target) as temporary:
            page.pdf(path=temporary, prefer_css_page_size=True, print_background=True)
    except Error as error:
        raise RuntimeError(f"{deck.name} could not be printed: {error}") from error
    finally:
        page.close()
    return target


def printed(decks: Iterable[Path]) -> list[Path]:
    """Each deck as a PDF beside it.

    Raises
    ------
    RuntimeError
        There is no browser, or no playwright to drive it, or a deck was not drawn in time.
    """
    with browser.chromium() as opened:
        return [on_paper(opened, deck) for deck in decks]


def publish(executed: Path, folder: Path, pdf: bool = False) -> None:
    """The decks of all chapters that lie executed in a folder, with what they load; if asked also as PDF."""
    furnish(folder)
    decks = [write(nbformat.read(executed / f"{t.stem}.ipynb", as_version=4), folder, t.stem) for t in chapters()]
    if pdf:
        printed(decks)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which chapters (default: all)")
    parser.add_argument("--fast", action="store_true", help="run the chapters with their smaller experiments")
    parser.add_argument("--pdf", action="store_true", help="print each deck, too")
    options = parser.parse_args(arguments)
    executed = BOOK / "_build" / ("executed-fast" if options.fast else "executed")
    decks = DECKS.with_name("slides-fast") if options.fast else DECKS
    try:
        found, library = chapters(options.names), library_digest()
        furnish(decks)
        for text in found:
            notebook = nbformat.read(execute(text, executed, library, options.fast), as_version=4)
            made = write(notebook, decks, text.stem)
            print(made, *(printed([made]) if options.pdf else ()), flush=True)
    except (ChapterError, PageError, IntegrityError, OSError, RuntimeError, ValueError) as error:
        raise SystemExit(f"the slides were not made: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
