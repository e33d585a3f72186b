"""The denoising problems of the chapter: boxes with noise, and one, two or three parameters to learn."""

from __future__ import annotations

import torch
from torch import Tensor

from ...bilevel import Bilevel, SmoothTV, box_signals, condition_penalty, solve_lower
from ...operators import add_noise
from ...reproduce.setting import seeded

__all__ = ["BOUNDS", "NU", "SIGMA", "START", "XI", "boxes", "exact_value", "parameters"]

SIGMA, NU, XI = 0.1, 1e-3, 1e-3
#: By the number of parameters: how many examples, where the search starts, its bounds, the weight of the penalty.
EXAMPLES = {1: 10, 2: 10, 3: 20}
START = {1: (0.0,), 2: (0.0, -1.0), 3: (0.0, -1.0, -1.0)}
BOUNDS = {1: ((-7.0,), (7.0,)), 2: ((-7.0, -7.0), (7.0, 0.0)), 3: ((-7.0, -7.0, -7.0), (7.0, 0.0, 0.0))}
PENALTY = {1: None, 2: 1e-6, 3: 1e-6}


def boxes(n: int, size: int = 256, seed: int = 0, sigma: float = SIGMA) -> tuple[Tensor, Tensor]:
    """Box signals and the same with noise, (n, size) each."""
    generator = seeded(seed)
    x = box_signals(n, generator, size)
    return x, add_noise(x, sigma, generator)


def parameters(p: int, n: int | None = None, size: int = 256, seed: int = 0) -> Bilevel:
    """Learning alpha (p = 1), alpha and nu (2), or alpha, nu and xi (3) of the smoothed TV; log10 of each.

    The sizes and penalties of p = 1 and p = 3 are those of Ehrhardt and Roberts, Section 4.

    Example
    -------
    >>> parameters(3, n=2, size=16).lower.names
    ('log10 alpha', 'log10 nu', 'log10 xi')
    """
    x, y = boxes(n or EXAMPLES[p], size, seed)
    lower = SmoothTV(y, **{1: {"nu": NU, "xi": XI}, 2: {"xi": XI}, 3: {}}[p])
    return Bilevel(lower, x, PENALTY[p] and condition_penalty(lower, PENALTY[p]))


def exact_value(
    problem: Bilevel, theta: Tensor, x0: Tensor | None = None, tol: float = 1e-10
) -> tuple[float, float, Tensor]:
    """The objective at theta, a bound on its error, and the solutions of the lower level, which warm the next call."""
    found = solve_lower(problem.lower, theta, tol, "lbfgs", x0, 20_000)
    value, low, high = problem.between(found, theta)
    return value, max(value - low, high - value), found.x


def as_theta(values, like: Tensor) -> Tensor:
    """Numbers as a theta in the precision of ``like``."""
    return torch.as_tensor(values, dtype=like.dtype)
