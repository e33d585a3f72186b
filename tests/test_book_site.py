"""The built pages in headless Chromium, from a plain file server, with every request elsewhere refused.

The book is made from the executed chapters with COURSE_FAST=1, once for all processes; see ``book_tools``.
COURSE_BOOK_SITE=book/_build/html tests a site that is there, and the slides in it.
Without Chromium, npm or Jupyter Book these tests skip, or fail where CI is set.
"""

import gzip
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import book_tools
import head
import pages
import prepare
import pytest
import yaml
from measured import MEASURED

from course_utils._files import REPOSITORY
from course_utils.notebooks import GITHUB, chapters, generate

HEAVIEST = 3e6  # bytes of one page's own HTML, compressed
NARROW = 400  # pixels of a phone


def listed() -> list[str]:
    """The pages, as addresses within the site."""
    contents = yaml.safe_load(pages.contents())
    entries = [entry for part in contents["parts"] for entry in part["chapters"]]
    entries += [below for entry in entries for below in entry.get("sections", [])]
    files = [contents["root"], *(entry["file"] for entry in entries)]
    return [f"{name}.html" for name in [*files, "genindex", "search"]]


PAGES = listed()


@pytest.fixture(scope="module")
def site():
    """Where the pages lie, made first if need be."""
    return book_tools.site()


@pytest.fixture(scope="module")
def address(site):
    with book_tools.served(site) as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser, address):
    """A function that opens a page of the site; ``page.complaints`` lists errors and requests elsewhere."""
    with book_tools.opener(browser, address) as open_page:
        yield open_page


def names(site) -> list[str]:
    """All pages that were made, as addresses within the site; the slides are no pages, see test_decks."""
    found = [path.relative_to(site) for path in site.rglob("*.html")]
    return sorted(path.as_posix() for path in found if path.parts[0] not in ("_static", "slides"))


#: All that is asked of one page is done by one process, which opens it once; see conftest.
on_every_page = [pytest.param(name, id=name) for name in PAGES]
on_chapters = [param for param in on_every_page if param.values[0].startswith("notebooks/")]


@pytest.fixture(scope="module")
def page(opened, request):
    """The page that the test names."""
    page = opened(request.param)
    yield page
    page.close()


#: What is wrong with the open page, as far as the page can tell.
FAULTS = r"""() => {
  const faults = [], article = document.querySelector("article") ?? document.body;
  for (const paragraph of document.querySelectorAll("article p"))
    if (/^\|.*\|\s*\|?:?[-\u2013\u2014]/s.test(paragraph.textContent))
      faults.push("table not drawn: " + paragraph.textContent.slice(0, 60));
  for (const math of document.querySelectorAll("article .math"))
    if (!math.querySelector("mjx-container")) faults.push("formula not drawn: " + math.textContent.slice(0, 60));
  for (const error of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
    faults.push("formula with an error: " + (error.getAttribute("data-mjx-error") ?? error.textContent));
  const copy = article.cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, mjx-container").forEach(element => element.remove());
  const raw = copy.textContent.match(/.{0,30}(\\[(\[]|\$\$|\{cite\}|\\lambda).{0,30}/);
  if (raw) faults.push("raw text: " + raw[0]);
  if (article.textContent.includes("Traceback (most recent call last)")) faults.push("a traceback");
  for (const image of article.querySelectorAll("img[src]")) {
    if ((image.getAttribute("alt") ?? "").length < 10 || /^[0-9a-f]{16}/.test(image.alt) || /\.png$/.test(image.alt))
      faults.push("picture without a description: " + image.src.slice(0, 80));
    if (image.complete && !image.naturalWidth) faults.push("broken picture: " + image.src.slice(0, 80));
  }
  for (const left of document.querySelectorAll(".cell_output .stderr, .system-message, script[type*='jupyter.widget']"))
    faults.push("left over: " + left.textContent.slice(0, 80));
  if (document.documentElement.lang.toLowerCase().replace("_", "-") !== "en-gb") faults.push("not in British English");
  return faults;
}"""


def test_the_site_has_the_pages_that_are_listed_and_no_more(site):
    assert names(site) == sorted(PAGES)


@pytest.mark.parametrize("page", on_every_page, indirect=True)
def test_a_page_opens_cleanly_and_asks_nobody_else(page, request):
    found = page.complaints + page.evaluate(FAULTS)
    page.set_viewport_size({"width": NARROW, "height": 900})
    if (width := page.evaluate("document.documentElement.scrollWidth")) > NARROW:
        found.append(f"{width} pixels wide on a screen of {NARROW}")
    page.set_viewport_size({"width": 1300, "height": 900})
    assert not found, "\n".join(found)
    if "/notebooks/" in page.url:  # the measure sees formulas
        assert page.locator("mjx-container").count() > 20


def test_the_pages_are_light(site):
    weights = {name: len(gzip.compress((site / name).read_bytes())) for name in names(site)}
    for name, weight in weights.items():
        MEASURED.append(f"{name}: {weight / 1e3:.0f} kB compressed, {(site / name).stat().st_size / 1e3:.0f} kB")
    total = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    MEASURED.append(f"the whole site: {total / 1e6:.1f} MB")
    assert max(weights.values()) < HEAVIEST


def test_a_page_holds_each_stored_block_once(site):
    blocks = re.compile(r'<script type="text/plain" class="cp-block" [^>]*>([^<]+)<')
    found = {name: blocks.findall((site / name).read_text(encoding="utf-8")) for name in names(site)}
    assert sum(map(len, found.values())) > 20
    for name, contents in found.items():
        assert len(contents) == len(set(contents)), f"{name} stores a block twice"


class Links(HTMLParser):
    """Targets and anchors of a page."""

    def __init__(self, html):
        super().__init__()
        self.targets, self.anchors = set(), set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.targets.add(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def test_every_link_within_the_site_leads_somewhere(site):
    pages = {name: Links((site / name).read_text(encoding="utf-8")) for name in names(site)}
    broken, within = [], 0
    for name, page in pages.items():
        for target in page.targets:
            parts = urlsplit(urljoin(f"http://site/{name}", target))
            if parts.netloc != "site" or parts.scheme != "http":
                continue
            within += 1
            path = unquote(parts.path).lstrip("/") or "index.html"
            if not (site / path).is_file():
                broken.append(f"{name}: {target}")
            elif parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].anchors:
                broken.append(f"{name}: {target} (no such place on that page)")
    assert not broken, "\n".join(broken)
    assert within > 500


@pytest.mark.parametrize("page", on_chapters, indirect=True)
def test_a_chapter_can_be_opened_elsewhere_and_its_answers_are_folded(page):
    (text,) = (text for text in chapters() if page.url.endswith(f"/{text.stem}.html"))
    path = f"notebooks/student/{text.stem}.ipynb"
    targets = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    colab = f"https://colab.research.google.com/github/{GITHUB}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{GITHUB}/main?urlpath=lab/tree/{path}"
    assert targets.count(colab) == 1 and targets.count(binder) == 1
    assert f"https://github.com/{GITHUB}/blob/main/notebooks/{text.stem}.ipynb" in targets
    assert not [target for target in targets if re.search(r"(mybinder|colab)\..*notebooks/\d", target)]
    assert page.url.replace("/notebooks/", "/slides/") in targets
    notebook = generate(text)
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    assert page.locator(".tag_solution details").count() == tags.count("solution") > 0
    assert page.locator(".tag_setup details").count() == 1
    assert page.locator("article details[open]").count() == 0
    answers = sum(cell.source.count("<details") for cell in notebook.cells if cell.cell_type == "markdown")
    assert page.locator("article details:not([class])").count() == answers > 0
    assert page.locator(".tag_explorer").count() == tags.count("explorer") / 2
    assert page.locator(".tag_explorer .course-page").count() == tags.count("explorer") / 2
    assert page.locator(".course-page[data-state=failed]").count() == 0  # one that could not start says so itself
    page.locator(".tag_solution summary").first.click()
    assert page.locator(".tag_solution pre").first.is_visible()
    page.locator(".tag_solution summary").first.click()


@pytest.mark.parametrize("page", on_chapters, indirect=True)
def test_a_chapter_folds_the_code_that_teaches_nothing_and_no_more(page):
    (text,) = (text for text in chapters() if page.url.endswith(f"/{text.stem}.html"))
    cells = [cell for cell in generate(text).cells if cell.cell_type == "code" and not cell.metadata.get("tags")]
    folded = [cell for cell in cells if prepare.shown_only(cell.source)]
    assert page.locator(".tag_hide-input:not(.tag_setup)").count() == len(folded) > 0
    assert page.locator("div.cell:not([class*=tag_]) div.cell_input").first.is_visible()


#: What is wider than its box, with everything unfolded.
CUT = """selector => [...document.querySelectorAll(selector)]
  .filter(box => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1)
  .map(box => `${box.scrollWidth} in ${box.clientWidth}: ${box.textContent.trim().slice(0, 60)}`)"""
UNFOLD = "open => document.querySelectorAll('article details').forEach(part => { part.open = open; })"
LINES = "article div.highlight pre, article .cell_output pre"


@pytest.mark.parametrize("page", on_every_page, indirect=True)
def test_no_line_of_code_or_of_what_it_prints_is_cut(page):
    page.evaluate(UNFOLD, True)
    found = []
    for width in (1300, 1400, NARROW):  # it is laid out at the first
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"at {width} px: {line}" for line in page.evaluate(CUT, LINES)]
    page.set_viewport_size({"width": 1300, "height": 900})
    page.evaluate(UNFOLD, False)
    assert not found, "\n".join(found)


#: How many parts of what was folded are not shown.
HIDDEN = """() => [...document.querySelectorAll("article details > :not(summary)")]
  .filter(part => part.textContent.trim() && !part.getClientRects().length).length"""
#: Pixels of a sheet of A4 between its margins.
SHEET = 718


@pytest.mark.parametrize("page", on_chapters, indirect=True)
def test_a_printed_chapter_is_whole_and_the_screen_is_as_it_was(page):
    shut = "document.querySelectorAll('article details:not([open])').length"
    before = page.evaluate(shut)
    page.set_viewport_size({"width": SHEET, "height": 900})
    page.emulate_media(media="print")
    page.wait_for_function(f"{shut} === 0")
    found = page.evaluate(CUT, f"{LINES}, article table, article .output")
    hidden = page.evaluate(HIDDEN)
    page.emulate_media(media="screen")
    page.wait_for_function(f"{shut} === {before}")
    page.set_viewport_size({"width": 1300, "height": 900})
    assert before > 0 and not found and not hidden, "\n".join(found)


def test_every_page_has_a_head_of_its_own(site):
    described = {}
    for name in names(site):
        text = (site / name).read_text(encoding="utf-8")
        for once in ("<title>", 'name="description"', 'property="og:title"', 'rel="canonical"', 'rel="icon"'):
            assert text.count(once) == 1, f"{name}: {once}"
        (title,) = re.findall("<title>(.*?)</title>", text)
        assert title.count(head.NAME) == 1, name
        described[name] = re.search(r'name="description" content="([^"]*)"', text)[1]
        assert 30 < len(described[name])
    told = [text for name, text in described.items() if name.startswith("notebooks/") or "/" not in name]
    assert len(set(told)) >= len(told) - 2, "pages share a description"
    assert (site / "_static" / "favicon.svg").is_file() and (site / "_static" / "preview.png").is_file()
    listed = re.findall("<loc>(.*)</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    assert len(listed) == len(PAGES) - len(head.UNLISTED)


def test_the_list_of_exercises_has_boxes_and_is_a_plain_list_without_scripts(opened, browser, address):
    asked = sum(cell.source.count("### Exercise") for text in chapters() for cell in generate(text).cells)
    page = opened("progress.html")
    assert page.locator("#exercises li label input[type=checkbox]").count() == asked
    page.locator("#exercises input").first.press("Space")
    assert page.locator("article [role=status]").inner_text() == f"1 of {asked} exercises done."
    assert page.locator("#exercises li .math mjx-container").count() > 0
    page.close()
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(address + "progress.html")
    assert page.locator("#exercises li [data-exercise]").count() == asked
    assert page.locator("#exercises input").count() == 0
    plain.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return book_tools.axe(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("page", on_every_page, indirect=True)
def test_axe_finds_nothing_serious(page, axe):
    """All rules of axe-core, in light and dark; and until now the page has asked nobody else."""
    found = [*page.complaints, *book_tools.serious(page, axe)]
    assert not found, "\n".join(found)


def test_the_search_finds_a_word(opened):
    page = opened("search.html?q=Morozov")
    page.wait_for_selector("#search-results li a", timeout=10000)
    assert "05-generative-regularisers" in " ".join(
        page.eval_on_selector_all("#search-results li a", "links => links.map(link => link.href)")
    )
    assert not page.complaints
    page.close()


def test_the_dark_switch_works_and_is_remembered(opened):
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    page = opened("index.html")
    assert page.evaluate(shade) > 600
    for _ in range(3):  # light, dark, as the system has it
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
        page.locator("button.theme-switch-button").first.click()
    assert page.evaluate(shade) < 150
    page.close()
    page = opened("notation.html")
    assert page.evaluate(shade) < 150
    page.evaluate("localStorage.clear()")
    page.close()


def test_no_place_of_the_machine_is_left_in_the_pages(site):
    home = re.compile(re.escape(str(REPOSITORY)))
    for name in names(site):
        assert not home.search((site / name).read_text(encoding="utf-8")), name
