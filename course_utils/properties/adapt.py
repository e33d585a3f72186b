"""Any generator as a ``Generator``: also one that was written without this course."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._check import check_count, check_tensor
from .._inference import with_autograd
from ..generators import Generator

__all__ = ["as_generator"]


class _Adapted(Generator):
    """Someone's generator in the clothes of ours: checked input, ``sample``, ``image_shape``."""

    def __init__(self, inner, call, latent_dim: int, like: Tensor, image_shape: tuple[int, int, int]) -> None:
        nn.Module.__init__(self)
        self.config = None
        self.latent_dim, self.image_shape = latent_dim, image_shape
        self.inner, self._call = inner, call
        self.has_encoder = callable(getattr(inner, "encode", None))
        if next(self.parameters(), None) is None:  # says dtype and device where ``inner`` has no weights
            self.like = nn.Parameter(like, requires_grad=False)

    @property
    def name(self) -> str:
        return type(self.inner).__name__

    def forward(self, z: Tensor) -> Tensor:
        check_tensor("z", z, (None, self.latent_dim), like=next(self.parameters()))
        return self._call(z)

    decode = forward

    def encode(self, x: Tensor) -> Tensor:
        if not self.has_encoder:
            raise TypeError(f"a {self.name} has no encode(x): it cannot encode an image")
        self.check_images(x)
        return self.inner.encode(x)

    def __repr__(self) -> str:
        return f"{self.name}, {self.latent_dim} latent dimensions, images {self.image_shape}"


@with_autograd
def as_generator(G) -> Generator:
    """Return ``G`` as a ``Generator``: itself if it is one, else wrapped.

    Parameters
    ----------
    G : object
        Needs an integer ``latent_dim`` and G(z) (or ``decode(z)``), which maps (B, d) tensors to (B, 1, H, W) images,
        is differentiable in z, and treats each row by itself.  May have ``encode(x)``: (B, 1, H, W) -> (B, d).
        A ``torch.nn.Module`` is put into evaluation mode and frozen, as ``pretrained`` does.

    Returns
    -------
    Generator

    Raises
    ------
    TypeError
        Something that is needed is missing, or the images do not depend on z differentiably.
    ValueError
        Images or encodings of the wrong shape, not finite, or rows that depend on their neighbours.

    Example
    -------
    >>> class Plane:
    ...     latent_dim = 2
    ...     def __call__(self, z):
    ...         return (z @ torch.ones(2, 9)).reshape(-1, 1, 3, 3)
    >>> as_generator(Plane())
    Plane, 2 latent dimensions, images (1, 3, 3)
    """
    if isinstance(G, Generator):
        return G
    name = type(G).__name__
    latent_dim = getattr(G, "latent_dim", None)
    if latent_dim is None:
        raise TypeError(f"'G' must have an integer latent_dim, got a {name} without")
    latent_dim = check_count("G.latent_dim", latent_dim)
    call = G if callable(G) else getattr(G, "decode", None)
    if not callable(call):
        raise TypeError(f"'G' must be callable or have decode(z), got a {name} with neither")
    if isinstance(G, nn.Module):
        G.eval().requires_grad_(False)
    like = next(iter(G.parameters()), None) if isinstance(G, nn.Module) else None
    like = torch.zeros(1) if like is None else like.detach()[:0].clone()
    draw = torch.randn(3, latent_dim, generator=torch.Generator().manual_seed(0), dtype=like.dtype).to(like.device)
    z = draw.requires_grad_()
    with torch.enable_grad():
        x = call(z)
    check_tensor("G(z)", x, (3, 1, None, None), like=z)
    if not bool(torch.isfinite(x).all()):
        raise ValueError(f"'G' must give finite images, got NaN or infinite values from a {name}")
    if not x.requires_grad:
        raise TypeError(f"'G' must be differentiable in z, got images of a {name} without a gradient")
    alone = call(z[:1].detach())
    if not torch.allclose(alone, x[:1].detach(), rtol=1e-3, atol=1e-4):
        raise ValueError(f"'G' must treat each row by itself, got a {name} whose images depend on the batch")
    adapted = _Adapted(G, call, latent_dim, like, tuple(x.shape[1:]))
    if adapted.has_encoder:
        check_tensor("G.encode(x)", adapted.encode(x.detach()), (3, latent_dim), like=z)
    return adapted
