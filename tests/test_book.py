"""The HTML book: what it is made from fits together, and a chapter that is not clean stops it.

The pages themselves are tested in test_book_site.py, where they have been built.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import book_tools
import build
import execute
import head
import mathjax
import nbformat
import npm
import pages
import prepare
import pytest
import small_book
import yaml
from PIL import Image

from course_utils._files import REPOSITORY, IntegrityError
from course_utils.notebooks import GITHUB, chapters, generate

BOOK = REPOSITORY / "book"
CONFIG = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
BIB = (BOOK / "references.bib").read_text(encoding="utf-8")
every_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)


# Configuration and text


def test_jupyter_book_accepts_the_configuration():
    config = book_tools.jupyter_book("jupyter_book.config")
    config.validate_yaml(CONFIG, raise_on_errors=True)


def test_the_contents_list_every_chapter_in_order_and_every_page():
    contents = yaml.safe_load(pages.contents())
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert [file for file in files if "/" in file] == [f"notebooks/{text.stem}" for text in chapters()]
    written = {path.stem for path in BOOK.glob("*.md")}
    assert {contents["root"], *(file for file in files if "/" not in file)} == written


def test_the_bibliography_has_what_the_chapters_and_pages_name_and_no_more():
    named = set().union(*(prepare.keys(generate(text)) for text in chapters()))
    assert named and build.bibliography_keys() == named
    for path in [*BOOK.rglob("*.md"), *(BOOK / "sources").glob("*.yml")]:
        keys = set(re.findall(r"`([a-z]+\d{4}[a-z]*)`", path.read_text(encoding="utf-8")))
        assert keys <= named, f"{path.name} names {keys - named}"


def test_every_reference_is_complete():
    wanted = {"article": {"journal"}, "inproceedings": {"booktitle"}, "book": {"publisher"}, "misc": {"note"}}
    entries = re.findall(r"^@(\w+)\{(\w+),\n(.*?)^\}$", BIB, re.MULTILINE | re.DOTALL)
    assert len(entries) == BIB.count("\n@")
    for kind, key, body in entries:
        fields = dict(re.findall(r"^ +(\w+) += \{(.*?)\},?$", body, re.MULTILINE | re.DOTALL))
        assert {"author", "title", "year"} | wanted[kind] <= fields.keys(), key
        assert re.search(r"\d{4}", key)[0] == fields["year"], f"{key}: {fields['year']}"
        first = re.sub(r"\{\\.(\w)\}|\W", r"\1", fields["author"].split(",")[0]).lower()
        assert re.match(r"[a-z]+", key)[0][:4] in first.removeprefix("van").removeprefix("den"), f"{key}: {first}"


@every_chapter
def test_links_between_chapters_lead_to_chapters(text):
    prose = pages.prose(generate(text))
    for target in re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", prose) + re.findall(
        r'(?:href|src)="(?!http)([^"]+)"', prose
    ):
        assert (text.parent / target.partition("#")[0]).is_file(), f"{text.name} links to {target}"


@every_chapter
def test_every_numbered_section_says_where_it_comes_from(text):
    origins = yaml.safe_load((BOOK / "sources" / f"{text.stem[:2]}.yml").read_text(encoding="utf-8"))
    assert origins.keys() == pages.sections()[text.stem[:2]].keys()


def test_the_notation_is_that_of_chapter_00_without_its_exercises():
    notation = pages.notation()
    assert "`lam`" in notation and "Exercise" not in notation


def test_run_times_are_those_of_the_records():
    machine = {"processor": "P", "threads": 2}
    made = {"date": "2026-01-02", "machine": machine, "versions": {"python": "3.11", "torch": "2"}}
    record = {"seconds": 12.4, "cells": [1.0, 3.0], "peak_bytes": 7e8, "fast": False, "provenance": made}
    times = pages.run_times({text.stem: record for text in chapters()})
    assert times.count("| 12&nbsp;s | 3&nbsp;s | 0.7&nbsp;GB | full |") == len(chapters())
    assert "2026-01-02: P (2 threads)" in times


def test_keys_of_the_bibliography_become_citations():
    cited = pages.cited("see `duff2023regularising`, {cite}`x2020y`, `code`")
    assert cited == "see {cite}`duff2023regularising`, {cite}`x2020y`, `code`"


def test_each_chapter_has_a_card_with_its_first_picture():
    picture = small_book.picture()
    shown = nbformat.v4.new_output("display_data", data={"image/png": picture})
    drawn = nbformat.v4.new_code_cell("f()", outputs=[shown], metadata={"mystnb": {"image": {"alt": "A field."}}})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 99 Small"), drawn])
    found, alt = pages.first_picture(notebook)
    assert (found, alt) == (base64.b64decode(picture), "A field.")
    small = Image.open(io.BytesIO(pages.thumbnail(found)))
    assert small.size == pages.THUMBNAIL and small.getpixel((0, 0)) == (255, 255, 255)
    assert small.getpixel((240, 135)) == (200, 200, 200)
    with pytest.raises(ValueError, match="99 Small"):
        pages.first_picture(nbformat.v4.new_notebook(cells=notebook.cells[:1]))
    cards = pages.cards({text.stem: f"what {text.stem} shows" for text in chapters()})
    for text in chapters():
        for line in (f":link: notebooks/{text.stem}", f":img-top: images/{text.stem}.png", f"what {text.stem} shows"):
            assert cards.count(f"{line}\n") == 1


# Running a chapter

HEADER = '# %% [markdown]\n# # 99 Small\n\n# %%\nprint("ran")\n'


def small(folder, code=""):
    """A chapter of two cells; the second holds ``code``."""
    text = folder / "99-small.py"
    text.write_text(f"{HEADER}\n# %%\n{code}\n", encoding="utf-8")
    return text


@pytest.mark.slow
def test_a_chapter_is_run_in_page_mode_and_only_when_something_changed(tmp_path, capsys):
    code = "import os\nprint(os.environ['COURSE_PAGE'], os.environ['COURSE_FAST'], os.listdir())"
    text, folder = small(tmp_path, code), tmp_path / "executed"
    first = execute.execute(text, folder, "library 1").read_bytes()
    notebook = nbformat.reads(first.decode(), as_version=4)
    assert [cell.outputs[0].text for cell in notebook.cells[1:]] == ["ran\n", "1 0 []\n"]
    record = json.loads((folder / "99-small.json").read_text())
    assert record["seconds"] > 0 and len(record["cells"]) == 2 and record["peak_bytes"] > 1e7
    assert "running" in capsys.readouterr().out
    execute.execute(text, folder, "library 1")
    assert "as it was" in capsys.readouterr().out
    execute.execute(text, folder, "library 2")
    assert "running" in capsys.readouterr().out


@pytest.mark.slow
def test_of_two_that_want_a_chapter_one_runs_it(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "executed"
    text = small(tmp_path, f"import time\nopen({str(log)!r}, 'a').write('x')\ntime.sleep(1)")
    code = "import sys, pathlib, execute; execute.execute(*map(pathlib.Path, sys.argv[1:]), 'library')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(BOOK), *sys.path])}
    two = [subprocess.Popen([sys.executable, "-c", code, text, folder], env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in two] == [0, 0]
    assert (folder / "99-small.ipynb").is_file()
    assert log.read_text() == "x"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; print('something is wrong', file=sys.stderr)", "something is wrong"),
        ("import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    print(traceback.format_exc())", "stdout"),
        ("import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    1 / 0\nout", "OutputModel"),
        ("import os; os._exit(1)", "died"),
    ],
    ids=["exception", "stderr", "printed traceback", "inside a widget", "dead kernel"],
)
@pytest.mark.slow
def test_a_chapter_that_is_not_clean_stops_the_book_and_is_not_kept(code, message, tmp_path):
    with pytest.raises(execute.ChapterError, match=message) as caught:
        execute.execute(small(tmp_path, code), tmp_path / "executed", "library")
    assert "99-small.py" in str(caught.value)
    assert not list((tmp_path / "executed").glob("99*"))


def test_a_failed_chapter_ends_the_build_with_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "chapters", lambda: [small(tmp_path, "1 / 0")])
    with pytest.raises(SystemExit, match="99-small.py"):
        build.main(["--fast"])
    assert not (tmp_path / "source").exists()


def test_the_library_digest_sees_code_and_results(tmp_path):
    folders = [name for name in execute.INPUTS if not name.endswith(".py")]
    files = [name if name.endswith(".py") else f"{name}/file" for name in execute.INPUTS]
    for name in folders:
        (tmp_path / name / "__pycache__").mkdir(parents=True)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = execute.library_digest(tmp_path)
    (tmp_path / "results" / "__pycache__" / "file").write_text("compiled")
    assert execute.library_digest(tmp_path) == before
    seen = {before}
    for name in files:
        (tmp_path / name).write_text("2")
        seen.add(execute.library_digest(tmp_path))
    assert len(seen) == len(files) + 1


# From an executed chapter to its page


def shown(**data):
    return nbformat.v4.new_output("display_data", data=data)


def chapter(*cells):
    """A notebook of (tags, source, outputs) after a title."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 99 Small\n\nText `known2020key`.")])
    for tags, source, *outputs in cells:
        cell = nbformat.v4.new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})
        notebook.cells.append(cell)
    return notebook


def page(notebook):
    return prepare.page(notebook, "99-small", {"known2020key"})


def test_setup_and_solutions_are_folded_and_the_title_is_followed_by_links():
    result = page(chapter((["setup"], "import os"), (["solution"], "x = 1"), ([], "x")))
    assert [cell.metadata.tags for cell in result.cells[1:]] == [["setup", "hide-input"], ["solution", "hide-cell"], []]
    assert "Solution" in result.cells[2].metadata.mystnb["code_prompt_show"]
    first, _, second, *_ = result.cells[0].source.splitlines()
    assert first == "# 99 Small" and second.count(f"{GITHUB}") == 3
    assert second.count("notebooks/student/99-small.ipynb") == 2 and second.count("notebooks/99-small.ipynb") == 1
    assert "{cite}`known2020key`" in result.cells[0].source


def test_an_explorer_that_works_without_a_kernel_takes_the_place_of_its_picture():
    picture = shown(**{"image/png": "AAAA"})
    cells = [(["explorer"], "e = explorer()\ne.static()", picture), (["explorer"], "e", shown(**{"text/html": "<b>"}))]
    notebook = chapter(*cells)
    result = page(notebook)
    assert [cell.source for cell in result.cells[1:]] == ["e = explorer()\ne"]
    assert list(result.cells[1].outputs[0].data) == ["text/html"]
    assert len(notebook.cells) == 3  # the given one is as it was
    cells[1] = (["explorer"], "e", shown(**{prepare.WIDGET: {}, "text/plain": "VBox()"}))
    result = page(chapter(*cells))
    assert [cell.source for cell in result.cells[1:]] == ["e = explorer()\ne.static()"]
    with pytest.raises(prepare.PageError, match=r"\.static\(\)"):
        page(chapter((["explorer"], "e = explorer()"), cells[1]))


def test_explorers_of_one_page_share_what_they_store():
    block = '<script type="text/plain" class="cp-block" data-name="weights of vae" data-crc="1">AAAA</script>'
    cells = [([], f"explorer {k}", shown(**{"text/html": f"<div>{block}</div>"})) for k in range(3)]
    notebook = chapter(*cells)
    texts = [cell.outputs[0].data["text/html"] for cell in page(notebook).cells[1:]]
    assert [text.count("AAAA") for text in texts] == [1, 0, 0]
    assert "".join(texts).count('data-name="weights of vae"') == 3
    assert notebook.cells[3].outputs[0].data["text/html"].count("AAAA") == 1  # the given one is as it was


def test_dead_widgets_and_unknown_references_are_refused():
    with pytest.raises(prepare.PageError, match="widget"):
        page(chapter(([], "slider", shown(**{prepare.WIDGET: {}, "text/plain": "Slider()"}))))
    both = shown(**{prepare.WIDGET: {}, "text/html": "<b>"})
    notebook = chapter(([], "slider", both))
    notebook.metadata.widgets = {"state": {}}
    result = page(notebook)
    assert list(result.cells[1].outputs[0].data) == ["text/html"] and "widgets" not in result.metadata
    with pytest.raises(prepare.PageError, match="known2020key"):
        prepare.page(chapter(), "99-small", set())


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        ("import torch\n\nfrom a import (\n    b,\n    c,\n)\n\nseed = 1", "Imports"),
        ('record = load_result("fig1")\nprint(origin(record))\nfigure(record)\nplt.show()', "Drawn"),
        ("figure, axes = subplots(1, 2)\naxes[0].plot(x)\nassert x > 0\nplt.show()", "Drawn"),
        ("import torch\nx = A(y)\nz = G(x)", ""),
        ("x = A(y)\nplt.show()", ""),
        ("for x in y:\n    print(x)", ""),
        ("def f(x):\n    return x", ""),
        ("checks.step(step)", ""),
        ("explorer", ""),
        ("assert x", ""),
        ("# nothing yet", ""),
    ],
)
def test_only_code_that_teaches_nothing_is_folded(source, folded):
    assert prepare.shown_only(source).startswith(folded) and bool(prepare.shown_only(source)) == bool(folded)
    tags = page(chapter(([], source))).cells[1].metadata.tags
    assert tags == (["hide-input"] if folded else [])


# Heads

PAGE = """<html><head>
<title>05 The three regularisers &#8212; Regularising inverse problems with generative models</title>
<meta property="og:title" content="another" />
</head><body><article><p>Short.</p><p>A camera <em>blurs</em> &amp; a scanner measures too little, and noise comes on
top, as everybody knows.</p></article></body></html>"""


def contents_of(text: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text))


def test_a_head_says_what_the_page_is_and_where_it_lies():
    made = head.headed("library/data.html", PAGE)
    found = contents_of(made)
    assert "<title>05 The three regularisers — Regularising inverse problems with generative models</title>" in made
    assert found["og:title"] == "05 The three regularisers"
    assert found["description"] == found["og:description"]
    assert found["description"].startswith("A camera blurs &amp; a scanner") and found["description"].endswith("knows.")
    owner, name = GITHUB.split("/")
    address = f"https://{owner}.github.io/{name}/library/data.html"
    assert f'<link rel="canonical" href="{address}">' in made and found["og:url"] == address
    assert 'href="../_static/favicon.svg"' in made and "another" not in made
    assert head.headed("library/data.html", made) == made, "a second time changes nothing"


def test_a_chapter_is_described_by_its_question_and_the_course_is_named_once():
    stem = chapters(["05"])[0].stem
    assert contents_of(head.headed(f"notebooks/{stem}.html", PAGE))["description"].startswith("Must the solution be")
    for title in (head.NAME, f"{head.NAME} — {head.NAME}"):
        made = head.headed("index.html", f"<head><title>{title}</title></head>")
        assert re.findall("<title>(.*)</title>", made) == [head.NAME]
        assert contents_of(made)["og:url"] == head.ADDRESS
    with pytest.raises(ValueError, match="x.html"):
        head.headed("x.html", "<head></head>")


def test_the_map_of_the_site_lists_what_can_be_read():
    listed = re.findall("<loc>(.*)</loc>", head.sitemap(["search.html", "index.html", "notebooks/00-a.html"]))
    assert listed == [head.ADDRESS, f"{head.ADDRESS}notebooks/00-a.html"]


# MathJax


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package as npm packs it, an empty cache, and an npm that brings the package."""
    folder = tmp_path / "package"
    for name in ("LICENSE", f"es5/{mathjax.SCRIPT}", "es5/output/chtml/fonts/woff-v2/a.woff", "es5/startup.js"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    archive = tmp_path / "made.tgz"
    with tarfile.open(archive, "w:gz") as content:
        content.add(folder, "package")
    calls = []

    def fetch(command, cwd, **options):
        calls.append(command)
        (npm.Path(cwd) / f"mathjax-{mathjax.VERSION}.tgz").write_bytes(archive.read_bytes())
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(npm.shutil, "which", lambda name: name)
    monkeypatch.setattr(npm.subprocess, "run", fetch)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return SimpleNamespace(archive=archive, digest=digest, calls=calls, cache=tmp_path / "cache")


def test_mathjax_is_fetched_once_and_only_what_pages_need_is_unpacked(package, tmp_path):
    found = mathjax.package(expected=package.digest)
    assert mathjax.package(expected=package.digest) == found and len(package.calls) == 1
    written = mathjax.unpack(found, tmp_path / "site")
    names = {path.relative_to(tmp_path / "site").as_posix() for path in written}
    assert names == {"LICENSE", mathjax.SCRIPT, "output/chtml/fonts/woff-v2/a.woff"}


def test_an_altered_mathjax_is_refused_and_not_kept(package):
    with pytest.raises(IntegrityError, match="SHA-256"):
        mathjax.package(expected="0" * 64)
    assert not list(package.cache.glob("*"))
    with pytest.raises(IntegrityError, match="SHA-256"):
        mathjax.package(package.archive)  # not the published package
    with pytest.raises(SystemExit, match="SHA-256"):
        mathjax.main([str(package.cache), "--from", str(package.archive)])


def test_what_is_missing_for_mathjax_is_named(package, tmp_path, monkeypatch):
    with tarfile.open(package.archive, "w:gz"):
        pass
    with pytest.raises(FileNotFoundError, match=mathjax.SCRIPT):
        mathjax.unpack(package.archive, tmp_path / "site")
    monkeypatch.setattr(npm.subprocess, "run", lambda *a, **k: SimpleNamespace(returncode=1, stderr="no network"))
    with pytest.raises(RuntimeError, match="no network"):
        mathjax.package(expected=package.digest)
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="npm"):
        mathjax.package(expected=package.digest)
