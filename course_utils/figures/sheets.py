"""Contact sheets: what a shipped generator draws and how it shows test images, all of it, not the best of it.

python -m course_utils.training --sheets FOLDER vae-mnist-8
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from .. import _command
from .._files import atomic
from ..data.load import load
from ..generators import Generator
from ..training import zoo
from .pixels import figure_png
from .strips import image_strips
from .style import CourseFigure

__all__ = ["contact_sheet", "write_sheets"]

DRAWS, SHOWN, ROW = 64, 32, 16  # images, and how many stand in a row
SEED = 0  # of the draws


@torch.no_grad()
def contact_sheet(G: Generator, images: Tensor, name: str = "") -> CourseFigure:
    """64 draws G(z), z ~ N(0, I), in their order; then 32 images with G(E(x)) below, if G has an encoder.

    Parameters
    ----------
    G : Generator
    images : (N, 1, H, W) tensor, N >= 32
        Test images; the first 32 are shown.
    name : str
        Of the generator, for the alternative text.

    Raises
    ------
    ValueError
        Too few images.
    """
    if len(images) < SHOWN:
        raise ValueError(f"'images' must hold at least {SHOWN} images, got {len(images)}")
    draws = G.sample(DRAWS, torch.Generator().manual_seed(SEED))
    rows = {f"draws {k + 1} to {k + ROW}": draws[k : k + ROW] for k in range(0, DRAWS, ROW)}
    if G.has_encoder:
        for k in range(0, SHOWN, ROW):
            x = images[k : k + ROW]
            rows[f"test {k + 1} to {k + ROW}"] = x
            rows[f"G(E(x)) {k + 1} to {k + ROW}"] = G(G.encode(x))
    return image_strips(rows, alt=f"Contact sheet of {name or G.name}: {DRAWS} draws, and test images with G(E(x)).")


def write_sheets(folder: Path, names: list[str]) -> list[Path]:
    """A sheet of each training run of these generators (none named: of all), as PNG; returns the files."""
    written, folder = [], Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or zoo.available():
        data = load(name.split("-")[1])
        for seed in zoo.shipped_seeds(name):
            run = zoo.numbered(name, seed)
            figure = contact_sheet(zoo.pretrained(name, verbose=False, seed=seed), data.test, run)
            with atomic(folder / f"{run}.png") as temporary:
                temporary.write_bytes(figure_png(figure, dpi=100))
            plt.close(figure)
            written.append(folder / f"{run}.png")
    return written


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m course_utils.figures.sheets", description="Draw contact sheets.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *zoo.available()], help="generators (default: all)")
    options = parser.parse_args(arguments)
    print(*write_sheets(options.folder, options.names), sep="\n")


if __name__ == "__main__":
    _command.run(main)
