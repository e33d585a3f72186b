"""The search that attacks share: gradient ascent for many starts at once, each with its own step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..regularisers.objective import spread, sum_of_squares
from .maps import SolutionMap

__all__ = ["Climb", "ascend", "on_sphere"]

#: How far the values of a search without derivative are taken from each other, in sizes of the perturbation.
APART = 0.05
#: Factors of the step after one that helped and after one that did not: with a gradient, and with random directions, of
#: which about half do not help.
SEEING, BLIND = (2.0, 0.25), (1.5, 0.85)


@dataclass(frozen=True)
class Climb:
    """What N searches have found: ``r`` (N, ...), ``value`` (N,), and the values on the way, (steps + 1, N)."""

    r: Tensor
    value: Tensor
    trace: Tensor


def on_sphere(shape: tuple[int, ...], size: Tensor, generator: torch.Generator) -> Tensor:
    """Random tensors (B, ...), each of the Euclidean norm ``size`` (B,)."""
    drawn = torch.randn(shape, generator=generator, device=generator.device, dtype=size.dtype).to(size.device)
    return drawn * spread(size / sum_of_squares(drawn).sqrt(), drawn)


def ascend(
    phi: SolutionMap,
    y: Tensor,
    r: Tensor,
    score: Callable[[Tensor, Tensor], Tensor],
    project: Callable[[Tensor], Tensor],
    steps: int,
    generator: torch.Generator,
    state: dict[str, Tensor] | None = None,
    to_data: Callable[[Tensor], Tensor] = lambda r: r,
    pull: Callable[[Tensor], Tensor] = lambda e: e,
) -> Climb:
    """Increase score(Phi(y + e), r) with e = ``to_data(r)`` over the set that ``project`` projects to.

    A step goes along the gradient and back to the set.  After one that helped the next is twice as long; one that did
    not is taken back, and the next is a quarter as long: no value ever falls.  For a linear map and a ball, long steps
    are those of the power iteration.  A map without derivative gets a random direction and the difference of the two
    values along it (simultaneous perturbation).

    Parameters
    ----------
    phi : SolutionMap
        For N problems.
    y : (N, ...) tensor
    r : (N, ...) tensor
        In the set.
    score : callable
        Images (N, 1, H, W) and r -> (N,), differentiable.
    project : callable
    steps : int
    generator : torch.Generator
        Draws the directions of a search without derivative.
    state : dict
        Of a point near y.
    to_data, pull : callables
        A linear map and its adjoint.

    Source
    ------
    Madry et al., ICLR 2018 (projected gradient ascent); Spall, IEEE Trans. Automat. Control 37 (1992).
    """
    size = sum_of_squares(r).sqrt()

    def look(r: Tensor, state) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        point = phi.at(y + to_data(r), state)
        x, s = point.x.requires_grad_(), r.detach().requires_grad_()
        with torch.enable_grad():
            f = score(x, s)
            w, direct = torch.autograd.grad(f.sum(), (x, s), allow_unused=True)
        if phi.gradient == "none":
            g = _simultaneous(phi, y, r, score, size, generator, to_data)
        else:
            g = pull(point.vjp(w)).detach()
            g = g if direct is None else g + direct
        return f.detach(), torch.where(torch.isfinite(g), g, 0.0), point.state

    f, g, state = look(r, state)
    blind = phi.gradient == "none"
    rate = torch.ones_like(size) if blind else _inverse(g, size)
    trace = [f]
    for _ in range(steps):
        step = rate * _inverse(g, size) if blind else rate
        trial = project(r + spread(step, g) * g)
        f_new, g_new, state_new = look(trial, state)
        better = f_new > f
        r = torch.where(spread(better, r), trial, r)
        g = g_new if blind else torch.where(spread(better, g), g_new, g)  # a random direction is drawn anew
        state = {k: torch.where(spread(better, new), new, state.get(k, new)) for k, new in state_new.items()}
        f, rate = torch.where(better, f_new, f), rate * torch.where(better, *(BLIND if blind else SEEING))
        trace.append(f)
    return Climb(r, f, torch.stack(trace))


def _inverse(g: Tensor, size: Tensor) -> Tensor:
    """By what g is multiplied to have the length ``size``: (N,)."""
    return size / sum_of_squares(g).sqrt().clamp_min(torch.finfo(g.dtype).tiny)


def _simultaneous(phi, y, r, score, size, generator, to_data) -> Tensor:
    """A random direction of the length of r, times the slope of the score along it."""
    signs = torch.randint(2, r.shape, generator=generator, device=generator.device).to(r) * 2 - 1
    d = signs * spread(APART * size, r) / r[0].numel() ** 0.5
    up, down = (score(phi.images(y + to_data(v)), v) for v in (r + d, r - d))
    rise = spread((up - down) / 2, r)
    return rise * d / spread(sum_of_squares(d).clamp_min(torch.finfo(r.dtype).tiny), r)
