"""python -m course_utils.reproduce NAME: see the package's docstring."""

from __future__ import annotations

import argparse
import sys
import time

from ..results import save_result
from . import __doc__ as usage
from . import compressed_sensing, reconstruction_errors

EXPERIMENTS = {"fig9": compressed_sensing, "nrmse": reconstruction_errors}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default="all", choices=["all", *EXPERIMENTS])
    options = parser.parse_args(arguments)
    for name in EXPERIMENTS if "all" in options.names else options.names:
        started = time.perf_counter()
        content = EXPERIMENTS[name]()
        path = save_result(name, {"rows": content["rows"]}, content["settings"], time.perf_counter() - started)
        print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
