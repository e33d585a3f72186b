r"""Bilevel learning: parameters of a variational problem from examples of what its solutions should be.

The upper level asks for the theta with the best reconstructions, the lower level makes them,

.. math:: \min_\theta\sum_i\|\hat x_i(\theta)-x_i\|^2,\qquad\hat x_i(\theta)=\arg\min_x\Phi(x,\theta;y_i),

and it only ever solves them to some accuracy.  Every method here counts what that costs, in gradients of the lower
level and in products with its Hessian.

>>> from course_utils.operators import add_noise
>>> generator = torch.Generator().manual_seed(0)
>>> x = box_signals(4, generator, size=64)
>>> lower = SmoothTV(add_noise(x, 0.1, generator), nu=1e-2, xi=1e-3)
>>> problem, start = Bilevel(lower, x), x.new_tensor([-1.5])
>>> exact = learn_lbfgsb(problem, start)
>>> dynamic = dynamic_dfo(Residuals(problem), start, max_evals=30)
>>> abs(float(dynamic.theta - exact.theta)) < 0.01, dynamic.value < problem.loss(lower.y).sum()
(True, tensor(True))
"""

import torch  # noqa: F401  (used by the example above)

from .data import box_signals
from .dynamic_dfo import dynamic_dfo
from .experts import FieldOfExperts
from .hypergradient import HessianSolution, Hypergradient, hypergradient, solve_hessian, unrolled_gradient
from .interpolation import Evaluation
from .isgd import isgd
from .local import LocalGradient, LocalMinimum, local_hypergradient, local_minimum
from .lower import Linearised, LowerLevel
from .maid import hoag, maid
from .newton import HuberSignals, NewtonSolution, semismooth_newton
from .problem import Bilevel, Learned, condition_penalty
from .residuals import Residuals
from .sampling import LineSampling
from .solve import LowerSolution, solve_lower
from .tv import FourierSampling, SmoothTV
from .upper import learn_lbfgsb

__all__ = [
    "Bilevel",
    "Evaluation",
    "FieldOfExperts",
    "FourierSampling",
    "HessianSolution",
    "HuberSignals",
    "NewtonSolution",
    "semismooth_newton",
    "Hypergradient",
    "Learned",
    "LineSampling",
    "Linearised",
    "LocalGradient",
    "LocalMinimum",
    "LowerLevel",
    "LowerSolution",
    "Residuals",
    "SmoothTV",
    "box_signals",
    "condition_penalty",
    "dynamic_dfo",
    "hoag",
    "hypergradient",
    "isgd",
    "learn_lbfgsb",
    "local_hypergradient",
    "local_minimum",
    "maid",
    "solve_hessian",
    "solve_lower",
    "unrolled_gradient",
]
