"""What the command lines of the course share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["run"]

#: As the shell reports a process that SIGPIPE ended.
READER_GONE = 141


def run(main: Callable[[], int | None]) -> None:
    """Call ``main`` and end the process with its status; quietly if nobody reads on, as with ``| head -1``."""
    status: Any
    try:
        try:
            status = main()
        except SystemExit as stopped:  # what argparse does after --help
            status = stopped.code
        sys.stdout.flush()
    except BrokenPipeError:
        try:
            print(flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
            sys.exit(READER_GONE)
        raise  # of another pipe: this one still takes a line
    sys.exit(status)
