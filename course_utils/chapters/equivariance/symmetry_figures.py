"""Figures of what turns do: answers to turned data, sinograms, a masked image, a group, interpolation, and TV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...equivariance import disc, rotate
from ...figures.images import show_image
from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots
from ...metrics import psnr
from .symmetry import D4, ELEMENTS, denoised, repeated, scene

__all__ = [
    "answers_figure", "changes_figure", "denoised_figure", "group_figure", "inpainting_figure", "motions_figure",
    "refinement_figure", "repeated_figure", "sinogram_figure",
]  # fmt: skip

#: Marks of up to four networks, or functionals.
LOOKS = (("blue", "o"), ("vermilion", "s"), ("green", "^"), ("purple", "D"))


def answers_figure(truth: Tensor, answers: Mapping[str, Mapping[str, Tensor]], alt: str = "") -> Figure:
    """One row for each network: its answers, all upright, with their PSNR, and the last one minus the first.

    Parameters
    ----------
    truth : (1, 1, N, N) tensor
    answers : dict of network -> dict of title -> (1, 1, N, N) tensor
    alt : str
    """
    titles = list(next(iter(answers.values())))
    figure, axes = subplots(len(answers), len(titles) + 1, size=(1.75 * (len(titles) + 1) + 0.7, 1.95 * len(answers)),
                            alt=alt, squeeze=False)  # fmt: skip
    for k, (row, (network, found)) in enumerate(zip(axes, answers.items(), strict=True)):
        for ax, title in zip(row, titles, strict=False):
            quality = f"{float(psnr(found[title], truth)):.1f} dB"
            show_image(ax, found[title], f"{title}\n{quality}" if k == 0 else quality)
        row[0].set_ylabel(network)
        difference = found[titles[-1]] - found[titles[0]]
        shown = show_image(row[-1], difference, "last − first" if k == 0 else "", (-0.5, 0.5), RESIDUAL_CMAP)
    figure.colorbar(shown, ax=axes[:, -1], fraction=0.05, pad=0.03, label="grey value")
    return figure


def motions_figure(v: Tensor, network: Callable[[Tensor], Tensor], alt: str = "") -> Figure:
    """An image upright and moved by each of ``ELEMENTS``, above, and what the network makes of it, as it lies, below.

    Parameters
    ----------
    v : (1, 1, N, N) tensor
    network : callable
        Takes images and returns images.
    alt : str
    """
    moves = {"upright": 0} | ELEMENTS
    figure, axes = subplots(2, len(moves), size=(1.75 * len(moves), 3.7), alt=alt)
    for column, (name, g) in zip(axes.T, moves.items(), strict=True):
        moved = D4.act(v, g)
        show_image(column[0], moved, name)
        show_image(column[1], network(moved))
    for ax, label in zip(axes[:, 0], (r"$g\cdot b$", r"$\Phi(g\cdot b)$"), strict=True):
        ax.set_ylabel(label)
    return figure


def changes_figure(table: Mapping[str, Mapping[str, Mapping[str, Tensor]]], alt: str = "") -> Figure:
    """Change of the PSNR by each element, a mark for each image and a bar for the mean, one colour for each network.

    Parameters
    ----------
    table : dict of network -> what ``changes`` returns
    alt : str
    """
    figure, ax = subplots(size=(7.2, 3.2), alt=alt)
    names = list(next(iter(table.values())))
    width = 0.8 / len(table)
    for k, ((network, found), (colour, marker)) in enumerate(zip(table.items(), LOOKS, strict=False)):
        for j, name in enumerate(names):
            change = found[name]["change"].numpy()
            place = j + (k - (len(table) - 1) / 2) * width
            spread = np.linspace(-0.28, 0.28, len(change)) * width
            label = network if j == 0 else None
            ax.plot(place + spread, change, marker, color=COLOURS[colour], markersize=3, alpha=0.6, label=label)
            ax.hlines(change.mean(), place - 0.42 * width, place + 0.42 * width, color="black", linewidth=1.6)
    ax.axhline(0, color="0.4", linewidth=0.9)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel="PSNR, moved − upright (dB)")
    ax.grid(axis="x", visible=False)
    ax.legend(loc="lower right", ncol=1, fontsize=8, markerscale=1.6, frameon=True)
    return figure


def sinogram_figure(y: Tensor, turned: Tensor, alt: str = "") -> Figure:
    """The sinograms of an image and of the turned image, with the middle of the views marked.

    Parameters
    ----------
    y, turned : (views, bins) tensors
    alt : str
    """
    figure, axes = subplots(1, 2, size=(6.6, 3.0), alt=alt, sharey=True)
    edge = y.shape[1] / 2
    for ax, part, title in zip(axes, (y, turned), ("of the image", "of the turned image"), strict=True):
        ax.imshow(part.numpy(), cmap="gray", aspect="auto", extent=(-edge, edge, 180, 0))
        ax.axhline(90, color=COLOURS["orange"], linestyle="--", linewidth=1.2)
        ax.set(xlabel="detector bin, from the middle", title=title, yticks=(0, 45, 90, 135, 180))
        ax.grid(False)
    axes[0].set_ylabel("angle of the view (degrees)")
    return figure


def inpainting_figure(x: Tensor, mask: Tensor, upright: Tensor, back: Tensor, g: int, alt: str = "") -> Figure:
    """Above: the image, what the mask leaves, the answer.  Below: the same of the moved image; then the difference.

    Parameters
    ----------
    x, upright, back : (1, 1, N, N) tensors
        The image, its answer, and that of the moved image, moved back.
    mask : (N, N) bool tensor
    g : int
        The element of D4.
    alt : str
    """
    figure, axes = subplots(2, 4, size=(7.9, 4.2), alt=alt)
    rows = ((x, upright), (D4.act(x, g), D4.act(back, g)))
    for row, (image, answer), of in zip(axes, rows, ("x", r"g\cdot x"), strict=True):
        show_image(row[0], image, f"${of}$\n")
        show_image(row[1], torch.where(mask, image, torch.nan), f"$A({of})$\n")
        show_image(row[2], answer, rf"$\Phi(A({of}))$" + f"\n{float(psnr(answer, image)):.1f} dB")
    show_image(axes[0, 3], back, r"$g^{-1}\Phi(A(g\cdot x))$" + "\n")
    shown = show_image(axes[1, 3], back - upright, "that − $\\Phi(Ax)$\n", (-0.5, 0.5), RESIDUAL_CMAP)
    figure.colorbar(shown, ax=axes[1, 3], fraction=0.05, pad=0.03)
    return figure


def group_figure(x: Tensor, alt: str = "") -> Figure:
    """An image moved by the eight elements of D4: the turns above, the mirrored ones below.

    Parameters
    ----------
    x : (1, 1, N, N) tensor
    alt : str
    """
    figure, axes = subplots(2, 4, size=(6.0, 3.3), alt=alt)
    for g, ax in enumerate(axes.flat):
        show_image(ax, D4.act(x, g), f"{g}" + (": identity" if g == 0 else ": transposed" if g == 5 else ""))
    return figure


def repeated_figure(x: Tensor, angle: float, times: int, alt: str = "") -> Figure:
    """The image, and what is left of it after turns that add up to full ones, by three interpolations.

    Parameters
    ----------
    x : (1, 1, N, N) tensor
    angle : float
        In radians.
    times : int
    alt : str
    """
    figure, axes = subplots(1, 4, size=(7.6, 2.3), alt=alt)
    show_image(axes[0], x, "the image\n")
    for ax, mode in zip(axes[1:], ("nearest", "bilinear", "bicubic"), strict=True):
        last = repeated(x, angle, times, mode)[-1]
        show_image(ax, last, f"{mode}\n{float(psnr(last, x)):.1f} dB")
    return figure


def denoised_figure(makes: Mapping, size: int, angle: float, tau: float, alt: str = "") -> Figure:
    """For each functional: prox of the turned scene, the turned prox, and their difference.

    Parameters
    ----------
    makes : dict of name -> weight -> Regulariser
    size : int
    angle : float
        In radians.
    tau : float
        In units of the side of the image.
    alt : str
    """
    figure, axes = subplots(len(makes), 3, size=(6.3, 1.95 * len(makes)), alt=alt, squeeze=False)
    titles = ("prox of the turned", "turned prox", "difference")
    for k, (row, (name, make)) in enumerate(zip(axes, makes.items(), strict=True)):
        pair = denoised(make, torch.cat([scene(size), scene(size, angle)]), tau * size)
        turned = rotate(pair[:1], angle)
        for ax, part, title in zip(row, (pair[1:], turned), titles, strict=False):
            show_image(ax, part, title if k == 0 else "", (0.0, 0.6))
        shown = show_image(
            row[2], (pair[1:] - turned) * disc(size, 1), titles[2] if k == 0 else "", (-0.3, 0.3), RESIDUAL_CMAP
        )
        row[0].set_ylabel(name)
    figure.colorbar(shown, ax=axes[:, 2], fraction=0.05, pad=0.03, label="grey value")
    return figure


def refinement_figure(
    sizes: Sequence[int], errors: Mapping[str, Sequence[float]], angle: float, alt: str = ""
) -> Figure:
    """Equivariance error of the prox against the width of a pixel, with a line of slope 1.

    Parameters
    ----------
    sizes : pixels along a side
    errors : what ``refined`` returns
    angle : float
        In radians.
    alt : str
    """
    figure, ax = subplots(size=(6.2, 3.4), alt=alt)
    width = 1 / np.array(sizes, dtype=float)
    functionals = [name for name in errors if name != "interpolation"]
    for name, (colour, marker) in zip(functionals, LOOKS, strict=False):
        ax.plot(width, errors[name], "-", color=COLOURS[colour], marker=marker, label=name)
    ax.plot(width, errors["interpolation"], ":", color="0.4", marker=".", label="turning the scene itself")
    ax.plot(width, 0.02 * width / width[-1], "-", color="0.75", linewidth=1.0, label="slope 1")
    ax.set(
        xscale="log", yscale="log", ylim=(2e-3, 0.6), xlabel="width of a pixel (sides of the image)",
        ylabel=f"relative error, turn by {math.degrees(angle):.0f}°",
    )  # fmt: skip
    ax.set_xticks(width, [f"1/{n}" for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="lower right", fontsize=8, frameon=True)
    return figure
