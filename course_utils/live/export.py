"""From torch to the browser: generators and learned reconstructions as lists of layers and their float16 weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..equivariance import LearnedProximalGradient, ResidualBlock, expanded
from ..generators import Generator
from ..reconstructors import LearnedPrimalDual, LearnedProximal, PostProcessing
from ..reconstructors.home import HomeNetwork

__all__ = ["generator_spec", "reconstructor_spec"]


def _alike(name: str, layer: nn.Module, **settings) -> None:
    """Raise unless each setting of ``layer`` has the value that the engine takes for granted."""
    for key, wanted in settings.items():
        if getattr(layer, key) != wanted:
            raise ValueError(f"{name} has {key}={getattr(layer, key)}; the engine knows {wanted} only")


def _convolution(name: str, layer: nn.Conv2d | nn.ConvTranspose2d) -> list[dict]:
    """Channels, and the settings that are the same in both directions; a border that is not of zeros goes before."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    _alike(name, layer, dilation=(1, 1), groups=1)
    _alike(name, layer, output_padding=(0, 0))
    settings = {}
    for key in ("kernel_size", "stride", "padding"):
        pair = getattr(layer, key)
        if not isinstance(pair, tuple) or pair[0] != pair[1]:
            raise ValueError(f"{name} has {key}={pair}; the engine knows two equal numbers only")
        settings[key.removesuffix("_size")] = pair[0]
    before = []
    if not transposed and layer.padding_mode == "replicate":
        before, settings["padding"] = [{"type": "replicationPad", "padding": settings["padding"]}], 0
    else:
        _alike(name, layer, padding_mode="zeros")
    kind = "convTranspose" if transposed else "conv"
    channels = {"inChannels": layer.in_channels, "outChannels": layer.out_channels}
    return [*before, {"type": kind, **channels, **settings}]


def _layers(name: str, layer: nn.Module) -> list[dict]:
    """One layer as the engine reads it: as one, or as two."""
    if getattr(layer, "bias", ...) is None:
        raise ValueError(f"{name} has no bias; the engine wants one")
    if isinstance(layer, nn.Linear):
        return [{"type": "linear", "inputs": layer.in_features, "outputs": layer.out_features}]
    if isinstance(layer, nn.LeakyReLU):
        return [{"type": "leakyRelu", "slope": layer.negative_slope}]
    if isinstance(layer, nn.ReLU):
        return [{"type": "leakyRelu", "slope": 0.0}]
    if isinstance(layer, nn.Unflatten):
        channels, height, width = layer.unflattened_size
        return [{"type": "unflatten", "channels": channels, "height": height, "width": width}]
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(name, layer)
    if isinstance(layer, ResidualBlock):
        inner = _layers(name, layer.conv) + _layers(name, nn.LeakyReLU())  # of the slope that its function takes
        return [{"type": "residual", "layers": inner}]
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
    layers, weights = _stack("the decoder", G.decoder)
    return {"d": G.latent_dim, "height": height, "width": width, "layers": layers}, weights


def _stack(where: str, stack: Iterable[nn.Module]) -> tuple[list[dict], bytes]:
    """Layers that follow each other, and their weights."""
    layers, weights = [], []
    for index, layer in enumerate(stack):
        name = f"layer {index} of {where}, {' '.join(str(layer).split())}"
        layers += _layers(name, layer)
        weights += [_half(name, p) for p in layer.parameters()]
    return layers, b"".join(weights)


def reconstructor_spec(network: HomeNetwork | LearnedProximalGradient) -> tuple[dict, bytes]:
    """What the engine's ``reconstructor(spec, decodeFloat16(weights), A)`` needs to compute a learned reconstruction.

    Parameters
    ----------
    network : PostProcessing, LearnedProximal, LearnedPrimalDual or LearnedProximalGradient
        Trained for tomography; one output of ``ParallelBeam.full`` is data.  An equivariant network is written as the
        ordinary one with the same output.

    Returns
    -------
    spec : dict
        {"family", "size", ...}, ready for JSON; the rest depends on the family.
    weights : bytes
        float16, low byte first, in the order in which the engine reads the layers.

    Raises
    ------
    ValueError
        Another family, a network for other data, a layer that the engine does not know, weights beyond float16.

    Example
    -------
    >>> from course_utils import pretrained
    >>> spec, weights = reconstructor_spec(pretrained("proximal-shapes", verbose=False))
    >>> len(spec["steps"]), spec["steps"][0]["layers"][0]["outChannels"], len(weights)
    (8, 24, 90640)
    """
    write = next((write for kind, write in RECONSTRUCTORS.items() if isinstance(network, kind)), None)
    if write is None:
        known = ", ".join(kind.__name__ for kind in RECONSTRUCTORS)
        raise ValueError(f"'network' must be one of {known}, got {type(network).__name__}")
    home = getattr(network.config, "home", network.config)  # the last family knows tomography alone
    if home.views is None:
        raise ValueError(f"'network' must be trained for tomography, its home is {home}")
    weights: list[bytes] = []

    def stack(where: str, layers: Iterable[nn.Module]) -> list[dict]:
        written, values = _stack(where, layers)
        weights.append(values)
        return written

    spec = {"family": network.config.family, "size": home.size} | write(network, stack)
    return spec, b"".join(weights)


def _post_processing(network: PostProcessing, stack) -> dict:
    unet = network.unet
    down = [stack(f"level {k} down", block) for k, block in enumerate(unet.down)]
    up, merge = [], []
    for k, (upward, block) in enumerate(zip(unet.up, unet.merge, strict=True)):
        up += stack(f"step {k} up", [upward])
        merge.append(stack(f"step {k} up, merged", block))
    return {"down": down, "up": up, "merge": merge, "last": stack("the end", [unet.last])[0]}


def _learned_proximal(network: LearnedProximal, stack) -> dict:
    steps = zip(network.log_tau.exp().tolist(), network.corrections, strict=True)
    return {"steps": [{"tau": tau, "layers": stack(f"step {k}", layers)} for k, (tau, layers) in enumerate(steps)]}


def _learned_primal_dual(network: LearnedPrimalDual, stack) -> dict:
    duals = [stack(f"step {k} on data", layers) for k, layers in enumerate(network.dual)]
    primals = [stack(f"step {k} on images", layers) for k, layers in enumerate(network.primal)]
    steps = [{"dual": dual, "primal": primal} for dual, primal in zip(duals, primals, strict=True)]
    return {"memory": network.config.memory, "steps": steps}


def _learned_proximal_gradient(network: LearnedProximalGradient, stack) -> dict:
    steps = [stack(f"step {k}", expanded(layers)) for k, layers in enumerate(network.blocks)]
    return {"memory": network.config.memory, "steps": steps}


RECONSTRUCTORS = {
    PostProcessing: _post_processing,
    LearnedProximal: _learned_proximal,
    LearnedPrimalDual: _learned_primal_dual,
    LearnedProximalGradient: _learned_proximal_gradient,
}


def _half(name: str, weight: Tensor) -> bytes:
    half = weight.detach().cpu().to(torch.float16)
    if not half.isfinite().all():
        raise ValueError(f"{name} has weights beyond the range of float16")
    return half.contiguous().numpy().astype("<f2").tobytes()
