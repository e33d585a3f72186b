"""What every test gets: sleeping idle threads, no window for figures, a browser, executed chapters, its place in line.

A run is divided into groups, each done by one process: a file, or of some files what is asked of one chapter or page.
"""

import functools
import os
import re

import pytest
from chromium import chromium
from measured import MEASURED

from course_utils.catalogue import catalogue

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

#: What a test of the quick selection does without (``make quick``, or pytest -m "not slow").
SLOW = {"browser", "executed", "lab", "page", "site"}
#: Examples in docstrings that train a network.
SLOW_EXAMPLES = {"course_utils.properties.card.score_card", "course_utils.properties.features.feature_network"}
#: Files whose tests keep together by their parameter: all that is asked of a chapter, of a page of the book.
APART = {"test_chapters", "test_decks", "test_book_site"}
#: Groups in the order in which they start: the chapters, which everything waits for; what takes long; the rest; and
#: at the end the single pages of the book, which are short and many, so that no process is left waiting.
LONG = ("test_lab", "test_book_site", "test_page_live", "test_page", "test_live", "test_training", "test_colab")
CHAPTER = re.compile(r"\d\d-[a-z]")


def group(nodeid: str) -> str:
    """Which tests of a run keep together.

    From the name alone, which is all that the process that divides the run knows of a test: xdist's own groups are
    parts of names that it changes, which fails in silence with pytest 9.2.
    """
    path, _, test = nodeid.partition("::")
    name = path.removesuffix(".py").removeprefix("tests/")
    parameter = re.search(r"\[(.*)\]", test)
    return parameter[1] if parameter and name in APART else name


def rank(name: str) -> int:
    if CHAPTER.match(name):
        return 0
    return 1 + LONG.index(name) if name in LONG else 98 if not name.endswith(".html") else 99


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByGroup(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    first: dict[str, int] = {}
    for place, item in enumerate(items):
        first.setdefault(group(item.nodeid), place)
        if SLOW & set(getattr(item, "fixturenames", ())) or item.name in SLOW_EXAMPLES:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (rank(group(item.nodeid)), first[group(item.nodeid)]))


# What was measured


def pytest_sessionfinish(session):
    """One of several processes hands over what it measured ..."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = MEASURED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """... to the one that prints."""
    MEASURED.extend(getattr(node, "workeroutput", {}).get("measured", []))


SPENT: dict[str, float] = {}


@functools.cache
def words_of_chapters() -> dict[str, re.Pattern]:
    """Chapter -> what in the name of a test says that the chapter, or an explorer of its own, was tested."""
    found = {}
    for chapter in catalogue().values():
        explorers = "|".join(map(re.escape, chapter.explorers)) or "$^"
        found[chapter.stem] = re.compile(rf"{chapter.stem}\b|chapters/{chapter.name}/|\[(?:{explorers})\]")
    return found


#: Group -> the processes that ran it.
PLACES: dict[str, set[str]] = {}


def pytest_runtest_logreport(report):
    if hasattr(report, "worker_id"):
        PLACES.setdefault(group(report.nodeid), set()).add(report.worker_id)
    for stem, words in words_of_chapters().items():
        if words.search(report.nodeid):
            SPENT[stem] = SPENT.get(stem, 0.0) + report.duration


def pytest_terminal_summary(terminalreporter):
    """Print what tests measured (run times, latencies of the explorers), and what each chapter costs, passed or not."""
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.write_line(line)
    if SPENT:
        terminalreporter.section("seconds of one process for all tests of a chapter, its execution among them")
        for stem, seconds in sorted(SPENT.items()):
            terminalreporter.write_line(f"{stem}: {seconds:.0f} s")
    if divided := sorted(name for name, places in PLACES.items() if len(places) > 1):
        terminalreporter.section("what should have kept together and was done by several processes")
        terminalreporter.write_line(", ".join(divided))


# What tests ask for


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


@pytest.fixture
def executed():
    """``executed(text)`` is a chapter, executed once for all tests."""
    import executions

    return executions.executed
