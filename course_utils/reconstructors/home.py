"""Where a network is trained: its operator and its noise.  What the networks share that are built for such a home."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_kind, check_nonnegative, check_seed, check_tensor
from ..operators import LinearOperator, ParallelBeam, measure
from ..operators.simple import GaussianMatrix
from .base import LearnedReconstructor

__all__ = ["Home", "HomeConfig", "HomeNetwork"]


@dataclass(frozen=True)
class Home:
    """The operator and the noise level with which a network is trained, as plain values.

    Parameters
    ----------
    size : int
        Side of the images in pixels.
    sigma : float, >= 0
        Noise level of the training data, in units of the data of an operator of norm 1.
    views : int, optional
        Of ``ParallelBeam.full``: tomography.
    m : int, optional
        Number of measurements of a ``GaussianMatrix``: compressed sensing.  One of the two has to be given.
    seed : int
        Of the matrix.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> Home(56, sigma=0.1, views=30).operator().shape_out, Home(28, sigma=0.05, m=150).operator().shape_out
    ((30, 81), (150,))
    >>> print(Home(28, sigma=0.05, m=150))
    150 random measurements of 28 x 28 pixels, noise 0.05
    """

    size: int
    sigma: float
    views: int | None = None
    m: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", check_count("size", self.size, minimum=2))
        object.__setattr__(self, "sigma", float(check_nonnegative("sigma", self.sigma)))
        object.__setattr__(self, "seed", check_seed("seed", self.seed))
        if (self.views is None) == (self.m is None):
            raise ValueError(f"either 'views' or 'm' must be given, got views={self.views} and m={self.m}")
        name = "views" if self.m is None else "m"
        object.__setattr__(self, name, check_count(name, getattr(self, name)))

    def operator(self) -> LinearOperator:
        """A new copy of the operator."""
        if self.views is not None:
            return ParallelBeam.full(self.size, n_angles=self.views)
        return GaussianMatrix(self.m, self.size, torch.Generator().manual_seed(self.seed))

    def __str__(self) -> str:
        data = f"{self.m} random measurements" if self.views is None else f"{self.views} views"
        return f"{data} of {self.size} x {self.size} pixels, noise {self.sigma:g}"


@dataclass(frozen=True)
class HomeConfig:
    """A configuration of a network that is trained at a ``Home``; a subclass adds its layers and its ``family``.

    Parameters
    ----------
    home : Home
        Or its settings, as a dictionary.
    """

    home: Home

    def __post_init__(self) -> None:
        if isinstance(self.home, dict) and set(self.home) <= {field.name for field in fields(Home)}:
            object.__setattr__(self, "home", Home(**self.home))
        check_kind("home", self.home, Home, "a Home or a dictionary of its settings")
        for field in fields(self):
            if field.name == "family":
                check_choice("family", self.family, (field.default,))
            elif field.type == "int":
                object.__setattr__(self, field.name, check_count(field.name, getattr(self, field.name)))


class HomeNetwork(LearnedReconstructor):
    """A network that is built for the sizes of its home, and trained end to end on pairs that are drawn there.

    It minimises E ||x - network(A x + sigma e, A)||^2 over true images x and noise e ~ N(0, I).  A subclass implements
    ``_build(config, A)``, which makes the layers, and ``_map(y, A)``.

    Parameters
    ----------
    config : HomeConfig
    seed : int
        Of the first weights; the global seed is left alone.

    Attributes
    ----------
    any_data : bool
        Whether it also takes data of another shape, from the operator they come from.
    """

    Config: type[HomeConfig] = HomeConfig
    any_data = True

    @classmethod
    def drawn(cls, config: HomeConfig, seed: int) -> HomeNetwork:
        return cls(config, seed)

    def __init__(self, config: HomeConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = check_kind("config", config, self.Config, f"a {self.Config.__name__}")
        A = config.home.operator()
        self._home = (A,)  # in a tuple, so that A is no part of the weights
        self.image_shape = A.shape_in
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(check_seed("seed", seed))
            self._build(config, A)

    def _build(self, config: HomeConfig, A: LinearOperator) -> None:
        raise NotImplementedError

    def _map(self, y: Tensor, A: LinearOperator) -> Tensor:
        raise NotImplementedError

    def _apply(self, fn, recurse: bool = True) -> HomeNetwork:
        self._home[0]._apply(fn)  # the operator goes where the weights go
        return super()._apply(fn, recurse)

    @property
    def trained_with(self) -> LinearOperator:
        return self._home[0]

    def _warning(self, A: LinearOperator) -> str | None:
        said = super()._warning(A)
        return said and f"{said}.  Trained for: {self.config.home}"

    def checked(self, y: Tensor, A: LinearOperator | None) -> LinearOperator:
        """The operator, by default that of the home, if the network can take data of its shape and these are such."""
        home = self.trained_with
        A = home if A is None else check_kind("A", A, LinearOperator)
        if A.shape_in != self.image_shape:
            raise ValueError(f"'A' must take images {self.image_shape} as in training, it takes {A.shape_in}")
        if not self.any_data and A.shape_out != home.shape_out:
            raise ValueError(f"'A' must give data {home.shape_out} as in training, it gives {A.shape_out}")
        check_tensor("y", y, (None, *A.shape_out), like=next(self.parameters()))
        return A

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """The reconstruction from data of ``A`` (default: where it was trained): (B, ...) -> (B, 1, H, W).

        Raises
        ------
        TypeError, ValueError
            Data of a shape that the network was not built for.
        """
        return self._map(y, self.checked(y, A))

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||x - network(A x + noise)||^2 with fresh noise, the mean over the batch: (B, 1, H, W) -> 0-dim."""
        y = measure(self.trained_with, x, self.config.home.sigma, generator)
        return {"loss": (x - self(y)).pow(2).flatten(1).sum(1).mean()}

    def settings(self) -> dict:
        """The configuration, with its home, as plain values."""
        return asdict(self.config)
