"""Classical methods as other libraries solve them, for ``classical``: the same data, the same minimiser.

A rival takes a task and gives attempts, from rough to exact: what it is set to, and a call that returns images.  A
library that is not installed raises an ImportError when it is asked.  Where a discretisation is another one (TGV of
DeepInverse takes the whole Jacobian where ours is symmetrised), the objective says so: it does not reach ours.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..operators import LinearOperator

__all__ = ["COMPARED", "PACKAGES", "STEPPED", "Attempt", "judged_by_cvxpy"]

#: What is set, and the call.
Attempt = tuple[str, Callable[[], Tensor]]

PACKAGES = {"scikit-image": "scikit-image", "ODL": "odl", "DeepInverse": "deepinv", "CVXPY": "cvxpy"}


def _deepinv(part: str):
    try:
        return importlib.import_module(f"deepinv.{part}")
    except RuntimeError as error:  # its torchvision was built for another torch
        raise ImportError(str(error)) from error


def _each(solve: Callable[[np.ndarray], np.ndarray], y: Tensor) -> Tensor:
    """Images solved one by one, in float64, as (B, 1, H, W) of the dtype of y."""
    return torch.from_numpy(np.stack([solve(one) for one in y.double().numpy()])).to(y)[:, None]


# Minimisers: (A, y, lam) -> attempts


def _chambolle(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
    """||x - y||^2 + lam TV(x) is, but for a factor, ||x - y||^2 / (2 weight) + TV(x) with weight lam / 2."""
    from skimage.restoration import denoise_tv_chambolle

    for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8):

        def call(eps: float = eps) -> Tensor:
            return _each(lambda one: denoise_tv_chambolle(one[0], lam / 2, eps=eps, max_num_iter=50_000), y)

        yield f"eps {eps:g}", call


def _wavelet_threshold(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
    """VisuShrink thresholds at sigma sqrt(2 log n): with this sigma, at lam / 2."""
    from skimage.restoration import denoise_wavelet

    sigma = lam / 2 / math.sqrt(2 * math.log(y[0].numel()))
    settings = {"wavelet": "haar", "wavelet_levels": 2, "mode": "soft", "method": "VisuShrink", "rescale_sigma": False}
    yield "soft", lambda: _each(lambda one: denoise_wavelet(one[0], sigma, **settings), y)


def _deepinv_denoiser(name: str) -> Callable[..., Iterator[Attempt]]:
    def rival(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
        Denoiser = getattr(_deepinv("models"), name)
        for crit in (1e-4, 1e-5, 1e-6, 1e-7):
            # a new one each time, because it goes on from where its last call ended
            yield f"crit {crit:g}", lambda crit=crit: Denoiser(n_it_max=20_000, crit=crit)(y, ths=lam / 2)

    return rival


def _deepinv_wavelets(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
    denoise = _deepinv("models").WaveletDenoiser(level=2, wv="haar", non_linearity="soft")
    yield "soft", lambda: denoise(y, ths=lam / 2)


def _physics(A: LinearOperator, y: Tensor):
    """The blur as deepinv has it, checked against ours; every other operator by our maps."""
    physics = _deepinv("physics")
    if hasattr(A, "K"):
        middle, reach = A.K[A.K.shape[0] // 2], (A.K != 0).sum(1).max().item() // 2
        line = middle[len(middle) // 2 - reach : len(middle) // 2 + reach + 1]
        blur = physics.Blur(filter=torch.outer(line, line)[None, None], padding="constant")
        x = torch.rand(2, *A.shape_in, generator=torch.Generator().manual_seed(0))
        if torch.allclose(blur.A(x), A(x), rtol=0, atol=1e-5):
            return blur
    return physics.LinearPhysics(A=lambda x, **_: A(x), A_adjoint=lambda v, **_: A.T(v))


def _deepinv_fista(prior: str) -> Callable[..., Iterator[Attempt]]:
    """||A x - y||^2 / 2 + lam / 2 R(x): FISTA with the step 1 of an operator of norm 1.

    The proximal map of its WaveletPrior has a factor 0.1 in front of the weight, which FISTA cannot set.
    """

    def rival(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
        optim = _deepinv("optim")
        physics, settings, weight = _physics(A, y), {}, lam / 2
        if prior == "WaveletPrior":
            settings, weight = {"level": 2, "wv": "haar"}, lam / 2 / 0.1
        for max_iter in (30, 100, 300, 1_000):

            def call(max_iter: int = max_iter) -> Tensor:
                found = optim.FISTA(
                    data_fidelity=optim.L2(), prior=getattr(optim, prior)(**settings), lambda_reg=weight, stepsize=1.0,
                    max_iter=max_iter, early_stop=False,
                )  # fmt: skip
                with torch.no_grad():
                    return found(y, physics)

            yield f"{max_iter} iterations", call

    return rival


def _odl_operator(A: LinearOperator):
    """Our operator as one of ODL, between Euclidean spaces: the cells of the image have the area 1."""
    odl, core = importlib.import_module("odl"), importlib.import_module("odl.core")
    side = A.shape_in[1:]
    image, data = odl.uniform_discr([0, 0], list(side), side, dtype="float32"), odl.rn(A.m, dtype="float32")

    class Map(core.Operator):
        def __init__(self, back: bool = False) -> None:
            super().__init__(data if back else image, image if back else data, linear=True)
            self.back = back

        def _call(self, x):
            value = torch.from_numpy(np.ascontiguousarray(x.asarray()))
            if self.back:
                return A.T(value.reshape(1, *A.shape_out))[0, 0].numpy()
            return A(value.reshape(1, *A.shape_in)).flatten().numpy()

        @property
        def adjoint(self):
            return Map(not self.back)

    return Map(), image, data


def _odl_pdhg(A: LinearOperator, y: Tensor, lam: float) -> Iterator[Attempt]:
    """||A x - y||^2 + lam TV(x), by two step ratios; the norm of (A, gradient) is at most 3."""
    core, solvers = importlib.import_module("odl.core"), importlib.import_module("odl.solvers")
    functionals = importlib.import_module("odl.functionals")
    operator, image, data = _odl_operator(A)
    gradient = core.Gradient(image, method="forward", pad_mode="symmetric")
    both = core.BroadcastOperator(operator, gradient)

    def solve(one: np.ndarray, iterations: int, ratio: float) -> np.ndarray:
        misfit = functionals.L2NormSquared(data).translated(data.element(one.ravel().astype("float32")))
        g = functionals.SeparableSum(misfit, lam * functionals.GroupL1Norm(gradient.range))
        x = image.zero()
        steps = {"tau": math.sqrt(ratio) / 3, "sigma": 1 / (3 * math.sqrt(ratio))}
        solvers.pdhg(x, functionals.ZeroFunctional(image), g, both, iterations, **steps)
        return x.asarray()

    for iterations in (100, 300, 1_000, 3_000):
        for ratio in (0.03, 1.0):

            def call(iterations: int = iterations, ratio: float = ratio) -> Tensor:
                return _each(lambda one: solve(one, iterations, ratio), y)

            yield f"{iterations} iterations, ratio {ratio:g}", call


#: Name of a task -> library -> its attempts.
COMPARED: dict[str, dict[str, Callable[..., Iterator[Attempt]]]] = {
    "TV denoising": {
        "scikit-image": _chambolle, "DeepInverse": _deepinv_denoiser("TVDenoiser"), "ODL": _odl_pdhg,
    },
    "TGV denoising": {"DeepInverse": _deepinv_denoiser("TGVDenoiser")},
    "wavelet denoising": {"scikit-image": _wavelet_threshold, "DeepInverse": _deepinv_wavelets},
    "TV deblurring": {"DeepInverse": _deepinv_fista("TVPrior"), "ODL": _odl_pdhg},
    "wavelet deblurring": {"DeepInverse": _deepinv_fista("WaveletPrior")},
    "TV tomography": {"ODL": _odl_pdhg},
}  # fmt: skip


# Iterations that are stopped after so many steps, and inversion formulas: (A, y, steps) -> images


def _odl_steps(name: str) -> Callable[[LinearOperator, Tensor, int], Callable[[], Tensor]]:
    def rival(A: LinearOperator, y: Tensor, steps: int) -> Callable[[], Tensor]:
        method = getattr(importlib.import_module("odl.solvers"), name)
        operator, image, data = _odl_operator(A)

        def solve(one: np.ndarray) -> np.ndarray:
            x = image.one() if name == "mlem" else image.zero()
            settings = {"omega": 1.0} if name == "landweber" else {}
            method(operator, x, data.element(one.ravel().astype("float32")), steps, **settings)
            return x.asarray()

        return lambda: _each(solve, y)

    return rival


def _iradon(A: LinearOperator, y: Tensor, steps: int) -> Callable[[], Tensor]:
    """For bins as wide as a pixel and an odd side: of an even one its centre is half a pixel from the middle."""
    from skimage.transform import iradon

    degrees, side = np.rad2deg(A.angles.double().numpy()), A.shape_in[1]
    settings = {"filter_name": "ramp", "circle": False, "output_size": side}
    return lambda: _each(lambda one: iradon(one.T / A.scale, degrees, **settings), y)


#: Name of a task -> library -> its images after so many steps.
STEPPED = {
    "Landweber": {"ODL": _odl_steps("landweber")},
    "CGLS": {"ODL": _odl_steps("conjugate_gradient_normal")},
    "MLEM": {"ODL": _odl_steps("mlem")},
    "filtered back-projection": {"scikit-image": _iradon},
}


def judged_by_cvxpy(A: LinearOperator, y: Tensor, lam: float) -> Callable[[], Tensor]:
    """The minimiser of ||A x - y||^2 + lam TV(x) for the first image by an interior-point method, to about 1e-8."""
    cvxpy = importlib.import_module("cvxpy")
    h, w = A.shape_in[1:]
    matrix, data = A.double_matrix().numpy(), y[0].double().flatten().numpy()

    def call() -> Tensor:
        x = cvxpy.Variable((h, w))
        down = cvxpy.vstack([x[1:] - x[:-1], np.zeros((1, w))])
        right = cvxpy.hstack([x[:, 1:] - x[:, :-1], np.zeros((h, 1))])
        lengths = cvxpy.norm(cvxpy.vstack([cvxpy.vec(down, order="C"), cvxpy.vec(right, order="C")]), 2, axis=0)
        cost = cvxpy.sum_squares(matrix @ cvxpy.vec(x, order="C") - data) + lam * cvxpy.sum(lengths)
        cvxpy.Problem(cvxpy.Minimize(cost)).solve(solver=cvxpy.CLARABEL)
        return torch.from_numpy(x.value)[None, None].to(y)

    return call
