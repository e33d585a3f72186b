"""Regularising inverse problems with generative models: the library behind the course.

>>> from course_utils import GaussianMatrix, Hard, load, measure, pretrained, psnr, reconstruct
>>> x = load("mnist").test[:4]
>>> A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0))
>>> y = measure(A, x, sigma=0.05, generator=torch.Generator().manual_seed(1))
>>> G = pretrained("vae-mnist-8", verbose=False)
>>> result = reconstruct(A, y, Hard(G, lam=0.03), generator=torch.Generator().manual_seed(2))
>>> bool(psnr(result.x, x).mean() > 15)
True
"""

import os as _os

# Two busy OpenMP threads that spin while they wait slow each other down twentyfold; must be set before torch loads.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

from .data import Dataset, load  # noqa: E402
from .generators import AE, VAE, WGAN, Generator, GeneratorConfig, build  # noqa: E402
from .metrics import nrmse, psnr, ssim  # noqa: E402
from .operators import (  # noqa: E402
    GaussianBlur,
    GaussianMatrix,
    Identity,
    LinearOperator,
    MaskedFourier,
    ParallelBeam,
    add_noise,
    dot_test,
    measure,
    operator_norm,
    poisson_noise,
)
from .regularisers import L1, TV, Hard, Relaxed, Sparse, Tikhonov  # noqa: E402
from .solvers import Dictionary, Result, reconstruct  # noqa: E402
from .zoo import available, pretrained  # noqa: E402

__all__ = [
    "AE",
    "L1",
    "TV",
    "VAE",
    "WGAN",
    "Dataset",
    "Dictionary",
    "GaussianBlur",
    "GaussianMatrix",
    "Generator",
    "GeneratorConfig",
    "Hard",
    "Identity",
    "LinearOperator",
    "MaskedFourier",
    "ParallelBeam",
    "Relaxed",
    "Result",
    "Sparse",
    "Tikhonov",
    "add_noise",
    "available",
    "build",
    "dot_test",
    "load",
    "measure",
    "nrmse",
    "operator_norm",
    "poisson_noise",
    "pretrained",
    "psnr",
    "reconstruct",
    "ssim",
]
