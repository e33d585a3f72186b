"""Tools of the tests of the book and the slides: what npm brings, and the site, made once for all processes."""

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import build
import executions
import mathjax
import npm
import pytest
import reveal
from filelock import FileLock
from needs import lacking, needed

from course_utils._files import REPOSITORY, write_json
from course_utils.notebooks import chapters

#: A site that is there already, with its slides in it, is tested instead of a new one.
GIVEN = os.environ.get("COURSE_BOOK_SITE")


def packages(*modules) -> None:
    """Have what npm brings in the cache; without npm or a network the test ends, see ``needs``."""
    for module in modules:
        try:
            module.package()
        except (OSError, RuntimeError) as error:
            lacking(str(error))


def jupyter_book(module: str = "jupyter_book"):
    """A module of Jupyter Book, or the end of the test."""
    if sys.version_info < (3, 11):
        pytest.skip("the theme of the book needs Python 3.11")
    return needed(module, 'Jupyter Book is not installed: pip install -e ".[book]"')


def given() -> Path | None:
    """The site that was named, if any."""
    if GIVEN and not (Path(GIVEN) / "index.html").is_file():
        pytest.fail(f"COURSE_BOOK_SITE={GIVEN} holds no site")
    return Path(GIVEN) if GIVEN else None


def site() -> Path:
    """The folder of the pages: made from the executed chapters by the first process that asks."""
    if found := given():
        return found
    jupyter_book()
    packages(mathjax, reveal)
    for text in chapters():
        executions.executed(text)
    note = build.BUILD / ".tests.json"
    with FileLock(build.BUILD / ".tests.lock"):
        said = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        if said.get("run") != executions.RUN:
            command = [sys.executable, str(REPOSITORY / "book" / "build.py"), "--fast"]
            done = subprocess.run(command, capture_output=True, text=True)
            said = {"run": executions.RUN, "fault": done.stdout + done.stderr if done.returncode else ""}
            write_json(note, said)
    if said["fault"]:
        pytest.fail(f"the book was not made:\n{said['fault']}", pytrace=False)
    return build.FAST_SITE


def vendored() -> None:
    """What slides load."""
    packages(mathjax, reveal)


class Silent(http.server.SimpleHTTPRequestHandler):
    """Files as they are; no log."""

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder: Path):
    """The address of a plain file server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def opener(browser, address: str, **settings):
    """A function that opens a page of a site; ``page.complaints`` lists errors and requests elsewhere."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme="light", **settings)

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
        page.goto(address + name)
        if settings.get("java_script_enabled", True):
            page.wait_for_function("window.MathJax === undefined || MathJax.startup?.promise !== undefined")
            page.evaluate("window.MathJax?.startup?.promise")
        return page

    yield open_page
    context.close()


AXE = ("axe-core", "4.10.3", "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292")


def axe(folder: Path) -> str:
    """The script of axe-core, which comes by npm."""
    try:
        archive = npm.package(*AXE)
    except (OSError, RuntimeError) as error:
        lacking(str(error))
    (script,) = npm.unpack(archive, folder, {"package/axe.min.js": "axe.min.js"})
    return script.read_text(encoding="utf-8")


#: Of formulae in one kind of place, and of words of code of one class, one is enough: they are most of a page.
THINNED = """() => {
  const seen = new Set();
  const again = (key) => seen.has(key) || !seen.add(key);
  for (const formula of document.querySelectorAll("mjx-container")) {
    if (again(`${formula.parentElement.tagName} ${formula.parentElement.className}`)) formula.replaceWith("x");
  }
  for (const word of document.querySelectorAll(".highlight pre span:not(:has(*))")) {
    if (again(`${word.className} in ${word.closest(".highlight").parentElement.className}`)) {
      word.replaceWith(word.textContent);
    }
  }
}"""


#: Marks what stands for all words on the page: of those of one colour and size on one ground the first, the middle and
#: the last.  To see the contrast of every word is nine tenths of the work of axe.
STANDING_FOR_ALL = """() => {
  document.querySelectorAll("[data-stands]").forEach(element => element.removeAttribute("data-stands"));
  const numbers = new Map(), grounds = new Map([[null, 0]]), alike = new Map();
  const number = text => numbers.get(text) ?? numbers.set(text, numbers.size + 1).size;
  const ground = element => {
    if (!grounds.has(element)) {
      const s = getComputedStyle(element), below = ground(element.parentElement), paint = s["background-color"];
      const plain = paint === "rgba(0, 0, 0, 0)" && s.backgroundImage === "none" && s.opacity === "1"
        && s.position === "static" && s.filter === "none" && s.mixBlendMode === "normal" && s.clipPath === "none";
      grounds.set(element, plain ? below : number([below, paint, s.backgroundImage, s.opacity, s.position, s.zIndex,
        s.filter, s.mixBlendMode, s.clipPath, s.clip].join()));
    }
    return grounds.get(element);
  };
  for (const element of document.body.querySelectorAll("*")) {
    const { width, height } = element.getBoundingClientRect();
    const control = element.matches("input, select, textarea, button, label");
    const words = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!(control || words) || !width || !height || !element.checkVisibility({ visibilityProperty: true })) continue;
    const s = getComputedStyle(element), fill = s["-webkit-text-fill-color"];
    const key = [s.color, s.fontSize, s.fontWeight, s.textShadow, fill, s.webkitTextStroke].join();
    const place = control ? element : number(`${key} on ${ground(element)}`);
    alike.set(place, [...alike.get(place) ?? [], element]);
  }
  for (const group of alike.values())
    for (const k of [0, group.length >> 1, group.length - 1]) group[k].setAttribute("data-stands", "");
}"""


def serious(page, script: str) -> list[str]:
    """What axe-core finds on an open page, contrasts in light and dark; the page is of no further use."""
    brief = {"resultTypes": ["violations"]}  # what is well in detail costs a third of the time
    contrast = "color-contrast"
    rest, alone = {"rules": {contrast: {"enabled": False}}}, {"runOnly": {"type": "rule", "values": [contrast]}}
    found = []
    page.evaluate(script)
    page.evaluate(THINNED)
    page.add_style_tag(content="*, ::before, ::after { transition: none !important; }")  # colours would fade
    words = "[data-stands]"
    # nothing but colours differs in the dark; the whole page comes last, when its figures have had time to be drawn
    for mode, where, options in (("dark", words, alone), ("light", words, alone), ("light", "html", rest)):
        page.evaluate("m => { const d = document.documentElement.dataset; d.mode = d.theme = m; }", mode)
        if options is alone:
            page.evaluate(STANDING_FOR_ALL)
        run = "async ([where, rules]) => (await axe.run(where, rules)).violations"
        for violation in page.evaluate(run, [where, brief | options]):
            if violation["impact"] in ("serious", "critical"):
                found.append(f"{mode}: {violation['id']}: {violation['nodes'][0]['html'][:150]}")
    return found
