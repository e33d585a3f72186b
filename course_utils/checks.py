"""What a check cell answers: right or not yet, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Verdict", "attempt", "compare", "not_yet", "right"]


@dataclass(frozen=True)
class Verdict:
    """The answer of a check: truthy if the exercise is solved.  Its message is printed when it is made.

    Attributes
    ----------
    ok : bool
    message : str
        One line: what was compared, the difference, and where known the likely cause.
    """

    ok: bool
    message: str

    def __post_init__(self) -> None:
        print(self)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return f"{'✓ Right' if self.ok else '✗ Not yet'}: {self.message}"

    def _ipython_display_(self) -> None:
        """Nothing more to show: the line is printed already."""


def right(message: str) -> Verdict:
    """A passed check.

    >>> bool(right("the norm is 1.000"))
    ✓ Right: the norm is 1.000
    True
    """
    return Verdict(True, message)


def not_yet(message: str) -> Verdict:
    """A failed check; the message says by how much, and what to look at.

    >>> bool(not_yet("the norm is 2.0, expected 1.0"))
    ✗ Not yet: the norm is 2.0, expected 1.0
    False
    """
    return Verdict(False, message)


def attempt(function: Callable, *args, **kwargs) -> tuple[object, Verdict | None]:
    """Call what the student wrote.  Returns its value and None, or None and a verdict that names the error.

    >>> attempt(lambda v: 2 * v, 3)
    (6, None)
    >>> value, problem = attempt(lambda v: v.shape, 3)
    ✗ Not yet: your function raised AttributeError: 'int' object has no attribute 'shape'
    """
    if not callable(function):
        return None, not_yet(f"expected a function, got {type(function).__name__}")
    try:
        return function(*args, **kwargs), None
    except Exception as error:  # whatever the student's code raises, the check cell explains it
        return None, not_yet(f"your function raised {type(error).__name__}: {error}")


def compare(
    found,
    expected: Tensor | float,
    what: str,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    mistakes: Mapping[str, Tensor | float] | None = None,
) -> Verdict:
    """Compare an answer with the right one: exact, approximate, or off by so much.

    Parameters
    ----------
    found : tensor or number
        The student's answer; None, a wrong type and a wrong shape each get their own message.
    expected : tensor or float
    what : str
        What is compared, as the subject of the sentence, for example "the adjoint".
    rtol, atol : float
        Right if every entry is within ``atol + rtol * max|expected|``.
    mistakes : dict of explanation -> wrong answer, optional
        If the answer equals one of these, the explanation is added.

    Returns
    -------
    Verdict

    Example
    -------
    >>> ok = compare(2.0, 2.0, "the norm")
    ✓ Right: the norm agrees exactly
    >>> ok = compare(4.0, 2.0, "the norm", mistakes={"did you forget the square root?": 4.0})
    ✗ Not yet: the norm is 4, expected 2 (off by 2); did you forget the square root?
    """
    if found is None or found is Ellipsis:
        return not_yet(f"{what} is still empty: replace the placeholder")
    expected = torch.as_tensor(expected, dtype=torch.float64)
    try:
        value = torch.as_tensor(found).detach().cpu().to(torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return not_yet(f"{what} must be a tensor or a number, got {type(found).__name__}")
    if value.shape != expected.shape:
        return not_yet(f"{what} has shape {tuple(value.shape)}, expected {tuple(expected.shape)}")
    if not torch.isfinite(value).all():
        return not_yet(f"{what} holds {int((~torch.isfinite(value)).sum())} NaN or infinite entries")
    difference = float((value - expected).abs().max()) if value.numel() else 0.0
    size = float(expected.abs().max()) if expected.numel() else 0.0
    tolerance = atol + rtol * size
    if difference == 0:
        return right(f"{what} agrees exactly")
    if difference <= tolerance:
        return right(f"{what} agrees; largest difference {difference:.1e}, allowed {tolerance:.1e}")
    if value.ndim == 0:
        message = f"{what} is {float(value):.6g}, expected {float(expected):.6g} (off by {difference:.3g})"
    else:
        message = f"{what} differs by up to {difference:.3g}, allowed {tolerance:.1e} (largest entry {size:.3g})"
    for explanation, wrong in (mistakes or {}).items():
        wrong = torch.as_tensor(wrong, dtype=torch.float64)
        if wrong.shape == value.shape and float((value - wrong).abs().max()) <= atol + rtol * float(wrong.abs().max()):
            return not_yet(f"{message}; {explanation}")
    return not_yet(message)
