"""The built pages in headless Chromium, from a plain file server, with every request elsewhere refused; and the slides.

COURSE_BUILD_BOOK=fast makes the book and the slides first, COURSE_BUILD_BOOK=1 in full; then nothing may be missing.
COURSE_BOOK_SITE=book/_build/html tests a site that is there, and the slides beside it if there are any.
Without one of the two these tests skip; so they do without Chromium, unless COURSE_REQUIRE_BROWSER=1.
"""

import functools
import gzip
import http.server
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import conftest
import pytest
from deck_tools import faults
from deck_tools import opened as opened_deck

sys.path.insert(0, str(Path(__file__).parents[1] / "book"))

import npm

from course_utils._files import REPOSITORY
from course_utils.notebooks import GITHUB, chapters, generate

HEAVIEST = 3e6  # bytes of one page's own HTML, compressed
NARROW = 400  # pixels of a phone
AXE = ("axe-core", "4.10.3", "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292")


BUILD = os.environ.get("COURSE_BUILD_BOOK", "0") not in ("", "0")


@pytest.fixture(scope="module")
def folder():
    """Where the pages lie, built first if that was asked for."""
    if BUILD:
        for script in ("build.py", "slides.py"):
            fast = ["--fast"] if os.environ["COURSE_BUILD_BOOK"] == "fast" else []
            subprocess.run([sys.executable, str(REPOSITORY / "book" / script), *fast], check=True)
        found = REPOSITORY / "book" / "_build" / "html"
    elif named := os.environ.get("COURSE_BOOK_SITE"):
        found = Path(named)
    else:
        pytest.skip("no site: neither COURSE_BOOK_SITE nor COURSE_BUILD_BOOK is set")
    assert (found / "index.html").is_file(), f"{found} holds no site"
    return found


class Silent(http.server.SimpleHTTPRequestHandler):
    """Files as they are; no log."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address(folder):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def opened(browser, address):
    """A function that opens a page of the site; ``page.complaints`` lists errors and requests elsewhere."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme="light")

    def open_page(name):
        page = context.new_page()
        page.complaints = []

        def only_the_site(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                page.complaints.append(f"asks for {route.request.url}")
                route.abort()

        page.route("**/*", only_the_site)
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("response", lambda reply: reply.status >= 400 and page.complaints.append(f"{reply.status} {reply.url}"))
        page.goto(address + name, wait_until="networkidle")
        page.wait_for_function("window.MathJax === undefined || MathJax.startup?.promise !== undefined")
        page.evaluate("window.MathJax?.startup?.promise")
        return page

    yield open_page
    context.close()


def names(folder) -> list[str]:
    """All pages, as addresses within the site."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if "_static" not in path.parts)


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


def test_every_page_opens_cleanly_and_asks_nobody_else(folder, opened):
    faults, formulas = {}, 0
    for name in names(folder):
        page = opened(name)
        found = page.complaints + page.evaluate(FAULTS)
        formulas += page.locator("mjx-container").count()
        page.set_viewport_size({"width": NARROW, "height": 900})
        if (width := page.evaluate("document.documentElement.scrollWidth")) > NARROW:
            found.append(f"{width} pixels wide on a screen of {NARROW}")
        if found:
            faults[name] = found
        page.close()
    assert not faults, "\n".join(f"{name}: {line}" for name, lines in faults.items() for line in lines)
    assert formulas > 500


def test_the_pages_are_light(folder):
    weights = {name: len(gzip.compress((folder / name).read_bytes())) for name in names(folder)}
    for name, weight in weights.items():
        conftest.MEASURED.append(
            f"{name}: {weight / 1e3:.0f} kB compressed, {(folder / name).stat().st_size / 1e3:.0f} kB"
        )
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    conftest.MEASURED.append(f"the whole site: {total / 1e6:.1f} MB")
    assert max(weights.values()) < HEAVIEST


def test_a_page_holds_each_stored_block_once(folder):
    blocks = re.compile(r'<script type="text/plain" class="cp-block" [^>]*>([^<]+)<')
    found = {name: blocks.findall((folder / name).read_text(encoding="utf-8")) for name in names(folder)}
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


def test_every_link_within_the_site_leads_somewhere(folder):
    pages = {name: Links((folder / name).read_text(encoding="utf-8")) for name in names(folder)}
    broken, within = [], 0
    for name, page in pages.items():
        for target in page.targets:
            parts = urlsplit(urljoin(f"http://site/{name}", target))
            if parts.netloc != "site" or parts.scheme != "http":
                continue
            within += 1
            path = unquote(parts.path).lstrip("/") or "index.html"
            if not (folder / path).is_file():
                broken.append(f"{name}: {target}")
            elif parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].anchors:
                broken.append(f"{name}: {target} (no such place on that page)")
    assert not broken, "\n".join(broken)
    assert within > 500


@pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)
def test_a_chapter_can_be_opened_elsewhere_and_its_answers_are_folded(text, folder, opened):
    page = opened(f"notebooks/{text.stem}.html")
    path = f"notebooks/student/{text.stem}.ipynb"
    targets = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    colab = f"https://colab.research.google.com/github/{GITHUB}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{GITHUB}/main?urlpath=lab/tree/{path}"
    assert targets.count(colab) == 1 and targets.count(binder) == 1
    assert f"https://github.com/{GITHUB}/blob/main/notebooks/{text.stem}.ipynb" in targets
    assert not [target for target in targets if re.search(r"(mybinder|colab)\..*notebooks/\d", target)]
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
    page.close()


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
    assert page.locator("#exercises li").count() == asked
    assert page.locator("#exercises input").count() == 0
    plain.close()


def test_axe_finds_nothing_serious(folder, opened, tmp_path):
    """The rules of axe-core, on every page; it comes by npm, and the test fails without."""
    (script,) = npm.unpack(npm.package(*AXE), tmp_path, {"package/axe.min.js": "axe.min.js"})
    source, found = script.read_text(encoding="utf-8"), []
    brief = {"resultTypes": ["violations"]}  # what is well in detail costs a third of the time
    only_colours = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # nothing else differs in the dark
    modes = {"light": brief, "dark": brief | only_colours}
    for name in names(folder):
        page = opened(name)
        page.evaluate(source)
        for mode, options in modes.items():
            page.evaluate("m => { const d = document.documentElement.dataset; d.mode = d.theme = m; }", mode)
            page.wait_for_timeout(500)  # colours fade
            for violation in page.evaluate("async rules => (await axe.run(document, rules)).violations", options):
                if violation["impact"] in ("serious", "critical"):
                    found.append(f"{name}, {mode}: {violation['id']}: {violation['nodes'][0]['html'][:150]}")
        page.close()
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


def test_no_place_of_the_machine_is_left_in_the_pages(folder):
    home = re.compile(re.escape(str(REPOSITORY)))
    for name in names(folder):
        assert not home.search((folder / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)
def test_every_slide_of_a_chapter_fits_and_can_be_read(text, folder, browser):
    deck = (folder.parent / "slides" / f"{text.stem}.html").resolve()
    if not BUILD and not deck.is_file():
        pytest.skip(f"{deck} is not there")
    with opened_deck(browser, deck) as page:
        assert page.evaluate("Reveal.getTotalSlides()") > 20
        assert page.locator(".course-page").count() > 0
        assert not (found := faults(page)), "\n".join(f"{place}: {lines}" for place, lines in found.items())
