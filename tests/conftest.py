"""What every test gets: sleeping idle threads, no window for figures, a browser, and a table of measured times."""

import functools
import os

import pytest
from chromium import chromium

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

MEASURED: list[str] = []


def pytest_sessionfinish(session):
    """One of several processes hands over what it measured ..."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = MEASURED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """... to the one that prints."""
    MEASURED.extend(getattr(node, "workeroutput", {}).get("measured", []))


def pytest_terminal_summary(terminalreporter):
    """Print what tests measured (chapter run times, latencies of the explorers), passed or not."""
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, or a reason to skip."""
    with chromium() as found:
        yield found


@pytest.fixture
def show(browser, tmp_path):
    """``show(text)`` opens an explorer's page from a file."""
    from page_tools import shown

    return functools.partial(shown, browser, tmp_path / "page.html")
