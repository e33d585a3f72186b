"""python -m course_utils.benchmark: run every part on this machine, write results/benchmark.json."""

from __future__ import annotations

import time

from .. import _command
from ..provenance import machine
from ..results import save_result
from .classical import classical
from .compressed_sensing import compressed_sensing
from .growth import growth
from .peers import peers
from .tomography import tomography

PARTS = {
    "compressed-sensing": compressed_sensing, "tomography": tomography, "growth": growth, "peers": peers,
    "classical": classical,
}  # fmt: skip


def main() -> None:
    print(machine())
    started = time.perf_counter()
    found = {}
    for name, part in PARTS.items():
        print(f"-- {name}")
        found[name] = part(print)
    rows = [{"part": name} | row for name, part in found.items() for row in part["rows"]]
    settings = {name: part["settings"] for name, part in found.items()}
    summary = {name: part["summary"] for name, part in found.items()}
    path = save_result("benchmark", {"rows": rows, "summary": summary}, settings, time.perf_counter() - started)
    print(f"wrote {path}")


if __name__ == "__main__":
    _command.run(main)
