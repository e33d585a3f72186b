r"""The variational network: gradient descent, unrolled, with learned filters and learned influence functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_count, check_kind, check_nonnegative, check_positive, check_seed, check_tensor
from ..operators import LinearOperator, measure
from .base import LearnedReconstructor

__all__ = ["VariationalNetwork"]


class _Influence(torch.autograd.Function):
    """phi_i at each entry of channel i, phi_i given by its values at equally spaced nodes and linear between."""

    @staticmethod
    def forward(ctx, v: Tensor, values: Tensor, low: float, spacing: float) -> Tensor:
        C, nodes = values.shape
        place = ((v - low) / spacing).clamp(0, nodes - 1)
        left = place.floor().clamp(max=nodes - 2)
        share = place - left
        index = left.long() + nodes * torch.arange(C, device=v.device).reshape(1, C, 1, 1)
        flat = values.flatten()
        at, rise = flat[index], flat[index + 1] - flat[index]
        inside = (v >= low) & (v <= low + spacing * (nodes - 1))
        ctx.save_for_backward(index, share, rise * inside)
        ctx.shape, ctx.spacing = values.shape, spacing
        return at + share * rise

    @staticmethod
    def backward(ctx, grad: Tensor):
        index, share, slope = ctx.saved_tensors
        index, size = index.flatten(), math.prod(ctx.shape)
        # bincount is the sum over all entries that fall on a node
        right = torch.bincount(index + 1, (grad * share).flatten(), size)
        left = torch.bincount(index, (grad * (1 - share)).flatten(), size)
        return grad * slope / ctx.spacing, (left + right).to(grad).reshape(ctx.shape), None, None


class VariationalNetwork(LearnedReconstructor):
    r"""T steps of gradient descent on a learned energy, each with its own filters, influence functions, data weight.

    .. math:: x^{t+1} = x^t - \sum_i (K_i^t)^\top \phi_i^t(K_i^t x^t) - \mu^t A^\top (A x^t - y), \qquad x^0 = A^\top y.

    K_i are convolutions with zero-mean filters of norm 1 (zero outside the image).  phi_i is a sum of radial basis
    functions at equally spaced nodes: triangles here, Gaussians in the original.  mu > 0.

    It is trained end to end, on pairs made with *one* operator and *one* noise level.  ``network(y, A)`` applies it
    with another operator, whose data weight and noise it does not know.  The trainer of the course trains it:
    ``train(network, images, val, TrainConfig(...))``.

    Parameters
    ----------
    A : LinearOperator
        Where it is trained.
    sigma : float, >= 0
        Noise level of the training data.
    steps : int
        T.
    filters, width : int
        Number of filters in each step and their side, odd.
    nodes : int
        Radial basis functions of each phi, between -``reach`` and ``reach``.
    reach : float
    seed : int
        Of the first weights; the global seed is left alone.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Hammernik et al., Magn. Reson. Med. 79 (2018); lectures, part II.2.

    Example
    -------
    >>> from course_utils import GaussianBlur
    >>> network = VariationalNetwork(GaussianBlur(28), sigma=0.05, steps=2, filters=4)
    >>> network(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(
        self,
        A: LinearOperator,
        sigma: float,
        steps: int = 8,
        filters: int = 24,
        width: int = 7,
        nodes: int = 31,
        reach: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_kind("A", A, LinearOperator)
        sigma = check_nonnegative("sigma", sigma)
        steps, filters = check_count("steps", steps), check_count("filters", filters)
        width, nodes = check_count("width", width), check_count("nodes", nodes, minimum=2)
        if width % 2 == 0:
            raise ValueError(f"'width' must be odd, got {width}")
        reach = check_positive("reach", reach)
        self.image_shape = A.shape_in
        self._home = (A, float(sigma))  # in a tuple, so that A is no part of the weights
        self._settings = {
            "family": "variational network", "steps": steps, "filters": filters, "width": width, "nodes": nodes,
            "reach": reach,
        }  # fmt: skip
        self.low, self.spacing = -float(reach), 2 * float(reach) / (nodes - 1)
        generator = torch.Generator().manual_seed(check_seed("seed", seed))
        self.kernels = nn.Parameter(torch.randn(steps, filters, 1, width, width, generator=generator))
        # phi(v) = 0.01 v: a little smoothing, from which each phi is free to go anywhere
        slope = 0.01 * torch.linspace(-reach, reach, nodes)
        self.influence = nn.Parameter(slope.repeat(steps, filters, 1))
        self.log_weight = nn.Parameter(torch.zeros(steps))

    @property
    def trained_with(self) -> LinearOperator:
        return self._home[0]

    def filters(self, t: int) -> Tensor:
        """The filters of step t, each with mean 0 and norm 1: (filters, 1, width, width)."""
        k = self.kernels[t] - self.kernels[t].mean((2, 3), keepdim=True)
        return k / k.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)

    def phi(self, t: int, v: Tensor) -> Tensor:
        """The influence functions of step t, one for each channel of v: (B, filters, H, W) -> the same shape."""
        return _Influence.apply(v, self.influence[t], self.low, self.spacing)

    def path(self, y: Tensor, A: LinearOperator | None = None) -> list[Tensor]:
        """x^0, x^1, ..., x^T: T + 1 tensors (B, 1, H, W)."""
        A = self._home[0] if A is None else check_kind("A", A, LinearOperator)
        if A.shape_in != self.image_shape:
            raise ValueError(f"'A' must take images {self.image_shape} as in training, it takes {A.shape_in}")
        check_tensor("y", y, (None, *A.shape_out), like=self.kernels)
        path = [A.T(y)]
        for t in range(len(self.kernels)):
            x, K = path[-1], self.filters(t)
            padding = K.shape[-1] // 2
            step = self.phi(t, functional.conv2d(x, K, padding=padding))
            smooth = functional.conv_transpose2d(step, K, padding=padding)  # the adjoint of the convolution
            path.append(x - smooth - self.log_weight[t].exp() * A.T(A(x) - y))
        return path

    def forward(self, y: Tensor, A: LinearOperator | None = None) -> Tensor:
        """The reconstruction x^T from data of ``A`` (default: where it was trained): (B, ...) -> (B, 1, H, W)."""
        return self.path(y, A)[-1]

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """||x - network(A x + noise)||^2 with fresh noise, the mean over the batch: (B, 1, H, W) -> 0-dim."""
        A, sigma = self._home
        y = measure(A, x, sigma, generator)
        return {"loss": (x - self(y)).pow(2).flatten(1).sum(1).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary, without the operator."""
        return dict(self._settings) | {"sigma": self._home[1]}
