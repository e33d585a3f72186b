"""The Bayesian view: what variational methods say of uncertainty, once their two terms are logarithms of densities.

Data y = A x + e with e ~ N(0, sigma^2 I), and a prior proportional to exp(-lam R(x) / (2 sigma^2)), have the posterior

    -log p(x | y) = (||A x - y||^2 + lam R(x)) / (2 sigma^2) + constant,

so that its most probable image, the MAP estimate, is what ``reconstruct`` finds.  For Tikhonov all is known in closed
form (``gaussian_posterior``); for others ``mala`` draws samples.

>>> from course_utils import GaussianBlur, Tikhonov, measure, reconstruct
>>> A = GaussianBlur(28)
>>> y = measure(A, torch.ones(1, 1, 28, 28), 0.1, torch.Generator().manual_seed(0))
>>> posterior = gaussian_posterior(A, y, lam=0.05, sigma=0.1)
>>> bool((posterior.mean - reconstruct(A, y, Tikhonov(0.05)).x).abs().max() < 1e-4)
True
>>> low, high = posterior.interval(0.9)
>>> low.shape, bool((high - low > 0).all())
(torch.Size([1, 1, 28, 28]), True)
"""

import torch  # noqa: F401  (used by the example above)

from .chains import effective_sample_size, split_rhat
from .density import LogPosterior, whitening
from .gaussian import GaussianPosterior, gaussian_posterior
from .intervals import coverage, credible_interval
from .langevin import Chains, mala

__all__ = [
    "Chains",
    "GaussianPosterior",
    "LogPosterior",
    "coverage",
    "credible_interval",
    "effective_sample_size",
    "gaussian_posterior",
    "mala",
    "split_rhat",
    "whitening",
]
