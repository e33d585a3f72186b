"""One-dimensional training data: boxes of random place and width, as in the experiments of Ehrhardt and Roberts."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_generator

__all__ = ["box_signals"]


def box_signals(n: int, generator: torch.Generator, size: int = 256) -> Tensor:
    r"""Indicator functions of random intervals, sampled on a grid over [-2, 2]: (n, size), float64.

    :math:`x(t)=1` where :math:`|t-c|<r`, with centre c uniform on [-1, 1] and radius r uniform on [1/2, 1]; else 0.
    Float64, because the lower level is solved to accuracies that float32 cannot tell apart.

    Parameters
    ----------
    n : int
    generator : torch.Generator
    size : int >= 2
        Points of the grid.

    Returns
    -------
    (n, size) tensor

    Raises
    ------
    TypeError, ValueError
        Counts that are none, or something else than a generator.

    Source
    ------
    Ehrhardt and Roberts, J. Math. Imaging Vis. 63 (2021), Section 4.1.

    Example
    -------
    >>> x = box_signals(3, torch.Generator().manual_seed(0))
    >>> x.shape, x.unique()
    (torch.Size([3, 256]), tensor([0., 1.], dtype=torch.float64))
    """
    n, size = check_count("n", n), check_count("size", size, minimum=2)
    check_generator(generator)
    uniform = torch.rand(2, n, 1, generator=generator, dtype=torch.float64, device=generator.device)
    centre, radius = 2 * uniform[0] - 1, (1 + uniform[1]) / 2
    t = torch.linspace(-2, 2, size, dtype=torch.float64, device=generator.device)
    return ((t - centre).abs() < radius).to(torch.float64)
