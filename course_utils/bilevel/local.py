"""The implicit gradient where the lower level is not convex: at one minimum, and only if that is not degenerate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_callable, check_count, check_finite, check_positive, check_tensor
from .halving import halved

__all__ = ["LocalGradient", "LocalMinimum", "local_hypergradient", "local_minimum"]

#: Lengths of a Newton step that are tried.
LENGTHS = 30


@dataclass(frozen=True)
class LocalMinimum:
    """Points at which a Newton method ended.

    Attributes
    ----------
    v : (B, d) tensor
    slope : (B,) tensor
        Norm of the gradient.
    reached : (B,) bool tensor
        Whether it is at most the tolerance.
    steps : (B,) int64 tensor
    """

    v: Tensor
    slope: Tensor
    reached: Tensor
    steps: Tensor


@dataclass(frozen=True)
class LocalGradient:
    """The derivative of each loss along the branch of minima on which v lies.

    Attributes
    ----------
    gradient : (B, P) tensor
    loss : (B,) tensor
    slope : (B,) tensor
        Norm of the gradient of the lower level at v.
    curvature : (B,) tensor
        Least eigenvalue of its Hessian there.
    """

    gradient: Tensor
    loss: Tensor
    slope: Tensor
    curvature: Tensor


def _derivatives(value: Callable, v: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients (B, d), A = (B, d, d) and B = (B, d, P) of each example."""
    v, theta = v.detach().requires_grad_(), theta.detach().requires_grad_()
    with torch.enable_grad():
        (g,) = torch.autograd.grad(value(v, theta).sum(), v, create_graph=True)
        nothing = 0.0 * (v.sum() + theta.sum())  # so that there is a derivative, 0, by what does not occur
        rows = [torch.autograd.grad(g[:, k].sum() + nothing, (v, theta), retain_graph=True) for k in range(v.shape[1])]
    A, mixed = (torch.stack([row[k] for row in rows], 1) for k in range(2))
    return g.detach(), (A + A.mT) / 2, mixed


def _check(value: Callable, v: Tensor, theta: Tensor) -> Tensor:
    """``theta`` as one row for each example."""
    check_callable("value", value)
    check_tensor("v", v, (None, None))
    check_finite("v", v)
    check_tensor("theta", theta, (None,), like=v)
    check_finite("theta", theta)
    return theta.expand(len(v), -1)


def local_minimum(
    value: Callable[[Tensor, Tensor], Tensor], v: Tensor, theta: Tensor, tol: float = 1e-9, max_iter: int = 50
) -> LocalMinimum:
    r"""Newton's method from a point near a minimum, for few variables: the Hessian is formed.

    A step goes along :math:`-|A|^{-1}g`, where :math:`|A|` has the absolute values of the eigenvalues of A, so that it
    goes downhill, and is halved until the value falls enough.

    Parameters
    ----------
    value : callable
        v (B, d), theta (B, P) -> (B,), differentiable; no example may depend on another.
    v : (B, d) tensor
    theta : (P,) tensor
    tol : float > 0
        On the norm of the gradient.  At a kink it cannot be reached, and ``reached`` is False.
    max_iter : int

    Returns
    -------
    LocalMinimum

    Raises
    ------
    TypeError, ValueError
        Something that cannot be called, wrong shapes, numbers out of range.

    Source
    ------
    Nocedal and Wright, Numerical Optimization (2006), Section 3.4.

    Example
    -------
    >>> well = lambda v, theta: ((v**2 - theta[:, :1]) ** 2).sum(1)
    >>> start = torch.tensor([[0.9], [-1.2]], dtype=torch.float64)
    >>> found = local_minimum(well, start, start.new_tensor([4.0]))
    >>> found.v.flatten(), found.reached
    (tensor([ 2.0000, -2.0000], dtype=torch.float64), tensor([True, True]))
    """
    rows = _check(value, v, theta)
    tol, max_iter = check_positive("tol", tol), check_count("max_iter", max_iter)
    v, steps = v.detach().clone(), torch.zeros(len(v), dtype=torch.int64, device=v.device)
    stuck = torch.zeros(len(v), dtype=torch.bool, device=v.device)
    for _ in range(max_iter):
        g, A, _ = _derivatives(value, v, rows)
        active = (g.norm(dim=1) > tol) & ~stuck
        if not bool(active.any()):
            break
        size, basis = torch.linalg.eigh(A)
        least = torch.finfo(v.dtype).eps * size.abs().amax(1, keepdim=True)
        p = -(basis @ ((basis.mT @ g[..., None])[..., 0] / torch.maximum(size.abs(), least))[..., None])[..., 0]
        v, t = halved(lambda trial: value(trial, rows), v, p, g, active, LENGTHS)
        stuck |= active & (t == 0)
        steps += active
    slope = _derivatives(value, v, rows)[0].norm(dim=1)
    return LocalMinimum(v, slope, slope <= tol, steps)


def local_hypergradient(
    value: Callable[[Tensor, Tensor], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    v: Tensor,
    theta: Tensor,
) -> LocalGradient:
    r"""The derivative of :math:`U(\hat v(\theta),\theta)` where :math:`\hat v` follows one minimum of the lower level.

    If :math:`\partial_v\Phi(v,\theta)=0`, Phi is twice continuously differentiable near v, and
    :math:`A=\partial_v^2\Phi` is positive definite there, the implicit function theorem gives one branch of minima
    through v, and along it :math:`\nabla f=\partial_\theta U-B^TA^{-1}\partial_vU` with
    :math:`B=\partial_\theta\partial_v\Phi`.  It says nothing of other minima, nor how far the branch goes.

    Parameters
    ----------
    value : callable
        Phi: v (B, d), theta (B, P) -> (B,), as in ``local_minimum``.
    loss : callable
        U: the same arguments -> (B,).
    v : (B, d) tensor
        Minima, from ``local_minimum``.
    theta : (P,) tensor

    Returns
    -------
    LocalGradient
        ``slope`` and ``curvature`` are the hypotheses, measured.

    Raises
    ------
    TypeError, ValueError
        As ``local_minimum``; a Hessian that is not positive definite.

    Source
    ------
    The implicit function theorem; lectures, part II.3.

    Example
    -------
    >>> well = lambda v, theta: ((v**2 - theta[:, :1]) ** 2).sum(1)
    >>> at = torch.tensor([[2.0], [-2.0]], dtype=torch.float64)
    >>> local_hypergradient(well, lambda v, theta: v.sum(1), at, at.new_tensor([4.0])).gradient.flatten()
    tensor([ 0.2500, -0.2500], dtype=torch.float64)
    """
    rows = _check(value, v, theta)
    check_callable("loss", loss)
    g, A, mixed = _derivatives(value, v, rows)
    curvature = torch.linalg.eigvalsh(A)[:, 0]
    if not bool((curvature > 0).all()):
        k = int(curvature.argmin())
        raise ValueError(f"'v' must be minima with a positive Hessian, got the eigenvalue {curvature[k]:g} in row {k}")
    at, weights = v.detach().requires_grad_(), rows.detach().requires_grad_()
    with torch.enable_grad():
        U = loss(at, weights)
        by_v, by_theta = torch.autograd.grad(U.sum() + 0.0 * (at.sum() + weights.sum()), (at, weights))
    q = torch.linalg.solve(A, by_v)
    return LocalGradient(by_theta - (mixed.mT @ q[..., None])[..., 0], U.detach(), g.norm(dim=1), curvature)
