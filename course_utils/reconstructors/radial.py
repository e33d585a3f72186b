"""A variational network for radial k-space, built from a configuration that can be stored: what is shipped."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .._check import check_choice, check_count, check_kind, check_nonnegative, check_positive
from ..families import family
from ..operators import MaskedFourier, radial_mask
from .variational_network import VariationalNetwork

__all__ = ["FAMILY", "RadialConfig", "RadialNetwork"]

#: The family under which ``build`` and the zoo know these networks.
FAMILY = "variational network"


@dataclass(frozen=True)
class RadialConfig:
    """Everything that is needed to build a ``RadialNetwork`` again: where it is trained, and its layers.

    Parameters
    ----------
    size : int
        Side of the images in pixels.
    spokes : int
        Of ``radial_mask``.
    sigma : float, >= 0
        Noise level of the training data, of real and of imaginary parts.
    steps, filters, width, nodes, reach
        As in ``VariationalNetwork``, which checks them.
    """

    size: int
    spokes: int
    sigma: float
    steps: int = 8
    filters: int = 16
    width: int = 5
    nodes: int = 31
    reach: float = 1.0
    family: str = FAMILY

    def __post_init__(self) -> None:
        check_choice("family", self.family, (FAMILY,))
        for name in ("size", "spokes", "steps", "filters", "width", "nodes"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "sigma", check_nonnegative("sigma", self.sigma))
        object.__setattr__(self, "reach", check_positive("reach", self.reach))


@family(FAMILY, config=RadialConfig)
class RadialNetwork(VariationalNetwork):
    """A variational network whose home is ``MaskedFourier`` with a radial mask.

    Example
    -------
    >>> network = RadialNetwork(RadialConfig(size=28, spokes=9, sigma=0.05, steps=2, filters=4))
    >>> network.settings()["spokes"]
    9
    """

    @classmethod
    def drawn(cls, config: RadialConfig, seed: int) -> RadialNetwork:
        return cls(config, seed)

    def __init__(self, config: RadialConfig, seed: int = 0) -> None:
        check_kind("config", config, RadialConfig)
        layers = {name: getattr(config, name) for name in ("steps", "filters", "width", "nodes", "reach")}
        A = MaskedFourier(radial_mask(config.size, config.spokes))
        super().__init__(A, config.sigma, seed=seed, **layers)
        self.config = config

    def _apply(self, fn, recurse: bool = True) -> RadialNetwork:
        self._home[0]._apply(fn)  # the operator is no part of the weights, yet it goes where they go
        return super()._apply(fn, recurse)

    def settings(self) -> dict:
        """The configuration, with spokes and noise level, as a plain dictionary."""
        return asdict(self.config)
