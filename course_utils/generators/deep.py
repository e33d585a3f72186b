"""The networks for images of 128x128: the paper's deep ones (Fig. 16), a lean version and a local one.

>>> deep_decoder("lean", latent_dim=64)(torch.zeros(2, 64)).shape
torch.Size([2, 1, 128, 128])
"""

from __future__ import annotations

import itertools

import torch  # noqa: F401  (the example above uses it)
from torch import nn

from .head import OneChannelConv

__all__ = ["CODE_SIDE", "SIZE", "LatentChange", "deep_decoder", "deep_encoder"]

SIZE = 128
SLOPE = 0.3  # of every leaky ReLU, as in the authors' code

#: Fig. 16: filters of each convolution and its stride, kernels 3x3.
DOWN = [
    [(8, 1), (16, 1), (32, 1)],  # n x n
    [(64, 2), (64, 1), (64, 1)],  # n/2 x n/2
    [(128, 2), (128, 1), (128, 1)],  # n/4 x n/4
    [(256, 2), (256, 1), (256, 1)],  # n/8 x n/8
    [(64, 1), (32, 1), (8, 1)],  # n/8 x n/8
]
UP = [
    [(32, 1), (64, 1), (128, 1), (256, 1)],  # n/16 x n/16
    [(512, 1), (512, 1), (512, 1), (512, 1)],  # n/16 x n/16
    [(256, 2), (256, 1), (256, 1), (256, 1)],  # n/8 x n/8
    [(128, 2), (128, 1), (128, 1), (128, 1)],  # n/4 x n/4
    [(64, 2), (64, 1), (64, 1), (64, 1)],  # n/2 x n/2
    [(32, 2), (16, 1), (8, 1), (4, 1)],  # n x n
]
#: Channels of the lean networks, from 128x128 down to 8x8 and up again.
LEAN_DOWN, LEAN_UP = (1, 16, 32, 64, 64), (32, 64, 64, 32, 16)
CODE_SIDE = 8  # the code of the local networks is an image of 8x8 with d / 64 channels


class LatentChange(nn.Linear):
    """An affine change of the latent variables: the identity, left alone by training, until ``standardise`` sets it."""

    def __init__(self, n: int) -> None:
        super().__init__(n, n)
        nn.init.eye_(self.weight)
        nn.init.zeros_(self.bias)
        self.requires_grad_(False)


def deep_encoder(variant: str, n_out: int, dropout: float = 0.2) -> nn.Sequential:
    """Network (B, 1, 128, 128) -> (B, n_out).

    ``"paper"``: the fifteen convolutions of Fig. 16, leaky ReLU and dropout after each.  ``"lean"``: four
    convolutions of kernel 4 and stride 2, no dropout, then a dense layer.  ``"local"``: a convolution in place of that
    dense layer, so that each number of the code looks at its surroundings, everywhere in the same way.
    """
    layers: list[nn.Module] = []
    if variant != "paper":
        for c_in, c_out in itertools.pairwise(LEAN_DOWN):
            layers += [nn.Conv2d(c_in, c_out, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        if variant == "local":
            code = nn.Conv2d(LEAN_DOWN[-1], n_out // CODE_SIDE**2, kernel_size=3, padding=1)
            return nn.Sequential(*layers, code, nn.Flatten(), LatentChange(n_out))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(LEAN_DOWN[-1] * 8 * 8, n_out))
    channels = 1
    for width, stride in itertools.chain(*DOWN):
        layers += [nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]
        layers += [nn.Dropout(dropout)] if dropout else []
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16 * 16, n_out))


def deep_decoder(variant: str, latent_dim: int, dropout: float = 0.2) -> nn.Sequential:
    """Network (B, latent_dim) -> (B, 1, 128, 128): the generator G.

    ``"paper"``: Fig. 16, twenty-five transposed convolutions with ReLU; values are never negative.  Two numbers of
    the figure cannot be meant: a dense layer to n^2/8 numbers, which are twice the n/16 x n/16 x 16 they are made
    into (n^2/16 here, as in the authors' code), and n x n x 8 for what its last convolution, of 4 filters, puts out.
    Dropout follows each convolution but the last, whose output is the image.
    ``"lean"``: dense to 32 x 8 x 8, then four transposed convolutions that double the side; the last layer is linear.
    ``"local"``: the same, but z is an image of 8 x 8 and a convolution makes the 32 channels.
    """
    layers: list[nn.Module] = []
    if variant != "paper":
        if variant == "local":
            channels = latent_dim // CODE_SIDE**2
            layers += [LatentChange(latent_dim), nn.Unflatten(1, (channels, CODE_SIDE, CODE_SIDE))]
            layers += [nn.Conv2d(channels, LEAN_UP[0], kernel_size=3, padding=1), nn.LeakyReLU(SLOPE)]
        else:
            layers += [nn.Linear(latent_dim, LEAN_UP[0] * 8 * 8), nn.LeakyReLU(SLOPE)]
            layers += [nn.Unflatten(1, (LEAN_UP[0], 8, 8))]
        for c_in, c_out in itertools.pairwise(LEAN_UP):
            layers += [nn.ConvTranspose2d(c_in, c_out, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers, OneChannelConv(LEAN_UP[-1]))
    layers += [nn.Linear(latent_dim, 16 * 8 * 8), nn.ReLU(), nn.Unflatten(1, (16, 8, 8))]
    channels = 16
    for width, stride in itertools.chain(*UP):
        layers += [
            nn.ConvTranspose2d(channels, width, 3, stride=stride, padding=1, output_padding=stride - 1),
            nn.ReLU(),
        ]
        layers += [nn.Dropout(dropout)] if dropout else []
        channels = width
    # A transposed convolution of stride 1 is a convolution.
    return nn.Sequential(*layers, OneChannelConv(channels), nn.ReLU())
