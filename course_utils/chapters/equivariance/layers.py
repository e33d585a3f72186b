"""What is measured of equivariant layers: free numbers of filters, errors over sides and angles, times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ...equivariance import Group, GroupConv, ResidualBlock, disc, equivariance_error, rotate
from ...reproduce.setting import seeded

__all__ = ["angle_errors", "edge_filter", "free_numbers", "made", "seconds", "there_and_back", "worst_errors"]


def free_numbers(group: str, width: int) -> int:
    """How many numbers a filter has that no element of the group changes: orbits of the pixels.

    Example
    -------
    >>> free_numbers("C1", 3), free_numbers("C4", 3)
    (9, 3)
    """
    H, place = Group(group), torch.arange(float(width**2)).reshape(1, 1, width, width)
    least = torch.stack([H.act(place, h) for h in range(H.order)]).amin(0)
    return int(least.unique().numel())


def edge_filter() -> Tensor:
    """A derivative to the right, smoothed across: (3, 3)."""
    return torch.tensor([1.0, 2.0, 1.0])[:, None] * torch.tensor([-1.0, 0.0, 1.0]) / 8


def made(group: str, channels: int = 16, stride: int = 1, seed: int = 0, bias: bool = True) -> nn.Sequential:
    """Image to image with all layers of the section, random weights, ``channels`` between; the stride is the first's.

    Without ``bias`` all biases are 0, so that no constant in the outcome hides what turns do to the rest.

    Example
    -------
    >>> made("C4", 8)(torch.zeros(1, 1, 9, 9)).shape
    torch.Size([1, 1, 9, 9])
    """
    n, generator = channels // Group(group).order, seeded(seed)
    layers = nn.Sequential(
        GroupConv(group, 1, n, "lift", stride=stride),
        nn.LeakyReLU(),
        ResidualBlock(GroupConv(group, n, n)),
        GroupConv(group, n, n),
        nn.LeakyReLU(),
        GroupConv(group, n, 1, "project"),
    )
    with torch.no_grad():
        for p in layers.parameters():  # of the size of first weights, and a residual block that is not the identity
            size = (2 / (channels * 9)) ** 0.5 if p.ndim > 1 else bias * channels**-0.5
            p.copy_(size * torch.randn(p.shape, generator=generator))
    return layers


def worst_errors(network: nn.Module, sides: Sequence[int], group: str, n: int = 4) -> list[float]:
    """For each side, the largest equivariance error over the elements of the group and n images of noise."""
    H, found = Group(group), []
    for side in sides:
        x = torch.rand(n, 1, side, side, generator=seeded(side))
        errors = [equivariance_error(network, x, lambda v, g=g: H.act(v, g)).max() for g in range(H.order)]
        found.append(float(max(errors)))
    return found


def angle_errors(network: Callable, x: Tensor, angles: Sequence[float], margin: int) -> list[float]:
    """Mean equivariance error under turns by angles (radians), within the disc ``margin`` pixels from the border."""
    within = disc(x.shape[-1], margin)
    return [float(equivariance_error(network, x, lambda v, a=a: rotate(v, a), within=within).mean()) for a in angles]


def there_and_back(x: Tensor, angle: float, margin: int = 0, turn: Callable = rotate) -> Tensor:
    """What two interpolations cost: relative distance of each image, turned and turned back, from itself, (B,)."""
    same, within = nn.Identity(), disc(x.shape[-1], margin)
    return equivariance_error(same, x, lambda v: turn(turn(v, angle), -angle), same, within)


@torch.no_grad()
def seconds(networks: Sequence[nn.Module], x: Tensor, repeats: int) -> list[tuple[float, float, float]]:
    """Median and quartiles of the seconds of an evaluation of each network; they take turns, so that all are disturbed
    alike."""
    taken: list[list[float]] = [[] for _ in networks]
    for k in range(repeats + 1):
        for times, network in zip(taken, networks, strict=True):
            began = time.perf_counter()
            network(x)
            if k:  # the first evaluation warms up
                times.append(time.perf_counter() - began)
    quartiles = [statistics.quantiles(times, n=4) for times in taken]
    return [(middle, low, high) for low, middle, high in quartiles]
