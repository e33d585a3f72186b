"""What every learned regulariser is: a network R(x) with a number for each image, and its use with a weight."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..._check import (
    check_between,
    check_count,
    check_entries,
    check_generator,
    check_kind,
    check_nonnegative,
    check_tensor,
)
from ...families import Trainable
from ...operators import ParallelBeam, fbp, measure
from ..base import Regulariser, check_batch

__all__ = ["LearnedRegulariser", "RegulariserNetwork", "TomographyHome"]


class RegulariserNetwork(Trainable):
    """A network R: (B, 1, H, W) -> (B,), small for images as they should be.

    A subclass sets ``image_shape`` and ``config``, a dataclass, and implements ``value`` and ``losses``.
    """

    def value(self, x: Tensor) -> Tensor:
        """R(x) of images that have been checked."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """R(x): (B, 1, H, W) -> (B,).

        Raises
        ------
        TypeError, ValueError
        """
        self.check_images(x)
        return self.value(x)

    def grad(self, x: Tensor) -> Tensor:
        """The gradient of R, shaped like x; differentiable in its turn."""
        self.check_images(x)
        return self._slope(x)

    def _slope(self, x: Tensor) -> Tensor:
        wanted = self.differentiated(x)
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            return torch.autograd.grad(self.value(at).sum(), at, create_graph=wanted)[0]

    def check_images(self, x: Tensor) -> None:
        """Raise unless ``x`` is (B, 1, H, W), of the dtype and on the device of the weights."""
        check_tensor("x", x, (None, 1, None, None), like=next(self.parameters()))
        check_entries("x", x)

    def validation_score(self, val: Tensor, generator: torch.Generator) -> float:
        with torch.enable_grad():  # the loss holds a gradient of R
            return self.losses(val, generator)["loss"].item()

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config)


class LearnedRegulariser(Regulariser):
    """A learned regulariser R with its weight, for :math:`F(Ax,y)+\\lambda R(x)`.

    Parameters
    ----------
    network : RegulariserNetwork
        R.  Freeze it first.
    lam : float or (B,) tensor, >= 0

    Source
    ------
    Lectures, part II.3: regularisers that are learned from data; Arridge, Maass, Öktem, Schönlieb, Acta Numerica 28
    (2019), Sect. 4.

    Example
    -------
    >>> from course_utils.regularisers import RidgeConfig, RidgeRegulariser
    >>> R = LearnedRegulariser(RidgeRegulariser(RidgeConfig(size=28, filters=4, width=3)).freeze(), lam=0.1)
    >>> R(torch.zeros(2, 1, 28, 28))
    tensor([0., 0.])
    """

    smooth = True

    def __init__(self, network: RegulariserNetwork, lam: float | Tensor) -> None:
        super().__init__(lam)
        self.network = check_kind("network", network, RegulariserNetwork, "a network that is a regulariser")

    def __call__(self, x: Tensor) -> Tensor:
        return self.network(x)

    def grad(self, x: Tensor) -> Tensor:
        check_batch(x)
        with torch.no_grad():
            return self.network.grad(x)

    def __repr__(self) -> str:
        return f"LearnedRegulariser({type(self.network).__name__}, lam={self.lam})"


@dataclass(frozen=True)
class TomographyHome:
    """Where a regulariser is trained that has to see bad reconstructions: tomography with few views.

    Parameters
    ----------
    size : int
        Side of the images in pixels.
    n_angles : int
        Views, of ``ParallelBeam.full``.
    sigma : float, >= 0
        Noise level of the data.
    cutoff : float in (0, 1]
        Of the Hann window of the filtered back-projections: the smaller, the less noise is left in them.
    """

    size: int = 56
    n_angles: int = 30
    sigma: float = 0.1
    cutoff: float = 0.5

    def __post_init__(self) -> None:
        for name in ("size", "n_angles"):
            # a frozen dataclass has no other way to store what a check returns
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "sigma", check_nonnegative("sigma", self.sigma))
        object.__setattr__(self, "cutoff", check_between("cutoff", self.cutoff, 0, 1, "(]"))


class TrainedOnPairs(RegulariserNetwork):
    """A regulariser that is trained on true images and on filtered back-projections of noisy data of other ones."""

    def __init__(self, config: TomographyHome) -> None:
        super().__init__()
        self.config = config
        self.image_shape = (1, config.size, config.size)
        # in a tuple, so that it is no part of the weights
        self._home = (ParallelBeam.full(config.size, n_angles=config.n_angles),)

    def _apply(self, fn, recurse: bool = True) -> TrainedOnPairs:
        self._home[0]._apply(fn)  # it goes where the weights go
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def naive(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Filtered back-projections of noisy data of x: what has to be told from true images."""
        self.check_images(x)
        check_generator(generator)
        A = self._home[0]
        return fbp(A, measure(A, x, self.config.sigma, generator), filter="hann", cutoff=self.config.cutoff)
