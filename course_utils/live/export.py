"""From torch to the browser: a generator as a list of layers and its float16 weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..generators import Generator

__all__ = ["generator_spec"]


def _alike(name: str, layer: nn.Module, **settings) -> None:
    """Raise unless each setting of ``layer`` has the value that the engine takes for granted."""
    for key, wanted in settings.items():
        if getattr(layer, key) != wanted:
            raise ValueError(f"{name} has {key}={getattr(layer, key)}; the engine knows {wanted} only")


def _convolution(name: str, layer: nn.Conv2d | nn.ConvTranspose2d) -> dict:
    """Channels, and the settings that are the same in both directions."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    _alike(name, layer, dilation=(1, 1), groups=1, padding_mode="zeros")
    _alike(name, layer, output_padding=(0, 0))
    settings = {}
    for key in ("kernel_size", "stride", "padding"):
        pair = getattr(layer, key)
        if not isinstance(pair, tuple) or pair[0] != pair[1]:
            raise ValueError(f"{name} has {key}={pair}; the engine knows two equal numbers only")
        settings[key.removesuffix("_size")] = pair[0]
    kind = "convTranspose" if transposed else "conv"
    return {"type": kind, "inChannels": layer.in_channels, "outChannels": layer.out_channels, **settings}


def _layer(name: str, layer: nn.Module) -> dict:
    """One layer as the engine reads it."""
    if isinstance(layer, nn.Linear):
        return {"type": "linear", "inputs": layer.in_features, "outputs": layer.out_features}
    if isinstance(layer, nn.LeakyReLU):
        return {"type": "leakyRelu", "slope": layer.negative_slope}
    if isinstance(layer, nn.ReLU):
        return {"type": "leakyRelu", "slope": 0.0}
    if isinstance(layer, nn.Unflatten):
        channels, height, width = layer.unflattened_size
        return {"type": "unflatten", "channels": channels, "height": height, "width": width}
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(name, layer)
    raise ValueError(f"{name}: the engine does not know this layer")


def generator_spec(G: Generator) -> tuple[dict, bytes]:
    """What the engine's ``generator(spec, decodeFloat16(weights))`` needs to compute ``G``.

    Parameters
    ----------
    G : Generator
        Its decoder must be a sequence of Linear, LeakyReLU, ReLU, Unflatten, Conv2d and ConvTranspose2d.

    Returns
    -------
    spec : dict
        {"d", "height", "width", "layers": [...]}, ready for JSON.
    weights : bytes
        float16, low byte first, layer by layer: the weight, (out, in) or (in, out, k, k) as torch has it, then the
        bias (out,).

    Raises
    ------
    ValueError
        Names the layer, or the setting of a layer, that the engine does not know; or weights beyond float16.

    Example
    -------
    >>> from course_utils import pretrained
    >>> spec, weights = generator_spec(pretrained("vae-mnist-8", verbose=False))
    >>> spec["layers"][1], len(weights)
    ({'type': 'leakyRelu', 'slope': 0.3}, 138754)
    """
    _, height, width = G.image_shape
    layers, weights = [], []
    for index, layer in enumerate(G.decoder):
        name = f"layer {index} of the decoder, {' '.join(str(layer).split())}"
        layers.append(_layer(name, layer))
        if (parameters := list(layer.parameters())) == []:
            continue
        if layer.bias is None:
            raise ValueError(f"{name} has no bias; the engine wants one")
        weights += [_half(name, p) for p in parameters]
    spec = {"d": G.latent_dim, "height": height, "width": width, "layers": layers}
    return spec, b"".join(weights)


def _half(name: str, weight: Tensor) -> bytes:
    half = weight.detach().cpu().to(torch.float16)
    if not half.isfinite().all():
        raise ValueError(f"{name} has weights beyond the range of float16")
    return half.contiguous().numpy().astype("<f2").tobytes()
