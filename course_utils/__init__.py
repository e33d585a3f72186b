"""Regularising inverse problems with generative models: the library behind the course.

>>> from course_utils import GaussianMatrix, Hard, load, measure, pretrained, psnr, reconstruct
>>> x = load("mnist").test[:4]
>>> A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0))
>>> y = measure(A, x, sigma=0.05, generator=torch.Generator().manual_seed(1))
>>> G = pretrained("vae-mnist-8", verbose=False)
>>> result = reconstruct(A, y, Hard(G, lam=0.002), generator=torch.Generator().manual_seed(2))
>>> bool(psnr(result.x, x).mean() > 15)
True
"""

import os as _os

#: The version of the course: pyproject.toml reads it here, so that it stands in one place.
__version__ = "0.1.0"

# Two busy OpenMP threads that spin while they wait slow each other down twentyfold; must be set before torch loads.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: F401  (the example above uses it)

from .data.dataset import Dataset
from .data.kspace import KSpace, load_kspace
from .data.load import load
from .data.scans import TiltSeries, load_tilt_series
from .generators import (
    AE,
    VAE,
    WGAN,
    Generator,
    GeneratorConfig,
    LocalPrecision,
    StructuredConfig,
    StructuredVAE,
    build,
)
from .metrics import nrmse, psnr, ssim
from .operators import (
    GaussianBlur,
    GaussianMatrix,
    Identity,
    Inpainting,
    LinearOperator,
    Magnitude,
    MaskedFourier,
    MultiCoil,
    ParallelBeam,
    add_noise,
    cartesian_mask,
    dot_test,
    estimate_coil_maps,
    fbp,
    g_factor,
    measure,
    operator_norm,
    poisson_noise,
    radial_mask,
    root_sum_of_squares,
    simulate_coil_maps,
    stack,
    zero_filled,
)
from .reconstructors import Reconstructor
from .regularisers import (
    H1,
    L1,
    TGV,
    TV,
    Dictionary,
    Hard,
    KullbackLeibler,
    LearnedCovariance,
    Regulariser,
    Relaxed,
    Sparse,
    SparseTV,
    SquaredError,
    Tikhonov,
    Wavelets,
)
from .solvers import Result, reconstruct
from .training.zoo import available, pretrained

__all__ = [
    "AE",
    "H1",
    "KSpace",
    "L1",
    "KullbackLeibler",
    "Reconstructor",
    "Regulariser",
    "SquaredError",
    "TGV",
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
    "Inpainting",
    "LearnedCovariance",
    "LinearOperator",
    "LocalPrecision",
    "Magnitude",
    "MaskedFourier",
    "MultiCoil",
    "ParallelBeam",
    "Relaxed",
    "Result",
    "Sparse",
    "SparseTV",
    "StructuredConfig",
    "StructuredVAE",
    "Tikhonov",
    "Wavelets",
    "TiltSeries",
    "add_noise",
    "available",
    "build",
    "cartesian_mask",
    "dot_test",
    "estimate_coil_maps",
    "fbp",
    "g_factor",
    "load",
    "load_kspace",
    "load_tilt_series",
    "measure",
    "nrmse",
    "operator_norm",
    "poisson_noise",
    "pretrained",
    "psnr",
    "radial_mask",
    "reconstruct",
    "root_sum_of_squares",
    "simulate_coil_maps",
    "ssim",
    "stack",
    "zero_filled",
]
