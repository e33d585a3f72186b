"""The gradient of the upper level: by the implicit function theorem with an error bound, or by unrolling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import (
    check_callable,
    check_choice,
    check_count,
    check_finite,
    check_kind,
    check_nonnegative,
    check_tensor,
)
from .problem import Bilevel
from .solve import LowerSolution, solve_lower

__all__ = ["HessianSolution", "Hypergradient", "hypergradient", "solve_hessian", "unrolled_gradient"]


@dataclass(frozen=True)
class HessianSolution:
    """What conjugate gradients found for B systems.

    Attributes
    ----------
    q : (B, ...) tensor
    residual : (B,) tensor
        ||A q - b||, by the recursion of the method.
    iterations : (B,) int64 tensor
        Products with A.
    reached : (B,) bool tensor
        Whether the residual is at most the tolerance.
    """

    q: Tensor
    residual: Tensor
    iterations: Tensor
    reached: Tensor


@torch.no_grad()
def solve_hessian(
    hvp: Callable, b: Tensor, tol: float, mu: float = 0.0, q0: Tensor | None = None, max_iter: int = 10_000
) -> HessianSolution:
    r"""Conjugate gradients for A q = b, for all examples at once, each until :math:`\|Aq-b\|\le` ``tol``.

    Parameters
    ----------
    hvp : callable
        v -> A v, (B, ...) -> (B, ...), symmetric and positive definite for each example.
    b : (B, ...) tensor
    tol : float >= 0
    mu : float
        What no curvature may be below.
    q0 : (B, ...) tensor, optional
        Default: zero.
    max_iter : int

    Returns
    -------
    HessianSolution
        ``reached`` is False where ``max_iter`` came first; the residual then says what is known.

    Raises
    ------
    ValueError
        A curvature <p, A p> / ||p||^2 that is negative, zero, or below ``mu``: the lower level is not as convex as it
        says, and what the theorem would give is no gradient.

    Source
    ------
    Hestenes and Stiefel, J. Research of the National Bureau of Standards 49 (1952).

    Example
    -------
    >>> found = solve_hessian(lambda v: 2 * v, torch.ones(1, 3), tol=1e-6)
    >>> found.q, found.iterations
    (tensor([[0.5000, 0.5000, 0.5000]]), tensor([1]))
    """
    check_callable("hvp", hvp)
    check_tensor("b", b)
    if b.ndim < 2:
        raise ValueError(f"'b' must have an axis of examples and one more, got shape {tuple(b.shape)}")
    check_finite("b", b)
    if q0 is not None:
        check_tensor("q0", q0, tuple(b.shape), like=b)
        check_finite("q0", q0)
    tol, max_iter = check_nonnegative("tol", tol), check_count("max_iter", max_iter, minimum=0)
    mu = check_nonnegative("mu", mu)
    spread = [-1] + [1] * (b.ndim - 1)
    q = torch.zeros_like(b) if q0 is None else q0.clone()
    r = b.clone() if q0 is None else b - hvp(q)
    p, square = r.clone(), r.flatten(1).square().sum(1)
    iterations = torch.zeros(len(b), dtype=torch.int64, device=b.device) + (q0 is not None)
    slack = 1e3 * torch.finfo(b.dtype).eps
    for _ in range(max_iter):
        active = square > tol**2
        if not bool(active.any()):
            break
        Ap = hvp(p)
        iterations += active
        curved, length = (p * Ap).flatten(1).sum(1), p.flatten(1).square().sum(1)
        wrong = active & ~(curved > max(mu * (1 - slack), 0) * length)
        if bool(wrong.any()):
            worst = float((curved / length)[wrong].min())
            said = "negative curvature" if worst <= 0 else f"less than its mu = {mu:g}"
            raise ValueError(f"'lower' must be strongly convex, but its Hessian has the curvature {worst:g}: {said}")
        a = torch.where(active, square / curved, 0.0).reshape(spread)
        q, r = q + a * p, r - a * Ap
        new = torch.where(active, r.flatten(1).square().sum(1), square)
        p = torch.where(active.reshape(spread), r + torch.where(active, new / square, 0.0).reshape(spread) * p, p)
        square = new
    return HessianSolution(q, square.sqrt(), iterations, square <= tol**2)


@dataclass(frozen=True)
class Hypergradient:
    """The gradient of the upper level at an inexact solution of the lower one.

    Attributes
    ----------
    value : float
        The objective at the inexact solution; ``low`` and ``high`` are numbers between which the exact one lies.
    gradient : (P,) tensor
    bound : float
        On the norm of its error.
    solution : LowerSolution
    q : (B, ...) tensor
    residual : (B,) tensor
        Of the linear systems.
    lower_iterations, cg_iterations : int
        Paid for this gradient, of all examples together.
    reached : bool
        Whether both accuracies are the ones asked for.
    """

    value: float
    low: float
    high: float
    gradient: Tensor
    bound: float
    solution: LowerSolution
    q: Tensor
    residual: Tensor
    lower_iterations: int
    cg_iterations: int
    reached: bool


def hypergradient(
    problem: Bilevel,
    theta: Tensor,
    tol: float = 1e-12,
    cg_tol: float = 1e-8,
    method: str = "fista",
    x0: Tensor | LowerSolution | None = None,
    q0: Tensor | None = None,
    max_iter: int = 100_000,
    cg_iter: int = 10_000,
) -> Hypergradient:
    r"""The gradient of :math:`\sum_i\|\hat x_i(\theta)-x_i\|^2+P(\theta)` by the implicit function theorem.

    With :math:`A=\partial_x^2\Phi`, :math:`B=\partial_\theta\partial_x\Phi` it is :math:`-B^Tq+\nabla P`, where
    :math:`Aq=2(\hat x-x)`.  At an :math:`\tilde x` with :math:`\|\tilde x-\hat x\|\le\varepsilon` and a q with residual
    :math:`\delta`, the error of :math:`-B^Tq` is at most the sum over the examples of

    .. math:: \|(B-\hat B)^Tq\|+\|\hat B\|\,\frac{\|(A-\hat A)q\|+2\varepsilon+\delta}{\mu},

    where the lower level bounds the three norms for all points within :math:`\varepsilon`.

    Parameters
    ----------
    problem : Bilevel
    theta : (P,) tensor
    tol : float >= 0
        On ||x - x_hat||^2 of each example.
    cg_tol : float >= 0
        On the residual ||A q - 2 (x - truth)|| of each example.
    method : str
        As in ``solve_lower``.
    x0 : (B, ...) tensor or LowerSolution, optional
        Where the solver starts; a solution at this theta that is good enough costs nothing.
    q0 : (B, ...) tensor, optional
    max_iter, cg_iter : int

    Returns
    -------
    Hypergradient
        With ``reached`` False where a budget ended first; the bound holds all the same.

    Raises
    ------
    TypeError, ValueError
        What ``solve_lower`` and ``solve_hessian`` refuse.

    Source
    ------
    Pedregosa, ICML (2016); the bound after Ehrhardt and Roberts, IMA J. Appl. Math. 89 (2024), and Salehi et al.,
    arXiv 2308.10098, with local instead of global Lipschitz constants.

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    >>> problem = Bilevel(SmoothTV(y, nu=1e-2, xi=1e-3), x)
    >>> theta = torch.tensor([-1.0], dtype=torch.float64)
    >>> rough, fine = hypergradient(problem, theta, 1e-4, 1e-2), hypergradient(problem, theta, 1e-20, 1e-10)
    >>> bool((rough.gradient - fine.gradient).norm() <= rough.bound + fine.bound)
    True
    """
    check_kind("problem", problem, Bilevel)
    lower = problem.lower
    tol, cg_tol = check_nonnegative("tol", tol), check_nonnegative("cg_tol", cg_tol)
    check_count("cg_iter", cg_iter, minimum=0)
    lower.check_theta(theta)
    if q0 is not None:
        lower.check_x("q0", q0)
    if isinstance(x0, LowerSolution) and bool((x0.accuracy <= tol).all()):
        solution, paid = x0, 0
    else:
        solution = solve_lower(lower, theta, tol, method, x0.x if isinstance(x0, LowerSolution) else x0, max_iter)
        paid = solution.cost
    mu, _ = lower.constants(theta)
    second = lower.linearise(solution.x, theta)
    system = solve_hessian(second.hvp, 2 * (solution.x - problem.truth), cg_tol, mu, q0, cg_iter)
    gradient = problem.penalised(theta)[1] - second.mixed(system.q)
    value, low, high = problem.between(solution, theta)
    return Hypergradient(
        value, low, high, gradient, error_bound(problem, theta, solution, system.q, system.residual, mu), solution,
        system.q, system.residual, paid, int(system.iterations.sum()),
        bool((solution.accuracy <= tol).all() and system.reached.all()),
    )  # fmt: skip


@torch.no_grad()
def error_bound(
    problem: Bilevel, theta: Tensor, solution: LowerSolution, q: Tensor, residual: Tensor, mu: float
) -> float:
    """On the error of the hypergradient, from what was computed: eps of the lower level, q and its residual."""
    lower, x, eps = problem.lower, solution.x, solution.error
    # two matrices with eigenvalues between mu and L differ by L - mu at most
    most = (lower.constants(theta)[1] - mu) * q.flatten(1).norm(dim=1)
    system = (torch.minimum(lower.hessian_change(x, theta, q, eps), most) + 2 * eps + residual) / mu
    each = lower.mixed_change(x, theta, q, eps) + lower.mixed_norm(x, theta, eps) * system
    total = float(each.sum())
    return math.inf if math.isnan(total) else total


def unrolled_gradient(
    problem: Bilevel, theta: Tensor, n_iter: int, method: str = "gd", x0: Tensor | None = None
) -> tuple[float, Tensor]:
    r"""The objective after ``n_iter`` steps of a solver, and its gradient by backpropagation through all of them.

    It is the exact gradient of another problem, in which the reconstruction *is* what comes out after N steps; its
    minimiser makes up for an unfinished lower level.  The memory grows with N.

    Parameters
    ----------
    problem : Bilevel
    theta : (P,) tensor
    n_iter : int
    method : {"gd", "fista"}
    x0 : (B, ...) tensor, optional

    Returns
    -------
    value : float
    gradient : (P,) tensor

    Raises
    ------
    TypeError, ValueError
        Wrong shapes, an unknown method, a problem that is not strongly convex at theta.

    Source
    ------
    Ochs, Ranftl, Brox and Pock, SSVM (2015).

    Example
    -------
    >>> from course_utils.bilevel import SmoothTV, box_signals
    >>> x = box_signals(2, torch.Generator().manual_seed(0), 32)
    >>> value, gradient = unrolled_gradient(Bilevel(SmoothTV(x, nu=0.1, xi=0.1), x), x.new_tensor([-1.0]), 10)
    >>> gradient.shape
    torch.Size([1])
    """
    check_kind("problem", problem, Bilevel)
    lower, n_iter = problem.lower, check_count("n_iter", n_iter)
    accelerated = check_choice("method", method, ("gd", "fista")) == "fista"
    lower.check_theta(theta)
    lower.constants(theta)
    theta = theta.detach().requires_grad_()
    with torch.enable_grad():
        mu, L = lower.mu(theta), lower.L(theta)
        x = lower.start() if x0 is None else lower.check_x("x0", x0)
        # after the first steps the momentum of FISTA is constant (Nesterov 2004); unrolled it is so from the start
        momentum = (L.sqrt() - mu.sqrt()) / (L.sqrt() + mu.sqrt()) if accelerated else 0.0
        step, last = 1 / L if accelerated else 2 / (L + mu), x
        for _ in range(n_iter):
            z = x + momentum * (x - last)
            last, x = x, z - step * lower.grad(z, theta)
        value = problem.loss(x).sum()
        if problem.penalty is not None:
            value = value + problem.penalty(theta)
    return float(value.detach()), torch.autograd.grad(value, theta)[0]
