"""Where a stored number came from: commit, versions, machine, date."""

from __future__ import annotations

import datetime
import platform
import subprocess
from importlib import metadata

import torch

from ._files import REPOSITORY

__all__ = ["machine", "provenance"]


def machine() -> dict:
    """The machine in words: processor, threads, and accelerator if there is one."""
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            names = [line.split(":", 1)[1].strip() for line in handle if line.startswith("model name")]
        processor = names[0] if names else processor
    except OSError:
        pass  # not Linux
    found = {"processor": processor, "threads": torch.get_num_threads(), "system": platform.system()}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _commit() -> str:
    """Hash of the checkout, with "-dirty" if anything but ``results/`` is changed: a run writes there itself."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results")
        return git("describe", "--always", "--abbrev=12") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"


def provenance() -> dict:
    """Commit, versions, machine and date, for a results file."""
    return {
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }
