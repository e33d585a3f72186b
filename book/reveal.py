"""reveal.js, which turns the slides: its version, and the parts that a deck needs."""

from __future__ import annotations

from pathlib import Path

import npm

VERSION = "5.2.1"
SHA256 = "359b575dd51bbda32f89b2fd4c7dc46ad7389a805572158916c29252f7a27333"
#: Its themes bring fonts and colours that ours replaces.
PARTS = {
    "package/LICENSE": "LICENSE",
    "package/dist/reset.css": "reset.css",
    "package/dist/reveal.css": "reveal.css",
    "package/dist/reveal.js": "reveal.js",
    "package/plugin/notes/notes.js": "notes.js",
}


def package(source: Path | None = None) -> Path:
    """The package's archive; see ``npm.package``."""
    return npm.package("reveal.js", VERSION, SHA256, source)


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Write the needed parts of the archive into ``folder``; see ``npm.unpack``."""
    return npm.unpack(archive, folder, PARTS)
