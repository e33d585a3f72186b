"""The command ``python -m course_utils.grade``; see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

import course_utils.grade as package

from .. import _command
from .table import grade, submissions, write


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.grade",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the notebooks are")
    parser.add_argument("--out", type=Path, help="the table (default: grades.csv in the folder)")
    parser.add_argument("--seconds", type=positive, default=120, help="what one cell may take (default: 120)")
    parser.add_argument("--minutes", type=positive, default=10, help="what one notebook may take (default: 10)")
    parser.add_argument("--full", action="store_true", help="run the experiments of the chapters at full size")
    options = parser.parse_args(arguments)
    try:
        paths = submissions(options.folder)
    except NotADirectoryError as error:
        parser.error(str(error))
    rows, target = [], options.out or options.folder / "grades.csv"
    for path in paths:
        row = grade(options.folder, path, options.seconds, options.minutes, not options.full)
        rows.append(row)
        write(rows, target)  # after each, so that a killed run leaves what it has
        words = f"{row.chapter}, {row.solved} of {len(row.outcomes)}" if row.chapter else row.problem
        print(f"{row.submission}: {words}", flush=True)
    if not paths:
        print(f"{options.folder} holds no notebooks")
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    _command.run(main)
