"""Total generalised variation of second order: piecewise affine images, where TV wants piecewise constant ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import check_count, check_entries, check_nonnegative, check_positive, check_tensor, trusting
from .composite import Composite, Scratch
from .differences import add_pulled, differences, divergence, gradient, shorten, shortened
from .objective import spread

__all__ = ["TGV"]

CHECK_EVERY = 50


def inside(w: Tensor) -> Tensor:
    """w without the entries that stand for differences across the border: (B, 2, H, W)."""
    w = w.clone()
    w[:, 0, -1] = 0
    w[:, 1, :, -1] = 0
    return w


def symmetrised(w: Tensor) -> Tensor:
    r"""E w: the derivatives :math:`\partial_1 w_1, \partial_2 w_2`, and root 2 times the mean of the mixed ones.

    (B, 2, H, W) -> (B, 3, H, W).  Only differences of two entries that both stand for a difference of pixels: E of
    the gradient of an affine image is 0, at the border too.
    """
    e = torch.zeros(len(w), 3, *w.shape[2:], dtype=w.dtype, device=w.device)
    e[:, 0, :-2] = w[:, 0, 1:-1] - w[:, 0, :-2]
    e[:, 1, :, :-2] = w[:, 1, :, 1:-1] - w[:, 1, :, :-2]
    mixed = w[:, 0, :-1, 1:] - w[:, 0, :-1, :-1] + w[:, 1, 1:, :-1] - w[:, 1, :-1, :-1]
    e[:, 2, :-1, :-1] = mixed / math.sqrt(2)
    return e


def symmetrised_adjoint(e: Tensor) -> Tensor:
    """The adjoint of ``symmetrised``: (B, 3, H, W) -> (B, 2, H, W)."""
    w = torch.zeros(len(e), 2, *e.shape[2:], dtype=e.dtype, device=e.device)
    w[:, 0, 1:-1] += e[:, 0, :-2]
    w[:, 0, :-2] -= e[:, 0, :-2]
    w[:, 1, :, 1:-1] += e[:, 1, :, :-2]
    w[:, 1, :, :-2] -= e[:, 1, :, :-2]
    mixed = e[:, 2, :-1, :-1] / math.sqrt(2)
    w[:, 0, :-1, 1:] += mixed
    w[:, 0, :-1, :-1] -= mixed
    w[:, 1, 1:, :-1] += mixed
    w[:, 1, :-1, :-1] -= mixed
    return w


def bend(w: Tensor, out: Tensor, down: Tensor) -> Tensor:
    """``symmetrised`` written to ``out``, (B, 3, H, W), for a w that is 0 across the border; ``down``: (B, H, W).

    Along the rows w is one long line, as in ``differences``.
    """
    torch.sub(w[:, 0, 1:-1], w[:, 0, :-2], out=out[:, 0, :-2])
    rows, bends = w[:, 1].flatten(1), out[:, 1].flatten(1)
    torch.sub(rows[:, 1:], rows[:, :-1], out=bends[:, :-1])
    out[:, 0, -2:] = 0
    out[:, 1, :, -2:] = 0
    torch.sub(w[:, 1, 1:], w[:, 1, :-1], out=down[:, :-1])
    columns, mixed = w[:, 0].flatten(1), out[:, 2].flatten(1)
    torch.sub(columns[:, 1:], columns[:, :-1], out=mixed[:, :-1])
    out[:, 2, :-1].add_(down[:, :-1]).mul_(1 / math.sqrt(2))
    out[:, 2, -1] = 0
    out[:, 2, :, -1] = 0
    return out


def pull_bends(e: Tensor, out: Tensor) -> Tensor:
    """``symmetrised_adjoint`` added to ``out``, (B, 2, H, W), for an e that is 0 where ``symmetrised`` is."""
    first, second, mixed, half = e[:, 0], e[:, 1], e[:, 2], 1 / math.sqrt(2)
    out[:, 0].sub_(first).sub_(mixed, alpha=half)
    out[:, 1].sub_(second).sub_(mixed, alpha=half)
    out[:, 0, 1:].add_(first[:, :-1])
    out[:, 1, 1:].add_(mixed[:, :-1], alpha=half)
    out[:, 0].flatten(1)[:, 1:].add_(mixed.flatten(1)[:, :-1], alpha=half)
    out[:, 1].flatten(1)[:, 1:].add_(second.flatten(1)[:, :-1])
    return out


class TGV(Composite):
    r"""Total generalised variation of second order, :math:`R(x) = \min_w \|\nabla x - w\|_1 + \beta\|E w\|_1`.

    E is the symmetrised derivative, and each norm sums the lengths of the vectors, or the Frobenius norms of the
    matrices, over the pixels.  Affine images cost nothing.  ``R(x)`` is itself the solution of a problem, in w.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    beta : float > 0
        Large: E w is 0, so that w is constant up to a rotation and R is TV but for an affine part of the image; small:
        w follows the gradient.
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Source
    ------
    Bredies, Kunisch, Pock, SIAM J. Imaging Sci. 3 (2010); lectures, part I.1, option 2 (there without the
    symmetrisation).

    Example
    -------
    A ramp costs nothing, a step as much as for TV:

    >>> ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    >>> TGV(0.1)(torch.cat([ramp, (ramp > 2).float()])).round(decimals=3)
    tensor([0., 6.])
    """

    channels = 3
    norm_squared = 12.0

    def __init__(self, lam: float | Tensor, beta: float = 2.0, bounds: tuple[float, float] | None = None) -> None:
        super().__init__(lam, bounds)
        self.beta = check_positive("beta", beta)

    def K(self, v: Tensor) -> Tensor:
        """Of (x, w), three channels, the five of (grad x - w, E w)."""
        w = v[:, 1:]
        return torch.cat([gradient(v[:, :1]) - inside(w), symmetrised(w)], 1)

    def KT(self, q: Tensor) -> Tensor:
        edges, bends = q[:, :2], q[:, 2:]
        return torch.cat([-divergence(edges), symmetrised_adjoint(bends) - inside(edges)], 1)

    def size(self, k: Tensor) -> Tensor:
        edges, bends = (part.pow(2).sum(1).sqrt().flatten(1).sum(1) for part in (k[:, :2], k[:, 2:]))
        return edges + self.beta * bends

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        parts = []
        for part, radius in ((q[:, :2], lam), (q[:, 2:], self.beta * lam)):
            parts.append(shortened(part, radius))
        return torch.cat(parts, 1)

    def pull(self, q: Tensor, out: Tensor) -> Tensor:
        add_pulled(q[:, :2], out[:, 0].zero_())
        pull_bends(q[:, 2:], torch.neg(q[:, :2], out=out[:, 1:]))
        return out

    def climb(self, q: Tensor, v: Tensor, lam: Tensor, sigma: Tensor, relaxation: float, scratch: Scratch) -> None:
        short = torch.mul(v, sigma, out=scratch("short", v))
        short[:, 1, -1] = 0
        short[:, 2, :, -1] = 0
        new, mixed = scratch("new", q), scratch("mixed", q, 1)
        differences(short[:, 0], new[:, :2]).sub_(short[:, 1:])
        bend(short[:, 1:], new[:, 2:], mixed[:, 0])
        new.add_(q)
        shorten(new[:, :2], lam, mixed)
        shorten(new[:, 2:], self.beta * lam, mixed)
        q.mul_(1 - relaxation).add_(new, alpha=relaxation)

    @torch.no_grad()
    def __call__(self, x: Tensor, tol: float = 1e-6, max_iter: int = 20_000) -> Tensor:
        """R(x), by the primal-dual method in w, until twice in a row fifty steps change it by ``tol`` at most.

        ``tol`` is relative to R(x), or to a hundredth of TV(x) where R(x) is less, as for affine images, where it is 0.
        """
        check_tensor("x", x, (None, 1, None, None))
        check_entries("x", x)
        tol, max_iter = check_nonnegative("tol", tol), check_count("max_iter", max_iter)
        with trusting():
            return self.forbid(x, self._least(gradient(x), tol, max_iter))

    def _least(self, d: Tensor, tol: float, max_iter: int) -> Tensor:
        """min_w ||d - w||_1 + beta ||E w||_1: (B,)."""
        # The norm of w -> (w, E w) is at most 3; w is about as long as d, and the duals as 1.
        length = spread(d.flatten(1).pow(2).mean(1).sqrt().clamp_min(1e-3), d)
        tau, sigma = length / 3, 1 / (3 * length)
        w, one = d, torch.ones(1, 1, 1, 1).to(d)
        q = torch.zeros(len(d), 5, *d.shape[2:], dtype=d.dtype, device=d.device)
        best, calm = (
            self.beta * symmetrised(d).pow(2).sum(1).sqrt().flatten(1).sum(1),
            torch.zeros(len(d)).bool().to(d.device),
        )
        tv = d.pow(2).sum(1).sqrt().flatten(1).sum(1)
        round_off = 4 * torch.finfo(d.dtype).eps * tv
        for k in range(max_iter):
            new = w - tau * (symmetrised_adjoint(q[:, 2:]) - inside(q[:, :2]))
            bar = 2 * new - w
            moved = torch.cat([d - inside(bar), symmetrised(bar)], 1)
            w, q = w + 1.9 * (new - w), q + 1.9 * (self.dual_step(q + sigma * moved, one, one) - q)
            if k % CHECK_EVERY == CHECK_EVERY - 1:
                value = self.size(torch.cat([d - inside(new), symmetrised(new)], 1))
                still = (best - value).abs() <= torch.maximum(tol * torch.maximum(value, 0.01 * tv), round_off)
                best = torch.minimum(best, value)
                if bool((still & calm).all()):
                    break
                calm = still
        return best
