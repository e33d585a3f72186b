r"""Plug-and-play: the proximal step of a splitting is replaced by a denoiser, of which nothing else is known.

A denoiser is any D(x, sigma) -> image.  For :math:`D(\cdot,\sigma) = \operatorname{prox}_{\sigma^2 R}`, the best guess
for white noise under the density :math:`e^{-R}`, the methods minimise a function; for others there is none in general.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._check import check_count, check_positive, check_weights
from ..regularisers.objective import spread
from .denoising import Denoising, Problem, data_step

__all__ = ["PnPADMM", "PnPForwardBackward", "PnPHalfQuadratic"]


def check_step(step: float | Tensor, below: float | None = None) -> float | Tensor:
    """A step, or one for each problem, greater than 0, and less than ``below``."""
    step = check_weights("step", step)
    least, greatest = (float(end) for end in torch.as_tensor(step).aminmax())
    if least <= 0 or (below is not None and greatest >= below):
        end = "" if below is None else f" and less than {below:g}"
        raise ValueError(f"'step' must be greater than 0{end}, got {least if least <= 0 else greatest:g}")
    return step


class _PlugAndPlay(Denoising):
    """Two parameters: ``sigma``, told to the denoiser, and the step of the data term in units of 1 / (2 ||A||^2)."""

    longest: float | None = None

    def __init__(
        self,
        denoiser: Callable,
        sigma: float | Tensor,
        step: float | Tensor = 1.0,
        max_iter: int = 500,
        tol: float = 1e-3,
    ) -> None:
        super().__init__(denoiser, sigma, max_iter, tol)
        self.step = check_step(step, self.longest)

    def weights(self) -> dict[str, float | Tensor]:
        return {"sigma": self.sigma, "step": self.step}


class PnPForwardBackward(_PlugAndPlay):
    r"""A gradient step, then the denoiser, :math:`x_{k+1} = D(x_k - 2\tau A^*(Ax_k - y),\ \sigma)`.

    With :math:`D = \operatorname{prox}_{\sigma^2R}` it is ``forward_backward`` for :math:`\|Ax-y\|^2 + \lambda R(x)`
    with :math:`\lambda = \sigma^2/\tau`.  It converges, if there is a fixed point, for every averaged D, for example a
    firmly nonexpansive one.

    Parameters
    ----------
    denoiser : callable
        D(x, sigma): (B, 1, H, W) -> (B, 1, H, W), each image by itself.
    sigma : float or (B,) tensor, >= 0
    step : float or (B,) tensor in (0, 2)
        :math:`2\|A\|^2\tau`.
    max_iter : int
    tol : float > 0
        See ``Denoising``, which also says what ``converged`` promises.

    Raises
    ------
    TypeError, ValueError
        Also a step of 2 or more, with which the data term alone diverges.

    Source
    ------
    Venkatakrishnan, Bouman, Wohlberg, GlobalSIP 2013 (with ADMM); Kamilov, Mansour, Wohlberg, IEEE Signal Process.
    Lett. 24 (2017); Ryu et al., ICML 2019, for the convergence.

    Example
    -------
    With the proximal map of R = ||x||^2 it is Tikhonov regularisation:

    >>> from course_utils import GaussianBlur, Tikhonov, reconstruct
    >>> A, R = GaussianBlur(8), Tikhonov(2 * 0.3**2)  # tau = 1/2
    >>> y = A(torch.ones(1, 1, 8, 8))
    >>> found = reconstruct(A, y, PnPForwardBackward(lambda x, sigma: R.prox(x, sigma**2), sigma=0.3))
    >>> bool(found.converged), bool((found.x - reconstruct(A, y, R).x).abs().max() < 1e-3)
    (True, True)
    """

    longest = 2.0

    def advance(self, at: Tensor, problem: Problem, k: int) -> tuple[Tensor, Tensor]:
        A = problem.A
        slope = A.T(A(at) - problem.y) / (A.norm or 1.0) ** 2
        x = problem.denoised(at - spread(problem["step"], at) * slope)
        return x, x


class PnPADMM(_PlugAndPlay):
    r"""The data term and the denoiser in turn, with a multiplier: the alternating direction method.

    .. math:: x = \arg\min_x \|Ax-y\|^2 + \tfrac1{2\tau}\|x-(z-u)\|^2, \qquad z = D(x+u,\sigma), \qquad u \leftarrow
        u+x-z.

    What is iterated is :math:`w = x+u`, from which z and u follow (Douglas and Rachford).  With :math:`D =
    \operatorname{prox}_{\sigma^2R}` the limit minimises :math:`\|Ax-y\|^2 + \lambda R(x)`, :math:`\lambda =
    \sigma^2/\tau`.  It converges, if there is a fixed point, for every firmly nonexpansive D.

    Parameters
    ----------
    denoiser, sigma, max_iter, tol
        As ``PnPForwardBackward``.
    step : float or (B,) tensor > 0
        :math:`2\|A\|^2\tau`; no value is too large.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Venkatakrishnan, Bouman, Wohlberg, GlobalSIP 2013; Ryu et al., ICML 2019.

    Example
    -------
    >>> from course_utils import GaussianBlur, Tikhonov, reconstruct
    >>> A, R = GaussianBlur(8), Tikhonov(2 * 0.3**2 / 10)
    >>> y = A(torch.ones(1, 1, 8, 8))
    >>> found = reconstruct(A, y, PnPADMM(lambda x, sigma: R.prox(x, sigma**2), sigma=0.3, step=10))
    >>> bool(found.converged), bool((found.x - reconstruct(A, y, R).x).abs().max() < 1e-3)
    (True, True)
    """

    def advance(self, at: Tensor, problem: Problem, k: int) -> tuple[Tensor, Tensor]:
        z = problem.denoised(at)
        x = data_step(problem, 2 * z - at, problem["step"])
        return at + x - z, z


class PnPHalfQuadratic(_PlugAndPlay):
    r"""The data term and the denoiser in turn, half-quadratic splitting.

    .. math:: x_{k+1} = \arg\min_x \|Ax-y\|^2 + \tfrac1{2\tau_k}\|x-z_k\|^2, \qquad z_{k+1} = D(x_{k+1},\sigma_k).

    With :math:`D = \operatorname{prox}_{\sigma^2R}` and constant :math:`\sigma,\tau` the limit z minimises
    :math:`\min_x \|Ax-y\|^2 + \tfrac1{2\tau}\|x-z\|^2 + \lambda R(z)`, :math:`\lambda = \sigma^2/\tau`, which is not
    the function that ADMM minimises: x and z stay apart.  So one may begin with a larger sigma,
    which falls geometrically while :math:`\tau_k = \sigma_k^2/\lambda` follows.

    Parameters
    ----------
    denoiser, sigma, step, max_iter, tol
        As ``PnPADMM``; sigma and step are those at the end.
    first : float > 0, optional
        The first sigma.  Default: no schedule.
    falling : int
        Iterations until ``sigma`` is reached; then the iteration goes on with it.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Geman and Yang, IEEE Trans. Image Process. 4 (1995); Zhang et al., Plug-and-Play Image Restoration with Deep
    Denoiser Prior, IEEE Trans. Pattern Anal. Mach. Intell. 44 (2022), for the schedule.

    Example
    -------
    >>> from course_utils import reconstruct
    >>> from course_utils.operators import Identity
    >>> y = torch.ones(1, 1, 4, 4)
    >>> found = reconstruct(Identity(4), y, PnPHalfQuadratic(lambda x, sigma: x / 2, sigma=0.1))
    >>> bool(found.converged), found.x.mean().round(decimals=2)  # z = x / 2 and 2 x = y + z
    (True, tensor(0.3300))
    """

    def __init__(
        self,
        denoiser: Callable,
        sigma: float | Tensor,
        step: float | Tensor = 1.0,
        max_iter: int = 500,
        tol: float = 1e-3,
        first: float | None = None,
        falling: int = 8,
    ) -> None:
        super().__init__(denoiser, sigma, step, max_iter, tol)
        self.first = None if first is None else check_positive("first", first)
        self.falling = check_count("falling", falling)
        if first is not None and float(torch.as_tensor(self.sigma).min()) <= 0:
            raise ValueError("'sigma' must be greater than 0 if it is reached from 'first', got 0")

    def settled(self, k: int) -> bool:
        return self.first is None or k >= self.falling

    def advance(self, at: Tensor, problem: Problem, k: int) -> tuple[Tensor, Tensor]:
        sigma, step = problem["sigma"], problem["step"]
        if not self.settled(k):
            now = sigma * (self.first / sigma) ** (1 - k / self.falling)
            sigma, step = now, step * (now / sigma) ** 2
        z = problem.denoised(data_step(problem, at, step), sigma)
        return z, z
