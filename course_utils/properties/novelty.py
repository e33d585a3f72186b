"""A2: can G produce images far from the target distribution?  Far latent vectors, and images it should not fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_nonnegative, check_numbers, check_tensor
from .adapt import as_generator
from .batches import images_of, nearest

__all__ = ["FarImages", "far_from_prior", "strangers"]


@dataclass(frozen=True)
class FarImages:
    """Images G(z) with ||z|| = r sqrt(d), for several r.

    Attributes
    ----------
    radii : (R,) the r; N(0, I) has r close to 1
    x : (R, n, 1, H, W) images, the same directions at every radius
    distance : (R, n) Euclidean distance to the nearest training image
    index : (R, n) number of that training image
    ordinary : float, median distance of the reference images (the test set, say) to their nearest training image
    """

    radii: Tensor
    x: Tensor
    distance: Tensor
    index: Tensor
    ordinary: float


def far_from_prior(
    G, train: Tensor, reference: Tensor, generator: torch.Generator, radii=(1.0, 2.0, 5.0, 10.0, 50.0), n: int = 100
) -> FarImages:
    """Walk away from the prior in ``n`` random directions, and see how far the images get from the training set.

    Parameters
    ----------
    G : generator
        See ``as_generator``.
    train : (M, 1, H, W) tensor
    reference : (K, 1, H, W) tensor
        Unseen images of the same kind: how far from the training set is usual?
    generator : torch.Generator
    radii : sequence of float > 0
        ||z|| in units of sqrt(d).  The authors drew z ~ N(0, 50^2 I), that is about 50.
    n : int

    Returns
    -------
    FarImages

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Paper, Sect. 4.3.4, Fig. 5.

    Example
    -------
    >>> from course_utils import load, pretrained
    >>> data = load("mnist")
    >>> G = pretrained("vae-mnist-8", verbose=False)
    >>> far = far_from_prior(G, data.train[:2000], data.test[:200], torch.Generator().manual_seed(0), n=20)
    >>> bool(far.distance[-1].median() > 3 * far.ordinary)
    True
    """
    G = as_generator(G)
    check_generator(generator)
    n = check_count("n", n)
    check_tensor("train", train, (None, *G.image_shape), like=next(G.parameters()))
    check_tensor("reference", reference, (None, *G.image_shape), like=train)
    check_finite("train", train)
    check_finite("reference", reference)
    radii = torch.tensor(check_numbers("radii", radii), dtype=torch.float64)
    if not bool((radii > 0).all()):
        raise ValueError(f"'radii' must be a sequence of numbers > 0, got {radii.tolist()}")
    z = G.sample_latent(n, generator)
    z = z * (G.latent_dim**0.5 / z.norm(dim=1, keepdim=True))  # directions uniform on the sphere of radius sqrt(d)
    images = torch.stack([images_of(G, r * z) for r in radii.tolist()])
    found = [nearest(part, train) for part in images]
    return FarImages(
        radii=radii, x=images, distance=torch.stack([d for d, _ in found]), index=torch.stack([i for _, i in found]),
        ordinary=float(nearest(reference, train)[0].median()),
    )  # fmt: skip


def strangers(x: Tensor, generator: torch.Generator, grey: float | None = None) -> dict[str, Tensor]:
    """Images that a good generator of the images ``x`` should NOT be able to draw, all as bright as they are.

    Parameters
    ----------
    x : (N, 1, H, W) tensor
        Images of the right kind.
    generator : torch.Generator
    grey : float, optional
        Grey value of the bars.  Default: the greatest value of ``x``.

    Returns
    -------
    dict of name -> (N, 1, H, W) tensor
        "upside down": each image turned by 180 degrees; "pixels shuffled": the same grey values in a random order of
        the pixels (one order for all images); "noise": independent values with the mean and variance of ``x``,
        clipped to [0, 1]; "bars": one horizontal and one vertical bar at a random place.

    Example
    -------
    >>> x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> sorted(strangers(x, torch.Generator().manual_seed(1)))
    ['bars', 'noise', 'pixels shuffled', 'upside down']
    """
    check_generator(generator)
    check_tensor("x", x, (None, 1, None, None))
    check_finite("x", x)
    n, _, h, w = x.shape
    if min(n, h // 2, w // 2) < 1:
        raise ValueError(f"'x' must hold at least one image of two pixels a side, got shape {tuple(x.shape)}")
    where = generator.device
    order = torch.randperm(h * w, generator=generator, device=where).to(x.device)
    noise = torch.randn(x.shape, generator=generator, device=where).to(x)
    white = float(x.max()) if grey is None else check_nonnegative("grey", grey)
    row, column = (torch.randint(s // 4, 3 * s // 4, (n, 1), generator=generator, device=where) for s in (h, w))
    thick = max(1, min(h, w) // 10)
    lines = [(torch.arange(s, device=where) - at).abs() < thick for s, at in ((h, row), (w, column))]
    bars = lines[0][:, :, None] | lines[1][:, None, :]
    return {
        "upside down": x.flip(2, 3),
        "pixels shuffled": x.flatten(1)[:, order].reshape(x.shape),
        "noise": (x.mean() + x.std() * noise).clamp(0, 1),
        "bars": (white * bars).to(x).unsqueeze(1),
    }
