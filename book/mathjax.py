"""Fetch MathJax, which draws the formulas, and lay the parts that the pages need into a folder.

    python book/mathjax.py FOLDER                 npm fetches the package, once; it stays in the course's cache
    python book/mathjax.py FOLDER --from FILE     take the package's .tgz from FILE

The package is checked by SHA-256 before it is used.  The pages then ask no other server for it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from course_utils._files import IntegrityError, atomic, cache_dir, sha256, verify

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
    """The package's archive: ``source``, or the cached one, fetched by npm if need be.

    Raises
    ------
    IntegrityError
        It is short or altered; a bad file never gets into the cache.
    FileNotFoundError
        npm is not installed.
    RuntimeError
        npm could not fetch it.
    """
    if source is not None:
        return verify(source, expected)
    cached = cache_dir() / f"mathjax-{VERSION}.tgz"
    if cached.is_file() and sha256(cached) == expected:
        return cached
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm, which fetches MathJax, is not installed: install Node.js, or use --from FILE")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"mathjax@{VERSION}", "--silent"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"npm could not fetch mathjax@{VERSION}: {done.stderr.strip()[-300:]}")
        fetched = verify(Path(folder) / f"mathjax-{VERSION}.tgz", expected)
        with atomic(cached) as temporary:
            shutil.copyfile(fetched, temporary)
    return cached


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Write the needed parts of the archive into ``folder``; returns the files.

    Raises
    ------
    FileNotFoundError
        A part is not in the archive.
    """
    written, found = [], set()
    with tarfile.open(archive) as content:
        for member in content.getmembers():
            part = next((part for part in PARTS if member.name == part or member.name.startswith(part)), None)
            if part is None or not member.isfile():
                continue
            target = folder / (PARTS[part] + member.name[len(part) :])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.extractfile(member).read())
            written.append(target)
            found.add(part)
    if missing := PARTS.keys() - found:
        raise FileNotFoundError(f"{archive.name} has no {', '.join(sorted(missing))}")
    return written


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
