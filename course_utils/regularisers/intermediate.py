"""A relative of the relaxed method: deviations inside the network."""

from __future__ import annotations

from torch import Tensor, nn

from .._check import check_count
from ..generators import Generator
from ..operators import LinearOperator
from .fidelity import Fidelity
from .generative import TwoWeights
from .objective import SQUARED, LatentObjective, Objective, per_problem, sum_of_squares

__all__ = ["Intermediate", "IntermediateObjective"]


class IntermediateObjective(LatentObjective):
    """||A G_2(G_1(z) + v) - y||^2 + lam (||v||^2 + mu ||z||^2) in one vector (z, v) for each problem.

    ``scores`` (inherited) judges a start by the hard objective with weight lam mu, that is at v = 0.
    """

    batched = ("y", "lam", "penalty")

    def __init__(self, A: LinearOperator, y: Tensor, R: Intermediate, lam: Tensor, mu: Tensor) -> None:
        super().__init__(A, y, R.G, lam * mu)
        self.R, self.penalty = R, lam

    def images(self, w: Tensor) -> Tensor:
        """G_2(G_1(z) + v): (B, d + q) -> (B, 1, H, W)."""
        z, v = w[:, : self.G.latent_dim], w[:, self.G.latent_dim :]
        h = self.R.G_1(z)
        return self.R.G_2(h + v.reshape(h.shape))

    def _value(self, w: Tensor) -> Tensor:
        d = self.G.latent_dim
        misfit = sum_of_squares(self.A(self.images(w)) - self.y)
        return misfit + self.penalty * sum_of_squares(w[:, d:]) + self.lam * sum_of_squares(w[:, :d])


class Intermediate(TwoWeights):
    r"""Small deviations v in an intermediate layer: :math:`G = G_2\circ G_1`, :math:`x = G_2(G_1(z) + v)`.

    :math:`\min_{z,v} \|A\,G_2(G_1(z)+v) - y\|_2^2 + \lambda(\|v\|_2^2 + \mu\|z\|_2^2)`.  With G_2 = I this is
    *relaxed*.  With a layer before, what is added is made of strokes the network knows, not of pixels.

    Parameters
    ----------
    G : Generator
    lam, mu : float or (B,) tensor, >= 0
    layer : int
        G_1 are the first ``layer`` modules of ``G.decoder``.

    Raises
    ------
    ValueError
        A layer that does not exist, or after which nothing is left for G_2.

    Source
    ------
    Daras et al., ICML 2021 (ILO); Gunn, Cocola, Hand 2022, the paper's reference [49]; paper, Sect. 3.1.2.
    """

    def __init__(self, G: Generator, lam: float | Tensor, mu: float | Tensor, layer: int = 3) -> None:
        super().__init__(G, lam, mu)
        layer = check_count("layer", layer)
        if not isinstance(getattr(G, "decoder", None), nn.Sequential):
            raise TypeError(f"'G' must have a decoder of layers, nn.Sequential, to be cut in two; a {G.name} has none")
        if layer >= len(G.decoder):
            raise ValueError(f"'layer' must be less than {len(G.decoder)}, the number of modules of G, got {layer}")
        self.layer = layer

    @property
    def G_1(self) -> nn.Sequential:
        """Latent vector to activation."""
        return self.G.decoder[: self.layer]

    @property
    def G_2(self) -> nn.Sequential:
        """Activation to image."""
        return self.G.decoder[self.layer :]

    def problem(self, A: LinearOperator, y: Tensor, fidelity: Fidelity = SQUARED) -> Objective:
        self.check(A, fidelity)
        return IntermediateObjective(A, y, self, per_problem("lam", self.lam, y), per_problem("mu", self.mu, y))
