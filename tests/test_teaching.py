"""Teaching: the notes fit the chapters, the image for a class starts, and progress is kept."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

import pages
import pytest
import syllabus
import yaml

from course_utils._files import REPOSITORY
from course_utils.catalogue import catalogue
from course_utils.notebooks import GITHUB, chapters, generate

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


# Syllabus


def test_every_plan_names_every_chapter_in_a_week_or_below():
    parts = syllabus.tables().split("\n## ")
    assert [int(part.split()[1 if part.startswith("##") else 0]) for part in parts] == [4, 8, 12]
    for plan, part in zip(syllabus.plans(), parts, strict=True):
        table, _, below = part.partition("Not in this plan:")
        for name, chapter in catalogue().items():
            planned = any(name in week["chapters"] for week in plan["plan"])
            assert (f"notebooks/{chapter.stem}.ipynb" in table) == planned, name
            assert (f"notebooks/{chapter.stem}.ipynb" in below) != planned, name
        assert {row.count("|") for row in table.splitlines() if row.startswith("|")} == {6}


def test_a_plan_gives_the_exercises_of_its_sections_and_grades():
    first, second, *_ = (week["sections"] for week in syllabus.plans()[-1]["plan"] if "sections" in week)
    rows = [row for row in syllabus.tables().splitlines() if row.startswith("|") and ", sections " in row][-2:]
    given = [row.split("|")[-2] for row in rows]
    numbers = [set(map(int, re.findall(r"(?<!\d)\d(?!\d)", text))) for text in given]
    (text,) = chapters(["02"])
    asked = {int(number) for number, _, _ in pages.EXERCISE.findall(pages.prose(generate(text)))}
    assert first[1] + 1 == second[0] and all(numbers)
    assert not numbers[0] & numbers[1] and numbers[0] | numbers[1] == asked


@pytest.mark.parametrize(
    ("week", "message"),
    [
        ([{"chapters": ["nobody"]}], "no chapter nobody"),
        ([{"chapters": ["mri", "start"]}], "in their order"),
        ([{"chapters": ["mri"], "sections": [1, 99]}], "no section 99"),
        ([], "expected 1 entries, got 0"),
    ],
)
def test_a_plan_that_has_gone_stale_is_refused(week, message):
    with pytest.raises(ValueError, match=message):
        syllabus.check({"weeks": 1, "plan": week}, catalogue(), pages.sections())


def test_the_link_for_a_hub_pulls_the_course_and_opens_a_copy_that_exists():
    for text in chapters():
        parts = urlsplit(syllabus.pull("https://hub.example.org/base/", text.stem))
        asked = {key: value for key, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
        assert parts.path == "/base/hub/user-redirect/git-pull"
        assert asked["repo"] == f"https://github.com/{GITHUB}"
        place = asked["urlpath"].removeprefix(f"lab/tree/{asked['targetpath']}/")
        assert (REPOSITORY / place).is_file() and "/student/" in place


@pytest.fixture
def hub_page(browser, tmp_path):
    """The form alone, with what it finds on the page."""
    sample, listed = re.fullmatch(r"```text\n(.+)\n```\n\n(.+)", syllabus.link(), re.DOTALL).groups()
    block = (
        f'<div class="highlight-text"><div class="highlight"><pre>{sample.replace("&", "&amp;")}\n</pre></div></div>'
    )
    body = f'<div id="hub-link"><p>A link.</p>{block}{listed}</div>{pages.script("syllabus.js")}'
    (tmp_path / "index.html").write_text(f'<html lang="en"><body>{body}</body></html>', encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    yield page
    page.close()


def test_the_form_makes_the_same_link_by_keyboard_and_refuses_no_address(hub_page):
    page = hub_page
    page.keyboard.press("Tab")
    page.keyboard.type("hub.uni.example")
    assert "begins with https://" in page.locator("[role=status]").inner_text()
    page.keyboard.press("Control+A")
    page.keyboard.type("https://hub.uni.example/")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    link = page.locator("[role=status] a")
    assert link.get_attribute("href") == syllabus.pull("https://hub.uni.example", chapters()[1].stem)
    assert page.locator("pre").count() == 0 and page.locator("label :is(input, select)").count() == 2


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
    """The list and the two scripts that it needs alone, served, as localStorage needs an address."""
    items = "".join(f'<li><span data-exercise="{k}"></span>Exercise {k}</li>' for k in ("00-1", "00-2", "01-1"))
    scripts = f"<script>{(BOOK / 'static' / 'questions.js').read_text('utf-8')}</script>{pages.script('progress.js')}"
    html = f'<html lang="en"><body><div id="exercises"><ul>{items}</ul></div>{scripts}</body></html>'
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
