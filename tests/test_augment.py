"""Augmentation: images stay images, differ from each other, and only the generator decides how."""

import pytest
import torch
from registry import seeded

from course_utils.training.augment import SHIFT, augment, quarter_turns


def heads(n=64, size=64):
    """Ellipses with a bright left half."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    head = ((rows / 0.7) ** 2 + (columns / 0.5) ** 2 < 1).float() * (0.5 + 0.3 * (columns < 0))
    return head.expand(n, 1, size, size).clone()


def centre(x):
    """Centre of mass of each image, rows and columns in pixels."""
    weight = x / x.sum((2, 3), keepdim=True)
    place = torch.arange(x.shape[-1], dtype=x.dtype)
    return (weight.sum(3) * place).sum(2)[:, 0], (weight.sum(2) * place).sum(2)[:, 0]


def test_images_stay_images_and_the_generator_alone_decides():
    x = heads()
    before = x.clone()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one, two, other = augment(x, seeded(1)), augment(x, seeded(1)), augment(x, seeded(2))
    assert torch.equal(torch.rand(2), expected) and torch.equal(x, before)
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert one.shape == x.shape and one.dtype == x.dtype
    assert 0 <= one.min() and one.max() <= 1
    pairs = torch.cdist(one.flatten(1), one.flatten(1)) + torch.eye(len(x))
    assert pairs.min() > 0.1, "no two of 64 are the same"


def test_movements_are_of_the_stated_size():
    x = heads(400)
    y = augment(x, seeded(1))
    bright = x.mean() / 0.65
    for moved, still in zip(centre(y), centre(x), strict=True):
        shift = moved - still
        assert shift.abs().max() < SHIFT + 6, "a shift, and what turning and warping do to the centre"
        assert 2 < shift.std() < 5
    area = (y > 0.2).float().mean((1, 2, 3)) / bright
    assert 0.7 < area.min() < 0.95 and 1.05 < area.max() < 1.4
    left, right = y[..., :32].sum((1, 2, 3)), y[..., 32:].sum((1, 2, 3))
    assert abs((left > right).float().mean() - 0.5) < 0.15, "half of them are mirrored"


def test_the_background_stays_black_and_a_quarter_is_not_interpolated():
    y = augment(heads(200), seeded(1))
    assert (y[..., :2, :2] == 0).all()
    # Without noise, an image that was only moved has three grey values.
    import course_utils.training.augment as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NOISE", 0.0)
        y = augment(heads(200), seeded(1))
    few = [len(image.round(decimals=4).unique()) <= 3 for image in y]
    assert abs(sum(few) / 200 - 0.25) < 0.1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"'x' must have shape \(B, 1, B, B\), got \(2, 3, 8, 8\)"):
        augment(torch.zeros(2, 3, 8, 8), seeded())


def test_quarter_turns_are_all_equally_likely_and_exact():
    x = torch.rand(400, 1, 5, 5, generator=seeded())
    y = quarter_turns(x, seeded(1))
    assert torch.equal(y, quarter_turns(x, seeded(1))) and not torch.equal(y, quarter_turns(x, seeded(2)))
    turns = torch.stack([(torch.rot90(x, k, (2, 3)) == y).flatten(1).all(1) for k in range(4)])
    assert (turns.sum(0) == 1).all() and turns.sum(1).min() > 70
    with pytest.raises(ValueError, match="'x' must be square"):
        quarter_turns(torch.zeros(2, 1, 4, 6), seeded())
