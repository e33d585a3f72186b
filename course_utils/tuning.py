"""Choosing lambda and mu: every combination on every validation image, solved as one batch.

Tune on validation images, report on test images.  One batch keeps the cores busy; many sweeps at a time, on one machine
or a cluster, are jobs of ``course_utils.reproduce``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ._check import check_callable, check_finite, check_kind, check_numbers, check_positive, check_tensor
from .metrics import psnr
from .operators import LinearOperator
from .operators.base import check_operator
from .solvers import Result, reconstruct

__all__ = ["Sweep", "geometric", "sweep", "tuned_run"]


#: More values than anyone wants to try.
LONGEST = 1_000_000


def geometric(start: float, stop: float, factor: float) -> list[float]:
    """start, start * factor, ... while not beyond ``stop``.

    Example
    -------
    >>> geometric(8.0, 0.5, 0.25)
    [8.0, 2.0, 0.5]
    """
    start, stop, factor = check_positive("start", start), check_positive("stop", stop), check_positive("factor", factor)
    if factor == 1 or abs(math.log(stop / start) / math.log(factor)) > LONGEST:
        raise ValueError(f"'factor' must be > 0 and not 1, nor so near that there are endless values, got {factor:g}")
    values = [start]
    while (values[-1] * factor >= stop * (1 - 1e-9)) if factor < 1 else (values[-1] * factor <= stop * (1 + 1e-9)):
        values.append(values[-1] * factor)
    return values


@dataclass(frozen=True)
class Sweep:
    """Results for P parameter combinations on B images.

    Attributes
    ----------
    parameters : list of P dicts
        For example {"lam": 0.03, "mu": 0.1}.
    psnr : (P, B) tensor
    result : Result
        Of all P * B problems, combination by combination.
    """

    parameters: list[dict[str, float]]
    psnr: Tensor
    result: Result

    @property
    def best(self) -> dict[str, float]:
        """The combination of highest mean PSNR, the paper's criterion."""
        return self.parameters[int(self.psnr.mean(1).argmax())]

    def within(self, loss: float) -> dict[str, tuple[float, float]]:
        """Least and greatest value of each weight that loses at most ``loss`` dB, the other weight being chosen anew.

        What is tuned on a flat curve says little: a second draw of images may choose any value in between.
        """
        loss, mean = check_positive("loss", loss), self.psnr.mean(1).tolist()
        good = [p for p, value in zip(self.parameters, mean, strict=True) if value >= max(mean) - loss]
        return {name: (min(p[name] for p in good), max(p[name] for p in good)) for name in self.parameters[0]}

    def row(self) -> dict:
        """The best weights, their mean PSNR on these images, and which of them lie at an end of the grid."""
        reached = round(float(self.psnr.mean(1).max()), 3)
        return {**self.best, "val_psnr": reached, "at_edge_of_grid": self.at_edge()}

    def at_edge(self) -> list[str]:
        """Names of the parameters whose best value is the least or greatest that was tried: widen those."""
        best = self.best
        values = {name: sorted({p[name] for p in self.parameters}) for name in best}
        return [name for name, tried in values.items() if len(tried) > 1 and best[name] in (tried[0], tried[-1])]


def sweep(
    A: LinearOperator,
    y: Tensor,
    x: Tensor,
    make: Callable,
    lam: Sequence[float],
    mu: Sequence[float] | None = None,
    **settings,
) -> Sweep:
    """Reconstruct with every combination of the given weights.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
        Data of the validation images.
    x : (B, *A.shape_in) tensor
        The validation images.
    make : callable
        ``make(lam)`` or ``make(lam, mu)`` gives the regulariser, e.g. ``lambda lam, mu: Relaxed(G, lam, mu)``.
    lam, mu : sequences of float
    **settings
        For ``reconstruct``; ``x0`` and latent vectors as ``start`` hold one entry for each of the B images.

    Returns
    -------
    Sweep

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> x = torch.ones(2, 1, 8, 8)
    >>> sweep(Identity(8), x, x, Tikhonov, lam=[1.0, 0.1]).best
    {'lam': 0.1}
    """
    check_operator(A)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_tensor("x", x, (len(y), *A.shape_in), like=y)
    check_finite("x", x)
    check_callable("make", make)
    lam, mu = _grids(lam, mu)
    parameters = [{"lam": a} for a in lam] if mu is None else [{"lam": a, "mu": b} for a in lam for b in mu]
    B, P = len(y), len(parameters)
    weights = {
        name: torch.tensor([p[name] for p in parameters], dtype=y.dtype, device=y.device).repeat_interleave(B)
        for name in parameters[0]
    }
    repeat = [P] + [1] * (y.ndim - 1)
    if "x0" in settings:
        settings = settings | {"x0": settings["x0"].repeat(P, 1, 1, 1)}
    if isinstance(start := settings.get("start"), Tensor):
        settings = settings | {"start": start.repeat(P, *[1] * (start.ndim - 1))}
    result = reconstruct(A, y.repeat(repeat), make(*weights.values()), **settings)
    return Sweep(parameters, psnr(result.x, x.repeat(P, 1, 1, 1)).reshape(P, B), result)


def _grids(lam, mu) -> tuple[list[float], list[float] | None]:
    return check_numbers("lam", lam), None if mu is None else check_numbers("mu", mu)


def tuned_run(
    A: LinearOperator,
    validation: tuple[Tensor, Tensor],
    y: Tensor,
    make: Callable,
    lam: Sequence[float],
    mu: Sequence[float] | None = None,
    tuning: dict | None = None,
    running: dict | None = None,
    **settings,
) -> tuple[dict, Result]:
    """Tune by mean PSNR on validation images, run on the data of the test images.

    Parameters
    ----------
    A : LinearOperator
    validation : (images, data)
    y : (B, *A.shape_out) tensor
        Data of the test images.
    make : callable
        Weights -> regulariser.
    lam, mu : sequences of float
        A grid of one value is taken without a run.
    tuning, running : dict, optional
        Settings of ``reconstruct`` for the validation images alone, and for the test images alone.
    **settings
        Of ``reconstruct``, for both.

    Returns
    -------
    row : dict
        The weights, and as ``Sweep.row``, if anything was tuned.
    result : Result
        On the test images.

    Source
    ------
    Paper, Sect. 5.2: weights by PSNR on some images, the table from others.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> from course_utils.regularisers import Tikhonov
    >>> x = torch.ones(2, 1, 8, 8)
    >>> row, result = tuned_run(Identity(8), (x, x), 0.5 * x, Tikhonov, lam=[1.0, 0.1])
    >>> row["lam"], row["at_edge_of_grid"], result.x.shape
    (0.1, ['lam'], torch.Size([2, 1, 8, 8]))
    """
    check_callable("make", make)
    lam, mu = _grids(lam, mu)
    if len(check_kind("validation", validation, (tuple, list), "a pair (images, data)")) != 2:
        raise ValueError(f"'validation' must be a pair (images, data), got {len(validation)} entries")
    check_operator(A)
    for k, shape in enumerate((A.shape_in, A.shape_out)):
        check_tensor(f"validation[{k}]", validation[k], (None, *shape), like=A.like)
    for name, value in (("tuning", tuning), ("running", running)):
        if value is not None:
            check_kind(name, value, dict, "a dictionary of settings")
    if len(lam) == 1 and (mu is None or len(mu) == 1):
        weights = {"lam": lam[0]} | ({} if mu is None else {"mu": mu[0]})
        row = dict(weights)
    else:
        found = sweep(A, validation[1], validation[0], make, lam, mu, **(settings | (tuning or {})))
        weights, row = found.best, found.row()
    return row, reconstruct(A, y, make(*weights.values()), **(settings | (running or {})))
