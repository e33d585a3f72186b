"""The deep equilibrium network of this chapter: how much its map contracts, and its gradient by two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.style import COLOURS, subplots
from ...operators import LinearOperator
from ...reconstructors import Equilibrium
from ...reconstructors.fixed_point import FixedPoint, anderson, contraction

__all__ = ["Contraction", "contraction_of", "gradients", "iterations_figure", "tightened"]


@dataclass(frozen=True)
class Contraction:
    """What was measured of x -> f(x; y) for B data.

    Attributes
    ----------
    plain, accelerated : FixedPoint
        Of the iteration itself, and of Anderson's acceleration; their ``path`` has the relative residuals.
    ratio : (B,) tensor
        The last step of the plain iteration over the one before it.
    norm, radius : (B,) tensors
        Of the Jacobian df/dx at the fixed point: its spectral norm (a lower bound), and its spectral radius.
    """

    plain: FixedPoint
    accelerated: FixedPoint
    ratio: Tensor
    norm: Tensor
    radius: Tensor


def tightened(network: Equilibrium, tol: float = 1e-10, max_iter: int = 400) -> Equilibrium:
    """The same network in float64, whose fixed points and gradients are found to another accuracy.

    Example
    -------
    >>> from course_utils.reconstructors import EquilibriumConfig, Home
    >>> network = Equilibrium(EquilibriumConfig(Home(28, sigma=0.05, m=150), width=4))
    >>> tightened(network).config.tol
    1e-10
    """
    twin = Equilibrium(replace(network.config, tol=tol, max_iter=max_iter))
    twin.load_state_dict(network.state_dict())
    return twin.double().requires_grad_(False)


def contraction_of(
    network: Equilibrium, y: Tensor, A: LinearOperator, generator: torch.Generator, n_iter: int = 60
) -> Contraction:
    """Iterate the map of the network plainly and accelerated from zero, and look at its Jacobian where that ends.

    Parameters
    ----------
    network : Equilibrium
    y : ``(B, *A.shape_out)`` tensor
    A : LinearOperator
    generator : torch.Generator
        Of the directions from which the power iterations start.
    n_iter : int
        Of the plain iteration, and of the power iterations.
    """
    zero = y.new_zeros(len(y), *A.shape_in)

    def f(x: Tensor, rows: Tensor) -> Tensor:
        return network.iterate(x, y[rows], A)

    with torch.no_grad():
        plain = anderson(f, zero, memory=0, tol=0.0, max_iter=n_iter)
        accelerated = anderson(f, zero, tol=1e-6 if y.dtype == torch.float64 else 1e-5, max_iter=n_iter)
        # path holds ||f(x) - x|| / ||x||: the lengths of x, which hardly change at the end, cancel
        ratio = plain.path[-1] / plain.path[-2]
    every = torch.arange(len(y))
    norm, radius = (
        contraction(lambda x: f(x, every), accelerated.x, generator, n_iter, of) for of in ("norm", "radius")
    )
    return Contraction(plain, accelerated, ratio, norm, radius)


def gradients(
    network: Equilibrium, y: Tensor, A: LinearOperator, x: Tensor, unrolled: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """The gradient by y of ||network(y) - x||^2: implicit, at the fixed point, and through unrolled iterations.

    The unrolled iterations begin at the fixed point, which is not differentiated; after n of them its influence on the
    gradient has shrunk as the n-th power of the Jacobian has.

    Parameters
    ----------
    network : Equilibrium
    y : ``(B, *A.shape_out)`` tensor
    A : LinearOperator
    x : (B, 1, H, W) tensor
    unrolled : numbers of iterations

    Returns
    -------
    implicit : tensor of the shape of ``y``
    unrolled : list of such tensors, one for each number
    """
    v = y.clone().requires_grad_()
    at_end = network(v, A)
    (implicit,) = torch.autograd.grad((at_end - x).square().sum(), v)
    found = []
    for n in unrolled:
        at = at_end.detach()
        for _ in range(n):
            at = network.iterate(at, v, A)
        found.append(torch.autograd.grad((at - x).square().sum(), v)[0])
    return implicit, found


def iterations_figure(found: Contraction) -> Figure:
    """Relative residuals of both iterations, and the line that the spectral radius predicts for the plain one."""
    alt = (
        "Relative residual of the fixed-point equation against the iteration, on a logarithmic scale: the plain "
        "iteration falls along a line whose slope is the spectral radius, Anderson's acceleration falls faster."
    )
    figure, ax = subplots(size=(5.6, 3.2), alt=alt)
    for path, hue, words in ((found.plain, "blue", "plain iteration"), (found.accelerated, "vermilion", "accelerated")):
        rest = path.path[1:]  # the first residual is relative to the length of zero
        rest = rest.masked_fill(rest == 0, float("nan"))  # solved exactly
        ax.plot(range(2, len(rest) + 2), rest.numpy(), "-", color=COLOURS[hue], lw=1.2)
        ax.plot([], [], "-", color=COLOURS[hue], label=words)
    n, rate, last = len(found.plain.path), float(found.radius.max()), float(found.plain.path[-1].max())
    k = torch.arange(n // 3, n + 1)
    ax.plot(k, last * rate ** (k - n).double(), ":", color=COLOURS["black"], label=f"radius {rate:.2f} to the k")
    ax.set(yscale="log", xlabel="iteration k", ylabel=r"$\|f(x_k)-x_k\|\,/\,\|x_k\|$")
    ax.legend()
    return figure
