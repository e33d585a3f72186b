"""LISTA: iterative soft thresholding, unrolled, with learned matrices, transforms and thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_flag
from ..families import family
from ..operators import LinearOperator
from .home import HomeConfig, HomeNetwork
from .layers import inversion

__all__ = ["LISTA", "LISTAConfig"]

FAMILY = "lista"


@dataclass(frozen=True)
class LISTAConfig(HomeConfig):
    """Everything that is needed to build a ``LISTA`` again.

    Parameters
    ----------
    home : Home
    steps : int
        Iterations that are unrolled.
    width : int
        Side of the filters of the transform, odd; there are as many filters as entries in one.
    matrix : bool
        Learn the matrix that takes residuals back to images, (n, m); if not, it is the adjoint.
    """

    steps: int = 8
    width: int = 5
    matrix: bool = True
    family: str = FAMILY

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("matrix", self.matrix)
        if self.width % 2 == 0:
            raise ValueError(f"'width' must be odd, got {self.width}")


def _cosines(width: int) -> Tensor:
    """The two-dimensional discrete cosine basis as filters: (width^2, 1, width, width), orthonormal, the mean first."""
    place = torch.arange(width, dtype=torch.float64)
    basis = torch.cos(math.pi * place[:, None] * (place + 0.5) / width) * math.sqrt(2 / width)
    basis[0] /= math.sqrt(2)
    filters = torch.einsum("ai,bj->abij", basis, basis)
    return filters.reshape(width**2, 1, width, width).to(torch.get_default_dtype())


@family(FAMILY, config=LISTAConfig)
class LISTA(HomeNetwork):
    r"""T steps of soft thresholding in a transform, in which all that was given is learned.

    .. math:: x_{k+1} = V_k\, S_{\theta_k}\big(W_k (x_k - \tau_k B (A x_k - y))\big), \qquad x_0 = 0,

    with :math:`S_\theta(c) = \mathrm{sign}(c) \max(|c| - \theta, 0)` and one threshold a filter.  W_k is a convolution
    with a bank of filters, V_k another one back to the image.  They begin as the shifted discrete cosine transform and
    its adjoint, which is its inverse, B as the pseudo-inverse of A: the first weights are those of a known algorithm,
    iterative soft thresholding of cosine coefficients.

    Gregor and LeCun learn the dense matrices of the iteration in the coefficients.  Here A stays where it stands, as
    in ISTA-Net, and the transform is a convolution, which needs fewer weights than n^2.

    Parameters
    ----------
    config : LISTAConfig
    seed : int
        Plays no part, because the first weights are not drawn.

    Source
    ------
    Gregor and LeCun, ICML 2010; Zhang and Ghanem, ISTA-Net, CVPR 2018; the one matrix B: Chen, Liu, Wang, Yin, NeurIPS
    2018.

    Example
    -------
    >>> from course_utils.reconstructors import Home
    >>> network = LISTA(LISTAConfig(Home(28, sigma=0.05, m=150), steps=2, width=3))
    >>> network(torch.zeros(3, 150)).shape
    torch.Size([3, 1, 28, 28])
    """

    Config = LISTAConfig

    @property
    def any_data(self) -> bool:
        return not self.config.matrix

    def _build(self, config: LISTAConfig, A: LinearOperator) -> None:
        filters, T = _cosines(config.width), config.steps
        self.analysis = nn.Parameter(filters.repeat(T, 1, 1, 1, 1))  # W_k: (T, C, 1, width, width)
        self.synthesis = nn.Parameter(filters.repeat(T, 1, 1, 1, 1) / config.width**2)  # V_k
        self.log_tau = nn.Parameter(torch.zeros(T))
        self.log_theta = nn.Parameter(torch.full((T, len(filters)), math.log(0.05)))
        if config.matrix:
            with torch.no_grad():
                unit = torch.eye(A.m, dtype=A.like.dtype).reshape(A.m, *A.shape_out)
                self.B = nn.Parameter(inversion(unit, A).reshape(A.m, -1).contiguous())  # (m, n)

    def _back(self, r: Tensor, A: LinearOperator) -> Tensor:
        """B r, or A^T r."""
        return (r.flatten(1) @ self.B).reshape(-1, *self.image_shape) if self.config.matrix else A.T(r)

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        x, padding = y.new_zeros(len(y), *self.image_shape), self.config.width - 1
        for k, tau in enumerate(self.log_tau.exp()):
            v = x - tau * self._back(A(x) - y, A)
            c = functional.conv2d(
                v, self.analysis[k], padding=padding
            )  # (B, C, H + width - 1, ...): all that see the image
            theta = self.log_theta[k].exp().reshape(-1, 1, 1)
            c = functional.relu(c - theta) - functional.relu(-c - theta)
            x = functional.conv_transpose2d(c, self.synthesis[k], padding=padding)
        return x
