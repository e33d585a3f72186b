"""Plug-and-play with a diffusion: denoise, move to the data exactly, add noise again."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from .._check import check_between, check_positive
from ..generators.score import ScoreModel
from ..operators import LinearOperator
from .sampler import Noise, PosteriorSampler, data_prox

__all__ = ["DiffPIR"]


class DiffPIR(PosteriorSampler):
    r"""Half-quadratic splitting along the noise levels of a diffusion, with denoiser D.

    At each level t, with the next s, :math:`\bar\sigma_t^2 = (1-\bar\alpha_t)/\bar\alpha_t`, and white noise n,

    .. math:: \hat x_0 = \arg\min_x \|Ax-y\|^2 + \rho_t\|x - D(x_t)\|^2,\qquad
              \rho_t = \lambda\,\sigma^2/\bar\sigma_t^2,

    .. math:: \hat e = \frac{x_t - \sqrt{\bar\alpha_t}\,\hat x_0}{\sqrt{1-\bar\alpha_t}},\qquad
              x_s = \sqrt{\bar\alpha_s}\,\hat x_0
              + \sqrt{1-\bar\alpha_s}\,\big(\sqrt{1-\zeta}\,\hat e + \sqrt\zeta\, n\big).

    No gradient goes through the network.  The data step is exact, by ``data_prox``.

    Parameters
    ----------
    model : ScoreModel
    sigma : float > 0
        The noise level of the data.
    lam : float > 0
        lambda: large trusts the prior.
    zeta : float in [0, 1]
        The share of new noise; 0 is deterministic but for the start.
    steps, draws, seed
        See ``PosteriorSampler``.

    Source
    ------
    Zhu et al., CVPR Workshops 2023, Algorithm 1.

    Example
    -------
    >>> from course_utils import GaussianBlur, reconstruct
    >>> from course_utils.generators import ImageDiffusion, ImagePriorConfig
    >>> model = ImageDiffusion(ImagePriorConfig("image-diffusion", widths=(8, 16), steps=5)).freeze()
    >>> A = GaussianBlur(28)
    >>> reconstruct(A, A(torch.ones(2, 1, 28, 28)), DiffPIR(model, sigma=0.05)).x.shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        model: ScoreModel,
        sigma: float,
        lam: float = 8.0,
        zeta: float = 0.3,
        steps: int | None = None,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(model, steps, draws, seed)
        self.sigma, self.lam = check_positive("sigma", sigma), check_positive("lam", lam)
        self.zeta = check_between("zeta", zeta, 0, 1, "[]")

    def walk(self, y: Tensor, A: LinearOperator, noise: Noise) -> Tensor:
        model, x = self.model, noise()
        for t, s in pairwise(model.times(self.steps)):
            now, then = float(model.alpha_bar[t]), float(model.alpha_bar[s])
            x0 = model.denoise(x, torch.full((len(x),), t, device=x.device))
            x0 = data_prox(A, y, x0, self.lam * self.sigma**2 * now / (1 - now))
            e = (x - now**0.5 * x0) / (1 - now) ** 0.5
            e = (1 - self.zeta) ** 0.5 * e + self.zeta**0.5 * noise()
            x = then**0.5 * x0 + (1 - then) ** 0.5 * e
        return x
