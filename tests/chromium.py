"""The browser of the tests: which Chromium, and what happens without one."""

from contextlib import contextmanager

import browser
from browser import FLAGS
from needs import lacking

__all__ = ["FLAGS", "chromium", "needed_browser"]


def needed_browser() -> str:
    """The Chromium to drive; without one the test ends, see ``needs``."""
    if (path := browser.browser_path()) is None:
        lacking("no Chromium found (apt install chromium, or playwright install chromium)")
    return path


@contextmanager
def chromium():
    """A browser, or the reason why there is none."""
    needed_browser()
    with browser.chromium() as found:
        yield found
