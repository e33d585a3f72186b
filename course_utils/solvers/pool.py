"""Bookkeeping of a batch in which every problem stops by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from ..regularisers.objective import Objective

__all__ = ["CONVERGED", "FAILED", "MAX_ITER", "ROUND_OFF", "Pool", "check_first", "machine_noise"]

#: Why a problem stopped: budget used up; the stopping rule held; no step can decrease f beyond round-off; values or
#: gradients were not finite, or the objective rose.
MAX_ITER, CONVERGED, ROUND_OFF, FAILED = 0, 1, 2, 3


def machine_noise(objective: Objective, f: Tensor) -> Tensor:
    """The change of a value f that floating point cannot tell from none.

    f is a sum of squares of differences; each difference is off by eps times what is subtracted, so f is off by
    eps times the root of f times the ``magnitude`` of the data.
    """
    size = f.abs()
    return 10 * torch.finfo(f.dtype).eps * (size * torch.maximum(size, objective.magnitude())).sqrt()


def check_first(objective: Objective, f: Tensor) -> None:
    """Raise a ValueError if the objective is not finite where a solver starts; it may be infinite for other data terms.

    Weights of a diverged training, a start or data so large that squares overflow: no step leads out of that.
    """
    bad = ~torch.isfinite(f) if objective.fidelity.squared else torch.isnan(f)
    if bad.any():
        raise ValueError(
            f"the objective is {f[bad][0].item()} where the solver starts, for {int(bad.sum())} of {len(f)} problems: "
            "'start', 'y', or the weights of the generator, are not finite or too large for the dtype"
        )


class Pool:
    """The unfinished problems of a batch.

    Per-problem tensors live in the attributes given to ``__init__`` and hold only the unfinished ones, whose
    numbers are in ``index``; ``drop`` files the finished ones away, and ``results`` has them all in order.
    """

    def __init__(self, objective: Objective, **state: Tensor) -> None:
        if "f" in state:
            check_first(objective, state["f"])
        first = next(iter(state.values()))
        size, device = len(first), first.device

        def count():
            return torch.zeros(size, dtype=torch.int64, device=device)

        state |= {"status": count(), "iterations": count(), "values": count(), "gradients": count()}
        self.objective, self.names = objective, tuple(state)
        self.index = torch.arange(size, device=device)
        self.results = {name: tensor.clone() for name, tensor in state.items()}
        self._traces: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for name, tensor in state.items():
            setattr(self, name, tensor.clone())

    def __len__(self) -> int:
        return len(self.index)

    def trace(self, **values: Tensor) -> None:
        """Remember the present values of the unfinished problems."""
        for name, value in values.items():
            self._traces.setdefault(name, []).append((self.index, value.clone()))

    def traces(self) -> dict[str, Tensor]:
        """Everything that was remembered: (steps, B, ...), NaN after a problem has finished."""
        out = {}
        for name, records in self._traces.items():
            shape = (len(records), len(self.results["status"]), *records[0][1].shape[1:])
            out[name] = torch.full(shape, float("nan"), dtype=records[0][1].dtype, device=self.index.device)
            for k, (index, value) in enumerate(records):
                out[name][k, index] = value
        return out

    def stop(self, done: Tensor, stuck: Tensor | None = None, broken: Tensor | None = None) -> Tensor:
        """Note why problems stop: the rule held, round-off, or what is no longer finite.  Returns which ones stop."""
        for where, status in ((done, CONVERGED), (stuck, ROUND_OFF), (broken, FAILED)):
            if where is not None:
                self.status = torch.where(where, status, self.status)
        return self.status != MAX_ITER

    def drop(self, done: Tensor) -> None:
        """File the problems where ``done`` (a bool per unfinished problem) holds, keep the others."""
        finished = done.nonzero().squeeze(1)
        if not len(finished):
            return
        rest = (~done).nonzero().squeeze(1)
        for name in self.names:
            tensor = getattr(self, name)
            self.results[name][self.index[finished]] = tensor[finished]
            setattr(self, name, tensor[rest])
        self.index, self.objective = self.index[rest], self.objective.select(rest)

    def close(self) -> dict[str, Tensor]:
        """File what is left and return all results."""
        self.drop(torch.ones(len(self), dtype=torch.bool, device=self.index.device))
        return self.results
