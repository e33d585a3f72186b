"""What is computed of an operator once, and again when its tensors have changed."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn

__all__ = ["Kept"]


class Kept:
    """What was computed of one operator, as long as it is as it was.

    It is forgotten when the tensors of the operator are moved, cast, replaced or changed in place, or another operator
    comes.  What is compared are the tensors themselves, their addresses and their versions: no entry is read, no tensor
    is kept alive, and tensors made in inference mode, which have no version, are changed in place unnoticed.  A copy
    begins empty, because a copied operator has tensors of its own.

    Example
    -------
    >>> import torch
    >>> from course_utils.operators import GaussianBlur
    >>> A, kept = GaussianBlur(28), Kept()
    >>> kept.of(A)["norm"] = 1.0
    >>> kept.of(A)
    {'norm': 1.0}
    >>> kept.of(A.double())
    {}
    """

    def __init__(self) -> None:
        self._operator: weakref.ref | None = None
        self._tensors: list[weakref.ref] = []
        self._marks: list[tuple[int, int]] = []
        self._found: dict[Any, Any] = {}

    def of(self, A: nn.Module) -> dict[Any, Any]:
        """What was computed of ``A`` as it is now; to be added to."""
        tensors = [*A.parameters(), *A.buffers()]
        marks = [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]
        known = self._operator is not None and self._operator() is A and marks == self._marks
        # an address alone does not do, because a new tensor may get that of one that is gone
        if not known or any(old() is not t for old, t in zip(self._tensors, tensors, strict=True)):
            self._operator, self._tensors = weakref.ref(A), [weakref.ref(t) for t in tensors]
            self._marks, self._found = marks, {}
        return self._found

    def __reduce__(self) -> tuple:
        return Kept, ()
