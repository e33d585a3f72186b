"""G(z) and its Jacobian in one forward pass: d directions travel through the network beside the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_entries, check_kind, check_tensor
from ..generators import Generator
from ..generators.head import OneChannelConv
from ..generators.networks import SamePad

__all__ = ["value_and_jacobian"]

#: So many maps (images and directions) are in flight at once on a CPU: what fits its cache.
MAPS = 128


@torch.no_grad()
def value_and_jacobian(G: Generator, z: Tensor) -> tuple[Tensor, Tensor]:
    r"""Images G(z) and the derivatives :math:`\partial G(z)/\partial z_k`, by forward differentiation.

    Layer by layer, :math:`h \mapsto \phi(Wh + b)` takes a direction t to :math:`\phi'(Wh + b)\, W t`.  It costs as much
    as evaluating G at d + 1 points, and no graph is kept.  A generator without a ``decoder`` of layers that are known
    here is differentiated in one direction after the other, by autograd.

    Parameters
    ----------
    G : Generator
        In evaluation mode if it has dropout.
    z : (B, d) tensor

    Returns
    -------
    images : (B, 1, H, W) tensor
    jacobian : (B, d, 1, H, W) tensor

    Raises
    ------
    TypeError
        A G that autograd cannot differentiate twice, which a direction takes.
    ValueError
        Dropout in training mode: G is not one function then.

    Source
    ------
    Griewank and Walther, Evaluating Derivatives, Sect. 3.1.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> G = build(GeneratorConfig("ae", 2), seed=0).freeze()
    >>> images, jacobian = value_and_jacobian(G, torch.zeros(3, 2))
    >>> images.shape, jacobian.shape
    (torch.Size([3, 1, 28, 28]), torch.Size([3, 2, 1, 28, 28]))
    """
    check_kind("G", G, Generator)
    check_tensor("z", z, (None, G.latent_dim), like=next(G.parameters()))
    check_entries("z", z)
    G.check_deterministic()
    layers = getattr(G, "decoder", None)
    if not isinstance(layers, nn.Sequential) or not all(map(_known, layers)):
        return _by_autograd(G, z)
    d = z.shape[1]
    size = max(1, MAPS // (d + 1)) if z.device.type == "cpu" else len(z)
    parts = []
    for part in z.split(size):
        directions = torch.eye(d, dtype=z.dtype, device=z.device).expand(len(part), d, d)
        h = torch.cat([part[:, None], directions], dim=1)  # (b, 1 + d, d)
        for layer in layers:
            h = _through(layer, h)
        parts.append(h)
    maps = torch.cat(parts)  # (B, 1 + d, 1, H, W)
    return maps[:, 0], maps[:, 1:]


def _by_autograd(G: Generator, z: Tensor) -> tuple[Tensor, Tensor]:
    directions = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    try:
        columns = [torch.autograd.functional.jvp(G, z, e.expand_as(z), strict=True)[1] for e in directions]
    except (RuntimeError, NotImplementedError) as error:
        raise TypeError(f"'G' ({G.name}) cannot be differentiated in a direction: {error}") from error
    return G(z), torch.stack(columns, 1)


def _known(layer: nn.Module) -> bool:
    """Whether ``_through`` knows its derivative."""
    if isinstance(layer, SamePad):
        return _known(layer.layer)
    if isinstance(layer, nn.Upsample):
        return layer.mode == "nearest"
    if isinstance(layer, (nn.ConvTranspose2d, nn.Conv2d)):
        return layer.padding_mode == "zeros"
    return isinstance(layer, (nn.LeakyReLU, nn.ReLU, nn.Dropout, nn.Unflatten, nn.Flatten, nn.Linear))


def _through(layer: nn.Module, h: Tensor) -> Tensor:
    """One layer for (b, 1 + d, ...): the value first, then its directions."""
    if isinstance(layer, (nn.LeakyReLU, nn.ReLU)):
        slope = layer.negative_slope if isinstance(layer, nn.LeakyReLU) else 0.0
        # torch takes the left derivative at 0, and so does this
        return torch.where(h[:, :1] > 0, h, slope * h)
    if isinstance(layer, nn.Dropout):
        return h
    if isinstance(layer, nn.Unflatten):
        return h.unflatten(2, layer.unflattened_size)
    if isinstance(layer, nn.Flatten):
        return h.flatten(2)
    flat = h.flatten(0, 1)
    if isinstance(layer, nn.Upsample):
        return layer(flat).unflatten(0, h.shape[:2])
    if isinstance(layer, nn.Linear):
        out, bias = flat @ layer.weight.T, layer.bias
    else:
        out, bias = _convolution(layer, flat)
    out = out.unflatten(0, h.shape[:2])
    if bias is not None:
        out[:, 0] += bias.reshape(-1, *[1] * (out.ndim - 3))
    return out


def _convolution(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """The linear part of a convolution at ``x``, and its bias."""
    if isinstance(layer, SamePad):
        out, bias = _convolution(layer.layer, x)
        return layer.trim(out, x.shape[2:]), bias
    if isinstance(layer, OneChannelConv):
        return layer.linear(x), layer.bias
    settings = dict(stride=layer.stride, padding=layer.padding, groups=layer.groups, dilation=layer.dilation)
    if isinstance(layer, nn.ConvTranspose2d):
        settings["output_padding"] = layer.output_padding
        return functional.conv_transpose2d(x, layer.weight, **settings), layer.bias
    return functional.conv2d(x, layer.weight, **settings), layer.bias
