"""Diffusion posterior sampling: each step back from noise is followed by a step towards the data."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from .._check import check_positive, check_weights
from ..generators.score import ScoreModel
from ..operators import LinearOperator
from ..regularisers.objective import spread, sum_of_squares
from .sampler import Noise, PosteriorSampler

__all__ = ["DPS"]


class DPS(PosteriorSampler):
    r"""Ancestral sampling, with a gradient step through the denoiser D at each noise level.

    .. math:: x_s = \text{(a step of the prior from } x_t)
              - \zeta_t\, \nabla_{x_t} \tfrac12\|y - A D(x_t)\|^2,

    because the score of the posterior is that of the prior plus that of p(y | x_t).  The latter is not known.  In its
    place DPS takes N(A D(x_t), sigma^2 I), as if D(x_t) were the clean image: the width of x_0 given x_t is forgotten.

    Parameters
    ----------
    model : ScoreModel
    step : float or (steps,) tensor, > 0
        A number, or one for each step of the walk.  Without ``sigma``, the rule of the paper,
        zeta = step / ||y - A D(x_t)||, with which the noise level plays no part.
    steps, draws, seed
        See ``PosteriorSampler``.
    sigma : float > 0, optional
        With it, zeta = step (1 - r) / (sqrt(r) sigma^2), r = abar_t / abar_s, which for step = 1 is what the
        approximation of p(y | x_t) asks for.  Small sigma wants many steps, else the walk is unstable.

    Raises
    ------
    TypeError, ValueError
        A step that is not > 0, or as many as the walk does not have.

    Source
    ------
    Chung, Kim, Mccann, Klasky, Ye, ICLR 2023, Algorithm 1; the factor 1/2 is in the step here.

    Example
    -------
    >>> from course_utils import GaussianBlur
    >>> from course_utils.generators import ImageDiffusion, ImagePriorConfig
    >>> model = ImageDiffusion(ImagePriorConfig("image-diffusion", widths=(8, 16), steps=5)).freeze()
    >>> A = GaussianBlur(28)
    >>> DPS(model).samples(A(torch.ones(2, 1, 28, 28)), A, 3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 2, 1, 28, 28])
    """

    def __init__(
        self,
        model: ScoreModel,
        step: float | Tensor = 1.0,
        steps: int | None = None,
        draws: int = 1,
        seed: int = 0,
        sigma: float | None = None,
    ) -> None:
        super().__init__(model, steps, draws, seed)
        self.step = check_steps("step", step, self.steps)
        self.sigma = None if sigma is None else check_positive("sigma", sigma)

    def walk(self, y: Tensor, A: LinearOperator, noise: Noise) -> Tensor:
        model, x = self.model, noise()
        through = torch.is_grad_enabled() and y.requires_grad  # whether the images are to be differentiated by y
        for k, (t, s) in enumerate(pairwise(model.times(self.steps))):
            with torch.enable_grad():
                v = x if x.requires_grad else x.detach().requires_grad_()
                x0 = model.denoise(v, torch.full((len(x),), t, device=x.device))
                misfit = sum_of_squares(A(x0) - y)
                (slope,) = torch.autograd.grad(misfit.sum() / 2, v, create_graph=through)
            if not through:
                x0, misfit = x0.detach(), misfit.detach()
            x = model.back(x, x0, t, s, noise()) - spread(self._zeta(k, t, s, misfit), x) * slope
        return x

    def _zeta(self, k: int, t: int, s: int, misfit: Tensor) -> Tensor:
        """The size of the step towards the data: (B,)."""
        if self.sigma is None:
            return float(self.step[k]) / misfit.clamp_min(torch.finfo(misfit.dtype).tiny).sqrt()
        r = float(self.model.alpha_bar[t] / self.model.alpha_bar[s])
        return torch.full_like(misfit, float(self.step[k]) * (1 - r) / (r**0.5 * self.sigma**2))


def check_steps(name: str, value: float | Tensor, steps: int) -> list[float]:
    """Step sizes > 0, one for each step of a walk: a number is repeated."""
    value = check_weights(name, value)
    if not isinstance(value, Tensor):
        return [float(check_positive(name, value))] * steps
    if value.shape != (steps,) or not bool((value > 0).all()):
        raise ValueError(
            f"'{name}' must be a number > 0, or one > 0 for each of {steps} steps, got shape {tuple(value.shape)}, "
            f"the least {value.min().item() if value.numel() else math.nan:g}"
        )
    return value.tolist()
