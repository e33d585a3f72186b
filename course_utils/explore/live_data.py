"""What the live explorers of a page carry: weights of generators, images, vectors, as blocks of bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from ..figures.labels import TITLES
from ..generators import Generator
from ..live import generator_spec

__all__ = ["floats", "grey_bytes", "stored_generators"]


def stored_generators(generators: Mapping[str, Generator]) -> tuple[dict, dict[str, bytes]]:
    """Generators by family -> their layers for ``data`` and their float16 weights for ``blocks``.

    Example
    -------
    >>> from course_utils import pretrained
    >>> data, blocks = stored_generators({"vae": pretrained("vae-mnist-8", verbose=False)})
    >>> data["titles"]["vae"], list(blocks)
    ('VAE', ['weights of vae'])
    """
    specifications, blocks = {}, {}
    for family, G in generators.items():
        specifications[family], blocks[f"weights of {family}"] = generator_spec(G)
    titles = {family: TITLES[family] for family in generators}
    return {"generators": specifications, "titles": titles}, blocks


def grey_bytes(images: Tensor, white: int = 255) -> bytes:
    """Images of any shape with grey values in [0, 1], one byte a pixel; an even ``white`` keeps 0.5 as it is.

    Example
    -------
    >>> import torch
    >>> list(grey_bytes(torch.tensor([0.0, 0.5, 1.0]), white=254))
    [0, 127, 254]
    """
    return (white * images.detach()).round().clamp(0, white).numpy().astype(np.uint8).tobytes()


def floats(values: Tensor) -> bytes:
    """float32, low byte first, in reading order."""
    return values.detach().contiguous().numpy().astype("<f4").tobytes()
