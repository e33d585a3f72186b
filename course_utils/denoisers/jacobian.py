"""What the Jacobian of a denoiser says: how far from symmetric it is, and how much it amplifies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._check import check_callable, check_count, check_entries, check_generator, check_tensor
from .._inference import with_autograd

__all__ = ["jacobian_asymmetry", "lipschitz_estimate"]


class _Jacobian:
    """J of a map at a batch of images: ``times(w)`` is J w, ``transposed(w)`` is J^T w, image by image."""

    def __init__(self, D: Callable[[Tensor], Tensor], x: Tensor) -> None:
        check_callable("D", D)
        check_tensor("x", x, (None, None, None, None))
        check_entries("x", x)
        self.x = x.detach().clone().requires_grad_()
        self.image = D(self.x)
        check_tensor("D(x)", self.image, tuple(x.shape), like=x)
        # J^T v is linear in v, and its derivative in v is J
        self.v = torch.zeros_like(x, requires_grad=True)
        self.pulled = self._grad(self.image, self.x, self.v, create_graph=True)

    def transposed(self, w: Tensor) -> Tensor:
        return self._grad(self.image, self.x, w)

    def times(self, w: Tensor) -> Tensor:
        return self._grad(self.pulled, self.v, w)

    @staticmethod
    def _grad(of: Tensor, at: Tensor, w: Tensor, create_graph: bool = False) -> Tensor:
        if not of.requires_grad:  # a constant
            return torch.zeros_like(at)
        settings = {"retain_graph": True, "create_graph": create_graph, "materialize_grads": True}
        return torch.autograd.grad(of, at, w, **settings)[0]


def _norms(v: Tensor) -> Tensor:
    return v.flatten(1).norm(dim=1)


def _normal(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)


@with_autograd
@torch.enable_grad()
def jacobian_asymmetry(D: Callable, x: Tensor, generator: torch.Generator, draws: int = 16) -> Tensor:
    r"""How far the Jacobian J of a map is from symmetric at each image, :math:`\|J-J^T\|_F/\|J\|_F`.

    :math:`\|M\|_F^2 = \mathbb E\|Mw\|^2` for a white Gaussian w.  It is 0 for a symmetric J, :math:`\sqrt2` for a
    random one, and 2 if :math:`J^T=-J`.  Only where it is 0 is :math:`x - D(x)` the gradient of a function.

    Parameters
    ----------
    D : callable
        (B, 1, H, W) -> (B, 1, H, W), each image by itself; for example ``lambda x: denoiser(x, 0.1)``.
    x : (B, 1, H, W) tensor
    generator : torch.Generator
    draws : int
        Vectors w; the relative error is about 1 / sqrt(draws * pixels) for a J that is close to a multiple of an
        orthogonal matrix, and larger where few directions dominate.

    Returns
    -------
    (B,) tensor

    Source
    ------
    Reehorst and Schniter, Regularization by Denoising: Clarifications and New Interpretations, IEEE Trans. Comput.
    Imaging 5 (2019).

    Example
    -------
    A shift by a pixel is as asymmetric as a random matrix, because no entry meets its mirror image:

    >>> g = torch.Generator().manual_seed(0)
    >>> jacobian_asymmetry(lambda x: x.roll(1, 3), torch.zeros(1, 1, 32, 32), g, draws=64).round(decimals=1)
    tensor([1.4000])
    """
    draws = check_count("draws", draws)
    check_generator(generator)
    J = _Jacobian(D, x)
    apart, whole = x.new_zeros(len(x)), x.new_zeros(len(x))
    for _ in range(draws):
        w = _normal(x, generator)
        Jw = J.times(w)
        apart += _norms(Jw - J.transposed(w)) ** 2
        whole += _norms(Jw) ** 2
    return torch.where(whole > 0, apart / whole.clamp_min(torch.finfo(x.dtype).tiny), 0.0).sqrt()


@with_autograd
@torch.enable_grad()
def lipschitz_estimate(D: Callable, x: Tensor, generator: torch.Generator, n_iter: int = 50) -> Tensor:
    """The spectral norm of the Jacobian of a map at each image, by the power iteration on J^T J.

    The largest of them is a lower bound on the Lipschitz constant.

    Parameters
    ----------
    D : callable
        (B, 1, H, W) -> (B, 1, H, W), each image by itself.
    x : (B, 1, H, W) tensor
    generator : torch.Generator
    n_iter : int
        The estimate rises with it.

    Returns
    -------
    (B,) tensor

    Source
    ------
    Golub and Van Loan, Matrix Computations, Sect. 8.2.

    Example
    -------
    >>> g = torch.Generator().manual_seed(0)
    >>> lipschitz_estimate(lambda x: -3 * x, torch.zeros(2, 1, 4, 4), g)
    tensor([3., 3.])
    """
    n_iter = check_count("n_iter", n_iter)
    check_generator(generator)
    J = _Jacobian(D, x)
    w, tiny = _normal(x, generator), torch.finfo(x.dtype).tiny
    for _ in range(n_iter):
        w = w / _norms(w).clamp_min(tiny).reshape(-1, 1, 1, 1)
        Jw = J.times(w)
        w = J.transposed(Jw)
    return _norms(Jw)
