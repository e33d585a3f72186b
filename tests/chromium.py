"""The browser of the tests: which Chromium, and what happens without one."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from needs import lacking

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """The Chromium to drive: $COURSE_CHROMIUM, the system's, or the one that playwright installed."""
    found = os.environ.get("COURSE_CHROMIUM") or next((p for name in NAMES if (p := shutil.which(name))), None)
    if found is None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            found = playwright.chromium.executable_path
    return found if found and Path(found).exists() else None


def needed_browser() -> str:
    """The Chromium to drive; without one the test ends, see ``needs``."""
    if (path := browser_path()) is None:
        lacking("no Chromium found (apt install chromium, or playwright install chromium)")
    return path


@contextmanager
def chromium():
    """A browser, or the reason why there is none."""
    path = needed_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()
