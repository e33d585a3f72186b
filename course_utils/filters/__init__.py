"""Spectral filters: Tikhonov, truncated SVD, Landweber and CG as functions of the singular values, and their rates.

With A = U diag(S) V^T a filter phi makes the reconstruction sum_i phi_i (u_i, y) / S_i v_i.  phi = 1 is the
pseudo-inverse, and every method here is near 1 for large singular values and near 0 for small ones.

>>> S = torch.tensor([1.0, 0.1, 0.01])
>>> tikhonov_filter(S, lam=0.01), truncated_filter(S, level=0.05)
(tensor([0.9901, 0.5000, 0.0099]), tensor([1., 1., 0.]))
>>> landweber_filter(S, steps=100, step=1.0)
tensor([1.0000, 0.6340, 0.0100])
"""

import torch  # noqa: F401  (used by the example above)

from .rates import Rate, convergence_rate
from .spectral import cg_filter, filtered, landweber_filter, tikhonov_filter, truncated_filter

__all__ = [
    "Rate",
    "cg_filter",
    "convergence_rate",
    "filtered",
    "landweber_filter",
    "tikhonov_filter",
    "truncated_filter",
]
