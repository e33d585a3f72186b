"""The Bayesian view: what variational methods say of uncertainty, once their two terms are logarithms of densities.

Data y = A x + e with e ~ N(0, sigma^2 I), and a prior proportional to exp(-lam R(x) / (2 sigma^2)), have the posterior

    -log p(x | y) = (||A x - y||^2 + lam R(x)) / (2 sigma^2) + constant,

so that its most probable image, the MAP estimate, is what ``reconstruct`` finds.  For Tikhonov all is known in closed
form (``gaussian_posterior``); for others ``mala`` draws samples.  If the prior is a diffusion or a flow, ``DPS``,
``DiffPIR`` and ``PnPFlow`` draw what is near to samples, and ``calibration`` says how near.

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

from .calibration import Calibration, calibration
from .chains import effective_sample_size, split_rhat
from .density import LogPosterior, whitening
from .diffpir import DiffPIR
from .dps import DPS
from .gaussian import GaussianPosterior, gaussian_posterior
from .intervals import coverage, credible_interval
from .langevin import Chains, mala
from .mixture import MixtureScore, MixtureVelocity, mixture_moments, mixture_posterior
from .pnp_flow import PnPFlow
from .sampler import PosteriorSampler, data_prox

__all__ = [
    "DPS",
    "Calibration",
    "Chains",
    "DiffPIR",
    "GaussianPosterior",
    "LogPosterior",
    "MixtureScore",
    "MixtureVelocity",
    "PnPFlow",
    "PosteriorSampler",
    "calibration",
    "coverage",
    "credible_interval",
    "data_prox",
    "effective_sample_size",
    "gaussian_posterior",
    "mala",
    "mixture_moments",
    "mixture_posterior",
    "split_rhat",
    "whitening",
]
