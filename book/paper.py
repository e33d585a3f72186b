"""The book as one file for paper: Chromium prints the built pages one by one, and pypdf binds them.

    python book/paper.py            book/_build/html -> book/_build/course.pdf
    python book/paper.py 05 notation                 -> book/_build/course-05-notation.pdf

Nothing is asked of a network: the pages are read from the folder of the site, under the address that they will have,
so that links from page to page lead to the book on the web.
"""

from __future__ import annotations

import argparse
import io
import mimetypes
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build
import head
import pages
import yaml
from browser import chromium

#: A4, with room for a hole punch.
SHEET = {"format": "A4", "margin": {"top": "14mm", "bottom": "16mm", "left": "18mm", "right": "14mm"}}
NUMBER = (
    '<div style="font-size: 8px; margin: 0 auto">'
    '<span class="pageNumber"></span> / <span class="totalPages"></span></div>'
)
LONGEST = 300_000  # milliseconds until a page has loaded, with all that it computes


def wanted(names: list[str]) -> list[str]:
    """The pages to print, in the order of the contents; a name is a chapter's number or how a page's file is called.

    Raises
    ------
    ValueError
        A name that fits no page.
    """
    contents = yaml.safe_load(pages.contents())
    entries = [entry for part in contents["parts"] for entry in part["chapters"]]
    files = [contents["root"]]
    for entry in entries:
        files += [entry["file"], *(below["file"] for below in entry.get("sections", []))]
    if not names:
        return files
    found = {name: [file for file in files if file == name or file.startswith(f"notebooks/{name}-")] for name in names}
    for name, fits in found.items():
        if len(fits) != 1:
            raise ValueError(f"names: expected chapters or pages ({', '.join(files)}), got {name!r}")
    chosen = {fits[0] for fits in found.values()}
    return [file for file in files if file in chosen]


def printed(browser, site: Path, files: list[str]):
    """The pages as (title, PDF) pairs, one after the other."""

    def from_the_folder(route) -> None:
        address = route.request.url
        place = site / unquote(urlsplit(address).path.removeprefix(urlsplit(head.ADDRESS).path))
        if address.startswith(("data:", "blob:")):
            route.continue_()
        elif address.startswith(head.ADDRESS) and place.is_file():
            kind = mimetypes.guess_type(place.name)[0] or "application/octet-stream"
            route.fulfill(body=place.read_bytes(), content_type=kind)
        else:
            route.abort()

    for file in files:
        page = browser.new_page(color_scheme="light")
        page.route("**/*", from_the_folder)
        page.goto(f"{head.ADDRESS}{file}.html", timeout=LONGEST)
        page.evaluate("window.MathJax?.startup?.promise")
        page.emulate_media(media="print")
        sheets = page.pdf(**SHEET, print_background=True, display_header_footer=True,
                          header_template="<span></span>", footer_template=NUMBER)  # fmt: skip
        yield page.title().partition(" — ")[0], sheets
        page.close()


def bind(parts, target: Path) -> int:
    """Write (title, PDF) pairs as one file with an outline; returns how many sheets it has."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for title, sheets in parts:
        writer.append(PdfReader(io.BytesIO(sheets)), outline_item=title)
        print(f"{title}: {len(writer.pages)} sheets so far", flush=True)
    writer.compress_identical_objects()
    target.parent.mkdir(parents=True, exist_ok=True)
    writer.write(target)
    return len(writer.pages)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="chapters and pages (default: all)")
    parser.add_argument("--site", type=Path, default=build.SITE, help="the folder of the pages")
    options = parser.parse_args(arguments)
    target = build.BUILD / ("-".join(["course", *options.names]) + ".pdf")
    try:
        files = wanted(options.names)
        if missing := [file for file in files if not (options.site / f"{file}.html").is_file()]:
            raise FileNotFoundError(f"{options.site} has no {missing[0]}.html: make book")
        with chromium() as browser:
            sheets = bind(printed(browser, options.site, files), target)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"nothing was printed: {error}") from error
    print(f"{target}: {sheets} sheets")


if __name__ == "__main__":
    main()
