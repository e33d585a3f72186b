"""Small things: how much of the bright spot of shapes+ is left, and whether a disc that G drew is in the object."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import max_pool2d

from ...metrics import contrast_recovery

__all__ = ["beside", "drawn_step", "spot_contrast"]

#: Of shapes+, only the spots are brighter: circle and rectangle have 0.5, a spot 1.
BRIGHT = 0.75


def beside(mask: Tensor) -> Tensor:
    """What lies 2 to 4 pixels beside a region, as in the shared problems: (B, 1, H, W) bool."""
    near, wide = (max_pool2d(mask.float(), side, 1, side // 2) > 0 for side in (3, 9))
    return wide & ~near


def spot_contrast(x: Tensor, truth: Tensor) -> Tensor:
    """How much of the contrast between the bright spot and its circle is left in each image of shapes+.

    Example
    -------
    >>> from course_utils import load
    >>> truth = load("shapes+").test[:2]
    >>> spot_contrast(truth, truth), spot_contrast(truth.clamp_max(0.5), truth)
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    spots = truth > BRIGHT
    return contrast_recovery(x, truth, spots, beside(spots) & (truth > 0))


def drawn_step(x: Tensor, g: Tensor) -> Tensor:
    """How far an image rises at the outline of what a generator drew, from outside to inside: (B,) grey values.

    Inside is where ``g`` has more than half of its greatest value.  Means are taken over two pixels on either side of
    the outline, because what lies deeper inside the object may be anything.  A step that the truth has not, and the
    reconstruction has, was invented.

    Example
    -------
    >>> import torch
    >>> g = torch.zeros(1, 1, 12, 12)
    >>> g[..., 4:8, 4:8] = 0.5
    >>> drawn_step(g + 0.25, g), drawn_step(torch.full_like(g, 0.25), g)
    (tensor([0.5000]), tensor([0.]))
    """
    inside = g > 0.5 * g.amax((1, 2, 3), keepdim=True)
    near = [max_pool2d(part.float(), 5, 1, 2) > 0 for part in (~inside, inside)]  # two pixels beyond the outline
    rims = (inside & near[0], ~inside & near[1])
    means = [(x * rim).flatten(1).sum(1) / rim.flatten(1).sum(1) for rim in rims]
    return means[0] - means[1]
