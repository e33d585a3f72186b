"""A regulariser that knows how an image may differ from the range of its generator: Duff et al. 2023."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_nonnegative, check_tensor
from ..generators import LocalPrecision, StructuredVAE
from ..operators import LinearOperator
from .fidelity import Fidelity
from .generative import Generative
from .objective import (
    SQUARED,
    LatentObjective,
    Objective,
    QuadraticObjective,
    per_problem,
    spread,
    sum_of_squares,
)

__all__ = ["CovarianceObjective", "LearnedCovariance", "XBlock"]


class XBlock(QuadraticObjective):
    """||A x - y||^2 + lam / 2 ||x - g||^2 in the norm of Sigma^-1, in x, for fixed g = G(z) and Sigma = Sigma(z)."""

    batched = ("y", "g", "half", "_diagonal")

    def __init__(
        self, A: LinearOperator, y: Tensor, g: Tensor, covariance: LocalPrecision, half: Tensor, level: Tensor
    ) -> None:
        self.A, self.y, self.g, self.covariance, self.half = A, y, g, covariance, half
        self._diagonal = level + spread(half, g) * covariance.precision_diagonal()

    def select(self, index: Tensor | slice) -> XBlock:
        part = super().select(index)
        part.covariance = self.covariance.select(index)
        return part

    def _value(self, x: Tensor) -> Tensor:
        return sum_of_squares(self.A(x) - self.y) + self.half * self.covariance.quadratic(x - self.g)

    def _pull(self, x: Tensor) -> Tensor:
        return spread(self.half, x) * self.covariance.precision(x)

    def normal(self, x: Tensor) -> Tensor:
        return self.A.T(self.A(x)) + self._pull(x)

    def right(self) -> Tensor:
        return self.A.T(self.y) + self._pull(self.g)

    def diagonal(self) -> Tensor:
        return self._diagonal


class _ZBlock(Objective):
    """lam R(x, z) in z, for fixed x."""

    batched = ("x", "lam")

    def __init__(self, R: LearnedCovariance, x: Tensor, lam: Tensor) -> None:
        self.R, self.x, self.lam = R, x, lam

    def magnitude(self) -> Tensor:
        return torch.zeros_like(self.lam)

    def _value(self, z: Tensor) -> Tensor:
        return self.lam * self.R.joint(self.x, z)


class CovarianceObjective(LatentObjective):
    """||A x - y||^2 + lam R(x, z) in the blocks z and x.

    ``scores`` (inherited) judges a start by the hard objective with weight lam / 2, that is at x = G(z).
    """

    batched = ("y", "weight", "lam")

    def __init__(self, A: LinearOperator, y: Tensor, R: LearnedCovariance, lam: Tensor) -> None:
        super().__init__(A, y, R.G, lam / 2)
        self.R, self.weight = R, lam
        # The mean of the diagonal of A^*A: E ||A v||^2 / n over random signs v.
        signs = torch.randint(2, (4, *A.shape_in), generator=torch.Generator().manual_seed(0)).to(y) * 2 - 1
        self.level = sum_of_squares(A(signs)).mean() / signs[0].numel()

    def total(self, z: Tensor, x: Tensor) -> Tensor:
        """||A x - y||^2 + lam R(x, z): (B,)."""
        return sum_of_squares(self.A(x) - self.y) + self.weight * self.R.joint(x, z)

    def z_block(self, x: Tensor) -> Objective:
        return _ZBlock(self.R, x, self.weight)

    def x_block(self, z: Tensor) -> QuadraticObjective:
        return XBlock(self.A, self.y, self.G(z), self.G.covariance(z), self.weight / 2, self.level)


class LearnedCovariance(Generative):
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
        self.log_det_weight = check_nonnegative("log_det_weight", log_det_weight)

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return self.joint(x, z)

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

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        self.check(A, fidelity)
        return CovarianceObjective(A, y, self, per_problem("lam", self.lam, y))
