"""The networks: encoder (or critic) and decoder (or generator), in the paper's and in a lean version.

Both versions take images of H = W = 28 or 56; those of 128, with one more version, are in ``deep``.  The same decoder
serves AE, VAE and GAN, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .._check import check_between, check_choice, check_count, check_kind
from .deep import CODE_SIDE, deep_decoder, deep_encoder
from .deep import SIZE as DEEP
from .head import OneChannelConv

__all__ = ["LEAN", "LOCAL", "PAPER", "check_code", "check_variant", "decoder", "encoder", "n_parameters"]

LEAN, PAPER, LOCAL = "lean", "paper", "local"
SIZES = (28, 56, DEEP)
SLOPE = 0.3  # of every leaky ReLU, as in the authors' code


class SamePad(nn.Module):
    """A layer of kernel 4 with TensorFlow's 'same' size rule: H -> H / stride."""

    def __init__(self, layer: Callable[..., nn.Module], c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.stride, self.transposed = stride, layer is nn.ConvTranspose2d
        # stride 2: padding 1 gives exactly H/2 (2H); stride 1: padding 1 or 2 misses by one pixel, trimmed below
        padding = 1 if stride == 2 or self.transposed else 2
        self.layer = layer(c_in, c_out, kernel_size=4, stride=stride, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.trim(self.layer(x), x.shape[2:])

    def trim(self, out: Tensor, size: tuple[int, int]) -> Tensor:
        """Without the pixel too many that a layer of stride 1 makes: (B, C, H + 1, W + 1) -> (B, C, H, W)."""
        if self.stride == 1:
            return out[..., : size[0], : size[1]] if self.transposed else out[..., 1:, 1:]
        return out


def check_variant(variant: str, size: int) -> str:
    """The variant, if there is a network of it for images of this size."""
    check_choice("variant", variant, (LEAN, PAPER, LOCAL))
    if variant == LOCAL and size != DEEP:
        raise ValueError(f"'variant' can be {LOCAL!r} for size {DEEP} only, got size {size}")
    return variant


def check_code(name: str, n: int, variant: str) -> int:
    """The count ``n`` of latent variables (or of outputs of an encoder), if the variant can have so many."""
    n = check_count(name, n)
    if variant == LOCAL and n % CODE_SIDE**2:
        raise ValueError(f"'{name}' must be a multiple of {CODE_SIDE**2} for the variant {LOCAL!r}, got {n}")
    return n


def _checked(variant: str, size: int, dropout: float) -> tuple[str, int, float]:
    size = check_choice("size", size, SIZES)
    return check_variant(variant, size), size, check_between("dropout", dropout, 0, 1, "[)")


def encoder(variant: str, size: int, n_out: int, dropout: float = 0.2) -> nn.Sequential:
    """Network (B, 1, size, size) -> (B, n_out): an encoder, or a critic if ``n_out`` is 1.

    ``"paper"``: three convolutions of 64 channels, kernel 4, strides (2, 2, 1) for 28x28 and (1, 2, 2) for
    56x56, leaky ReLU and dropout after each (Fig. 14, 15).  ``"lean"``: 16-32-64 channels, all strides 2,
    no dropout.  A critic takes ``dropout=0``: the WGAN-GP paper advises against it.

    Example
    -------
    >>> import torch
    >>> encoder("lean", 28, n_out=8)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 8])
    """
    variant, size, dropout = _checked(variant, size, dropout)
    n_out = check_code("n_out", n_out, variant)
    if size == DEEP:
        return deep_encoder(variant, n_out, dropout)
    layers: list[nn.Module] = []
    if variant == PAPER:
        strides = (2, 2, 1) if size == 28 else (1, 2, 2)
        channels = 1
        for stride in strides:
            layers += [SamePad(nn.Conv2d, channels, 64, stride), nn.LeakyReLU(SLOPE)]
            layers += [nn.Dropout(dropout)] if dropout else []
            channels = 64
        features = 64 * (size // 4) ** 2
    else:
        side, channels = size, 1
        for width in (16, 32, 64):
            layers += [nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
            side, channels = side // 2, width
        features = 64 * side**2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, n_out))


def decoder(variant: str, size: int, latent_dim: int, head: str = "conv", dropout: float = 0.2) -> nn.Sequential:
    """Network (B, latent_dim) -> (B, 1, size, size): the generator G.

    ``"paper"``: Fig. 14 (28x28) and Fig. 15 as coded (56x56); its final dense layer ``head="dense"`` has
    39 million weights at 28x28 and 157 million at 56x56, so ``head="conv"`` puts a 3x3 convolution to one
    channel in its place.  ``"lean"``: dense to 64 x 7 x 7, then transposed convolutions that double the side.
    The last layer is linear, as in the paper.

    Example
    -------
    >>> import torch
    >>> decoder("lean", 28, latent_dim=8)(torch.zeros(2, 8)).shape
    torch.Size([2, 1, 28, 28])
    """
    variant, size, dropout = _checked(variant, size, dropout)
    latent_dim = check_code("latent_dim", latent_dim, variant)
    check_choice("head", head, ("conv", "dense"))
    if size == DEEP:
        return deep_decoder(variant, latent_dim, dropout)
    if variant == PAPER:
        side = 7
        strides = (1, 2, 2) if size == 28 else (2, 2, 1)
        hidden = (
            [nn.Linear(latent_dim, 25), nn.LeakyReLU(SLOPE), nn.Linear(25, 49)]
            if size == 28
            else [nn.Linear(latent_dim, 49)]
        )
        layers: list[nn.Module] = [*hidden, nn.LeakyReLU(SLOPE), nn.Unflatten(1, (1, side, side))]
        channels = 1
        for i, stride in enumerate(strides):
            layers += [SamePad(nn.ConvTranspose2d, channels, 64, stride), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout and i < 2 else []
            side, channels = side * stride, 64
        if head == "dense":
            pixels = size * size
            dense = [nn.Flatten(), nn.Linear(64 * side * side, pixels), nn.Unflatten(1, (1, size, size))]
            return nn.Sequential(*layers, *dense)
        upsample = [nn.Upsample(scale_factor=size // side, mode="nearest")] if side != size else []
        return nn.Sequential(*layers, *upsample, OneChannelConv(64))
    layers = [nn.Linear(latent_dim, 64 * 7 * 7), nn.LeakyReLU(SLOPE), nn.Unflatten(1, (64, 7, 7))]
    side, channels = 7, 64
    while side < size:
        layers += [
            nn.ConvTranspose2d(channels, channels // 2, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
        ]
        side, channels = 2 * side, channels // 2
    return nn.Sequential(*layers, OneChannelConv(channels))


def n_parameters(module: nn.Module) -> int:
    """Number of weights of a network.

    Example
    -------
    >>> n_parameters(nn.Linear(3, 2))
    8
    """
    check_kind("module", module, nn.Module)
    return sum(p.numel() for p in module.parameters())
