"""Generative regularisers: images far from the range of a generator G are penalised, eq. (7).

    R_G(x) = min_z F(G(z) - x) + R_Z(z),     R_Z(z) = mu ||z||^2 (hard: ||z||^2)

Hard takes F = 0 at 0 and infinity elsewhere, relaxed F = ||.||_2^2, sparse F = ||.||_1,
sparse-TV F = TV.
``lam`` and ``mu`` are numbers or (B,) tensors: with tensors, every problem of a batch has its own weights,
so that a parameter sweep is one batch.
"""

from __future__ import annotations

from torch import Tensor

from .._check import check_nonnegative
from ..generators import Generator
from .latent import LatentRegulariser, SquaredNorm

__all__ = ["Hard", "Relaxed", "Sparse", "SparseTV"]


class _Generative:
    """A generator with weights."""

    def __init__(self, G: Generator, lam: float | Tensor) -> None:
        if not isinstance(G, Generator):
            raise TypeError(f"'G' must be a Generator, got {type(G).__name__}")
        check_nonnegative("lam", lam)
        self.G, self.lam = G, lam

    def __repr__(self) -> str:
        weights = ", ".join(f"{k}={v}" for k, v in vars(self).items() if k != "G")
        return f"{type(self).__name__}({self.G.config.family}, {weights})"


class Hard(_Generative):
    r"""Solutions lie in the range: :math:`\min_z \|A G(z) - y\|_2^2 + \lambda R_{\mathcal Z}(z)`, :math:`x = G(z)`.

    Parameters
    ----------
    G : Generator
    lam : float or (B,) tensor, >= 0
        Plays no part if R_Z is a constraint.
    R_Z : LatentRegulariser, optional
        Default: the squared norm of z.

    Raises
    ------
    TypeError, ValueError
        Not a generator, negative weight, R_Z of another kind.

    Source
    ------
    Bora et al., ICML 2017; paper eq. (3), Sect. 3.1.1 and 3.2.
    """

    def __init__(self, G: Generator, lam: float | Tensor = 0.0, R_Z: LatentRegulariser | None = None) -> None:
        super().__init__(G, lam)
        if R_Z is not None and not isinstance(R_Z, LatentRegulariser):
            raise TypeError(f"'R_Z' must be a LatentRegulariser, got {type(R_Z).__name__}")
        self.R_Z = SquaredNorm() if R_Z is None else R_Z


class _TwoWeights(_Generative):
    def __init__(self, G: Generator, lam: float | Tensor, mu: float | Tensor) -> None:
        super().__init__(G, lam)
        check_nonnegative("mu", mu)
        self.mu = mu


class Relaxed(_TwoWeights):
    r"""Small deviations from the range: :math:`\min_{x,z} \|Ax - y\|_2^2 + \lambda(\|G(z) - x\|_2^2 + \mu\|z\|_2^2)`.

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 3.1.2 and 5.
    """


class Sparse(_TwoWeights):
    r"""Sparse deviations u from the range, :math:`x = G(z) + u`.

    :math:`\min_{z,u} \|A(G(z) + u) - y\|_2^2 + \lambda(\|u\|_1 + \mu\|z\|_2^2)`

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Dhar et al., ICML 2018; paper, Sect. 3.1.2 and 5.
    """


class SparseTV(_TwoWeights):
    r"""Deviations u from the range with few edges, :math:`x = G(z) + u`: sparse with :math:`F(u)=\mathrm{TV}(u)`.

    :math:`\min_{z,u} \|A(G(z) + u) - y\|_2^2 + \lambda(\mathrm{TV}(u) + \mu\|z\|_2^2)`, TV isotropic: a bright spot
    that G has never seen costs its edge and not its area.

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 5.4.
    """
