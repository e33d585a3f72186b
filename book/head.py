"""What a page says of itself in its head: to search engines, to whoever shares its address, and to the browser's tab.

Written into the finished pages, because the theme knows none of it.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from course_utils.catalogue import catalogue
from course_utils.notebooks import GITHUB

#: Where GitHub Pages shows the book of this repository.
ADDRESS = "https://{}.github.io/{}/".format(*GITHUB.split("/"))
NAME = "Regularising inverse problems with generative models"
#: For pages that open with no sentence of their own.
ABOUT = "An interactive course: theory beside short code, live figures, and exercises that say what is wrong."
LONGEST = 200
#: Pages that no search engine needs.
UNLISTED = ("search.html", "genindex.html")


def description(name: str, page: str) -> str:
    """One or two sentences on a page: a chapter's question; else how the page begins."""
    for chapter in catalogue().values():
        if name == f"notebooks/{chapter.stem}.html":
            return f"{chapter.question} Chapter {chapter.number:02d}, {chapter.title}. {ABOUT}"[:LONGEST].rstrip()
    article = page.partition("<article")[2].partition("</article>")[0]
    for paragraph in re.findall(r"<p>(.*?)</p>", article, re.DOTALL):
        words = " ".join(html.unescape(re.sub(r"<[^>]+>", "", paragraph)).split())
        if len(words) > 60:
            return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] + " …"
    return ABOUT


def headed(name: str, page: str) -> str:
    """The page with its head completed, and the name of the course once in its title.

    Raises
    ------
    ValueError
        The page has no title, or no head to write into.
    """
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    if found is None or page.count("</head>") != 1:
        raise ValueError(f"{name} has no <title> or not one <head>")
    own = html.unescape(" ".join(found[1].split()))
    own = re.split(r" (?:—|&#8212;|-) (?=Regularising inverse problems)", own)[0]
    title = own if own == NAME else f"{own} — {NAME}"
    canonical = ADDRESS if name == "index.html" else ADDRESS + name
    root = "../" * name.count("/")
    values = {
        ("name", "description"): description(name, page),
        ("property", "og:title"): own,
        ("property", "og:description"): description(name, page),
        ("property", "og:type"): "website" if name == "index.html" else "article",
        ("property", "og:site_name"): NAME,
        ("property", "og:locale"): "en_GB",
        ("property", "og:url"): canonical,
        ("property", "og:image"): f"{ADDRESS}_static/preview.png",
        ("property", "og:image:alt"): "An explorer of the course: one digit, several methods, residual and deviation.",
        ("name", "twitter:card"): "summary_large_image",
    }
    # the theme's own guesses would stand beside ours
    page = re.sub(r'\s*<meta (?:name="description"|property="og:[^"]*"|name="twitter:[^"]*")[^>]*>', "", page)
    page = re.sub(r'\s*<link rel="(?:canonical|icon|shortcut icon)"[^>]*>', "", page)
    lines = [f'<meta {kind}="{key}" content="{html.escape(value)}">' for (kind, key), value in values.items()]
    lines.append(f'<link rel="canonical" href="{html.escape(canonical)}">')
    lines.append(f'<link rel="icon" type="image/svg+xml" href="{root}_static/favicon.svg">')
    page = page.replace(found[0], f"<title>{html.escape(title)}</title>", 1)
    return page.replace("</head>", "\n".join(["", *lines, "</head>"]), 1)


def sitemap(names: list[str]) -> str:
    """The list of the pages that search engines read."""
    pages = [ADDRESS if name == "index.html" else ADDRESS + name for name in sorted(names) if name not in UNLISTED]
    entries = "\n".join(f"  <url><loc>{html.escape(page)}</loc></url>" for page in pages)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return f"{head}\n{entries}\n</urlset>\n"


def finish(site: Path) -> None:
    """Complete the heads of all pages of a finished site, and write ``sitemap.xml``."""
    found = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    for path in found:
        name = path.relative_to(site).as_posix()
        path.write_text(headed(name, path.read_text(encoding="utf-8")), encoding="utf-8")
    (site / "sitemap.xml").write_text(sitemap([p.relative_to(site).as_posix() for p in found]), encoding="utf-8")
