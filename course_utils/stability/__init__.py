"""Worst-case stability: perturbations of the data that move a reconstruction most, details that it loses or invents.

>>> from course_utils import GaussianBlur, Tikhonov, load, measure
>>> x, A = load("mnist").test[:2], GaussianBlur(28)
>>> y = measure(A, x, sigma=0.1, generator=torch.Generator().manual_seed(0))
>>> found = attack(A, y, Tikhonov(0.05), budget=1.0, generator=torch.Generator().manual_seed(1), truth=x)
>>> bool((found.effect > 1.5 * found.random_max).all())
True

No search proves that it has found the worst: effects and Lipschitz constants are lower bounds, erasures upper ones.
"""

import torch  # noqa: F401  (used by the example above)

from .attack import Attack, attack, sweep_budgets
from .erasing import Erasure, Hallucination, erase, hallucinate
from .lipschitz import LocalLipschitz, local_lipschitz
from .transfer import Transfer, transfer

__all__ = [
    "Attack",
    "Erasure",
    "Hallucination",
    "LocalLipschitz",
    "Transfer",
    "attack",
    "erase",
    "hallucinate",
    "local_lipschitz",
    "sweep_budgets",
    "transfer",
]
