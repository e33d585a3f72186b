"""Draw the Shapes and shapes+ images deterministically and store them as one npz each.

    python data_scripts/make_shapes.py OUT_FOLDER [--train 60000 --val 2000 --test 10000 --seed 0]

``course_utils.data.load("shapes")`` draws the same images in memory; this script is for those who want files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from course_utils._files import atomic, sha256
from course_utils.data.shapes import draw_shapes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for split, default in (("train", 60_000), ("val", 2_000), ("test", 10_000)):
        parser.add_argument(f"--{split}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for name, spot in (("shapes", False), ("shapes-plus", True)):
        arrays = {
            split: draw_shapes(getattr(options, split), np.random.default_rng([options.seed, i]), spot)
            for i, split in enumerate(("train", "val", "test"))
        }
        target = options.folder / f"{name}.npz"
        with atomic(target) as temporary, open(temporary, "wb") as handle:
            np.savez_compressed(handle, **arrays)
        print(f"{target}  {target.stat().st_size / 1e6:.1f} MB  SHA-256 {sha256(target)}")


if __name__ == "__main__":
    sys.exit(main())
