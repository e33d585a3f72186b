"""Teaching: the notes fit the chapters, the image for a class starts, and progress is kept."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import threading

import pages
import pytest
import yaml

from course_utils._files import REPOSITORY
from course_utils.notebooks import chapters, generate

BOOK = REPOSITORY / "book"
DOCKERFILE = (REPOSITORY / "book" / "hub" / "Dockerfile").read_text(encoding="utf-8")
every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


def notes_on(number: str) -> str:
    """The section of the notes on one chapter."""
    return (BOOK / "teaching" / f"{number}.md").read_text(encoding="utf-8")


# Notes


@every_chapter
def test_the_notes_on_a_chapter_bear_its_title_and_name_exercises_that_exist(text):
    section = notes_on(text.stem[:2])
    assert section.splitlines()[0] == f"## {pages.title(generate(text)).partition(':')[0]}"
    known = {number for number, _, _ in pages.EXERCISE.findall(pages.prose(generate(text)))}
    named = re.findall(r"[Ee]xercises? (\d)(?: and (\d))?", section)
    assert {number for pair in named for number in pair if number} <= known


# Image


def test_the_image_copies_what_exists():
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert sources and [name for name in sources if not (REPOSITORY / name).exists()] == []


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
def test_the_start_of_the_image_brings_the_copies_and_leaves_work_alone(tmp_path):
    entry = yaml.safe_load(re.search(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[1])
    entry = [word.replace("/opt/course", str(REPOSITORY)) for word in entry]
    course = tmp_path / "course"
    for _ in range(2):
        command = [*entry, "echo", "started", "here"]
        done = subprocess.run(command, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "started here\n", "")
        assert sorted(path.stem for path in course.iterdir()) == [text.stem for text in chapters()]
        first = course / f"{chapters()[0].stem}.ipynb"
        work = first.read_text(encoding="utf-8")
        first.write_text("my work", encoding="utf-8")
    assert "student-copy" not in work and work == "my work"


# Progress


def test_every_exercise_is_on_the_list_once():
    made = pages.exercises()
    marks = re.findall(r'data-exercise="(\d\d-\d+)"', made)
    assert len(set(marks)) == len(marks)
    for text in chapters():
        headings = [line for line in pages.prose(generate(text)).splitlines() if line.startswith("### Exercise")]
        assert len(headings) == sum(mark.startswith(text.stem[:2]) for mark in marks) >= 3
        for heading in headings:
            assert f"</span>{heading.removeprefix('### ')}\n" in made + "\n"


@pytest.fixture
def progress_page(browser, tmp_path):
    """The list and the script alone, served, as localStorage needs an address."""
    items = "".join(f'<li><span data-exercise="{k}"></span>Exercise {k}</li>' for k in ("00-1", "00-2", "01-1"))
    html = (
        f'<html lang="en"><body><div id="exercises"><ul>{items}</ul></div>{pages.script("progress.js")}</body></html>'
    )
    (tmp_path / "index.html").write_text(html, encoding="utf-8")

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        yield page
        context.close()
        server.shutdown()


def test_ticks_are_made_by_keyboard_kept_over_a_reload_and_cleared(progress_page):
    page = progress_page
    state = "[...document.querySelectorAll('input')].map(box => box.checked)"
    assert page.locator("[role=status]").inner_text() == "0 of 3 exercises done."
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate(state) == [False, True, False]
    page.get_by_text("Exercise 01-1").click()  # the words are the label
    page.reload()
    assert page.evaluate(state) == [False, True, True]
    assert page.locator("[role=status]").inner_text() == "2 of 3 exercises done."
    page.keyboard.press("Shift+Tab")
    page.get_by_role("button").press("Enter")
    assert page.evaluate(state) == [False] * 3 and page.evaluate("document.activeElement.type") == "checkbox"
    page.reload()
    assert page.evaluate(state) == [False] * 3


@pytest.mark.parametrize("stored", ["no JSON", '{"a": 1}', "null"])
def test_spoilt_contents_do_no_harm(progress_page, stored):
    progress_page.evaluate("text => localStorage.setItem('course-exercises-done', text)", stored)
    progress_page.reload()
    assert progress_page.locator("input").count() == 3
    assert progress_page.locator("[role=status]").inner_text() == "0 of 3 exercises done."


def test_a_browser_that_refuses_to_store_says_so(progress_page):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})"
    progress_page.add_init_script(refuse)
    progress_page.reload()
    assert "does not keep the ticks" in progress_page.locator("[role=status]").inner_text()
    progress_page.locator("input").first.check()
    assert progress_page.locator("[role=status]").inner_text().startswith("1 of 3")


# The table of all methods


@pytest.fixture
def methods_page(browser, tmp_path):
    head, *lines = [line.strip("| ").split(" | ") for line in pages.methods().splitlines() if "---" not in line]
    cells = ["".join(f"<td>{cell}</td>" for cell in line) for line in lines]
    table = f"<thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead>"
    table += f"<tbody>{''.join(f'<tr>{line}</tr>' for line in cells)}</tbody>"
    body = f'<div id="methods"><table>{table}</table></div>{pages.script("methods.js")}'
    (tmp_path / "index.html").write_text(f'<html lang="en"><body>{body}</body></html>', encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    yield page
    context.close()


def test_the_table_of_methods_has_a_cell_for_every_heading():
    """A method without a contrast or iterations keeps its empty cells: nothing moves into another column."""
    head, _, *lines = pages.methods().splitlines()
    assert len(lines) > 100 and {line.count("|") for line in lines} == {head.count("|")}


def column(page, k: int) -> list[str]:
    shown = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden)"
    return page.evaluate(f"k => {shown}.map(row => row.cells[k].textContent.trim())", k)


def test_the_table_of_methods_can_be_sorted_by_keyboard_and_filtered(methods_page):
    page = methods_page
    problem, kind = page.locator("select").all()
    assert page.locator("th").first.is_hidden() and len(set(column(page, 0))) == 1, "one problem at first"
    problem.select_option("all")
    everything = len(column(page, 0))
    assert page.locator("th").first.is_visible() and everything > 100
    problem.select_option(index=2)
    kind.select_option("variational")
    assert set(column(page, 1)) == {"variational"} and len(set(column(page, 0))) == 1
    assert page.locator("[role=status]").inner_text() == f"{len(column(page, 0))} of {everything} rows."
    names = page.evaluate("[...document.querySelectorAll('th')].map(cell => cell.textContent)")
    k = names.index("PSNR (dB)")
    page.locator("th button").nth(k).press("Enter")
    rising = [float(text.split()[0]) for text in column(page, k)]
    assert rising == sorted(rising) and page.locator("th").nth(k).get_attribute("aria-sort") == "ascending"
    page.locator("th button").nth(k).press("Enter")
    assert [float(text.split()[0]) for text in column(page, k)] == sorted(rising, reverse=True)
    problem.select_option("all")
    kind.select_option("all")
    contrast = names.index("contrast")
    page.locator("th button").nth(contrast).click()
    shown = column(page, contrast)
    assert "" in shown and "" not in shown[: shown.index("")] and set(shown[shown.index("") :]) == {""}
