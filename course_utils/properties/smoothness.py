"""B1: is G smooth?  Its local Lipschitz constant, and the steps of the images along a path in latent space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_numbers, check_tensor
from .._inference import with_autograd
from .adapt import as_generator
from .batches import images_of

__all__ = ["Path", "interpolate", "jacobian", "lipschitz", "path_smoothness", "triangle"]


@with_autograd
def jacobian(G, z: Tensor) -> Tensor:
    """All derivatives of G: (B, d) -> (B, d, n), row j is the derivative by z_j of the n pixels.

    One directional derivative for each latent coordinate, all in one batch.  The derivative in a direction v is taken
    as the gradient by w of <v, J^T w>, which is linear in w: two passes backwards, for every differentiable G.

    Parameters
    ----------
    G : generator
    z : (B, d) tensor

    Example
    -------
    >>> class Plane:
    ...     latent_dim = 2
    ...     def __call__(self, z):
    ...         return (z @ torch.tensor([[1.0, 0.0], [0.0, 3.0]])).reshape(-1, 1, 1, 2)
    >>> jacobian(Plane(), torch.zeros(1, 2))
    tensor([[[1., 0.],
             [0., 3.]]])
    """
    G = as_generator(G)
    check_tensor("z", z, (None, G.latent_dim), like=next(G.parameters()))
    check_finite("z", z)
    d, parts = G.latent_dim, []
    for part in z.detach().split(max(1, 512 // d)):
        points = part.repeat_interleave(d, dim=0).requires_grad_()
        directions = torch.eye(d, dtype=z.dtype, device=z.device).repeat(len(part), 1)
        with torch.enable_grad():
            x = G(points)
            w = torch.zeros_like(x, requires_grad=True)
            (back,) = torch.autograd.grad(x, points, w, create_graph=True)
            (forward,) = torch.autograd.grad(back, w, directions)
        parts.append(forward.reshape(len(part), d, -1))
    return torch.cat(parts)


def lipschitz(G, z: Tensor) -> Tensor:
    """Local Lipschitz constant of G: the largest singular value of its Jacobian, (B, d) -> (B,).

    So much faster than z the image changes, in the worst direction: grey values (Euclidean norm over the pixels) per
    unit of z.  Of the J^T J (d x d) the eigenvalues are exact, no iteration is needed.

    Source
    ------
    Paper, Sect. 4.1 (B1), Sect. 6.1.

    Example
    -------
    >>> class Plane:
    ...     latent_dim = 2
    ...     def __call__(self, z):
    ...         return (z @ torch.tensor([[1.0, 0.0], [0.0, 3.0]])).reshape(-1, 1, 1, 2)
    >>> lipschitz(Plane(), torch.zeros(1, 2))
    tensor([3.])
    """
    J = jacobian(G, z).double()
    return torch.linalg.eigvalsh(J @ J.mT)[:, -1].clamp_min(0).sqrt().to(z.dtype)


@dataclass(frozen=True)
class Path:
    """Straight paths in latent space and what the images do on them.

    Attributes
    ----------
    steps : (B, K) Euclidean distances of successive images
    jump : (B,) largest step divided by the mean step: 1 on a straight line at even pace, K if all happens at once
    detour : (B,) length of the path of images divided by the distance of its ends
    lipschitz : (B, K + 1) local Lipschitz constants on the way
    """

    steps: Tensor
    jump: Tensor
    detour: Tensor
    lipschitz: Tensor


def interpolate(z0: Tensor, z1: Tensor, steps: int) -> Tensor:
    """K + 1 points on each line from z0 to z1: two (B, d) -> (B, K + 1, d).

    >>> interpolate(torch.zeros(1, 1), torch.ones(1, 1), 2).flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """
    steps = check_count("steps", steps)
    check_tensor("z0", z0, (None, None))
    check_tensor("z1", z1, tuple(z0.shape), like=z0)
    check_finite("z0", z0)
    check_finite("z1", z1)
    t = torch.linspace(0, 1, steps + 1, dtype=z0.dtype, device=z0.device)[None, :, None]
    return torch.lerp(z0[:, None], z1[:, None], t)


def path_smoothness(G, z0: Tensor, z1: Tensor, steps: int = 32) -> Path:
    """Walk from z0 to z1 in equal steps and measure those of the images.

    Parameters
    ----------
    G : generator
    z0, z1 : (B, d) tensors
        Latent vectors of images, found by ``range_errors``.
    steps : int
        K.

    Returns
    -------
    Path

    Example
    -------
    >>> from course_utils import pretrained
    >>> G = pretrained("vae-mnist-8", verbose=False)
    >>> path = path_smoothness(G, torch.zeros(1, 8), torch.ones(1, 8))
    >>> bool(path.jump >= 1 and path.detour >= 1)
    True
    """
    G = as_generator(G)
    check_tensor("z0", z0, (None, G.latent_dim), like=next(G.parameters()))
    steps = check_count("steps", steps)
    z = interpolate(z0, z1, steps)
    images = images_of(G, z.flatten(0, 1)).unflatten(0, z.shape[:2]).flatten(2)
    moved = (images[:, 1:] - images[:, :-1]).norm(dim=2)
    length, tiny = moved.sum(1), torch.finfo(z.dtype).tiny
    return Path(
        steps=moved, jump=moved.amax(1) * steps / length.clamp_min(tiny),
        detour=length / (images[:, -1] - images[:, 0]).norm(dim=1).clamp_min(tiny),
        lipschitz=lipschitz(G, z.flatten(0, 1)).unflatten(0, z.shape[:2]),
    )  # fmt: skip


def triangle(z: Tensor, alpha1: Tensor, alpha2: Tensor) -> Tensor:
    """z1 + alpha1 (z2 - z1) + alpha2 (z3 - z1) for all pairs of weights: (3, d), (K,), (L,) -> (K, L, d).

    Source
    ------
    Paper, Sect. 4.3.5, Fig. 6.

    Example
    -------
    >>> triangle(torch.eye(3), torch.tensor([0.0, 1.0]), torch.tensor([0.0]))[:, 0]
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    check_tensor("z", z, (3, None))
    check_finite("z", z)
    alpha1, alpha2 = (
        torch.tensor(check_numbers(name, a), dtype=z.dtype, device=z.device)
        for name, a in (("alpha1", alpha1), ("alpha2", alpha2))
    )
    return z[0] + alpha1[:, None, None] * (z[1] - z[0]) + alpha2[None, :, None] * (z[2] - z[0])
