"""A search from the best of random starts, judged at its end by the method itself: what attacks and erasures share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .ascent import ascend
from .maps import SolutionMap

__all__ = ["Found", "search"]


@dataclass(frozen=True)
class Found:
    """The best r of each of B problems; attributes as those of ``Attack``, with ``x`` the image there."""

    r: Tensor
    x: Tensor
    value: Tensor
    believed: Tensor
    random: Tensor
    trace: Tensor
    evaluations: float


def _same(r: Tensor) -> Tensor:
    return r


def search(
    phi: SolutionMap,
    y: Tensor,
    drawn: list[Tensor],
    score_of: Callable[[int], Callable[[Tensor, Tensor], Tensor]],
    project_of: Callable[[int], Callable[[Tensor], Tensor]],
    n_starts: int,
    steps: int,
    generator: torch.Generator,
    to_data: Callable[[Tensor], Tensor] = _same,
    pull: Callable[[Tensor], Tensor] = _same,
    first: Tensor | None = None,
) -> Found:
    """Maximise a score of Phi(y + ``to_data(r)``) and r.

    Parameters
    ----------
    phi : SolutionMap
    y : (B, ...) tensor
    drawn : list of (B, ...) tensors
        Random points of the set; of each problem the ``n_starts`` best are the starts.
    score_of, project_of : callables
        k -> the score (images, r) -> (values), and the projection r -> r, for batches with every problem k times.
    to_data, pull : callables
        A linear map and its adjoint.
    first : (B, ...) tensor, optional
        Competes as it is, and is a start when it has been moved away from 0 by the projection.
    """
    S, B, score = n_starts + (first is not None), len(y), score_of(1)

    def judged(r: Tensor) -> Tensor:
        # batches of B throughout, so that the same data give the same image to the last digit
        return score(phi.images(y + to_data(r)), r)

    random = torch.stack(drawn)
    values = torch.stack([judged(r) for r in drawn])  # (draws, B)
    everyone = torch.arange(B, device=y.device)
    starts = random[values.topk(n_starts, dim=0).indices, everyone]
    if first is not None:
        starts = torch.cat([starts, project_of(1)(_enlarged(first, random[0]))[None]])
    state = {} if phi.gradient == "none" else phi.at(y).state
    many = phi.repeat(S)
    climb = ascend(
        many, y.repeat_interleave(S, 0), starts.transpose(0, 1).flatten(0, 1), score_of(S), project_of(S), steps,
        generator, {name: value.repeat_interleave(S, 0) for name, value in state.items()}, to_data, pull,
    )  # fmt: skip
    phi.evaluations += many.evaluations
    ends, believed = climb.r.unflatten(0, (B, S)).transpose(0, 1), climb.value.reshape(B, S).T
    rest, rest_values = [random], [values]
    if first is not None:
        rest, rest_values = [*rest, first[None]], [*rest_values, judged(first)[None]]
    candidates = torch.cat([ends, *rest])
    found = torch.cat([torch.stack([judged(r) for r in ends]), *rest_values])
    best = torch.where(torch.isfinite(found), found, -torch.inf).argmax(0)
    r = candidates[best, everyone]
    x = phi.images(y + to_data(r))
    return Found(
        r=r, x=x, value=score(x, r), believed=torch.cat([believed, *rest_values])[best, everyone], random=values,
        trace=climb.trace.reshape(-1, B, S).transpose(1, 2), evaluations=phi.evaluations / B,
    )  # fmt: skip


def _enlarged(first: Tensor, other: Tensor) -> Tensor:
    """``first`` with a length beyond that of ``other``, in whose place other stands where first is 0."""
    shape = (-1, *[1] * (first.ndim - 1))
    length, wanted = (part.flatten(1).norm(dim=1) for part in (first, other))
    scale = 2 * wanted / length.clamp_min(torch.finfo(first.dtype).tiny)
    return torch.where((length > 0).reshape(shape), first * scale.reshape(shape), other)
