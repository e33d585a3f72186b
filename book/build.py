"""Make the HTML book: run every chapter, lay out the sources, and let Jupyter Book write the pages.

    python book/build.py            -> book/_build/html/index.html
    python book/build.py --fast     with the smaller experiments (COURSE_FAST=1), for a quick look -> _build/html-fast
    python book/build.py --pdf      the slides in it also as PDF; needs Chromium and playwright

Chapters that did not change are not run again.  Warnings are errors.  Once MathJax is in the cache, nothing here
needs a network, and neither do the pages.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import api
import head
import mathjax
import nbformat
import pages
import slides
import syllabus
from execute import ChapterError, execute, library_digest
from prepare import PageError, page

from course_utils._files import REPOSITORY, IntegrityError
from course_utils.notebooks import chapters

BOOK = REPOSITORY / "book"
BUILD = BOOK / "_build"
SITE, FAST_SITE = BUILD / "html", BUILD / "html-fast"
CONFIGURATION = ("_config.yml", "references.bib")


def bibliography_keys() -> set[str]:
    """The keys of references.bib."""
    return set(re.findall(r"^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))


def lay_out(source: Path, executed: Path, pdf: bool = False) -> None:
    """Everything that Jupyter Book reads, in one new folder."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    for name in CONFIGURATION:
        shutil.copyfile(BOOK / name, source / name)
    (source / "_toc.yml").write_text(pages.contents(), encoding="utf-8")
    records = {text.stem: json.loads((executed / f"{text.stem}.json").read_text("utf-8")) for text in chapters()}
    notebooks = {text.stem: nbformat.read(executed / f"{text.stem}.ipynb", as_version=4) for text in chapters()}
    pictures = {stem: pages.first_picture(notebook) for stem, notebook in notebooks.items()}
    made = {
        "<!-- chapters -->": lambda: pages.cards({stem: alt for stem, (_, alt) in pictures.items()}),
        "<!-- chapter by chapter -->": pages.teaching,
        "<!-- explorer -->": lambda: pages.explorer("regularisers", **pages.FRONT),
        "<!-- notation -->": pages.notation,
        "<!-- rooms -->": api.overview,
        "<!-- sources -->": pages.sources,
        "<!-- exercises -->": pages.exercises,
        "<!-- progress script -->": lambda: pages.script("progress.js"),
        "<!-- methods -->": pages.methods,
        "<!-- methods notes -->": pages.methods_notes,
        "<!-- methods script -->": lambda: pages.script("methods.js"),
        "<!-- syllabus -->": syllabus.tables,
        "<!-- hub link -->": syllabus.link,
        "<!-- hub link script -->": lambda: pages.script("syllabus.js"),
        "<!-- run times -->": lambda: pages.run_times(records),
    }
    for path in BOOK.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for mark, make in made.items():
            if mark in text:
                text = text.replace(mark, make())
        (source / path.name).write_text(pages.cited(text), encoding="utf-8")
    known = bibliography_keys()
    for stem, notebook in notebooks.items():
        nbformat.write(page(notebook, stem, known, pdf), source / "notebooks" / f"{stem}.ipynb")
    (source / "library").mkdir()
    for room in api.ROOMS:
        (source / "library" / f"{room}.md").write_text(api.page(room), encoding="utf-8")
    lay_out_assets(source)
    for stem, (picture, _) in pictures.items():
        (source / "images" / f"{stem}.png").write_bytes(pages.thumbnail(picture))


def lay_out_assets(source: Path) -> None:
    """Pictures, style sheets and scripts of all pages, and MathJax."""
    # html_extra_path is copied as it is; scripts in _static would be put into every page
    shutil.copytree(BOOK / "static", source / "_static")
    shutil.copytree(BOOK / "images", source / "images")
    shutil.copyfile(BOOK / "images" / "explorer.png", source / "_static" / "preview.png")  # for links that are shared
    mathjax.unpack(mathjax.package(), source / "extra" / "_static" / "mathjax")


def write_pages(source: Path, site: Path) -> None:
    """Run Jupyter Book on the laid-out sources.  Nothing is left of earlier builds, whose warnings would be lost."""
    if importlib.util.find_spec("jupyter_book") is None:
        raise PageError('Jupyter Book is not installed: pip install -e ".[book]", with Python 3.11 or newer')
    work = site.with_name(f"{site.name}-making")
    shutil.rmtree(work, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "--path-output", str(work), "-W", "-n", "--keep-going", "-q"]
    if subprocess.run(command, env=os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}).returncode != 0:
        raise PageError("Jupyter Book complained; see above")
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(work / "_build" / "html", site)
    shutil.rmtree(work)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="run the chapters with their smaller experiments")
    parser.add_argument("--pdf", action="store_true", help="print the slides, too")
    options = parser.parse_args(arguments)
    start, library = time.monotonic(), library_digest()
    executed = BUILD / ("executed-fast" if options.fast else "executed")
    try:
        for text in chapters():
            execute(text, executed, library, options.fast)
        source, site = (BUILD / "source-fast", FAST_SITE) if options.fast else (BUILD / "source", SITE)
        lay_out(source, executed, options.pdf)
        write_pages(source, site)
        head.finish(site)
        slides.publish(executed, site / "slides", options.pdf)  # last: they have heads of their own
    except (ChapterError, PageError, IntegrityError, OSError, RuntimeError) as error:
        raise SystemExit(f"the book was not made: {error}") from error
    print(f"{site / 'index.html'}, made in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
