"""How far a Newton method goes along its direction: every example halves its own step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["halved"]

#: What a step has to gain, as a share of what its slope promises.
ARMIJO = 1e-4


@torch.no_grad()
def halved(
    value: Callable[[Tensor], Tensor],
    v: Tensor,
    p: Tensor,
    g: Tensor,
    active: Tensor,
    lengths: int,
    grad: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """v + t p (B, d), and the first t (B,) of 1, 1/2, 1/4, ... by which the value falls enough; g is the gradient at v.

    t is 0 where a step is not ``active``, or where none of the ``lengths`` that are tried is short enough.
    """
    f, gain = value(v), (p * g).sum(1)
    t, waiting, new = active.to(v.dtype), active, v
    for _ in range(lengths):
        trial = v + t[:, None] * p
        after = value(trial)
        # near the minimum the gain drowns in round-off: there the slope at the new point decides, or a step is trusted
        even = (after - f).abs() <= 1e-13 * f.abs()
        if grad is not None:
            even &= (grad(trial) * p).sum(1).abs() <= gain.abs()
        good = waiting & ((after <= f + ARMIJO * t * gain) | even)
        new, waiting = torch.where(good[:, None], trial, new), waiting & ~good
        if not bool(waiting.any()):
            break
        t = torch.where(waiting, t / 2, t)
    return new, torch.where(waiting, 0.0, t)
