"""One small convolutional network, for the classifier two-sample test and for features."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["FEATURES", "small_network"]

FEATURES = 32  # numbers in the layer before the last


def small_network(n_out: int, size: int, generator: torch.Generator) -> nn.Sequential:
    """Network (B, 1, size, size) -> (B, n_out) with a layer of ``FEATURES`` numbers before the last.

    Its first weights (He et al. 2015) come from ``generator``, so that equal seeds give equal networks.

    Example
    -------
    >>> network = small_network(10, 28, torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 1, 28, 28)).shape, network[:-1](torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 10]), torch.Size([2, 32]))
    """
    side = (size + 3) // 4  # two layers of stride 2
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),  # (B, 16, size/2, size/2)
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),  # (B, 32, size/4, size/4)
        nn.Flatten(), nn.Linear(32 * side * side, FEATURES), nn.ReLU(),  # (B, 32)
        nn.Linear(FEATURES, n_out),
    )  # fmt: skip
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                fan_in = layer.weight[0].numel()
                draw = torch.randn(layer.weight.shape, generator=generator, device=generator.device)
                layer.weight.copy_(draw.cpu() * (2 / fan_in) ** 0.5)
                layer.bias.zero_()
    return network
