"""A diagram of networks, read off the networks themselves: shapes, layers and numbers of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from matplotlib.patches import Rectangle
from torch import nn

from ...figures.style import COLOURS, CourseFigure, subplots
from ...generators import n_parameters

__all__ = ["Stage", "network_diagram", "stages"]

#: What a layer is called; those that only reshape or bend are drawn with the layer before them.
WORDS = {nn.Linear: "dense", nn.ConvTranspose2d: "transposed conv.", nn.Conv2d: "conv."}


@dataclass(frozen=True)
class Stage:
    """A layer with weights, what follows it up to the next one, and the shape that comes out (without the batch)."""

    name: str
    follows: tuple[str, ...]
    shape: tuple[int, ...]
    weights: int


def _name(layer: nn.Module) -> str:
    inner = getattr(layer, "layer", layer)  # the paper's variant wraps its convolutions
    word = next((word for kind, word in WORDS.items() if isinstance(inner, kind)), type(inner).__name__)
    if word == "dense":
        return word
    side, step = inner.kernel_size[0], inner.stride[0]
    return f"{word} {side}×{side}" + (f", stride {step}" if step > 1 else "")


@torch.no_grad()
def stages(network: nn.Sequential, shape: tuple[int, ...]) -> list[Stage]:
    """The stages of a network for an input of one shape, found by sending zeros through it.

    Parameters
    ----------
    network : nn.Sequential
    shape : tuple of int
        Of one input, without the batch.

    Example
    -------
    >>> network = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.3), nn.Unflatten(1, (2, 2, 2)))
    >>> stages(network, (3,))
    [Stage(name='dense', follows=('leaky ReLU',), shape=(2, 2, 2), weights=32)]
    """
    value, found = torch.zeros(1, *shape), []
    for layer in network:
        value = layer(value)
        after, weights = tuple(value.shape[1:]), n_parameters(layer)
        if weights:
            found.append(Stage(_name(layer), (), after, weights))
        elif found and not isinstance(layer, nn.Flatten):  # a dense layer takes a vector anyway: nothing to draw
            last = found[-1]
            named = {nn.LeakyReLU: "leaky ReLU", nn.ReLU: "ReLU"}.get(type(layer))
            extra = () if isinstance(layer, (nn.Unflatten, nn.Dropout)) else (named or type(layer).__name__,)
            found[-1] = Stage(last.name, last.follows + extra, after, last.weights)
    return found


def _size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height of the box of a tensor: by channels and by side; a vector is a thin bar."""
    if len(shape) == 1:
        return 0.10, 0.25 + 0.05 * min(shape[0], 16)
    return 0.12 + 0.012 * shape[0], 0.25 + 0.05 * shape[1]


def network_diagram(networks: Mapping[str, tuple[nn.Sequential, tuple[int, ...]]], alt: str = "") -> CourseFigure:
    """One row a network: its input, and after each layer with weights what comes out.

    Parameters
    ----------
    networks : dict of title -> (network, shape of one input)
    alt : str
        Default: shapes, layers and numbers of weights in words.

    Example
    -------
    >>> import matplotlib.pyplot as plt
    >>> figure = network_diagram({"G": (nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU()), (3,))})
    >>> figure.alt
    'G: 3, dense and leaky ReLU with 32 weights to 8.'
    >>> plt.close(figure)
    """
    rows = {title: (shape, stages(network, shape)) for title, (network, shape) in networks.items()}
    if not alt:
        alt = " ".join(
            f"{title}: {_shape(shape)}, "
            + ", ".join(
                f"{' and '.join((s.name, *s.follows))} with {s.weights:,} weights to {_shape(s.shape)}" for s in parts
            )
            + "."
            for title, (shape, parts) in rows.items()
        )
    figure, axes = subplots(len(rows), 1, size=(9.2, 2.15 * len(rows)), alt=alt, squeeze=False)
    for ax, (title, (shape, parts)) in zip(axes[:, 0], rows.items(), strict=True):
        step = 9.2 / (len(parts) + 1)
        for k, out in enumerate([shape, *(s.shape for s in parts)]):
            width, height = _size(out)
            centre = (k + 0.5) * step
            colour = COLOURS["blue" if len(out) == 1 else "sky"]
            ax.add_patch(
                Rectangle((centre - width / 2, -height / 2), width, height, facecolor=colour, edgecolor="black")
            )
            ax.text(centre, -height / 2 - 0.12, _shape(out), ha="center", va="top", fontsize=9)
            if k:
                part, before = parts[k - 1], _size(shape if k == 1 else parts[k - 2].shape)[0]
                start, end = centre - step + before / 2 + 0.05, centre - width / 2 - 0.05
                ax.annotate("", (end, 0), (start, 0), arrowprops={"arrowstyle": "->"})
                words = "\n".join((part.name, *part.follows))
                ax.text(centre - step / 2, 1.0, words, ha="center", va="bottom", fontsize=8)
                ax.text(centre - step / 2, -0.08, f"{part.weights:,}", ha="center", va="top", fontsize=8)
        ax.set(xlim=(0, 9.2), ylim=(-1.25, 1.75))
        ax.set_title(f"{title}: {sum(s.weights for s in parts):,} weights", fontsize=10, loc="left")
        ax.axis("off")
    return figure


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
