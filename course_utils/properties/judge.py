"""A classifier of digits judges samples: how many are surely a digit, and which."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_between, check_finite, check_tensor, default
from ..classifier import Classifier
from ..training.zoo import pretrained

__all__ = ["Verdict", "digit_judge", "judge"]

SURE = 0.9  # probability from which on a digit counts as one


@functools.cache
def digit_judge() -> Classifier:
    """The shipped classifier of digits, frozen; it names more than 98 of 100 test digits rightly.

    Example
    -------
    >>> from course_utils import load
    >>> digits = load("mnist")
    >>> found = digit_judge()(digits.test[:500]).argmax(1)
    >>> bool((found == digits.test_labels[:500]).double().mean() > 0.98)
    True
    """
    return pretrained("judge-mnist", verbose=False)


@dataclass(frozen=True)
class Verdict:
    """What the classifier says of N images.

    Attributes
    ----------
    sure : float
        Share of the images for which it gives one class more than 0.9.
    error : float
        Standard error of ``sure``, from N alone.
    classes : (10,) tensor
        Share of each class among the sure ones; NaN if there are none.
    probabilities : (N,) tensor
        The largest probability of each image.
    """

    sure: float
    error: float
    classes: Tensor
    probabilities: Tensor


@torch.no_grad()
def judge(x: Tensor, sure: float = SURE) -> Verdict:
    """Which images a classifier of digits surely takes for a digit.

    That an image is surely a 3 does not say that it is a good one: a classifier that has seen only digits is sure of
    many things.  What it is *not* sure of is rarely a digit.

    Parameters
    ----------
    x : (N, 1, 28, 28) tensor
        Clipped to [0, 1] first.
    sure : float in (0, 1)

    Returns
    -------
    Verdict

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    That confident labels speak for samples is the idea of the score of Salimans et al., NeurIPS 2016.

    Example
    -------
    >>> from course_utils import load
    >>> judge(load("mnist").test[:1000]).sure > 0.9
    True
    """
    check_tensor("x", x, (None, 1, 28, 28))
    check_finite("x", x)
    if not len(x):
        raise ValueError("'x' must hold at least one image, got none")
    sure = check_between("sure", sure, 0, 1)
    network = digit_judge()
    found = torch.cat([network(default(part.cpu()).clamp(0, 1)).softmax(1) for part in x.split(1000)])
    probability, which = found.max(1)
    named = probability > sure
    share = float(named.double().mean())
    counts = torch.bincount(which[named], minlength=found.shape[1]).double()
    return Verdict(share, math.sqrt(share * (1 - share) / len(x)), counts / counts.sum(), probability)
