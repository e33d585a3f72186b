"""Where a stored number came from: commit, versions, device, machine, date."""

from __future__ import annotations

import datetime
import platform
import subprocess
from importlib import metadata

import torch

from ._check import check_device, check_kind
from ._files import REPOSITORY

__all__ = ["device_name", "machine", "place", "provenance"]

#: What training and experiments write into the checkout.
WRITTEN = ("results", "course_utils/shipped/weights/manifest.json")


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


def device_name(device: torch.device | str | None = None) -> str:
    """The name of what computes: the model of the processor, or of the GPU.

    Parameters
    ----------
    device : torch.device or str, optional
        As for torch; default: torch's own default device.
    """
    kind = torch.get_default_device() if device is None else check_device("device", device, here=False)
    if kind.type == "cuda":
        return torch.cuda.get_device_name(kind)
    return machine()["processor"] + (" (MPS)" if kind.type == "mps" else "")


def place(made: dict) -> str:
    """The device of a stored record, and the threads of a processor, in words.

    Parameters
    ----------
    made : dict
        The provenance in the record.  Older ones name no device: then it is the GPU, if the machine had one.

    Example
    -------
    >>> machine = {"processor": "P", "threads": 2, "gpu": "Q"}
    >>> place({"machine": machine}), place({"machine": machine, "device": "P"})
    ('Q', 'P (2 threads)')
    """
    found = check_kind("made", made, dict, "the provenance of a record")["machine"]
    device = made.get("device") or found.get("gpu", found["processor"])
    if device != found["processor"]:
        return device
    return f"{device} ({found['threads']} thread{'s' if found['threads'] != 1 else ''})"


def _commit() -> str:
    """Hash of the checkout, with "-dirty" if anything is changed but what runs write themselves.

    That is ``results/`` and the list of shipped weights; a file of weights that is changed counts.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        changed = git(
            "status", "--porcelain", "--untracked-files=no", "--", ".", *(f":(exclude){path}" for path in WRITTEN)
        )
        return git("describe", "--always", "--abbrev=12") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"


def provenance(device: torch.device | str | None = None) -> dict:
    """Commit, date, device, machine and versions, for a results file.

    Parameters
    ----------
    device : torch.device or str, optional
        What the numbers were computed on, as for torch; default: torch's own default device.
    """
    return {
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
        "device": device_name(device),
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("torch", "numpy", "scipy")},
    }
