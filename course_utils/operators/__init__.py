"""Forward operators A of the course: ``A(x)``, the exact adjoint ``A.T(y)``, norm 1, batched, differentiable.

>>> A = GaussianBlur(28)
>>> y = measure(A, torch.zeros(3, 1, 28, 28), sigma=0.1, generator=torch.Generator().manual_seed(0))
>>> y.shape, A.T(y).shape, round(operator_norm(A), 4)
(torch.Size([3, 1, 28, 28]), torch.Size([3, 1, 28, 28]), 1.0)
"""

import torch  # noqa: F401  (used by the example above)

from .base import SVD, LinearOperator, add_noise, dot_test, measure, operator_norm, poisson_noise
from .simple import GaussianBlur, GaussianMatrix, Identity, MaskedFourier
from .tomography import ParallelBeam, line_lengths

__all__ = [
    "SVD",
    "GaussianBlur",
    "GaussianMatrix",
    "Identity",
    "LinearOperator",
    "MaskedFourier",
    "ParallelBeam",
    "add_noise",
    "dot_test",
    "line_lengths",
    "measure",
    "operator_norm",
    "poisson_noise",
]
