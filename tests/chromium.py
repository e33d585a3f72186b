"""The browser of the tests: which Chromium, and what happens without one."""

from contextlib import contextmanager

from browser import FLAGS, browser_path, launched
from needs import lacking

__all__ = ["FLAGS", "browser_path", "chromium", "needed_browser"]


def needed_browser() -> str:
    """The Chromium to drive; without one the test ends, see ``needs``."""
    if (path := browser_path()) is None:
        lacking("no Chromium found (apt install chromium, or playwright install chromium)")
    return path


@contextmanager
def chromium():
    """A browser, or the reason why there is none."""
    with launched(needed_browser()) as browser:
        yield browser
