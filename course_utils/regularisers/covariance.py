"""A regulariser that knows how an image may differ from the range of its generator: Duff et al. 2023."""

from __future__ import annotations

from torch import Tensor

from .._check import check_nonnegative, check_tensor
from ..generators import StructuredVAE
from .generative import _Generative

__all__ = ["LearnedCovariance"]


class LearnedCovariance(_Generative):
    r"""Deviations from the range count in the norm that the generator has learned.

    .. math:: R(x) = \min_z \tfrac12\log\det\Sigma(z) + \tfrac12\|x - G(z)\|^2_{\Sigma(z)^{-1}} + \tfrac12\|z\|_2^2

    is minus the logarithm of p(x | z) p(z) at its largest, but for a constant, for x | z ~ N(G(z), Sigma(z)) and
    z ~ N(0, I).  The problem that is solved is :math:`\min_x \|Ax-y\|_2^2 + \lambda R(x)`; with noise of standard
    deviation sigma, :math:`\lambda = 2\sigma^2` gives the most probable (x, z), and leaves nothing to tune.

    The lectures print log det Sigma without the factor 1/2 that the normal density has; ``log_det_weight=1`` is as
    printed.

    Parameters
    ----------
    G : StructuredVAE
        Its family decides: "identity" is the relaxed method with learned weights, "diagonal", "covariance".
    lam : float or (B,) tensor, >= 0
    log_det_weight : float, >= 0

    Raises
    ------
    TypeError, ValueError
        A generator without covariance, a negative weight.

    Source
    ------
    Lectures, part II.2; Duff, Simpson, Ehrhardt, Campbell, Phys. Med. Biol. 68 (2023).
    """

    def __init__(self, G: StructuredVAE, lam: float | Tensor, log_det_weight: float = 0.5) -> None:
        if not isinstance(G, StructuredVAE):
            raise TypeError(f"'G' must be a StructuredVAE, which knows a covariance, got {type(G).__name__}")
        super().__init__(G, lam)
        check_nonnegative("log_det_weight", log_det_weight)
        self.log_det_weight = log_det_weight

    def joint(self, x: Tensor, z: Tensor) -> Tensor:
        """What R minimises over z: (B, 1, H, W), (B, d) -> (B,), differentiable in both.

        Raises
        ------
        TypeError, ValueError
            Images or latent vectors that do not fit the generator, or not one of each other.
        """
        self.G.check_images(x)
        check_tensor("z", z, (len(x), self.G.latent_dim), like=x)
        covariance = self.G.covariance(z)
        misfit = 0.5 * covariance.quadratic(x - self.G(z))
        return self.log_det_weight * covariance.log_det() + misfit + 0.5 * z.pow(2).sum(1)
