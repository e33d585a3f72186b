"""Fixed points x = f(x) of a batch of maps: Anderson's acceleration, and how much a map contracts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import (
    check_callable,
    check_choice,
    check_count,
    check_finite,
    check_generator,
    check_nonnegative,
    check_tensor,
)
from ..regularisers.objective import spread

__all__ = ["FixedPoint", "anderson", "contraction"]


@dataclass(frozen=True)
class FixedPoint:
    """What ``anderson`` found for each of B maps.

    Attributes
    ----------
    x : (B, ...) tensor
        The iterate of least residual.
    residual : (B,) tensor
        ||f(x) - x|| / ||x||, computed at this x.
    iterations : (B,) int64 tensor
        How often f was computed.
    converged : (B,) bool tensor
        Whether ``residual`` is at most ``tol``.
    path : (steps, B) tensor
        The residuals of all iterates; NaN after the end.
    """

    x: Tensor
    residual: Tensor
    iterations: Tensor
    converged: Tensor
    path: Tensor


def _check_points(name: str, x: Tensor) -> None:
    check_tensor(name, x)
    check_finite(name, x)
    if x.ndim < 2:
        raise ValueError(f"'{name}' must have a batch axis and another, got shape {tuple(x.shape)}")


@torch.no_grad()
def anderson(
    f: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    memory: int = 5,
    tol: float = 1e-4,
    max_iter: int = 50,
) -> FixedPoint:
    r"""Fixed points of B independent maps at once; each stops by itself, and finished ones leave the batch.

    The next iterate is the combination of the last values of f in which the residuals, combined alike, are least:

    .. math:: x_{k+1} = \sum_i \alpha_i f(x_{k-i}), \qquad
              \alpha = \mathrm{argmin}_{\sum \alpha_i = 1} \big\| \sum_i \alpha_i (f(x_{k-i}) - x_{k-i}) \big\|.

    Parameters
    ----------
    f : callable
        ``f(x, rows)``: the values of the maps ``rows``, a tensor of their numbers, at as many x.
    x0 : (B, ...) tensor
        Where it starts.
    memory : int
        How many differences are combined; 0 is the plain iteration x_{k+1} = f(x_k).
    tol : float, >= 0
        A map is done when ||f(x) - x|| <= tol ||x||.
    max_iter : int

    Returns
    -------
    FixedPoint

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Anderson, J. ACM 12 (1965); Walker and Ni, SIAM J. Numer. Anal. 49 (2011); for equilibrium models in imaging:
    Gilton, Ongie, Willett, IEEE Trans. Comput. Imaging 7 (2021).

    Example
    -------
    >>> found = anderson(lambda x, rows: torch.cos(x), torch.zeros(2, 1, dtype=torch.float64), tol=1e-12)
    >>> found.x.flatten(), found.converged, int(found.iterations.max()) < 12
    (tensor([0.7391, 0.7391], dtype=torch.float64), tensor([True, True]), True)
    """
    check_callable("f", f)
    _check_points("x0", x0)
    memory, tol = check_count("memory", memory, minimum=0), check_nonnegative("tol", tol)
    max_iter = check_count("max_iter", max_iter)
    B = len(x0)
    best, least = x0.clone(), x0.new_full((B,), torch.inf)
    iterations = torch.zeros(B, dtype=torch.int64, device=x0.device)
    path, rows, x = [], torch.arange(B, device=x0.device), x0
    values, residuals = [], []  # of the last iterates, flattened, of those that are not done
    for _ in range(max_iter):
        fx = f(x, rows)
        value, r = fx.flatten(1), (fx - x).flatten(1)
        size = r.norm(dim=1) / x.flatten(1).norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
        size = torch.where(r.norm(dim=1) == 0, 0.0, size).nan_to_num(torch.inf)
        path.append(x0.new_full((B,), torch.nan).index_copy(0, rows, size))
        iterations[rows] += 1
        better = size < least[rows]
        best[rows[better]], least[rows[better]] = x[better], size[better]
        going = (size > tol) & torch.isfinite(size)
        if not bool(going.any()):
            break
        values = [v[going] for v in [*values, value][-memory - 1 :]]
        residuals = [v[going] for v in [*residuals, r][-memory - 1 :]]
        rows = rows[going]
        x = _combined(values, residuals).reshape(-1, *x0.shape[1:])
    return FixedPoint(best, least, iterations, least <= tol, torch.stack(path))


def _combined(values: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """The combination of values, each (B, n), in which the residuals are least."""
    value, r = values[-1], residuals[-1]
    if len(values) == 1:
        return value
    steps = torch.stack([value - v for v in values[:-1]], dim=2)  # (B, n, memory)
    changes = torch.stack([r - v for v in residuals[:-1]], dim=2)
    size = changes.norm(dim=1, keepdim=True).clamp_min(torch.finfo(r.dtype).tiny)
    steps, changes = steps / size, changes / size
    normal = changes.mT @ changes  # ones on the diagonal
    # differences may be parallel; what this leaves of the residual is of the size of round-off
    normal = normal + 10 * torch.finfo(r.dtype).eps * torch.eye(normal.shape[-1], dtype=r.dtype, device=r.device)
    weights = torch.linalg.solve_ex(normal, changes.mT @ r[:, :, None])[0]
    return torch.where(torch.isfinite(weights).all(1), value - (steps @ weights)[..., 0], value)


@torch.no_grad()
def contraction(
    f: Callable[[Tensor], Tensor], x: Tensor, generator: torch.Generator, n_iter: int = 50, of: str = "norm"
) -> Tensor:
    r"""How much f contracts near each x, by the power iteration on its Jacobian J there.

    Parameters
    ----------
    f : callable
        (B, ...) -> (B, ...), in which no problem looks at another.
    x : (B, ...) tensor
        A fixed point, if the rate of the iteration x -> f(x) is wanted.
    generator : torch.Generator
        Draws the directions from which it starts.
    n_iter : int
    of : {"norm", "radius"}
        "norm" is ||J||, from J^T J, a lower bound that rises to it: below 1, every step brings points near x nearer.
        "radius" is the mean growth of J^k v over the second half of the iterations, which tends to the spectral radius:
        below 1, the iteration converges from near by, if not in every step.

    Returns
    -------
    (B,) tensor

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Golub and Van Loan, Matrix Computations, Sect. 7.3.

    Example
    -------
    >>> x = torch.zeros(1, 2, dtype=torch.float64)
    >>> J = torch.tensor([[0.5, 1.0], [0.0, 0.5]]).double()
    >>> for of in ("norm", "radius"):
    ...     print(round(float(contraction(lambda x: x @ J.T, x, torch.Generator().manual_seed(0), 200, of)), 2))
    1.21
    0.5
    """
    check_callable("f", f)
    _check_points("x", x)
    check_generator(generator)
    n_iter = check_count("n_iter", n_iter, minimum=2)
    of = check_choice("of", of, ("norm", "radius"))
    v = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
    v = v / spread(v.flatten(1).norm(dim=1), v)
    growth = []
    for _ in range(n_iter):
        Jv = torch.autograd.functional.jvp(f, x, v)[1]
        growth.append(Jv.flatten(1).norm(dim=1))
        w = torch.autograd.functional.vjp(f, x, Jv)[1] if of == "norm" else Jv
        v = w / spread(w.flatten(1).norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny), w)
    if of == "norm":
        return growth[-1]
    return torch.stack(growth[n_iter // 2 :]).log().mean(0).exp()
