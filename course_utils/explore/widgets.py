"""Controls with a tooltip, for the ipywidgets 8 of an own installation and for the 7.7 that Colab has.

ipywidgets 8 calls it ``tooltip``.  In 7 only buttons do; the others call it ``description_tooltip``, and drop the other
name without an error.  So chapters make their controls with these functions, which take ``tooltip`` and return
ordinary widgets.

>>> control = IntSlider(2, 1, 4, description="size", tooltip="width in inches")
>>> type(control) is ipywidgets.IntSlider, tooltip_of(control)
(True, 'width in inches')
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

__all__ = [
    "Checkbox", "Dropdown", "FloatLogSlider", "FloatSlider", "IntSlider", "SelectionSlider", "ToggleButtons",
    "tooltip_of", "view",
]  # fmt: skip

VIEW = "application/vnd.jupyter.widget-view+json"


def _trait(kind: type[ipywidgets.DOMWidget]) -> str:
    """What the installed ipywidgets calls the tooltip of this kind of widget."""
    return "tooltip" if "tooltip" in kind.class_trait_names() else "description_tooltip"


def tooltip_of(control: ipywidgets.DOMWidget) -> str:
    """The tooltip of a control, empty if it has none."""
    return getattr(control, _trait(type(control)), None) or ""


def view(widget: ipywidgets.DOMWidget, text: str) -> dict:
    """What a notebook shows for a widget, by MIME type; ``text`` where it cannot show widgets.

    ipywidgets 8 says it in ``_repr_mimebundle_``, 7 only sends it, in ``_ipython_display_``.
    """
    return {"text/plain": text, VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


def _maker(kind: type[ipywidgets.DOMWidget]) -> Callable[..., ipywidgets.DOMWidget]:
    def make(*args, tooltip: str = "", **settings) -> ipywidgets.DOMWidget:
        return kind(*args, **settings, **{_trait(kind): tooltip})

    make.__name__ = make.__qualname__ = kind.__name__
    make.__doc__ = f"An ``ipywidgets.{kind.__name__}`` that takes ``tooltip`` in every version."
    return make


Checkbox = _maker(ipywidgets.Checkbox)
Dropdown = _maker(ipywidgets.Dropdown)
FloatLogSlider = _maker(ipywidgets.FloatLogSlider)
FloatSlider = _maker(ipywidgets.FloatSlider)
IntSlider = _maker(ipywidgets.IntSlider)
SelectionSlider = _maker(ipywidgets.SelectionSlider)
ToggleButtons = _maker(ipywidgets.ToggleButtons)
