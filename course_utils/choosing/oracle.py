"""The best weight in hindsight, which no rule without the truth can beat."""

from __future__ import annotations

from torch import Tensor

from .._check import check_finite, check_flag, check_kind, check_tensor
from ..metrics import psnr
from .choice import Choice, best_of_grid
from .path import SolutionPath

__all__ = ["oracle"]


def oracle(solutions: SolutionPath, truth: Tensor, each: bool = True) -> Choice:
    """The weight of highest PSNR, of each image or on average; it needs the truth, so it is a yardstick and no rule.

    Parameters
    ----------
    solutions : SolutionPath
    truth : (B, 1, H, W) tensor
    each : bool
        True: the best weight of each image.  False: the one weight of highest mean PSNR, as ``tuning.sweep`` takes.

    Returns
    -------
    Choice
        With the curve "psnr".

    Source
    ------
    Paper, Sect. 5.2, for the mean.

    Example
    -------
    >>> import torch
    >>> from course_utils.choosing import solution_path
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> x = torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    >>> path = solution_path(Identity(8), torch.ones(2, 1, 8, 8), Tikhonov, [0.01, 0.1, 1.0])
    >>> oracle(path, x).lam, oracle(path, x, each=False).lam
    (tensor([0.0100, 1.0000]), tensor([1., 1.]))
    """
    check_kind("solutions", solutions, SolutionPath)
    check_tensor("truth", truth, tuple(solutions.x.shape[1:]), like=solutions.y)
    check_finite("truth", truth)
    each = check_flag("each", each)
    P, B = solutions.residual.shape
    scores = psnr(solutions.result.x, truth.repeat(P, 1, 1, 1)).reshape(P, B)
    best = scores.argmax(0) if each else scores.mean(1).argmax().expand(B)
    return best_of_grid("oracle", solutions, best, {"psnr": scores})
