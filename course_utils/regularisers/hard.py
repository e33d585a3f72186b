"""Hard: solutions lie in the range of the generator.  R_Z says where in the latent space."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generators import Generator
from .fidelity import Fidelity
from .generative import Generative
from .latent import LatentRegulariser, SquaredNorm
from .objective import SQUARED, LatentObjective, Objective, per_problem, sum_of_squares
from .starts import latent_starts

__all__ = ["ConstrainedObjective", "Hard", "HardObjective", "PenalisedObjective"]


class HardObjective(LatentObjective):
    """||A G(z) - y||^2 + lam ||z||^2 in z, eq. (3); or with another data term."""

    def _value(self, z: Tensor) -> Tensor:
        return self.fidelity(self.A(self.G(z)), self.y) + self.lam * sum_of_squares(z)


class PenalisedObjective(LatentObjective):
    """||A G(z) - y||^2 + lam R_Z(z, G(z)) in z."""

    def __init__(self, A, y: Tensor, G: Generator, lam: Tensor, R_Z: LatentRegulariser, fidelity: Fidelity) -> None:
        super().__init__(A, y, G, lam, fidelity)
        self.R_Z = R_Z

    def _value(self, z: Tensor) -> Tensor:
        x = self.G(z)
        return self.fidelity(self.A(x), self.y) + self.lam * self.R_Z(z, x)

    def scores(self, images: Tensor, z: Tensor, profile: Tensor | None = None) -> Tensor:
        prior = torch.cat([self.R_Z(*part) for part in zip(z.split(512), images.split(512), strict=True)])
        return self.misfits(images, profile) + self.lam[:, None] * prior


class ConstrainedObjective(LatentObjective):
    """||A G(z) - y||^2 for z in the set of a constraint R_Z, of which only the projection is used."""

    def __init__(self, A, y: Tensor, G: Generator, lam: Tensor, R_Z: LatentRegulariser, fidelity: Fidelity) -> None:
        super().__init__(A, y, G, lam, fidelity)
        self.R_Z = R_Z

    def _value(self, z: Tensor) -> Tensor:
        return self.fidelity(self.A(self.G(z)), self.y)

    def prox(self, z: Tensor, tau: Tensor) -> Tensor:
        """Of the indicator function: the projection, whatever tau."""
        return self.R_Z.project(z)

    def scores(self, images: Tensor, z: Tensor, profile: Tensor | None = None) -> Tensor:
        return self.misfits(images, profile)

    def starts(self, start, n_starts, generator, x0):
        return latent_starts(self, self.G, self.y, start, n_starts, generator, x0, constraint=self.R_Z)


class Hard(Generative):
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

    def price(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        """R_Z(z) where g is x up to a thousandth of its norm, infinite elsewhere."""
        outside = sum_of_squares(g - x) > 1e-6 * sum_of_squares(x)
        return torch.where(outside, torch.inf, self.R_Z(z, g))

    def searched(self, x: Tensor, g: Tensor, z: Tensor, mu: Tensor) -> Tensor:
        return sum_of_squares(g - x)

    def problem(self, A, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        """In z.  ``A`` need not be linear: ``Magnitude`` will do."""
        self.check(A, fidelity, general=True)
        lam = per_problem("lam", self.lam, y)
        if isinstance(self.R_Z, SquaredNorm):
            return HardObjective(A, y, self.G, lam, fidelity)
        kind = ConstrainedObjective if self.R_Z.constraint else PenalisedObjective
        return kind(A, y, self.G, lam, self.R_Z, fidelity)
