"""The browser that prints and that the tests drive: a Chromium or a Chrome, without a screen."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """The browser to drive: $COURSE_CHROMIUM, the system's, or the one that playwright installed; None without any."""
    found = os.environ.get("COURSE_CHROMIUM") or next((p for name in NAMES if (p := shutil.which(name))), None)
    if found is None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            found = playwright.chromium.executable_path
    return found if found and Path(found).exists() else None


@contextmanager
def chromium() -> Iterator:
    """The browser, as playwright hands it out, closed in the end.

    Raises
    ------
    RuntimeError
        There is no browser, or no playwright to drive it.
    """
    if importlib.util.find_spec("playwright") is None:
        raise RuntimeError('printing needs playwright: pip install -e ".[pdf]"')
    from playwright.sync_api import sync_playwright

    if (path := browser_path()) is None:
        raise RuntimeError("no Chromium or Chrome found: apt install chromium, or playwright install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
