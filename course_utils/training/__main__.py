"""python -m course_utils.training NAME: train a recipe; resumes after a kill (all: make weights)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .. import _command
from .recipes import RECIPES
from .trainer import train_recipe


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[[], *RECIPES], help="recipes to train (default: all)")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where runs are kept (default: runs)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--finish", action="store_true", help="end an interrupted run with its best weights so far")
    parser.add_argument("--ship", action="store_true", help="put the finished weights into the package")
    options = parser.parse_args(arguments)
    for name in options.names or RECIPES:
        report = train_recipe(name, options.folder, options.device, options.ship, options.finish)
        print(
            f"{name}: best score {report['best_score']:.4g} at step {report['best_step']} of {report['steps']} "
            f"(stopped by {report['stopped']}), {report['seconds']:.0f} s"
        )


if __name__ == "__main__":
    _command.run(main)
