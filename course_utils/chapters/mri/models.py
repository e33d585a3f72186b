"""What the models of the covariance look like, and what their gradients need in memory."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ...operators import MaskedFourier, radial_mask
from ...regularisers import LearnedCovariance
from ...reproduce.pictures import pack
from ...reproduce.setting import seeded
from ...training.recipes import NETWORK_HOMES
from ...training.zoo import pretrained
from .brains import EXAMPLE, TEST_STEP, VAE, brain_generator, generator_name, heads, shipped, window

__all__ = ["kept_for_gradient", "memory_row", "model_row"]

NEAR = 12  # pixels on each side of the one whose covariance is shown, if the image has them
#: Where, as parts of the side of the image: two pixels in the head.
PLACES = ((0.5, 0.5), (0.32, 0.42))


def model_row(family: str, test_step: int = TEST_STEP, example: int = EXAMPLE, samples: int = 2) -> dict:
    """Sigma(z) at the encoding of a test slice: standard deviations, covariances of pixels, images drawn from it.

    Covariances are divided by the variance of the pixel and cut off at -1 and 1.  Images are drawn at ``samples`` draws
    z from the prior, the same for every family.
    """
    G, _ = brain_generator(generator_name(family))
    x = heads(1, test_step)[1][example : example + 1]
    with torch.no_grad():
        z = G.encode(x)
        covariance = G.covariance(z)
        deviation = covariance.variance().sqrt()
        prior = G.sample_latent(samples, seeded(5))
        means = G(prior)
        drawn = means + G.covariance(prior).sample(seeded(6))
        residual = x - G(z)
        row = {
            "deviation_range": [round(float(v), 5) for v in (deviation.min(), deviation.max())],
            "deviation": pack(window(deviation), 0.0, float(deviation.max()))[0],
            "residual": pack(window(residual), -0.5, 0.5)[0],
            "whitened": round(float(covariance.whiten(residual).pow(2).mean()), 3),
            "means": pack(window(means)),
            "drawn": pack(window(drawn)),
            "pixels": [],
        }
        for place in PLACES:
            at = [round(share * side) for share, side in zip(place, x.shape[-2:], strict=True)]
            near = min(NEAR, *at, *(side - 1 - i for i, side in zip(at, x.shape[-2:], strict=True)))
            rows, columns = (slice(i - near, i + near + 1) for i in at)
            shown = covariance.covariance_of(*at)[..., rows, columns]
            variance = float(deviation[0, 0, at[0], at[1]] ** 2)
            picture = pack(shown / variance, -1.0, 1.0)[0]
            row["pixels"].append({"at": at, "variance": round(variance, 7), "covariance": picture})
    return row


def memory_row(spokes: int = 25, test_step: int = TEST_STEP) -> dict:
    """Megabytes that one more image in the batch adds to what is kept for a gradient, by method."""
    x = heads(1, test_step)[1][:2]
    A = MaskedFourier(radial_mask(x.shape[-1], spokes))
    y = A(x)
    G, starts = brain_generator(VAE)
    z = starts.z[:2]
    loose = copy.deepcopy(G).requires_grad_(True)
    kept = {
        "hard": kept_for_gradient(lambda z: (A(G(z)) - y[: len(z)]).pow(2), z),
        "narnhofer": kept_for_gradient(lambda z: (A(loose(z)) - y[: len(z)]).pow(2), z),
    }
    for family in ("identity", "diagonal", "covariance"):
        if shipped(generator_name(family)):
            R = LearnedCovariance(brain_generator(generator_name(family))[0], 1.0)
            kept[family] = kept_for_gradient(lambda z, R=R: R.joint(x[: len(z)], z), z)
    network = "vn-brain-{}-{}".format(*NETWORK_HOMES[0])
    if shipped(network):
        net = pretrained(network, verbose=False).requires_grad_(True)
        kept["vn, in training"] = kept_for_gradient(lambda y: net(y, A), y)
    return {"megabytes_per_image": kept}


def kept_for_gradient(f, v: Tensor) -> float:
    """Megabytes that autograd keeps for the second of two problems: activations, not the weights.

    Example
    -------
    >>> kept_for_gradient(lambda v: v.exp(), torch.zeros(2, 250_000))
    1.0
    """

    def kept(part: Tensor) -> int:
        sizes = {}

        def note(t: Tensor) -> Tensor:
            storage = t.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return t

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            out = f(part.clone().requires_grad_())
        del out
        return sum(sizes.values())

    return round((kept(v[:2]) - kept(v[:1])) / 1e6, 3)
