"""A Fréchet distance between features: means and covariances of what a small network sees in the images.

The networks are the course's own, trained on the spot in seconds: for 28x28 images on the digits' labels, for 56x56
images on the seven numbers from which a Shapes image is drawn.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_choice, check_finite, check_tensor, default
from .._inference import with_autograd
from ..data.load import load
from .networks import small_network

__all__ = ["FEATURE_SIZES", "feature_network", "frechet_distance", "shape_parameters"]

#: Side of the images -> data set on which the features are learned.
FEATURE_SIZES = {28: "mnist", 56: "shapes"}
STEPS, BATCH, SEED = 400, 64, 0


def shape_parameters(x: Tensor) -> Tensor:
    """The numbers from which Shapes images were drawn, read off the pixels: (B, 1, 56, 56) -> (B, 7).

    Rectangle: row and column of its upper-left corner, height and width; circle: row and column of its centre, radius;
    in pixels.  Exact for images of ``load("shapes")``: the rectangle's corner lies above and left of everything
    else, so that its first row and its first column belong to it alone.

    Parameters
    ----------
    x : (B, 1, 56, 56) tensor

    Raises
    ------
    ValueError
        An image is not one of a rectangle and a circle.

    Example
    -------
    >>> shape_parameters(load("shapes").test[:1])
    tensor([[11.,  7., 13., 12., 41., 29., 12.]])
    """
    check_tensor("x", x, (None, 1, 56, 56))
    check_finite("x", x)
    grey = x[:, 0] > 0.25
    if not bool(grey.flatten(1).any(1).all()):
        raise ValueError("'x' must hold a rectangle and a circle in every image, got an image without either")
    rows, columns = grey.any(2), grey.any(1)
    pick = torch.arange(len(x), device=x.device)
    top, left = rows.double().argmax(1), columns.double().argmax(1)
    width, height = grey[pick, top].sum(1), grey[pick, :, left].sum(1)
    at = torch.arange(56, device=x.device)

    def within(low, length):
        return (at >= low[:, None]) & (at < (low + length)[:, None])

    rectangle = within(top, height)[:, :, None] & within(left, width)[:, None, :]
    circle = grey & ~rectangle
    if bool((rectangle & ~grey).any()) or not bool(circle.flatten(1).any(1).all()):
        raise ValueError("'x' must hold a rectangle and a circle in every image, got something else")
    extent = []
    for lines in (circle.any(2), circle.any(1)):
        low, high = lines.double().argmax(1), 55 - lines.flip(1).double().argmax(1)
        extent.append((low, high))
    (low, high), (low_c, high_c) = extent
    found = [top, left, height - 1, width - 1, (low + high) / 2, (low_c + high_c) / 2, (high - low) / 2]
    return torch.stack([f.to(x.dtype) for f in found], dim=1)


@with_autograd
def feature_network(size: int) -> nn.Sequential:
    """Frozen network (B, 1, size, size) -> (B, 32) features, trained once per process with a fixed seed.

    Parameters
    ----------
    size : {28, 56}
        28: layer before the last of a classifier of digits.  56: of a network that reads off the seven numbers of
        ``shape_parameters``.

    Returns
    -------
    torch.nn.Sequential
        ``network.score`` is its quality on validation images: accuracy (28), or the mean error in pixels (56).

    Example
    -------
    >>> network = feature_network(28)
    >>> network(torch.zeros(2, 1, 28, 28)).shape, network.score > 0.95
    (torch.Size([2, 32]), True)
    """
    return _trained(check_choice("size", size, FEATURE_SIZES), torch.get_default_dtype())


@functools.cache
def _trained(size: int, dtype: torch.dtype) -> nn.Sequential:
    """The network, once for each dtype."""
    data = load(FEATURE_SIZES[size])
    generator = torch.Generator().manual_seed(SEED)
    if size == 28:
        n_out, target, validation = 10, data.train_labels, data.val_labels
    else:
        target, validation = shape_parameters(data.train), shape_parameters(data.val)
        centre, spread = target.mean(0), target.std(0)
        n_out, target = 7, (target - centre) / spread
    network = small_network(n_out, size, generator)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    loss_of = functional.cross_entropy if size == 28 else functional.mse_loss
    with torch.enable_grad():
        for step in range(STEPS):
            for group in optimiser.param_groups:
                group["lr"] = 2e-3 * (1 - step / STEPS) + 1e-5
            rows = torch.randint(len(data.train), (BATCH,), generator=generator)
            optimiser.zero_grad()
            loss_of(network(data.train[rows]), target[rows]).backward()
            optimiser.step()
    network.eval().requires_grad_(False)
    with torch.no_grad():
        found = torch.cat([network(part) for part in data.val.split(500)])
    if size == 28:
        score = float((found.argmax(1) == validation).double().mean())
    else:
        score = float((found * spread + centre - validation).abs().mean())
    features = network[:-1]
    features.score = score
    return features


@torch.no_grad()
def features_of(x: Tensor) -> Tensor:
    """Features of images of 28x28 or 56x56 pixels: (N, 1, H, W) -> (N, 32) in float64."""
    network = feature_network(x.shape[-1])
    return torch.cat([network(default(part.cpu()).clamp(0, 1)) for part in x.split(500)]).double()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    r"""Squared Fréchet distance of two Gaussians with the means and covariances of two sets of points or images.

    :math:`\|m_a-m_b\|^2 + \mathrm{tr}(C_a+C_b-2(C_a^{1/2}C_bC_a^{1/2})^{1/2})`

    Parameters
    ----------
    a, b : (N, k) and (M, k) tensors of features, or (N, 1, H, W) images of 28x28 or 56x56 pixels
        Of images the features of ``feature_network`` are taken, after clipping to [0, 1].

    Returns
    -------
    float
        Zero in the limit for equal means and covariances; positive for finite sets of one distribution, so compare with
        two sets of real images.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Heusel et al., NeurIPS 2017 (with the features of another network); paper, Sect. 4.2.

    Example
    -------
    >>> a = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> round(frechet_distance(a, a + torch.tensor([3.0, 0.0, 4.0])), 6)
    25.0
    """
    for name, points in (("a", a), ("b", b)):
        check_tensor(name, points)
        check_finite(name, points)
    if a.ndim == 4:
        for name, images in (("a", a), ("b", b)):
            check_tensor(name, images, (None, 1, None, None))
            check_choice(f"{name}.shape[-1]", images.shape[-1], FEATURE_SIZES)
        a, b = features_of(a), features_of(b)
    check_tensor("a", a, (None, None))
    check_tensor("b", b, (None, a.shape[1]))
    for name, points in (("a", a), ("b", b)):
        if len(points) < 2:
            raise ValueError(f"'{name}' must hold at least 2 points, got {len(points)}")
    a, b = a.double(), b.double()
    covariance_a, covariance_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(a.shape[1], -1)
    values, vectors = torch.linalg.eigh(covariance_a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ covariance_b @ root).clamp_min(0).sqrt().sum()
    apart = (a.mean(0) - b.mean(0)).pow(2).sum()
    return float(apart + covariance_a.trace() + covariance_b.trace() - 2 * cross)
