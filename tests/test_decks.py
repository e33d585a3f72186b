"""The slides of every chapter in headless Chromium, made from its one execution: each fits and can be read.

With COURSE_BOOK_SITE the slides of that site are tested instead.
"""

import book_tools
import pytest
import slides
from deck_tools import faults, opened

from course_utils.notebooks import chapters


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """A folder with what decks load."""
    book_tools.vendored()
    folder = tmp_path_factory.mktemp("decks")
    slides.furnish(folder)
    return folder


@pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)
def test_every_slide_of_a_chapter_fits_and_can_be_read(text, request, browser):
    if site := book_tools.given():
        deck = (site / "slides" / f"{text.stem}.html").resolve()
    else:
        notebook = request.getfixturevalue("executed")(text).notebook
        deck = slides.write(notebook, request.getfixturevalue("decks"), text.stem)
    with opened(browser, deck) as page:
        assert page.evaluate("Reveal.getTotalSlides()") > 20
        assert page.locator(".course-page").count() > 0
        assert not (found := faults(page)), "\n".join(f"{place}: {lines}" for place, lines in found.items())
