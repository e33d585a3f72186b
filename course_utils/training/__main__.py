"""python -m course_utils.training NAME: train a recipe; resumes after a kill (all: make weights)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .. import _command
from .recipes import RECIPES, SEEDED, SEEDS
from .trainer import train_recipe
from .zoo import KINDS, available, card, numbered, shipped_seeds


def runs(names: list[str], seeds: list[int] | None) -> list[tuple[str, int]]:
    """Recipes and seeds to train; without names everything that is shipped."""
    if names:
        return [(name, seed) for name in names for seed in seeds or SEEDS[:1]]
    return [(name, seed) for name in RECIPES for seed in seeds or (SEEDS if name in SEEDED else SEEDS[:1])]


def costs() -> str:
    """Every training run that was shipped, with what it cost: a line each.

    Times are those of the machine of the run, one thread on a shared processor: an order of magnitude.
    """
    shipped = [name for kind in KINDS for name in available(kind)]
    lines = [f"{'network':<32}{'steps':>8}{'kept':>8}{'minutes':>9}  stopped by"]
    for name in (name for name in RECIPES if name in shipped):
        for seed in shipped_seeds(name):
            report = card(name, seed)["report"]
            kept = report.get("kept_step", report["best_step"])
            minutes = report["seconds"] / 60
            lines.append(
                f"{numbered(name, seed):<32}{report['steps']:>8,}{kept:>8,}{minutes:>9.0f}  {report['stopped']}"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[[], *RECIPES], help="recipes to train (default: all)")
    parser.add_argument(
        "--seed", type=int, action="append", help=f"training run (default: 0; all: also {SEEDS[1:]} of the main ones)"
    )
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where runs are kept (default: runs)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--finish", action="store_true", help="end an interrupted run with its best weights so far")
    parser.add_argument("--ship", action="store_true", help="put the finished weights into the package")
    parser.add_argument("--list", action="store_true", help="train nothing: what was shipped, and what it cost")
    options = parser.parse_args(arguments)
    if options.list:
        print(costs())
        return
    for name, seed in runs(options.names, options.seed):
        report = train_recipe(name, options.folder, options.device, options.ship, options.finish, seed)
        print(
            f"{numbered(name, seed)}: best score {report['best_score']:.4g} at step {report['best_step']} of "
            f"{report['steps']} (stopped by {report['stopped']}), {report['seconds']:.0f} s"
        )


if __name__ == "__main__":
    _command.run(main)
