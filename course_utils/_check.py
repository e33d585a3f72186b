"""Argument checks: one clear error that names the argument, what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch


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
    bad = int((~torch.isfinite(value)).sum())
    if bad:
        raise ValueError(f"'{name}' must be finite, got {bad} NaN or infinite entries of {value.numel()}")


def check_nonnegative(name: str, value) -> None:
    """Raise unless ``value`` (a number or a tensor) is finite and >= 0."""
    if isinstance(value, torch.Tensor):
        bad = value[~(torch.isfinite(value) & (value >= 0))]
        if bad.numel():
            raise ValueError(f"'{name}' must be finite and >= 0, got {bad.flatten()[0].item():g} among its entries")
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"'{name}' must be a number, got {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"'{name}' must be finite and >= 0, got {value:g}")


def check_positive(name: str, value) -> None:
    """Raise unless ``value`` (a number or a tensor) is finite and > 0."""
    check_nonnegative(name, value)
    if bool((value == 0).any()) if isinstance(value, torch.Tensor) else value == 0:
        raise ValueError(f"'{name}' must be > 0, got 0")


def check_choice(name: str, value, choices: Iterable) -> None:
    """Raise unless ``value`` is one of ``choices``, listing them."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"'{name}' must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_count(name: str, value, minimum: int = 1) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"'{name}' must be an integer, got {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"'{name}' must be at least {minimum}, got {value}")
