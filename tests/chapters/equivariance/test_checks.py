"""The checks of chapter 10 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import torch
from chapter_tools import answer_tests

from course_utils.chapters.equivariance import checks
from course_utils.equivariance import Group, GroupConv

from . import answers_layers, answers_symmetry

ASK = {name: getattr(checks, name) for name in checks.__all__}


def filters(k):
    return torch.stack([torch.stack([torch.rot90(k[(j - h) % 4], h) for j in range(4)]) for h in range(4)])


def filters_of_the_library(k):
    conv = GroupConv("C4", 1, 1, width=k.shape[-1]).to(k.dtype)
    with torch.no_grad():
        conv.k.copy_(k[None, None])
    return conv.filters().detach()


def filters_by_the_action(k):
    """The columns for one feature that goes out are the field k, moved."""
    return torch.stack([Group("C4").act_fields(k[None, None], h)[0, 0] for h in range(4)])


RIGHT = answers_symmetry.RIGHT | answers_layers.RIGHT | {
    "regular_filters": [filters, filters_of_the_library, filters_by_the_action, lambda k: filters(k).numpy()],
}  # fmt: skip
WRONG = answers_symmetry.WRONG | answers_layers.WRONG | {
    "regular_filters": [
        (lambda k: torch.stack([k.roll(h, 0) for h in range(4)]), "none of them is turned"),
        (lambda k: torch.stack([torch.rot90(k, h, (1, 2)) for h in range(4)]), "changed places"),
        (lambda k: torch.stack([torch.rot90(k.roll(h, 0), -h, (1, 2)) for h in range(4)]), "clockwise"),
        (lambda k: torch.stack([torch.rot90(k.roll(-h, 0), h, (1, 2)) for h in range(4)]), "one of the two"),
        (lambda k: filters(k).transpose(0, 1), "comes first"),
        (lambda k: filters(k).transpose(0, 1).contiguous()[:, :1], "shape"),
    ],
}  # fmt: skip


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)
