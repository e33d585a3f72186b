"""Choosing lambda: the rules of the classical theory, each for a whole grid of weights and a batch of images at once.

``solution_path`` reconstructs everything once, as one batch; every rule reads it and answers with a ``Choice``.

>>> from course_utils.operators import GaussianBlur, measure
>>> from course_utils.regularisers import Tikhonov
>>> A, truth = GaussianBlur(28), torch.zeros(2, 1, 28, 28)
>>> truth[..., 8:20, 8:20] = 1
>>> y = measure(A, truth, 0.05, torch.Generator().manual_seed(0))
>>> path = solution_path(A, y, Tikhonov, torch.logspace(-4, 1, 21))
>>> freedom = degrees_of_freedom(path)
>>> choices = [morozov(path, 0.05), l_curve(path), gcv(path, freedom), sure(path, 0.05, freedom), oracle(path, truth)]
>>> [f"{choice.rule}: {float(choice.lam[0]):.3f}" for choice in choices]
['Morozov: 0.058', 'L-curve: 0.010', 'GCV: 0.018', 'SURE: 0.018', 'oracle: 0.056']
"""

import torch  # noqa: F401  (used by the example above)

from .choice import Choice
from .discrepancy import morozov, squared_noise
from .freedom import DegreesOfFreedom, degrees_of_freedom
from .gcv import gcv
from .l_curve import l_curve
from .oracle import oracle
from .path import SolutionPath, solution_path
from .sure import sure

__all__ = [
    "Choice",
    "DegreesOfFreedom",
    "SolutionPath",
    "degrees_of_freedom",
    "gcv",
    "l_curve",
    "morozov",
    "oracle",
    "solution_path",
    "squared_noise",
    "sure",
]
