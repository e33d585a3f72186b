"""Regularisation by denoising (RED): gradient descent and a fixed-point iteration."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .._check import check_choice, check_weights
from ..regularisers.objective import spread
from .denoising import Denoising, Problem, data_step
from .plug_and_play import check_step

__all__ = ["RED"]


class RED(Denoising):
    r"""Regularisation by denoising: an x with :math:`2A^*(Ax-y) + \lambda\,(x - D(x,\sigma)) = 0`.

    That is the optimality condition of :math:`\|Ax-y\|^2 + \tfrac\lambda2\langle x, x-D(x,\sigma)\rangle` if D is
    homogeneous and its Jacobian symmetric.  For most denoisers it is not (``jacobian_asymmetry``), and nothing is
    minimised; for a ``GradientStepDenoiser`` the function is :math:`\|Ax-y\|^2 + \lambda g(x,\sigma)`.

    .. math:: \text{"gradient":}\quad x_{k+1} = x_k - \frac{s}{2\|A\|^2+2\lambda}\,\big(2A^*(Ax_k-y) +
        \lambda(x_k-D(x_k,\sigma))\big)

    .. math:: \text{"fixed point":}\quad x_{k+1} = \arg\min_x \|Ax-y\|^2 + \tfrac\lambda2\|x-D(x_k,\sigma)\|^2

    If there is a solution, the first converges for every nonexpansive D, the second for every averaged one.

    Parameters
    ----------
    denoiser : callable
        D(x, sigma): (B, 1, H, W) -> (B, 1, H, W), each image by itself.
    sigma : float or (B,) tensor, >= 0
    lam : float or (B,) tensor, > 0
        :math:`\lambda`.
    scheme : "gradient" or "fixed point"
    step : float or (B,) tensor in (0, 2)
        s; plays no part in the fixed-point iteration.
    max_iter : int
    tol : float > 0
        See ``Denoising``, which also says what ``converged`` promises.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Romano, Elad, Milanfar, The Little Engine That Could, SIAM J. Imaging Sci. 10 (2017); Reehorst and Schniter, IEEE
    Trans. Comput. Imaging 5 (2019), for the condition on the Jacobian.

    Example
    -------
    With D(x) = x / 2 it is Tikhonov regularisation of weight lam / 4:

    >>> import torch
    >>> from course_utils import GaussianBlur, Tikhonov, reconstruct
    >>> A = GaussianBlur(8)
    >>> y = A(torch.ones(1, 1, 8, 8))
    >>> found = reconstruct(A, y, RED(lambda x, sigma: x / 2, sigma=0.1, lam=0.4, scheme="fixed point"))
    >>> bool(found.converged), bool((found.x - reconstruct(A, y, Tikhonov(0.1)).x).abs().max() < 1e-3)
    (True, True)
    """

    schemes = ("gradient", "fixed point")

    def __init__(
        self,
        denoiser: Callable,
        sigma: float | Tensor,
        lam: float | Tensor,
        scheme: str = "gradient",
        step: float | Tensor = 1.0,
        max_iter: int = 500,
        tol: float = 1e-3,
    ) -> None:
        super().__init__(denoiser, sigma, max_iter, tol)
        self.lam = check_weights("lam", lam)
        if float(self.lam if not isinstance(self.lam, Tensor) else self.lam.min()) <= 0:
            raise ValueError("'lam' must be greater than 0, got 0")
        self.scheme, self.step = check_choice("scheme", scheme, self.schemes), check_step(step, 2.0)

    def weights(self) -> dict[str, float | Tensor]:
        return {"sigma": self.sigma, "lam": self.lam, "step": self.step}

    def advance(self, at: Tensor, problem: Problem, k: int) -> tuple[Tensor, Tensor]:
        A, lam = problem.A, problem["lam"]
        squared = (A.norm or 1.0) ** 2
        guess = problem.denoised(at)
        if self.scheme == "fixed point":
            x = data_step(problem, guess, 2 * squared / lam)
        else:
            slope = 2 * A.T(A(at) - problem.y) + spread(lam, at) * (at - guess)
            x = at - spread(problem["step"] / (2 * squared + 2 * lam), at) * slope
        return x, x
