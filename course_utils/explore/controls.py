"""Which values the control of an explorer can take."""

from __future__ import annotations

import math

import ipywidgets

__all__ = ["can_have", "same", "stops"]


def stops(control) -> list:
    """Where the tests put a control."""
    if getattr(control, "options", None):
        # (label, value) pairs or plain values; ipywidgets keeps the values in this order
        return [value for _, value in control._options_full]
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [control.base**control.min, control.value, control.base**control.max]
    if hasattr(control, "min") and hasattr(control, "max"):
        return sorted({control.min, control.value, control.max})
    return [control.value]


def same(a, b) -> bool:
    """Equal, numbers up to rounding."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (a, b))
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) if numbers else type(a) is type(b) and a == b


def can_have(control, value, default) -> bool:
    """Whether a reader could bring the control to this value; the default counts, wherever it stands."""
    if same(value, default):
        return True
    if getattr(control, "options", None) or isinstance(control, ipywidgets.Checkbox):
        return any(same(value, stop) for stop in stops(control))
    if not (hasattr(control, "min") and hasattr(control, "max")):
        return isinstance(value, type(default))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(control, ipywidgets.FloatLogSlider):
        if value <= 0:
            return False
        value = math.log(value, control.base)
    steps = (value - control.min) / control.step
    inside = control.min - 1e-6 * control.step <= value <= control.max + 1e-6 * control.step
    return inside and math.isclose(steps, round(steps), abs_tol=1e-4)
