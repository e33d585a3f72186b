"""Two relatives of the relaxed method: a distance that an encoder measures, and deviations inside the network."""

from __future__ import annotations

from torch import Tensor, nn

from .._check import check_count
from ..generators import Generator
from .generative import _Generative, _TwoWeights

__all__ = ["EncoderDistance", "Intermediate"]


class EncoderDistance(_Generative):
    r"""Images that an autoencoder does not change: :math:`R(x) = \|x - G(E(x))\|_2^2`.

    The problem :math:`\min_x \|Ax-y\|_2^2 + \lambda R(x)` has the image as its variable.  R is an upper bound of
    the squared distance to the range of G, for G(E(x)) need not be the nearest image.

    Parameters
    ----------
    G : Generator with an encoder
    lam : float or (B,) tensor, >= 0

    Source
    ------
    Paper, Sect. 3.1.2 (its references [9, 10]).
    """

    def __init__(self, G: Generator, lam: float | Tensor) -> None:
        super().__init__(G, lam)
        if not G.has_encoder:
            raise ValueError(f"'G' must have an encoder, a {G.config.family} has none")

    def __call__(self, x: Tensor) -> Tensor:
        """R(x): (B, 1, H, W) -> (B,), differentiable."""
        return (x - self.G(self.G.encode(x))).pow(2).flatten(1).sum(1)


class Intermediate(_TwoWeights):
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
        check_count("layer", layer)
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
