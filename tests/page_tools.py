"""Tools of the tests of explorers on a page: their HTML, made once, and a browser that opens it without a network."""

import base64
import json
import re
import time
from contextlib import contextmanager
from pathlib import Path

import conftest
import executions

from course_utils.catalogue import catalogue
from course_utils.explore import EXPLORERS, Explorer
from course_utils.notebooks import chapters

MADE: dict[str, tuple[Explorer, str]] = {}


def made(name: str) -> tuple[Explorer, str]:
    """An explorer and its page: that of its chapter if that was executed already, else made once for all tests."""
    if name not in MADE:
        explorer, start = EXPLORERS[name](), time.perf_counter()
        shown = of_its_chapter(name)
        MADE[name] = explorer, shown or explorer.page()
        seconds, kind = time.perf_counter() - start, "live" if explorer.live else "frames"
        how = "as its chapter shows it" if shown else f"made in {seconds:.1f} s"
        conftest.MEASURED.append(f"page {name}: {kind}, {len(MADE[name][1]) / 1000:.0f} kB, {how}")
    return MADE[name]


def of_its_chapter(name: str) -> str | None:
    """The page that the chapter of an explorer shows, if the chapter was executed and is as it was."""
    stem = next(chapter.stem for chapter in catalogue().values() if name in chapter.explorers)
    if (run := executions.at_hand(chapters([stem])[0])) is None:
        return None
    texts = [
        output.get("data", {}).get("text/html", "") for cell in run.notebook.cells for output in cell.get("outputs", [])
    ]
    return next((text for text in texts if f'class="course-page explorer-{name}"' in text), None)


def stored(text: str) -> dict:
    """What the page tells its script."""
    return json.loads(re.search(r'class="cp-data">(.*?)</script>', text, re.DOTALL)[1])


def block(text: str, name: str) -> bytes:
    return base64.b64decode(re.search(rf'data-name="{name}" data-crc="\d+">([^<]*)<', text)[1])


@contextmanager
def shown(browser, path: Path, text: str, javascript: bool = True, width: int = 900, link: str = ""):
    """Writes a page and opens it, at the fragment ``link`` of its address.

    A request for anything but this file, or a word in the console, fails.
    """
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{text}</body></html>', "utf-8")
    asked, said = [], []
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=javascript)
    context.set_default_timeout(15_000)

    def only_this_file(route):
        if route.request.url.split("#")[0] == path.as_uri():
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    context.route(lambda url: not url.startswith(("data:", "blob:")), only_this_file)
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri() + link)
    try:
        yield page
        assert not asked, f"asked for something outside: {asked}"
        assert not said, said
    finally:
        context.close()


def settled(page, index: int = 0) -> None:
    """Wait until the explorer has nothing to compute."""
    page.wait_for_function(f"document.querySelectorAll('.course-page')[{index}].dataset.busy !== 'yes'")


def look(page, index: int = 0) -> bytes:
    settled(page, index)
    return page.locator(".course-page").nth(index).locator(".cp-card").screenshot()


def press(page, control, jump: str = "") -> bool:
    """One move by the keyboard, or a jump; whether the control stands elsewhere now (a button always counts)."""
    control.focus()
    kind = control.evaluate("e => e.type")
    if kind == "button":
        page.keyboard.press("Space")
        return True
    state = "e => e.type === 'radio' ? document.activeElement.id : e.value"
    before = control.evaluate(state)
    keys = ("ArrowRight", "ArrowLeft") if kind in ("range", "radio") else ("ArrowDown", "ArrowUp")
    for key in (jump, *keys) if jump else keys:
        page.keyboard.press(key)
        if control.evaluate(state) != before:
            return True
    return False


def content(page, index: int) -> str:
    """All that an explorer shows, apart from where it stands."""
    settled(page, index)
    return page.evaluate(
        """k => { const card = document.querySelectorAll(".cp-card")[k];
        return card.innerHTML + Array.from(card.querySelectorAll("canvas"), canvas => canvas.toDataURL()).join(); }""",
        index,
    )


CONTROLS = ".cp-controls :is(input[type=range], select, button, input[type=radio]:checked)"
