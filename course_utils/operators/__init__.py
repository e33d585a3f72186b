"""Forward operators A of the course: ``A(x)``, the exact adjoint ``A.T(y)``, norm 1, batched, differentiable.

>>> A = GaussianBlur(28)
>>> y = measure(A, torch.zeros(3, 1, 28, 28), sigma=0.1, generator=torch.Generator().manual_seed(0))
>>> y.shape, A.T(y).shape, round(operator_norm(A), 4)
(torch.Size([3, 1, 28, 28]), torch.Size([3, 1, 28, 28]), 1.0)
"""

import torch  # noqa: F401  (used by the example above)

from .backprojection import FILTERS, fbp
from .base import LinearOperator, add_noise, dot_test, measure, operator_norm, poisson_noise
from .composed import stack
from .kspace import (
    cartesian_mask,
    estimate_coil_maps,
    fourier,
    inverse_fourier,
    radial_mask,
    root_sum_of_squares,
    simulate_coil_maps,
    zero_filled,
)
from .mri import MaskedFourier, MultiCoil
from .nonlinear import Magnitude
from .sense import g_factor
from .simple import GaussianBlur, GaussianMatrix, Identity, Inpainting
from .spectrum import SVD, MatrixSpectrum, Spectrum
from .tomography import ParallelBeam, line_lengths

__all__ = [
    "FILTERS",
    "SVD",
    "GaussianBlur",
    "GaussianMatrix",
    "Identity",
    "Inpainting",
    "LinearOperator",
    "Magnitude",
    "MaskedFourier",
    "MatrixSpectrum",
    "MultiCoil",
    "ParallelBeam",
    "Spectrum",
    "add_noise",
    "cartesian_mask",
    "dot_test",
    "estimate_coil_maps",
    "fbp",
    "fourier",
    "g_factor",
    "inverse_fourier",
    "line_lengths",
    "measure",
    "operator_norm",
    "poisson_noise",
    "radial_mask",
    "root_sum_of_squares",
    "simulate_coil_maps",
    "stack",
    "zero_filled",
]
