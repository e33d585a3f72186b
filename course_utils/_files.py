"""Files that cannot be half written, half read or silently altered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).parent / "shipped"
#: The folder of the package: the repository, unless the package was installed from a wheel.
REPOSITORY = Path(__file__).resolve().parents[1]


class IntegrityError(ValueError):
    """A file is not the one that its SHA-256 promises."""


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def verify(path: str | Path, expected: str) -> Path:
    """Return ``path`` if its SHA-256 is ``expected``; else raise, naming the file.

    Raises
    ------
    FileNotFoundError
        The file is not there.
    IntegrityError
        The file is short or altered.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"file not found: {path}")
    found = sha256(path)
    if found != expected:
        raise IntegrityError(
            f"{path} is damaged or altered ({path.stat().st_size} bytes): expected SHA-256 {expected[:16]}…, "
            f"found {found[:16]}…. It was not loaded; restore it (git checkout) or fetch it again."
        )
    return path


@contextlib.contextmanager
def atomic(path: str | Path):
    """Yield a temporary path beside ``path``; move it there only if the block ends well.

    Raises
    ------
    PermissionError
        The folder cannot be written; the message names it.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except (PermissionError, FileExistsError, NotADirectoryError, OSError) as error:
        raise PermissionError(f"cannot write into {path.parent}: {error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content) -> None:
    """Write ``content`` as JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def write_npz(target: str | Path, arrays: Mapping[str, np.ndarray], date: tuple[int, int, int] = (1998, 11, 1)) -> None:
    """A compressed npz, replaced atomically; with a fixed date, so that equal content gives an equal checksum."""
    with atomic(target) as temporary, zipfile.ZipFile(temporary, "w") as z:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", (*date, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with z.open(info, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def read_json(path: str | Path):
    """Read a JSON file; a broken one is named.

    Raises
    ------
    FileNotFoundError, ValueError
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"file not found: {path}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def workplace() -> Path:
    """Where results and runs are written: the repository; for an installed wheel, the current folder."""
    return REPOSITORY if (REPOSITORY / "pyproject.toml").is_file() else Path.cwd()


def cache_dir() -> Path:
    """Where fetched data lies: ``$COURSE_CACHE`` or ``~/.cache/generative-regularisation``.

    Raises
    ------
    RuntimeError
        Neither is there: the variable is not set, and the user has no home.
    """
    if folder := os.environ.get("COURSE_CACHE"):
        return Path(folder)
    try:
        return Path.home() / ".cache" / "generative-regularisation"
    except RuntimeError as error:  # a container's user without HOME and without an entry in /etc/passwd
        raise RuntimeError("no place for fetched data: there is no home; set COURSE_CACHE to a folder") from error
