"""pytest plugin for the notebook runs: writes to $CELL_REPORT what each cell showed, and the peak memory.

nbval says whether a cell ran.  This keeps what it throws away: time, pictures, stderr, and stray reprs.
"""

import json
import os
import re
import sys
from pathlib import Path

import pytest

ADDRESS = re.compile(r"^<.* at 0x[0-9a-f]+>$|<.*object at 0x[0-9a-f]+>", re.MULTILINE)
CELLS = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and hasattr(item, "cell_num"):
        outputs = item.test_outputs or []
        data = [output.get("data", {}) for output in outputs]
        CELLS.append(
            {
                "cell": item.cell_num,
                "source": item.cell.source,
                "passed": report.passed,
                "seconds": round(call.duration, 3),
                "images": sum(mime.startswith("image/") for shown in data for mime in shown),
                "stderr": "".join(o.text for o in outputs if o.get("name") == "stderr"),
                # A picture or a widget brings a text twin that nobody sees; alone it is what the reader gets.
                "reprs": [
                    s["text/plain"] for s in data if list(s) == ["text/plain"] and ADDRESS.search(s["text/plain"])
                ],
            }
        )
    return report


def pytest_sessionfinish():
    peak = None
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, KiB on Linux
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    Path(os.environ["CELL_REPORT"]).write_text(json.dumps({"cells": CELLS, "peak_bytes": peak}), encoding="utf-8")
