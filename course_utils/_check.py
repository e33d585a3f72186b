"""Argument checks: one clear error that names the argument, what was expected and what came.

Those of numbers, choices and paths return the value in the form that the library computes with: NumPy's numbers and
tensors without axes become plain ones, because an ``int8`` would overflow in the first product.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import numbers
import operator
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch

#: A message lists choices in so many characters at most.
LISTED = 500
#: Set within ``trusting``.
_TRUSTED = contextvars.ContextVar("trusted", default=False)


def check_tensor(name: str, value, shape: tuple | None = None, like: torch.Tensor | None = None) -> None:
    """Raise unless ``value`` is a floating tensor of ``shape`` (``None`` entries are free) beside ``like``.

    ``like`` gives the dtype and the device that ``value`` has to have.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"'{name}' must be a torch.Tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"'{name}' must be a floating-point tensor, got dtype {value.dtype}")
    if shape is not None:
        fits = value.ndim == len(shape) and all(s is None or s == n for s, n in zip(shape, value.shape, strict=True))
        if not fits:
            want = "(" + ", ".join("B" if s is None else str(s) for s in shape) + ")"
            raise ValueError(f"'{name}' must have shape {want}, got {tuple(value.shape)}")
    if like is not None:
        if value.dtype != like.dtype:
            raise TypeError(f"'{name}' must have dtype {like.dtype}, got {value.dtype}")
        if value.device != like.device:
            raise ValueError(f"'{name}' must be on device {like.device}, got {value.device}")


def check_finite(name: str, value: torch.Tensor) -> None:
    """Raise a ValueError if ``value`` holds a NaN or an infinity, saying how many."""
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise ValueError(f"'{name}' must be finite, got {bad} NaN or infinite entries of {value.numel()}")


def check_nonnegative(name: str, value) -> int | float:
    """The number, finite and >= 0."""
    value = _real(name, value)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"'{name}' must be finite and >= 0, got {value:g}")
    return value


def check_positive(name: str, value) -> int | float:
    """The number, finite and > 0."""
    value = check_nonnegative(name, value)
    if value == 0:
        raise ValueError(f"'{name}' must be > 0, got 0")
    return value


def check_choice(name: str, value, choices: Iterable):
    """The one of ``choices`` that ``value`` is; if it is none, they are listed, or of many those like it."""
    choices = list(choices)
    for choice in choices:
        if isinstance(value, str) == isinstance(choice, str) and not isinstance(value, bool):
            if choice == (value if isinstance(choice, str) else _index(value)):
                return choice
    came = repr(value) if isinstance(value, (str, int)) else _shown(value)
    listed = ", ".join(map(repr, choices))
    if len(listed) > LISTED:
        near = get_close_matches(str(value), map(str, choices), n=6, cutoff=0.4)
        some, which = (near, "such as") if near else (choices[:3], "none like it, for example")
        listed = f"{len(choices)} names, {which} {', '.join(map(repr, some))}"
    raise ValueError(f"'{name}' must be one of {listed}, got {came}")


def check_count(name: str, value, minimum: int = 1) -> int:
    """The integer, at least ``minimum``."""
    found = _index(value)
    if found is None:
        raise TypeError(f"'{name}' must be an integer, got {_shown(value)}")
    if found < minimum:
        raise ValueError(f"'{name}' must be at least {minimum}, got {found}")
    return found


def check_seed(name: str, value) -> int:
    """The seed of a random generator: an integer >= 0 of at most 64 bits."""
    found = check_count(name, value, minimum=0)
    if found >= 2**63:
        raise ValueError(f"'{name}' must be less than 2^63, got {found}")
    return found


def check_number(name: str, value) -> int | float:
    """The number, finite: Python's, NumPy's, or a tensor without axes."""
    found = _real(name, value)
    if not math.isfinite(found):
        raise ValueError(f"'{name}' must be finite, got {found:g}")
    return found


def plain(value):
    """NumPy's numbers and tensors without axes as Python's; anything else as it is."""
    if isinstance(value, np.generic) or (isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 0):
        return value.item()
    return value


def check_between(name: str, value, low: float, high: float, ends: str = "()") -> int | float:
    """The number, in an interval; ``ends`` says by its brackets whether they belong to it."""
    value = check_number(name, value)
    above = low <= value if ends[0] == "[" else low < value
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below):
        raise ValueError(f"'{name}' must lie in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value:g}")
    return value


def check_weights(name: str, value) -> int | float | torch.Tensor:
    """A number, or a tensor with one weight for each problem, finite and >= 0."""
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        return check_nonnegative(name, value)
    if not value.is_floating_point():
        raise TypeError(f"'{name}' must be a number or a floating-point tensor, got dtype {value.dtype}")
    check_nonnegative_entries(name, value)
    return value


def check_nonnegative_entries(name: str, value: torch.Tensor) -> None:
    """Raise unless all entries of a tensor are finite and >= 0."""
    good = torch.isfinite(value) & (value >= 0)
    if not bool(good.all()):
        raise ValueError(
            f"'{name}' must be finite and >= 0, got {value[~good].flatten()[0].item():g} among its entries"
        )


def check_numbers(name: str, value, least: int = 1) -> list[int | float]:
    """The entries of a list, tuple, array or tensor with one axis, each a finite number."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        if value.ndim != 1:
            raise ValueError(f"'{name}' must have one axis, got shape {tuple(value.shape)}")
        value = value.tolist()
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise TypeError(f"'{name}' must be a sequence of numbers, got {_shown(value)}")
    found = []
    for entry in value:
        if not isinstance(plain(entry), numbers.Real):
            raise TypeError(f"'{name}' must be a sequence of numbers, got one with a {type(entry).__name__} in it")
        found.append(check_number(name, entry))
    if len(found) < least:
        raise ValueError(f"'{name}' must hold at least {least} number{'s' * (least > 1)}, got {len(found)}")
    return found


def check_flag(name: str, value) -> bool:
    """True or False; other values are refused, because "no" would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"'{name}' must be True or False, got {_shown(value)}")
    return bool(value)


def check_text(name: str, value) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"'{name}' must be a string, got {_shown(value)}")
    return value


def check_kind(name: str, value, kind: type | tuple[type, ...], words: str = ""):
    """An instance of ``kind``; ``words`` say what that is where the name of the class does not."""
    if not isinstance(value, kind):
        first = kind[0] if isinstance(kind, tuple) else kind
        raise TypeError(f"'{name}' must be {words or f'a {first.__name__}'}, got {_shown(value)}")
    return value


def check_generator(generator, name: str = "generator") -> None:
    """Raise unless ``generator`` is a torch.Generator."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"'{name}' must be a torch.Generator, got {_shown(generator)}")


def check_callable(name: str, value) -> None:
    """Raise unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"'{name}' must be callable, got {_shown(value)}")


def check_path(name: str, value) -> Path:
    """A path, from a string or a path."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise TypeError(f"'{name}' must be a path, got {_shown(value)}")
    if "\0" in os.fspath(value):
        raise ValueError(f"'{name}' must be a path, got one with a null character")
    return Path(value)


def check_device(name: str, value, here: bool = True) -> torch.device:
    """A device, one that torch finds ``here`` or that it knows at all."""
    if not isinstance(value, (str, torch.device)):
        raise TypeError(f"'{name}' must be a torch.device or its name, got {_shown(value)}")
    try:
        device = torch.device(value)
        if here:
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"'{name}' must be a device that torch {'finds here' if here else 'knows'}, got {str(value)!r}"
        ) from error
    return device


def check_angles(name: str, value) -> np.ndarray:
    """Angles in radians, float64, in an array of their own."""
    found = np.array(check_numbers(name, value), dtype=float)
    if float(np.abs(found).max()) > 2 * math.pi + 1e-6:
        raise ValueError(f"'{name}' are in radians, between -2 pi and 2 pi, got {np.abs(found).max():g}: degrees?")
    return found


@contextlib.contextmanager
def trusting():
    """Within it operators do not look for NaN.

    In the loop of an algorithm a trial step may be infinite; that is not an error of the caller, and is noticed there.
    """
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def check_entries(name: str, value: torch.Tensor) -> None:
    """``check_finite`` where values can be looked at: not in an algorithm's loop, nor under ``torch.func.vmap``."""
    if _TRUSTED.get():
        return
    try:
        # one pass: a sum of finite numbers is finite, but for overflow, which check_finite sees through
        finite = bool(torch.isfinite(value.detach().sum()))
    except RuntimeError:  # vmap knows no control flow that depends on values
        return
    if not finite:
        check_finite(name, value)


def default(value: torch.Tensor) -> torch.Tensor:
    """In torch's default dtype, or the complex one that belongs to it: what the library makes has one precision."""
    dtype = torch.get_default_dtype()
    if value.is_complex():
        dtype = {torch.float64: torch.complex128, torch.float16: torch.complex32}.get(dtype, torch.complex64)
    return value.to(dtype)


def _real(name: str, value) -> int | float:
    """The real number that ``value`` is, perhaps infinite."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, numbers.Real):
        raise TypeError(f"'{name}' must be a number, got {_shown(value)}")
    if type(found) is int:
        return found
    return int(found) if isinstance(found, numbers.Integral) else float(found)


def _index(value) -> int | None:
    """The integer that ``value`` is, or None."""
    if isinstance(value, (bool, np.bool_)) or getattr(value, "dtype", None) in (torch.bool, np.dtype(bool)):
        return None
    if getattr(value, "ndim", 0):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _shown(value) -> str:
    """A value in a message: itself if it is short, else its type and shape."""
    if isinstance(value, (str, int, float)):
        return f"{type(value).__name__} {value!r:.60}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return type(value).__name__
