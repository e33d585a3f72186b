"""How a run is divided among processes: what belongs together is done by one of them."""

from types import SimpleNamespace

import conftest
from needs import needed

CHAPTERS, PAGES = ("01-one", "02-two", "03-three"), ("index.html", "notebooks/01-one.html")
IDS = [
    *(f"tests/test_chapters.py::test_{what}[{stem}]" for stem in CHAPTERS for what in ("runs", "is_clean")),
    *(f"tests/test_decks.py::test_fits[{stem}]" for stem in CHAPTERS),
    *(f"tests/test_lab.py::test_redraws[{stem}]" for stem in CHAPTERS),
    *(f"tests/test_book_site.py::test_{what}[{page}]" for page in PAGES for what in ("opens", "axe")),
    "tests/test_book_site.py::test_light",
    "tests/chapters/mri/test_checks.py::test_a[x[1] 3]",
    "course_utils/metrics.py::course_utils.metrics.psnr",
]


def test_groups_are_chapters_pages_and_files():
    groups = {}
    for nodeid in IDS:
        groups.setdefault(conftest.group(nodeid), []).append(nodeid)
    assert {name: len(ids) for name, ids in groups.items()} == {
        **dict.fromkeys(CHAPTERS, 3), "test_lab": 3, **dict.fromkeys(PAGES, 2), "test_book_site": 1,
        "chapters/mri/test_checks": 1, "course_utils/metrics": 1,
    }  # fmt: skip
    first, *_, last = sorted(groups, key=conftest.rank)
    assert first in CHAPTERS and last in PAGES


class Process:
    """Takes tests, as xdist's stand-in of a process does."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.taken, self.gateway = [], SimpleNamespace(id=name)

    def send_runtest_some(self, indices) -> None:
        self.taken += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_group_is_done_by_one_process():
    needed("xdist")
    config = SimpleNamespace(
        getvalue=lambda name: ["popen"] * 2, option=SimpleNamespace(loadscopereorder=False, maxschedchunk=None)
    )
    scheduler = conftest.pytest_xdist_make_scheduler(config, None)
    processes = [Process("a"), Process("b")]
    for process in processes:
        scheduler.add_node(process)
    for process in processes:
        scheduler.add_node_collection(process, IDS)
    scheduler.schedule()
    done = [0, 0]
    while sum(done) < len(IDS):
        k = min((k for k in range(2) if done[k] < len(processes[k].taken)), key=lambda k: done[k])
        scheduler.mark_test_complete(processes[k], processes[k].taken[done[k]])
        done[k] += 1
    places = [{conftest.group(IDS[index]) for index in process.taken} for process in processes]
    assert all(places) and not places[0] & places[1]
    assert sorted(index for process in processes for index in process.taken) == list(range(len(IDS)))
