"""What a check cell answers: right or not yet, by how much, and what was probably done.

A check hands its function to ``examine`` with two or more cases, so that no constant passes, and with the answers that
typical mistakes give.  An answer may be a tensor, an array, a list or a tuple, in single or double precision.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ._budget import Overrun, limited, metered

__all__ = [
    "Verdict", "as_numbers", "attempt", "call", "compare", "examine", "judge", "not_yet", "number", "right",
    "tolerance",
]  # fmt: skip

#: What single precision may cost: an answer computed in it need not be closer than that, relative to its largest entry.
SINGLE = 1e-4
#: Factors that come from a misread formula.  Others are named only if every entry of an image says so.
FACTORS = {0.5: "half of", 2: "twice", 0.25: "a quarter of", 4: "four times", -0.5: "-1/2 times", -2: "-2 times"}


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

    >>> bool(not_yet("the norm is 2.0, twice too large"))
    ✗ Not yet: the norm is 2.0, twice too large
    False
    """
    return Verdict(False, message)


# What the student handed in


def as_numbers(value) -> Tensor | None:
    """An answer as a tensor on the CPU, float64 or complex128, or None: lists and tuples of tensors are stacked.

    >>> as_numbers([torch.ones(2), torch.zeros(2)]).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    >>> as_numbers("many") is None
    True
    """
    if isinstance(value, (list, tuple)):
        parts: list[Any] = [as_numbers(part) for part in value]
        if not parts or any(part is None or part.shape != parts[0].shape for part in parts):
            return None
        return torch.stack([part.to(max((p.dtype for p in parts), key=lambda d: d.is_complex)) for part in parts])
    if isinstance(value, (bool, int, float)):  # torch would take single precision
        return torch.tensor(value, dtype=torch.float64)
    try:
        tensor = torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        return None
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def tolerance(value, rtol: float) -> float:
    """``rtol``, or what single precision costs if an answer was computed in it."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    single = any(str(getattr(part, "dtype", "")).endswith(("float32", "complex64")) for part in parts)
    return max(rtol, SINGLE) if single else rtol


def number(value, what: str, positive: bool = False) -> tuple[float | None, Verdict | None]:
    """An answer that is one number: a Python or NumPy number, a tensor with one entry.  Else None and a verdict.

    >>> number(torch.tensor([0.5]), "lam")
    (0.5, None)
    >>> value, problem = number("0,5", "lam")
    ✗ Not yet: lam must be a number, got str
    """
    if value is None or value is Ellipsis:
        return None, not_yet(f"{what} is still empty: replace the placeholder")
    tensor = as_numbers(value)
    if tensor is None or tensor.is_complex():
        return None, not_yet(f"{what} must be a number, got {type(value).__name__}")
    if tensor.numel() != 1:
        return None, not_yet(f"{what} must be one number, got {tensor.numel()} of them, shape {tuple(tensor.shape)}")
    found = float(tensor)
    if not torch.isfinite(tensor).all():
        return None, not_yet(f"{what} must be finite, got {found}")
    if positive and found <= 0:
        detail = "; is it the logarithm?" if found < 0 else ""
        return None, not_yet(f"{what} must be positive, got {found:g}{detail}")
    return found, None


# Calling what the student wrote


def _explained(error: Exception) -> str:
    text = " ".join(str(error).split())
    if len(text) > 300:
        text = text[:300] + " ..."
    hint = ""
    if isinstance(error, (RuntimeError, TypeError)) and ("dtype" in text or "scalar type" in text):
        hint = "; the check may compute in float64: give new tensors the dtype of those you were handed, dtype=x.dtype"
    return f"your function raised {type(error).__name__}: {text}{hint}"


def attempt(function: Callable, *args) -> tuple[object, Verdict | None]:
    """Call what the student wrote, within a budget.  Returns its value and None, or None and a verdict.

    >>> attempt(lambda v: 2 * v, 3)
    (6, None)
    >>> value, problem = attempt(lambda v: v.shape, 3)
    ✗ Not yet: your function raised AttributeError: 'int' object has no attribute 'shape'
    """
    if not callable(function):
        return None, not_yet(f"expected a function, got {type(function).__name__}")
    try:
        return limited(function, *args), None
    except Overrun as spent:
        return None, not_yet(f"your function was stopped: {spent}")
    except Exception as error:  # whatever the student's code raises, the check cell explains it
        return None, not_yet(_explained(error))


def call(function: Callable, cases: Sequence[tuple], names: Sequence[str]) -> tuple[list, Verdict | None]:
    """Call what the student wrote on every case.  Returns its answers and None, or a verdict.

    Functions and operators among the arguments count their calls; tensors must come back unchanged.
    """
    found = []
    for case in cases:
        given = [a.clone() if type(a) is Tensor else metered(a, n) for a, n in zip(case, names, strict=True)]
        value, problem = attempt(function, *given)
        if problem is not None:
            return [], problem
        for name, before, after in zip(names, case, given, strict=True):
            if type(before) is Tensor and not torch.equal(before, after):
                return [], not_yet(f"your function changed its argument {name} in place; make a new tensor")
        found.append(value)
    return found, None


# Comparing


def _same(value: Tensor, wrong, rtol: float, atol: float) -> bool:
    wrong = as_numbers(wrong)
    if wrong is None or wrong.shape != value.shape:
        return False
    size = float(wrong.abs().max()) if wrong.numel() else 0.0
    return bool(((value - wrong).abs() <= atol + rtol * size).all())


def _off(value: float, expected: float) -> str:
    """How far a number is off, too roughly to tell what it should be."""
    if expected == 0 or value == 0:
        return "which is too large" if value > expected else "which is too small"
    ratio, direction = value / expected, "large" if abs(value) > abs(expected) else "small"
    if ratio < 0:
        return "which has the wrong sign"
    if abs(ratio - 1) < 0.01:
        return f"which is less than 1 per cent too {direction}"
    if 0.1 < ratio < 2:
        return f"which is {100 * abs(ratio - 1):.0f} per cent too {direction}"
    times = max(ratio, 1 / ratio)
    return f"which is {times:{'.2g' if times < 10 else '.0f'}} times too {direction}"


def _factor(values: list[Tensor], expected: list[Tensor], rtol: float) -> str:
    """A clause if all answers are the right ones times one factor."""
    e = torch.cat([part.flatten() for part in expected])
    v = torch.cat([part.flatten() for part in values])
    if e.is_complex() or v.is_complex() or not bool(e.any()):
        return ""
    if not bool(v.any()):
        return "it is 0 throughout"
    factor = float(v @ e / (e @ e))
    if not bool(((v - factor * e).abs() <= max(rtol, 1e-9) * v.abs().max()).all()):
        return ""
    if abs(factor + 1) < 1e-3:
        return "only the sign is wrong"
    for known, words in FACTORS.items():
        if abs(factor - known) < 1e-3 * abs(known):
            return f"it is {words} what is asked for: look for a factor"
    return f"it is {factor:.3g} times what is asked for: look for a factor" if len(e) > 4 else ""


def judge(
    found: Sequence,
    expected: Sequence,
    what: str,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    mistakes: Mapping[str, Sequence] | None = None,
) -> tuple[bool, str]:
    """Compare answers with the right ones, silently: right or not, and the message for a verdict.

    Parameters
    ----------
    found : sequence
        The student's answers to several cases; None, a wrong type and a wrong shape each get their own message.
    expected : sequence of tensors or numbers
    what : str
        What is compared, as the subject of the sentence, for example "the adjoint".
    rtol, atol : float
        Right if every entry is within ``atol + rtol * max|expected|``; single precision may cost 1e-4.
    mistakes : dict of explanation -> wrong answers, optional
        If all answers equal those of one mistake, the explanation is added.

    Example
    -------
    >>> judge([4.0], [2.0], "the norm", mistakes={"did you forget the square root?": [4.0]})
    (False, 'the norm is 4, which is 2 times too large; did you forget the square root?')
    """
    values, worst, allowed, complaint = [], 0.0, atol, ""
    for answer, wanted in zip(found, expected, strict=True):
        if answer is None or answer is Ellipsis:
            return False, f"{what} is still empty: replace the placeholder"
        value, target = as_numbers(answer), cast(Tensor, as_numbers(wanted))
        if value is None:
            return False, f"{what} must be {'a number' if not target.ndim else 'a tensor'}, got {type(answer).__name__}"
        if not target.ndim and value.numel() == 1:
            value = value.reshape(())
        if (
            value.is_complex()
            and not target.is_complex()
            and bool((value.imag.abs() <= 1e-6 * value.abs().max()).all())
        ):
            value = value.real  # what is left is round-off of a Fourier transform
        values.append(value)
        if complaint:
            continue
        if value.shape != target.shape:
            complaint = f"{what} has shape {tuple(value.shape)}, expected {tuple(target.shape)}"
            if value.numel() == target.numel() and _same(value.reshape(target.shape), target, SINGLE, atol):
                complaint += "; the numbers are right, give them that shape"
            continue
        if not torch.isfinite(value).all():
            return False, f"{what} holds {int((~torch.isfinite(value)).sum())} NaN or infinite entries"
        if value.is_complex() and not target.is_complex():
            complaint = f"{what} has an imaginary part, and a real answer is expected"
            continue
        difference = float((value - target).abs().max()) if value.numel() else 0.0
        size = float(target.abs().max()) if target.numel() else 0.0
        bound = atol + tolerance(answer, rtol) * size
        worst, allowed = max(worst, difference), max(allowed, bound)
        if difference > bound and value.ndim == 0:
            complaint = f"{what} is {float(value):.6g}, {_off(float(value), float(target))}"
        elif difference > bound:
            complaint = f"{what} differs by up to {difference:.3g}, allowed {bound:.1e} (largest entry {size:.3g})"
    if not complaint:
        return True, f"{what} agrees" + (
            f"; largest difference {worst:.1e}, allowed {allowed:.1e}" if worst else " exactly"
        )
    loose = max(tolerance(answer, rtol) for answer in found)
    for explanation, wrong in (mistakes or {}).items():
        if all(_same(v, w, loose, atol) for v, w in zip(values, wrong, strict=True)):
            return False, f"{complaint}; {explanation}"
    targets = [cast(Tensor, as_numbers(wanted)) for wanted in expected]
    if all(v.shape == t.shape for v, t in zip(values, targets, strict=True)):
        hint = _factor(values, targets, loose)
        return False, f"{complaint}; {hint}" if hint else complaint
    return False, complaint


def compare(
    found,
    expected: Tensor | float,
    what: str,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    mistakes: Mapping[str, Tensor | float] | None = None,
) -> Verdict:
    """Compare one answer with the right one, as ``judge`` does, and print the verdict.

    Example
    -------
    >>> ok = compare(2.0, 2.0, "the norm")
    ✓ Right: the norm agrees exactly
    >>> ok = compare(4.0, 2.0, "the norm", mistakes={"did you forget the square root?": 4.0})
    ✗ Not yet: the norm is 4, which is 2 times too large; did you forget the square root?
    """
    wrong = {words: [value] for words, value in (mistakes or {}).items()}
    return Verdict(*judge([found], [expected], what, rtol, atol, wrong))


def examine(
    function: Callable,
    cases: Sequence[tuple],
    solution: Callable,
    what: str,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    mistakes: Mapping[str, Callable] | None = None,
    also: Callable[[list], str] | None = None,
) -> Verdict:
    """Try what the student wrote on several cases and compare it with the solution.

    Parameters
    ----------
    function : callable
        The student's.
    cases : sequence of tuples
        Arguments.  Two cases at least, of different size: then no constant passes.
    solution : callable
        The right function; its parameters name the arguments in messages.
    what, rtol, atol
        As in ``judge``.
    mistakes : dict of explanation -> callable, optional
        What typical mistakes return for the same arguments.  The first that agrees in all cases is named.
    also : callable, optional
        The answers, if they agree -> a complaint, or "".

    Example
    -------
    >>> mistakes = {"add, do not double": lambda u: 2 * u}
    >>> ok = examine(lambda u: 2 * u, [(1.0,), (3.0,)], lambda u: u + 1, "it", mistakes=mistakes)
    ✗ Not yet: it is 6, which is 50 per cent too large; add, do not double
    """
    found, problem = call(function, cases, list(inspect.signature(solution).parameters))
    if problem is not None:
        return problem
    wrong = {words: _Lazy(mistake, cases) for words, mistake in (mistakes or {}).items()}
    ok, message = judge(found, [solution(*case) for case in cases], what, rtol, atol, wrong)
    if ok and also is not None and (complaint := also(found)):
        return not_yet(complaint)
    return Verdict(ok, message)


class _Lazy(Sequence):
    """What a mistake returns for the cases, computed when it is looked at."""

    def __init__(self, mistake: Callable, cases: Sequence[tuple]) -> None:
        self.mistake, self.cases = mistake, cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, k: Any) -> Any:
        return self.mistake(*self.cases[k])
