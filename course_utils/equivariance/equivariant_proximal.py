r"""Learned proximal gradient descent, ordinary or equivariant: one network, and the group is a setting of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from .._check import check_choice, check_count, check_kind, check_nonnegative, check_tensor
from ..families import family
from ..operators import LinearOperator, ParallelBeam, measure
from ..reconstructors.base import LearnedReconstructor
from .groups import GROUPS, Group
from .layers import GroupConv, ResidualBlock

__all__ = ["LearnedProximalGradient", "ProximalConfig", "equal_weights"]

#: The family under which ``build`` and the zoo know these networks.
FAMILY = "equivariant proximal gradient"


@dataclass(frozen=True)
class ProximalConfig:
    """Everything that is needed to build a ``LearnedProximalGradient`` again: where it is trained, and its layers.

    Parameters
    ----------
    size : int
        Side of the images in pixels.
    views : int
        Of ``ParallelBeam.full``.  Even, if quarter turns are to map the views to themselves.
    sigma : float, >= 0
        Noise level of the training data.
    group : {"C2", "C4", "D4"}, optional
        Of the equivariant network; None is the ordinary one.
    channels : int
        Between the convolutions of a block: fields times order of the group.
    blocks : int
    memory : int
        Images that a block hands to the next beside x.

    Raises
    ------
    TypeError, ValueError
        Channels that are no multiple of the order of the group, among others.
    """

    size: int
    views: int
    sigma: float
    group: str | None = None
    channels: int = 32
    blocks: int = 6
    memory: int = 5
    family: str = FAMILY

    def __post_init__(self) -> None:
        check_choice("family", self.family, (FAMILY,))
        if self.group is not None:
            check_choice("group", self.group, GROUPS)
        for name in ("size", "views", "channels", "blocks"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "memory", check_count("memory", self.memory, minimum=0))
        object.__setattr__(self, "sigma", check_nonnegative("sigma", self.sigma))
        if self.channels % self.H.order:
            raise ValueError(
                f"'channels' must be a multiple of {self.H.order}, the order of {self.H.name}, got {self.channels}"
            )

    @property
    def H(self) -> Group:
        """The group; that of the identity alone for the ordinary network."""
        return Group(self.group or "C1")

    @property
    def n_weights(self) -> int:
        """Number of weights of the network."""
        C, order, images = self.channels // self.H.order, self.H.order, 1 + self.memory
        lift, regular, project = (images + 1) * C * 9 + C, C * C * order * 9 + C, C * images * 9 + images
        return self.blocks * (lift + regular + project)


def equal_weights(config: ProximalConfig, group: str | None) -> ProximalConfig:
    """The network with another group and as many channels as give about as many weights as that of ``config``.

    At equal channels, the network of a group of order n has about an n-th of the weights.

    Source
    ------
    Cohen and Welling, ICML 2016, who compare at equal numbers of weights; Celledoni et al. compare at equal channels.

    Example
    -------
    >>> ordinary = ProximalConfig(56, 30, 0.1, channels=32)
    >>> other = equal_weights(ordinary, "C4")
    >>> other.channels, ordinary.n_weights, other.n_weights
    (68, 78180, 74598)
    """
    check_kind("config", config, ProximalConfig)
    order = replace(config, group=group, channels=8 * config.channels).H.order
    choices = [replace(config, group=group, channels=order * fields) for fields in range(1, 8 * config.channels + 1)]
    return min(choices, key=lambda c: abs(c.n_weights - config.n_weights))


def block(config: ProximalConfig) -> nn.Sequential:
    """One step: images [x, gradient, memory] to fields, a residual block, and back to images [x, memory]."""
    group, C, images, pad = config.H.name, config.channels // config.H.order, 1 + config.memory, "replicate"
    return nn.Sequential(
        GroupConv(group, images + 1, C, "lift", padding=pad),  # (B, C, |H|, N, N)
        ResidualBlock(GroupConv(group, C, C, padding=pad)),
        GroupConv(group, C, images, "project", padding=pad),  # (B, 1 + memory, N, N)
    )


@family(FAMILY, config=ProximalConfig)
class LearnedProximalGradient(LearnedReconstructor):
    r"""Proximal gradient descent on :math:`\frac12\|Ax - y\|^2 + J(x)`, with learned maps in place of the prox of J.

    .. math:: (x, s) \leftarrow (x, s) + \Lambda_t(x,\ A^\top(Ax - y),\ s), \qquad x^0 = 0,\ s^0 = 0,

    s a memory of a few images, each :math:`\Lambda_t` a convolution, a residual block and a convolution, 3 x 3, with
    weights of its own.  If J were invariant its prox would be equivariant: so :math:`\Lambda_t` is made equivariant.
    :math:`A^\top(Ax-y)` is, if A is, and then so is the whole map from data to images.

    The sum with (x, s) is that of the learned primal-dual method; the original has only the map.

    Parameters
    ----------
    config : ProximalConfig

    Source
    ------
    Celledoni et al., Inverse Problems 37 (2021), with 96 channels, 8 blocks and 5 images of memory; Adler and Öktem,
    IEEE Trans. Med. Imaging 37 (2018), for the sum; lectures, part II.1.

    Example
    -------
    >>> network = LearnedProximalGradient(ProximalConfig(28, views=20, sigma=0.05, group="C4", channels=8, blocks=2))
    >>> network(torch.zeros(3, 20, 41)).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(self, config: ProximalConfig) -> None:
        super().__init__()
        self.config = check_kind("config", config, ProximalConfig)
        A = ParallelBeam.full(config.size, n_angles=config.views)
        self.image_shape = A.shape_in
        self._home = (A,)  # in a tuple, so that A is no part of the weights
        self.blocks = nn.ModuleList(block(config) for _ in range(config.blocks))

    def _apply(self, fn, recurse: bool = True) -> LearnedProximalGradient:
        self._home[0]._apply(fn)  # the operator is no part of the weights, yet it goes where they go
        return super()._apply(fn, recurse)

    def path(self, y: Tensor, A: LinearOperator | None = None) -> list[Tensor]:
        """x after each block: as many tensors (B, 1, H, W) as there are blocks."""
        A = self._home[0] if A is None else check_kind("A", A, LinearOperator)
        if A.shape_in != self.image_shape:
            raise ValueError(f"'A' must take images {self.image_shape} as in training, it takes {A.shape_in}")
        check_tensor("y", y, (None, *A.shape_out), like=next(self.parameters()))
        x = y.new_zeros(len(y), 1, *self.image_shape[1:])
        s = y.new_zeros(len(y), self.config.memory, *self.image_shape[1:])
        path = []
        for step in self.blocks:
            change = step(torch.cat([x, A.T(A(x) - y), s], 1))
            x, s = x + change[:, :1], s + change[:, 1:]
            path.append(x)
        return path

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """The reconstruction from data of ``A`` (default: where it was trained): (B, ...) -> (B, 1, H, W)."""
        return self.path(y, A)[-1]

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||x - network(A x + noise)||^2 with fresh noise, the mean over the batch: (B, 1, H, W) -> 0-dim."""
        y = measure(self._home[0], x, self.config.sigma, generator)
        return {"loss": (x - self(y)).pow(2).flatten(1).sum(1).mean()}

    def expanded(self) -> LearnedProximalGradient:
        """The ordinary network of equally many channels with the same output, for use after training."""
        like = next(self.parameters())
        ordinary = LearnedProximalGradient.drawn(replace(self.config, group=None), 0).to(like)
        for new, old in zip(ordinary.blocks, self.blocks, strict=True):
            filters = [
                p for conv in old.modules() if isinstance(conv, GroupConv) for p in (conv.filters(), conv.biases())
            ]
            with torch.no_grad():
                for p, value in zip(new.parameters(), filters, strict=True):
                    p.copy_(value.reshape(p.shape))
        return ordinary.train(self.training)

    def settings(self) -> dict:
        """The configuration, with views and noise level, as a plain dictionary."""
        return asdict(self.config)
