"""Normalising flow: a generator with an inverse and a density.  Paper Sect. 2.5."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .._check import check_count, check_entries, check_generator, check_seed, check_tensor, default
from ..families import Trainable

__all__ = ["Flow"]

MAX_LOG_SCALE = 1.5  # one layer stretches by at most e^1.5 = 4.5: keeps the inverse stable


class Coupling(nn.Module):
    """One affine coupling layer: half of the coordinates is stretched and shifted as the other half says.

    ``keep`` is a boolean mask (d,) of the coordinates that pass through unchanged.
    """

    def __init__(self, keep: Tensor, hidden: int) -> None:
        super().__init__()
        dim = len(keep)
        self.register_buffer("keep", default(keep))
        self.net = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 2 * dim),
        )
        nn.init.zeros_(self.net[-1].weight)  # the untrained layer is the identity
        nn.init.zeros_(self.net[-1].bias)

    def _scale_and_shift(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Log scale and shift of every coordinate, 0 for those that are kept: (B, d) -> two (B, d)."""
        log_scale, shift = self.net(v * self.keep).chunk(2, dim=1)
        change = 1 - self.keep
        return MAX_LOG_SCALE * torch.tanh(log_scale) * change, shift * change

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(B, d) -> image (B, d) and log |det| of the Jacobian (B,).  The Jacobian is triangular."""
        log_scale, shift = self._scale_and_shift(z)
        return z * log_scale.exp() + shift, log_scale.sum(1)

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The exact inverse and log |det| of ITS Jacobian: (B, d) -> (B, d), (B,)."""
        log_scale, shift = self._scale_and_shift(x)
        return (x - shift) * (-log_scale).exp(), -log_scale.sum(1)


class Flow(Trainable):
    r"""An invertible generator G: R^d -> R^d made of affine coupling layers, with an exact density.

    With z ~ N(0, I) and x = G(z), the change of variables gives

    .. math:: -\log p(x) = \tfrac12 \|G^{-1}(x)\|_2^2 + \tfrac d2 \log 2\pi
              - \log |\det \nabla G^{-1}(x)|.

    Two regularisers follow: R(x) = -log p(x), and the paper's R_G(x) = ||G^{-1}(x)||_2^2, which drops the
    determinant.

    Parameters
    ----------
    dim : int >= 2
        Dimension d of latent space and data space alike.
    layers : int
        Number of coupling layers; they change the two halves of the coordinates in turn.
    hidden : int
        Width of the two hidden layers in each.
    seed : int
        Of the initial weights; the global seed is left alone.

    Source
    ------
    Paper Sect. 2.5; Dinh, Sohl-Dickstein, Bengio, ICLR 2017; derived in chapter 03.

    Example
    -------
    An untrained flow is the identity, so its density is that of N(0, I): log p(0) = -log 2 pi in the plane.

    >>> G = Flow(2).freeze()
    >>> round(float(-G.log_prob(torch.zeros(1, 2))), 4), round(math.log(2 * math.pi), 4)
    (1.8379, 1.8379)
    """

    def __init__(self, dim: int, layers: int = 6, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        dim = check_count("dim", dim, minimum=2)
        layers = check_count("layers", layers)
        hidden = check_count("hidden", hidden)
        self.latent_dim, self.image_shape = dim, (dim,)
        self._settings = {"family": "flow", "dim": dim, "layers": layers, "hidden": hidden}
        even = torch.arange(dim) % 2 == 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(check_seed("seed", seed))
            self.layers = nn.ModuleList(Coupling(even if i % 2 == 0 else ~even, hidden) for i in range(layers))

    def _check(self, name: str, value: Tensor) -> None:
        check_tensor(name, value, (None, self.latent_dim), like=next(self.parameters()))
        check_entries(name, value)

    def forward(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, d)."""
        self._check("z", z)
        for layer in self.layers:
            z = layer(z)[0]
        return z

    def inverse_with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """G^-1(x) and log |det| of its Jacobian: (B, d) -> (B, d), (B,)."""
        self._check("x", x)
        total = x.new_zeros(len(x))
        for layer in reversed(self.layers):
            x, log_det = layer.inverse(x)
            total = total + log_det
        return x, total

    def inverse(self, x: Tensor) -> Tensor:
        """G^-1(x): (B, d) -> (B, d), exact up to round-off."""
        return self.inverse_with_log_det(x)[0]

    encode = inverse

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), the exact log density of G(z), z ~ N(0, I): (B, d) -> (B,)."""
        z, log_det = self.inverse_with_log_det(x)
        return log_det - 0.5 * z.pow(2).sum(1) - 0.5 * self.latent_dim * math.log(2 * math.pi)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` points G(z), z ~ N(0, I): (n, d)."""
        n = check_count("n", n)
        check_generator(generator)
        like = next(self.parameters())
        z = torch.randn(n, self.latent_dim, generator=generator, device=generator.device, dtype=like.dtype)
        return self(z.to(like.device))

    def losses(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The mean of -log p(x) over a batch (B, d), in nats: maximum likelihood."""
        return {"loss": -self.log_prob(x).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return dict(self._settings)
