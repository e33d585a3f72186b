"""The same plug-and-play in DeepInverse, an optional package: same denoiser, same operator, same images.

``pip install deepinv`` brings it; its torchvision has to fit the installed torch.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor, nn

from ...operators import LinearOperator

__all__ = ["pnp_by_deepinverse"]


class _Told(nn.Module):
    """A denoiser of this course as DeepInverse calls one: the noise level comes as a tensor."""

    def __init__(self, D: Callable, sigma: float) -> None:
        super().__init__()
        self.D, self.sigma = D, sigma

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        return self.D(x, self.sigma)


@torch.no_grad()
def pnp_by_deepinverse(D: Callable, A: LinearOperator, y: Tensor, sigma: float, step: float, n: int) -> Tensor:
    """n iterations of DeepInverse's proximal gradient with a plug-and-play prior, from A*y: (B, 1, H, W).

    Its data term is ||Ax - y||^2 / 2, so the step tau of its gradient is ``step`` / ||A||^2: what
    ``PnPForwardBackward(D, sigma, step)`` does.

    Parameters
    ----------
    D : callable
        D(x, sigma).
    A : LinearOperator
    y : ``(B, *A.shape_out)`` tensor
    sigma, step : float
    n : int

    Raises
    ------
    ModuleNotFoundError
        DeepInverse is not installed.
    """
    try:
        deepinv, optim = import_module("deepinv"), import_module("deepinv.optim")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this comparison needs the optional package DeepInverse ('pip install deepinv'): {error}"
        ) from error
    physics = deepinv.physics.LinearPhysics(A=lambda x, **_: A(x), A_adjoint=lambda v, **_: A.T(v))
    method = optim.optim_builder(
        iteration="PGD", prior=optim.PnP(denoiser=_Told(D, sigma)), data_fidelity=optim.L2(), early_stop=False,
        max_iter=n, params_algo={"stepsize": step / (A.norm or 1.0) ** 2, "g_param": sigma, "lambda": 1.0},
    )  # fmt: skip
    return method(y, physics, init=A.T(y))
