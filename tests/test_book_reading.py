"""A page of the book as a text to read: predictions, quizzes, the keyboard, paper; on a book of one short chapter.

Headless Chromium opens it from a plain file server.  Without Chromium, npm or Jupyter Book these tests skip, or fail
where CI is set.
"""

import re

import book_tools
import paper
import pytest
import small_book
from needs import needed

from course_utils._files import REPOSITORY
from course_utils.figures.style import STYLE

PAGE = f"notebooks/{small_book.STEM}.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return small_book.made(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def address(site):
    with book_tools.served(site) as found:
        yield found


@pytest.fixture
def opened(browser, address):
    """A function that opens pages in one browser that keeps nothing from other tests."""
    with book_tools.opener(browser, address) as open_page:
        yield open_page


@pytest.fixture
def page(opened):
    page = opened(PAGE)
    yield page
    assert not page.complaints, "\n".join(page.complaints)


def shown(page, text: str) -> bool:
    return page.get_by_text(text, exact=False).first.is_visible()


def test_what_is_predicted_stays_hidden_until_there_is_an_answer_which_the_browser_keeps(page, opened):
    first = page.locator(".course-choices").first
    secrets = ("TV wins by far", "second output", "as said of it", "assert")
    assert not any(shown(page, text) for text in secrets)
    assert shown(page, "It stays.") and shown(page, "compute()"), "code that does not tell stays"
    page.locator(".tag_predicted summary").first.click()  # nobody looks first
    assert not shown(page, "TV wins by far") and first.locator("button").first.evaluate(
        "b => b === document.activeElement"
    )
    assert "Answer first" in first.get_by_role("status").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the second choice, by keyboard
    assert first.get_by_role("button", name="H1", pressed=True).count() == 1
    assert all(shown(page, text) for text in secrets)
    assert page.locator(".tag_predicted .course-said").all_inner_texts() == ["You said: H1."]
    assert not shown(page, "seven"), "the other question waits still"
    again = opened(PAGE)
    assert again.locator(".course-said").all_inner_texts() == ["You said: H1."] and shown(again, "TV wins by far")
    again.get_by_role("button", name="Fold it again").first.click()
    assert not any(shown(again, text) for text in secrets)
    assert again.evaluate("localStorage.getItem('course-answers')") == "{}"


def test_a_formula_in_a_choice_is_said_again_as_a_formula(page):
    page.locator(".course-choices button").first.click()
    assert page.locator(".course-said mjx-container").count() == 1


def test_a_number_can_be_predicted_and_nothing_as_well(page):
    second = page.locator(".course-choices").nth(1)
    second.get_by_role("button", name="Show what happens").click()
    assert not shown(page, "seven"), "an empty field is no answer"
    second.get_by_label("My prediction").fill("2.5")
    second.get_by_label("My prediction").press("Enter")
    assert shown(page, "seven") and page.locator(".course-said").inner_text() == "You said: 2.5 dB."
    page.locator(".course-choices").first.get_by_role("button", name="Show it without an answer").click()
    assert shown(page, "TV wins by far") and page.locator(".course-said").first.inner_text() == "You gave no answer."


def test_a_quiz_says_right_or_wrong_with_the_reason_and_progress_counts(page, opened):
    one, two = page.locator(".course-choices[data-kind=quiz]").all()
    assert not shown(page, "The reason for it")
    one.get_by_role("button").first.click()
    assert one.get_by_role("status").inner_text().startswith("Wrong") and shown(page, "The reason for it")
    assert one.locator(".course-right").inner_text().startswith("That with")
    one.get_by_role("button").nth(1).click()
    assert one.get_by_role("status").inner_text().startswith("Wrong"), "the first choice counts"
    two.get_by_role("button", name="Yes").click()
    assert two.get_by_role("status").inner_text().startswith("Right")
    page.locator(".course-choices button").first.click()
    counted = opened("progress.html")
    assert counted.locator("[data-quiz]").inner_text() == "2 of 2 answered, 1 of them right"
    assert counted.locator("[data-prediction]").inner_text() == "1 of 2 answered"
    assert not counted.complaints


def test_a_browser_that_keeps_nothing_says_so(page):
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full'); }; }")
    page.locator(".course-choices button").first.click()
    assert "does not keep" in page.locator(".course-verdict").first.inner_text()
    assert shown(page, "TV wins by far")


def test_without_scripts_the_choices_are_lists_and_the_answers_fold(browser, address):
    with book_tools.opener(browser, address, java_script_enabled=False) as open_page:
        page = open_page(PAGE)
        assert page.locator(".course-choices li").count() == 9 and page.locator(".course-choices button").count() == 0
        assert not shown(page, "TV wins by far") and shown(page, "as said of it")
        page.locator(".tag_predicted summary").first.click()
        assert shown(page, "TV wins by far")


def test_axe_finds_nothing_serious_before_and_after_the_answers(page, opened, tmp_path):
    script = book_tools.axe(tmp_path)
    answered = opened(PAGE)
    for block in answered.locator(".course-choices:has(button[aria-pressed])").all():
        block.locator("button").first.click()
    found = book_tools.serious(answered, script)
    complaints = [*page.complaints]
    found += book_tools.serious(page, script)
    page.complaints[:] = complaints  # axe looks for style sheets, in places of its own
    assert not found, "\n".join(found)


FOCUSED = "document.activeElement.textContent.trim()"


def test_the_keyboard_goes_from_explorer_to_explorer_by_links_that_are_seen_then(page):
    link = page.get_by_role("link", name="Skip to the first explorer")
    seen = "link => getComputedStyle(link).clipPath === 'none'"
    assert not link.evaluate(seen)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to the first explorer" and link.evaluate(seen)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "first"
    page.get_by_role("link", name="Skip to the next explorer").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "second"


def test_what_does_not_scroll_is_no_stop_of_the_tab_key(page):
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_function("document.querySelector('article table').tabIndex === 0")
    assert page.locator("article mjx-container").count() > 3
    assert page.locator("article mjx-container[tabindex]").count() == 0


def test_a_fold_is_called_what_it_says(page):
    assert page.get_by_text("What it shows: answer first").count() > 0
    assert page.locator("article summary[aria-label]").count() == 0


# Pictures

#: Letters of a figure as they are drawn: points, and dots an inch.  None has smaller ones; a test reads all figures.
SMALLEST, DPI, READABLE = 7, STYLE["figure.dpi"], 11


def letters(image) -> float:
    """Pixels of the smallest letters of a picture, as it is shown."""
    return SMALLEST / 72 * DPI * image.evaluate("e => e.clientWidth / e.naturalWidth")


def phone(page, dark: bool = False):
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("t => { document.documentElement.dataset.theme = t; }", "dark" if dark else "light")
    page.get_by_role("button", name="Enlarge the picture").wait_for()
    return page.locator("article .cell_output img[alt='A grey field.']")


def test_no_figure_has_smaller_letters():
    sizes = re.compile(r"\b(?:font|label|title|legend_font)size\s*=\s*(\d+(?:\.\d+)?)")
    folders = (
        REPOSITORY / "course_utils" / "chapters",
        REPOSITORY / "course_utils" / "figures",
        REPOSITORY / "notebooks",
    )
    texts = {path: path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py")}
    found = [(float(size), path.name) for path, text in texts.items() for size in sizes.findall(text)]
    assert len(found) > 50 and min(found)[0] >= SMALLEST, min(found)
    ours = {key: value for key, value in STYLE.items() if key.endswith("size") and not key.startswith("lines")}
    assert min(ours.values()) >= SMALLEST, ours


@pytest.mark.parametrize("way", ["tap", "keyboard"])
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_a_picture_is_enlarged_until_its_letters_can_be_read(page, way, dark):
    small = phone(page, dark)
    assert letters(small) < READABLE, "else there is nothing to enlarge"
    button = page.get_by_role("button", name="Enlarge the picture")
    if way == "tap":
        small.click()
    else:
        button.focus()
        page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    large = dialog.get_by_role("img", name="A grey field.")
    assert letters(large) >= READABLE
    assert large.evaluate("e => getComputedStyle(e).filter") == "none"
    room = page.locator(".course-picture-room")
    assert room.evaluate("e => e.scrollWidth > e.clientWidth && e === document.activeElement")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = dialog.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] >= 0 and box["y"] + box["height"] <= 800
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.course-picture-room').scrollLeft > 0")
    page.keyboard.press("Shift+Tab")  # the page behind is out of reach
    assert page.evaluate(FOCUSED) == "Close"
    if way == "tap":
        dialog.get_by_role("button", name="Close").click()
    else:
        page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("e => e === document.activeElement")


def test_a_picture_in_its_own_size_is_not_enlarged_nor_are_those_of_explorers_and_nothing_of_it_is_printed(page):
    phone(page)
    assert page.locator("article .course-page .course-enlarge, .sd-card .course-enlarge").count() == 0
    page.locator("article .cell_output img").first.evaluate("e => { e.style.maxWidth = 'none'; }")
    button = page.locator(".course-enlarge")
    page.wait_for_function("document.querySelector('.course-enlarge').hidden")
    page.locator("article .cell_output img").first.evaluate("e => { e.style.maxWidth = ''; }")
    page.wait_for_function("!document.querySelector('.course-enlarge').hidden")
    page.locator(".course-enlarge").click()
    page.emulate_media(media="print")
    assert not button.is_visible() and not page.locator("dialog.course-picture").is_visible()


def test_axe_finds_nothing_serious_in_an_enlarged_picture(page, opened, tmp_path):
    phone(page).click()
    complaints = [*page.complaints]
    found = book_tools.serious(page, book_tools.axe(tmp_path))
    page.complaints[:] = complaints
    assert not found, "\n".join(found)


# On paper


def test_what_opens_for_paper_is_there_at_once_and_in_black_on_white(page):
    """A fold that fades in is printed while it is still white."""
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.set_viewport_size({"width": 673, "height": 900})
    page.emulate_media(media="print")
    page.wait_for_function("!document.querySelector('article details:not([open])')")
    opened = "article details > :not(summary)"
    assert page.locator(opened).count() > 3
    fading = "parts => parts.filter(part => getComputedStyle(part).animationName !== 'none').length"
    assert page.eval_on_selector_all(opened, fading) == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    wide = "boxes => boxes.filter(box => box.getBoundingClientRect().right > innerWidth + 1).length"
    assert page.eval_on_selector_all("article :is(pre, table, img, mjx-container)", wide) == 0
    page.emulate_media(media="screen")
    page.wait_for_function("document.querySelector('article details:not([open])')")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_pages_are_bound_with_titles_and_links_that_lead_to_the_book_on_the_web(browser, site, tmp_path):
    pypdf = needed("pypdf", 'pypdf is not installed: pip install -e ".[pdf]"')
    target = tmp_path / "small.pdf"
    sheets = paper.bind(paper.printed(browser, site, [f"notebooks/{small_book.STEM}", "progress"]), target)
    bound = pypdf.PdfReader(target)
    assert len(bound.pages) == sheets >= 2
    assert [entry.title for entry in bound.outline] == ["98 Small", "Progress"]
    text = " ".join(" ".join(sheet.extract_text() for sheet in bound.pages).split())
    for part in (
        "TV wins by far",
        "assert value > 1",
        "The reason for it",
        "argument_29=29",
        "as said of it",
        "import os",
    ):
        assert part in text, part
    assert "Skip to" not in text and "Show it without" not in text
    links = [note.get_object()["/A"]["/URI"] for sheet in bound.pages for note in sheet.get("/Annots", [])
             if "/A" in note.get_object() and "/URI" in note.get_object()["/A"]]  # fmt: skip
    assert "https://example.org/" in links and not [link for link in links if "127.0.0.1" in link or "file:" in link]


def test_pages_to_print_are_found_by_number_and_name_and_unknown_ones_refused(tmp_path):
    files = paper.wanted([])
    assert files[0] == "index" and len(files) == len(set(files)) > 20
    assert paper.wanted(["notation", "02"]) == ["notebooks/02-classical-solutions", "notation"]
    with pytest.raises(ValueError, match="'77'"):
        paper.wanted(["77"])
    with pytest.raises(SystemExit, match="make book"):
        paper.main(["02", "--site", str(tmp_path)])
