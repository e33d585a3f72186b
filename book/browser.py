"""Chromium: which one, and how it is started."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def chromium():
    """A browser without a window.

    Raises
    ------
    FileNotFoundError
        There is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    if (path := browser_path()) is None:
        raise FileNotFoundError("no Chromium found (apt install chromium, or playwright install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()
