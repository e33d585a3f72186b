"""Teaching: the notes cover every chapter, the image for a class fits the project, and progress is kept."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest
import yaml
from chromium import FLAGS, needed_browser

from course_utils._files import REPOSITORY
from course_utils.notebooks import chapters, generate

BOOK = REPOSITORY / "book"
sys.path.insert(0, str(BOOK))

import pages  # noqa: E402

NOTES = (BOOK / "teaching.md").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "book" / "hub" / "Dockerfile").read_text(encoding="utf-8")
every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


def notes_on(number: str) -> str:
    """The section of the notes on one chapter."""
    return (BOOK / "teaching" / f"{number}.md").read_text(encoding="utf-8")


# Notes


@every_chapter
def test_the_notes_on_a_chapter_have_all_their_parts(text):
    section = notes_on(text.stem[:2])
    assert section.splitlines()[0] == f"## {pages.title(generate(text)).partition(':')[0]}"
    for part in ("**Plan", "**On the board.**", "**Project**", "**Ask first:**", "**Examination**"):
        assert section.count(part) == 1, part
    beliefs = re.search(r"\*\*Often believed.*?\n\n(.*?)\n\n", section, re.DOTALL)[1]
    assert len(re.findall(r'^- ".+" \*.+\*$', beliefs, re.MULTILINE)) == len(beliefs.splitlines()) >= 3
    questions = section.partition("**Examination**")[2]
    assert re.findall(r"^(\d)\. ", questions, re.MULTILINE) == ["1", "2", "3"]
    assert questions.count("<details><summary>Answer</summary>") == questions.count("</details>") == 3


@every_chapter
def test_a_session_takes_ninety_minutes_and_names_exercises_that_exist(text):
    section = notes_on(text.stem[:2])
    plan = re.search(r"\*\*Plan.*?(?=\n\n)", section, re.DOTALL)[0]
    sessions = [part for part in re.split(r"second session:", plan) if "·" in part]
    for session in sessions:
        assert sum(int(minutes) for minutes in re.findall(r", (\d+)(?= minutes| ·|\.)", session)) == 90, session
    known = {number for number, _, _ in pages.EXERCISE.findall(pages.prose(generate(text)))}
    named = re.findall(r"[Ee]xercises? (\d)(?: and (\d))?", section)
    assert {number for pair in named for number in pair if number} <= known


# Image


def test_the_image_copies_what_exists_and_has_the_python_of_the_other_environments():
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert {"pyproject.toml", "README.md", "course_utils", "notebooks", "results"} <= sources
    assert [name for name in sources if not (REPOSITORY / name).exists()] == []
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    (python,) = (line for line in environment["dependencies"] if str(line).startswith("python="))
    assert re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE) == [f"python:{python.partition('=')[2]}-slim"]
    torch = re.search(r'"(torch>=[\d.]+)"', DOCKERFILE)[1]
    pyproject = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{torch}",' in pyproject
    extras = re.findall(r'"\.\[(\w+)\]"', DOCKERFILE)
    assert extras and all(re.search(rf"^{extra} = \[", pyproject, re.MULTILINE) for extra in extras)


def test_the_image_has_no_root_and_leaves_binder_to_its_own_environment():
    users = re.findall(r"^(USER|ENTRYPOINT|CMD|RUN) (.+)$", DOCKERFILE, re.MULTILINE)
    kinds = [kind for kind, _ in users]
    assert kinds.index("USER") > max(i for i, kind in enumerate(kinds) if kind == "RUN")
    assert dict(users)["USER"] == "$NB_USER"
    assert "jupyterhub-singleuser" in dict(users)["CMD"]
    assert not re.search(r"git|curl|wget|pip", dict(users)["ENTRYPOINT"])  # nothing is fetched at the start
    assert not (REPOSITORY / "Dockerfile").exists()
    assert "docker build -f book/hub/Dockerfile" in NOTES


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
    page = (BOOK / "progress.md").read_text(encoding="utf-8")
    assert page.index('id="exercises"') < page.index("<!-- exercises -->") < page.index("<!-- progress script -->")


def test_the_script_keeps_what_it_knows_to_itself():
    script = pages.progress_script()
    assert script.count("<script>") == script.count("</script>") == 1
    assert not re.search(r"fetch|XMLHttpRequest|sendBeacon|cookie|https?:", script)


@pytest.fixture
def progress_page(tmp_path):
    """The list and the script alone, served, as localStorage needs an address."""
    items = "".join(f'<li><span data-exercise="{k}"></span>Exercise {k}</li>' for k in ("00-1", "00-2", "01-1"))
    html = f'<html lang="en"><body><div id="exercises"><ul>{items}</ul></div>{pages.progress_script()}</body></html>'
    (tmp_path / "index.html").write_text(html, encoding="utf-8")

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    found = needed_browser()
    from playwright.sync_api import sync_playwright

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            yield page
            browser.close()
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
