"""Right and typical wrong answers to the exercises on equivariant layers."""

import math

import numpy as np
import torch
from torch.nn.functional import conv2d, pad, unfold

from course_utils.equivariance import GroupConv


def by_orbits(width):
    place = np.arange(width**2).reshape(width, width)
    return len(np.unique(np.min([np.rot90(place, h) for h in range(4)], 0)))


def by_rank(width):
    """The mean over the turns is a projection on the invariant filters."""
    basis = torch.eye(width**2).reshape(-1, width, width)
    return torch.linalg.matrix_rank(sum(torch.rot90(basis, h, (1, 2)) for h in range(4)).flatten(1) / 4)


def lift(x, k):
    return conv2d(x, torch.stack([torch.rot90(k, h) for h in range(4)])[:, None], padding=len(k) // 2)


def lift_by_the_library(x, k):
    conv = GroupConv("C4", 1, 1, "lift", width=len(k)).to(x.dtype)
    with torch.no_grad():
        conv.k.copy_(k[None, None, None])
        conv.b.zero_()
        return conv(x)[:, 0]


def lift_by_turning_the_image(x, k):
    """h k * x = h (k * h^-1 x)."""
    parts = [conv2d(torch.rot90(x, -h, (2, 3)), k[None, None], padding=len(k) // 2) for h in range(4)]
    return torch.cat([torch.rot90(part, h, (2, 3)) for h, part in enumerate(parts)], 1)


def lift_by_patches(x, k):
    patches = unfold(pad(x, [len(k) // 2] * 4), len(k))
    filters = torch.stack([torch.rot90(k, h).flatten() for h in range(4)])
    return (filters @ patches).unflatten(2, x.shape[-2:])


def smallest(least, strides):
    return least + (1 - least) % math.prod(strides)


def by_trying(least, strides):
    side = least
    while True:
        n, fits = side, True
        for s in strides:
            fits, n = fits and (n - 1) % s == 0, (n - 1) // s + 1
        if fits:
            return side
        side += 1


def by_kept_pixels(least, strides):
    """The pixels that are kept have to be symmetric about the middle."""
    side = least
    while True:
        kept = np.arange(side)
        for s in strides:
            kept = kept[::s]
        if kept[0] + kept[-1] == side - 1:
            return side
        side += 1


RIGHT = {
    "invariant_filter": [lambda width: (width**2 + 3) // 4, by_orbits, by_rank, lambda width: 1 + (width**2 - 1) / 4],
    "lifting": [
        lift,
        lift_by_the_library,
        lift_by_turning_the_image,
        lift_by_patches,
        lambda x, k: lift(x, k).float(),
        lambda x, k: lift(x, k).numpy(),
    ],
    "smallest_side": [smallest, by_trying, by_kept_pixels, lambda *v: torch.tensor(smallest(*v))],
}
WRONG = {
    "invariant_filter": [
        (lambda width: (width**2 - 1) // 4, "in the middle"),
        (lambda width: width**2 / 4, "in fours"),
        (lambda width: width**2, "without any condition"),
        (lambda width: (width**2 + 1) // 2, "half turn"),
        (lambda width: (width + 1) * (width + 3) // 8, "windmill"),
        (lambda width: (width + 1) // 2, "each ring"),
        (lambda width: 3, "too small"),
    ],
    "lifting": [
        (lambda x, k: lift(x, k)[:, [0, 3, 2, 1]], "clockwise"),
        (lambda x, k: lift(x, k)[:, :1].expand(-1, 4, -1, -1), "as it is"),
        (
            lambda x, k: torch.cat([torch.rot90(lift(x, k)[:, :1], h, (2, 3)) for h in range(4)], 1),
            "of one filter",
        ),
        (
            lambda x, k: torch.cat([lift(torch.rot90(x, -h, (2, 3)), k)[:, :1] for h in range(4)], 1),
            "not turned back",
        ),
        (lambda x, k: lift(x, k).mean(1, keepdim=True).expand(-1, 4, -1, -1), "averaged"),
        (lambda x, k: lift(x, k)[:, [0, 2, 0, 2]], "half turns"),
        (lambda x, k: lift(x, k)[:, :, 1:-1, 1:-1], "shape"),
        (lambda x, k: lift(x, k)[:, :1], "shape"),
    ],
    "smallest_side": [
        (lambda least, strides: least + -least % math.prod(strides), "one pixel off"),
        (lambda least, strides: smallest(least, strides[:1]), "first layer"),
        (lambda least, strides: smallest(least, [math.lcm(*strides)]), "one by one"),
        (lambda least, strides: smallest(least, [sum(strides)]), "do not add"),
        (lambda least, strides: smallest(least + 1, strides), "itself is allowed"),
        (lambda least, strides: least, "as it is"),
    ],
}
